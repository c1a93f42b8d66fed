import { samePlace, type Gaze, type Place } from "./gaze";
import type { Extent } from "./source";
import {
  clamped,
  panned,
  scaleOf,
  showing,
  under,
  whole,
  zoomed,
  type Point,
  type Region,
  type Size,
  type Viewport,
} from "./viewport";

/** What pointers, wheel and keys do in a picture of a kernel. */

export interface InputRoom {
  readonly gaze: Gaze;
  readonly extent: Extent;
  readonly size: Size;
}

/** A press that moves no farther is a click, in CSS pixels. */
const stillness = 4;

type Gesture =
  | { readonly kind: "pan"; last: Point; moved: number }
  | { readonly kind: "brush"; readonly from: Place }
  | { readonly kind: "pinch"; apart: number; middle: Point };

export class HeatmapInput {
  readonly #stage: HTMLElement;
  /** Null while there is no picture. */
  readonly #room: () => InputRoom | null;
  readonly #pointers = new Map<number, Point>();
  #gesture: Gesture | null = null;
  /** Where a selection by keys began. */
  #anchor: Place | null = null;
  /** Whether the place was last moved by keys: then it is read out. */
  byKeys = false;

  constructor(stage: HTMLElement, room: () => InputRoom | null) {
    this.#stage = stage;
    this.#room = room;
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#up(event));
    stage.addEventListener("pointercancel", (event) => this.#end(event));
    stage.addEventListener("pointerleave", () => this.#leave());
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    stage.addEventListener("keydown", (event) => this.#key(event));
  }

  #down(event: PointerEvent): void {
    const room = this.#room();
    if (room === null || event.button !== 0) return;
    this.#stage.setPointerCapture(event.pointerId);
    const point = this.#pointOf(event);
    this.#pointers.set(event.pointerId, point);
    if (this.#pointers.size === 2) this.#gesture = { kind: "pinch", ...this.#spread() };
    else if (event.shiftKey) {
      const from = placeUnder(point, room);
      this.#gesture = { kind: "brush", from };
      room.gaze.change({ selection: regionBetween(from, from) });
    } else this.#gesture = { kind: "pan", last: point, moved: 0 };
  }

  #move(event: PointerEvent): void {
    const room = this.#room();
    if (room === null) return;
    const point = this.#pointOf(event);
    const gesture = this.#gesture;
    if (this.#pointers.has(event.pointerId)) this.#pointers.set(event.pointerId, point);
    if (gesture?.kind === "pan") {
      const by = { x: point.x - gesture.last.x, y: point.y - gesture.last.y };
      gesture.moved += Math.hypot(by.x, by.y);
      gesture.last = point;
      if (gesture.moved > stillness) this.#look(room, panned(viewportOf(room), by, room.extent, room.size));
    } else if (gesture?.kind === "pinch") {
      const { apart, middle } = this.#spread();
      const by = { x: middle.x - gesture.middle.x, y: middle.y - gesture.middle.y };
      // What was between the fingers stays between them
      const near = zoomed(viewportOf(room), apart / gesture.apart, gesture.middle, room.extent, room.size);
      this.#look(room, panned(near, by, room.extent, room.size));
      Object.assign(gesture, { apart, middle });
    } else if (gesture?.kind === "brush") {
      room.gaze.change({ selection: regionBetween(gesture.from, placeUnder(point, room)) });
    }
    if (gesture?.kind !== "pinch") this.#point(room, inside(point, room) ? placeUnder(point, room) : null);
  }

  #up(event: PointerEvent): void {
    const room = this.#room();
    const gesture = this.#gesture;
    this.#end(event);
    const point = this.#pointOf(event);
    if (room === null || gesture?.kind !== "pan" || gesture.moved > stillness || !inside(point, room)) return;
    const place = placeUnder(point, room);
    room.gaze.change({ place, pinned: samePlace(place, room.gaze.now.pinned) ? null : place });
  }

  #end(event: PointerEvent): void {
    this.#pointers.delete(event.pointerId);
    this.#gesture = null;
  }

  #leave(): void {
    if (this.#gesture === null && !this.byKeys) this.#room()?.gaze.change({ place: null });
  }

  /** At the whole kernel, the wheel has nothing to zoom out of: it scrolls the page. */
  #wheel(event: WheelEvent): void {
    const room = this.#room();
    if (room === null) return;
    const viewport = viewportOf(room);
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    // Two fingers that are spread on a touchpad arrive as a wheel with Control, and in smaller steps
    const factor = Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002));
    if (factor < 1 && viewport.zoom === 1 && !event.ctrlKey) return;
    event.preventDefault();
    this.#look(room, zoomed(viewport, factor, this.#pointOf(event), room.extent, room.size));
    this.#point(room, placeUnder(this.#pointOf(event), room));
  }

  #key(event: KeyboardEvent): void {
    const room = this.#room();
    if (room === null || event.altKey || event.metaKey) return;
    const { gaze, extent, size } = room;
    const middle = { x: size.width / 2, y: size.height / 2 };
    const zoom = (factor: number): void =>
      this.#look(room, zoomed(viewportOf(room), factor, this.#held(room), extent, size));
    const arrow = arrows[event.key];
    if (arrow !== undefined && event.ctrlKey) {
      const by = { x: (-arrow.column * size.width) / 4, y: (-arrow.row * size.height) / 4 };
      this.#look(room, panned(viewportOf(room), by, extent, size));
    } else if (arrow !== undefined) this.#step(room, arrow, event.shiftKey);
    else if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "0") this.#look(room, whole(extent));
    else if (event.key === "Enter" || event.key === " ") {
      const place = gaze.now.place ?? placeUnder(middle, room);
      gaze.change({ place, pinned: samePlace(place, gaze.now.pinned) ? null : place });
    } else if (event.key === "Escape" && (gaze.now.selection ?? gaze.now.pinned ?? gaze.now.place) !== null) {
      if (gaze.now.selection !== null) gaze.change({ selection: null });
      else gaze.change({ pinned: null, place: null });
    } else return;
    event.preventDefault();
  }

  /** From pair to pair; where they are smaller than a few pixels, over several at once. */
  #step(room: InputRoom, by: Place, selects: boolean): void {
    const { gaze, extent, size } = room;
    const viewport = viewportOf(room);
    const before = gaze.now.place ?? placeUnder({ x: size.width / 2, y: size.height / 2 }, room);
    const far = Math.max(1, Math.round(4 / scaleOf(viewport, extent, size)));
    const place = {
      row: Math.min(extent.rows - 1, Math.max(0, before.row + far * by.row)),
      column: Math.min(extent.columns - 1, Math.max(0, before.column + far * by.column)),
    };
    this.byKeys = true;
    if (!selects) this.#anchor = null;
    else this.#anchor ??= before;
    gaze.change({
      place,
      viewport: showing(viewport, place, extent, size),
      ...(this.#anchor ? { selection: regionBetween(this.#anchor, place) } : {}),
    });
  }

  /** Keys zoom where the place is, or else in the middle. */
  #held({ gaze, extent, size }: InputRoom): Point {
    const { place, viewport } = gaze.now;
    const middle = { x: size.width / 2, y: size.height / 2 };
    if (place === null || viewport === null) return middle;
    const scale = scaleOf(viewport, extent, size);
    const point = {
      x: middle.x + (place.column + 0.5 - viewport.column) * scale,
      y: middle.y + (place.row + 0.5 - viewport.row) * scale,
    };
    return point.x >= 0 && point.x <= size.width && point.y >= 0 && point.y <= size.height ? point : middle;
  }

  #look({ gaze }: InputRoom, viewport: Viewport): void {
    gaze.change({ viewport });
  }

  #point({ gaze }: InputRoom, place: Place | null): void {
    this.byKeys = false;
    this.#anchor = null;
    if (!samePlace(place, gaze.now.place)) gaze.change({ place });
  }

  #pointOf({ clientX, clientY }: MouseEvent): Point {
    const box = this.#stage.getBoundingClientRect();
    return { x: clientX - box.left, y: clientY - box.top };
  }

  #spread(): { apart: number; middle: Point } {
    const [a, b] = [...this.#pointers.values()];
    return { apart: Math.max(1, Math.hypot(a.x - b.x, a.y - b.y)), middle: { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 } };
  }
}

const arrows: Readonly<Record<string, Place | undefined>> = {
  ArrowUp: { row: -1, column: 0 },
  ArrowDown: { row: 1, column: 0 },
  ArrowLeft: { row: 0, column: -1 },
  ArrowRight: { row: 0, column: 1 },
};

export function viewportOf({ gaze, extent, size }: InputRoom): Viewport {
  return clamped(gaze.now.viewport ?? whole(extent), extent, size);
}

/** The nearest place to a point. */
function placeUnder(point: Point, room: InputRoom): Place {
  const { row, column } = under(point, viewportOf(room), room.extent, room.size);
  return {
    row: Math.min(room.extent.rows - 1, Math.max(0, Math.floor(row))),
    column: Math.min(room.extent.columns - 1, Math.max(0, Math.floor(column))),
  };
}

function inside(point: Point, room: InputRoom): boolean {
  const { row, column } = under(point, viewportOf(room), room.extent, room.size);
  return row >= 0 && column >= 0 && row < room.extent.rows && column < room.extent.columns;
}

/** Whole pairs, both ends among them. */
export function regionBetween(a: Place, b: Place): Region {
  return {
    top: Math.min(a.row, b.row),
    left: Math.min(a.column, b.column),
    bottom: Math.max(a.row, b.row) + 1,
    right: Math.max(a.column, b.column) + 1,
  };
}
