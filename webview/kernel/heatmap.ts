import type {
  KernelArrangement,
  KernelAxis,
  KernelEntry,
  KernelEntryRequest,
  KernelPicture,
  KernelRange,
} from "../../sidecar/protocol/ntk";
import { h, render, type Child, type Node_ } from "../dom";
import { button, icon } from "../widgets";
import { boundariesAlong, givenAxis, groupsAlong, ticksAlong, type AxisRoom } from "./axes";
import { gradientOf, type ColourTable } from "./colours";
import type { Entries } from "./entries";
import { commonRange, type Gaze, type Place } from "./gaze";
import { HeatmapInput, viewportOf, type InputRoom } from "./heatmap-input";
import { heatmapPng } from "./heatmap-png";
import { Painter } from "./painter";
import { extentText, pictureText, progressText } from "./picture-text";
import { formatTick, formatValue, scaleFor, ticksOf, type ColourScale } from "./scale";
import { columnsOf, exampleText, extentOf, pictureKey, type Extent, type KernelSource } from "./source";
import { canvasTheme, watchTheme } from "./theme";
import { TileStore, levelFor, tilesOver } from "./tiles";
import { hueOf } from "../timeline-chart";
import { originOf, scaleOf, visibleRegion, type Point, type Region, type Size, type Viewport } from "./viewport";

/** What a heatmap is given. */
export interface HeatmapShown {
  readonly source: KernelSource;
  readonly picture: KernelPicture;
  readonly logarithmic: boolean;
  readonly gaze: Gaze;
  readonly entries: Entries;
  /** Whether the colours mean the same as in the other pictures of the gaze that say so. */
  readonly common?: boolean;
  /** Whether zero is in the middle of the colours, whatever the numbers are. */
  readonly centred?: boolean;
}

/** What is drawn, all of one moment. */
interface Moment {
  readonly shown: HeatmapShown;
  readonly extent: Extent;
  readonly size: Size;
  readonly viewport: Viewport;
  readonly scale: number;
  readonly origin: Point;
  readonly rows: KernelAxis;
  readonly columns: KernelAxis;
  readonly colours: { readonly scale: ColourScale; readonly table: ColourTable } | null;
}

const noWebGl =
  "Heatmaps are drawn with WebGL2, which this window does not have: turn on hardware acceleration, or read the table of entries instead.";
const lost = "The graphics driver has taken the picture away; it is drawn again as soon as the driver allows.";

/**
 * `<kernel-heatmap>`: a picture of a kernel with its axes, its legend, and what is under the pointer. It draws itself, once
 * a frame at most, whenever it is given something new, a tile has come, or what is looked at has changed.
 */
export class KernelHeatmap extends HTMLElement {
  #shown: HeatmapShown | null = null;
  #size: Size = { width: 0, height: 0 };
  #frame: number | null = null;
  #painter: Painter | null = null;
  #state: "unopened" | "drawing" | "lost" | "unsupported" = "unopened";
  #input: HeatmapInput | null = null;
  #arrangement: {
    readonly key: string;
    readonly known: KernelArrangement | null;
    readonly failure: string | null;
  } | null = null;
  #moment: Moment | null = null;
  #exportFailure: string | null = null;
  readonly #tiles = new TileStore({
    changed: () => this.redraw(),
    dropped: (tile) => this.#painter?.forget(tile),
  });
  readonly #resized = new ResizeObserver(() => this.redraw());
  #ends: (() => void)[] = [];
  #unwatchGaze: (() => void) | null = null;

  set shown(shown: HeatmapShown) {
    if (shown.gaze !== this.#shown?.gaze) {
      this.#unwatchGaze?.();
      this.#unwatchGaze = shown.gaze.watch(() => this.redraw());
    }
    this.#shown = shown;
    this.#tiles.show(shown.source, shown.picture);
    this.#arrange(shown);
    this.redraw();
  }

  connectedCallback(): void {
    this.#ends = [watchTheme(() => this.redraw())];
    const stage = this.querySelector(".kernel-stage");
    if (stage !== null) this.#resized.observe(stage);
    if (this.#shown && !this.#unwatchGaze) this.#unwatchGaze = this.#shown.gaze.watch(() => this.redraw());
    this.redraw();
  }

  disconnectedCallback(): void {
    for (const end of this.#ends) end();
    this.#unwatchGaze?.();
    this.#unwatchGaze = null;
    this.#resized.disconnect();
    // Not where it was only moved
    queueMicrotask(() => {
      if (!this.isConnected) this.#close();
    });
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#frame = null;
  }

  /** A browser has few contexts, and lets go of unused ones late. */
  #close(): void {
    this.#tiles.close();
    this.#painter?.close();
  }

  redraw(): void {
    if (this.#shown === null || !this.isConnected) return;
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = null;
      this.#draw(this.#shown!);
    });
  }

  /** Gives the picture as it is seen, with axes and legend, to `save`: the bytes of a PNG file. */
  async savePng(save: (png: Uint8Array) => void): Promise<void> {
    try {
      save(await this.#png());
      this.#exportFailure = null;
    } catch (error) {
      this.#exportFailure = error instanceof Error ? error.message : String(error);
    }
    this.redraw();
  }

  #png(): Promise<Uint8Array> {
    if (this.#moment === null || this.#painter === null) throw new Error("There is no picture to save.");
    // What was drawn in an earlier frame can no longer be read
    this.#paint(this.#moment);
    const { shown, size, rows, columns, colours } = this.#moment;
    return heatmapPng({
      picture: this.querySelector("canvas")!,
      title: `Kernel of ${shown.source.info.title}, ${pictureText(shown.picture)}`,
      size,
      rows: { axis: rows, room: roomOf(this.#moment, "row") },
      columns: { axis: columns, room: roomOf(this.#moment, "column") },
      isGiven: shown.picture.order === "given",
      colours,
    });
  }

  #draw(shown: HeatmapShown): void {
    const extent = extentOf(shown.source.info);
    // The stage is there, and has a size, once it has been described
    if (this.#input === null) this.#open(extent);
    const stage = this.querySelector<HTMLElement>(".kernel-stage")!;
    this.#size = { width: stage.clientWidth, height: stage.clientHeight };
    if (this.#size.width === 0) return;
    const room: InputRoom = { gaze: shown.gaze, extent, size: this.#size };
    const viewport = viewportOf(room);
    const known = this.#arrangement?.known ?? null;
    const rows = known?.rows ?? givenAxis(extent.rows);
    const range = this.#range(shown);
    const colourScale = range && scaleFor(range, shown.logarithmic, shown.centred);
    const theme = canvasTheme();
    const moment: Moment = {
      shown,
      extent,
      size: this.#size,
      viewport,
      scale: scaleOf(viewport, extent, this.#size),
      origin: originOf(viewport, extent, this.#size),
      rows,
      columns: known === null ? givenAxis(extent.columns) : (known.columns ?? rows),
      colours: colourScale && {
        scale: colourScale,
        table: colourScale.diverging ? theme.diverging : theme.sequential,
      },
    };
    this.#moment = moment;
    const level = levelFor(moment.scale * devicePixelRatio, extent);
    this.#tiles.want(tilesOver(visibleRegion(viewport, extent, this.#size), level), extent);
    this.#paint(moment);
    render(this, this.#parts(moment));
  }

  #range({ common = false, gaze, picture }: HeatmapShown): KernelRange | null {
    const own = this.#tiles.range;
    const { ranges } = gaze.now;
    if (!common || own === null) return own;
    if (ranges.get(picture.id) === own) return commonRange(ranges);
    const next = new Map(ranges).set(picture.id, own);
    gaze.change({ ranges: next });
    return commonRange(next);
  }

  #open(extent: Extent): void {
    render(this, frameOf(extent, stageOf(null, null, "")));
    const stage = this.querySelector<HTMLElement>(".kernel-stage")!;
    const canvas = this.querySelector("canvas")!;
    this.#input = new HeatmapInput(stage, () => {
      const shown = this.#shown;
      return shown && { gaze: shown.gaze, extent: extentOf(shown.source.info), size: this.#size };
    });
    canvas.addEventListener("webglcontextlost", (event) => {
      // Else it is not given back
      event.preventDefault();
      this.#painter = null;
      this.#state = "lost";
      this.redraw();
    });
    canvas.addEventListener("webglcontextrestored", () => {
      this.#state = "unopened";
      this.redraw();
    });
    this.#resized.observe(stage);
  }

  #paint({ viewport, extent, size, scale, origin, colours }: Moment): void {
    const canvas = this.querySelector("canvas")!;
    if (this.#state === "unopened") {
      this.#painter = Painter.open(canvas);
      this.#state = this.#painter === null ? "unsupported" : "drawing";
    }
    if (this.#painter === null) return;
    const pixel = devicePixelRatio;
    const [width, height] = [Math.round(size.width * pixel), Math.round(size.height * pixel)];
    // Setting them clears the canvas, even to what they are
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    this.#painter.draw({
      origin: { x: origin.x * pixel, y: origin.y * pixel },
      scale: scale * pixel,
      ...extent,
      tiles: this.#tiles.over(visibleRegion(viewport, extent, size), levelFor(scale * pixel, extent)),
      colours,
      hatch: { ...canvasTheme().hatch, pixel },
    });
  }

  #arrange({ source, picture }: HeatmapShown): void {
    const key = pictureKey({ ...picture, view: "trace" });
    if (this.#arrangement?.key === key) return;
    this.#arrangement = { key, known: null, failure: null };
    const settle = (known: KernelArrangement | null, failure: string | null): void => {
      if (this.#arrangement?.key !== key) return;
      this.#arrangement = { key, known, failure };
      this.redraw();
    };
    source.arrangement({ id: picture.id, order: picture.order }).then(
      (known) => settle(known, null),
      (error: unknown) => settle(null, error instanceof Error ? error.message : String(error)),
    );
  }

  #parts(moment: Moment): Node_ {
    const { shown, extent, colours } = moment;
    const { info } = shown.source;
    const failure = this.#tiles.failure ?? this.#arrangement?.failure ?? this.#exportFailure;
    const sentence = this.#state === "unsupported" ? noWebGl : this.#state === "lost" ? lost : null;
    const label =
      `Heatmap of ${info.title}, ${extentText(extent)} pairs of examples, ${pictureText(shown.picture)}. ` +
      `Arrow keys go from pair to pair, with Shift they select, with Control they move the picture; ` +
      `plus and minus zoom, 0 shows all, Enter keeps a pair. A table of entries follows.`;
    return frameOf(
      extent,
      columnAxis(moment),
      rowAxis(moment),
      stageOf(moment, sentence, label),
      colours && legend(colours.scale, colours.table, info.fraction < 1),
      this.#readout(moment),
      failure === null
        ? null
        : h(
            "div",
            { key: "failure", class: "kernel-failure", role: "status" },
            icon("error"),
            h("span", {}, failure),
            button("Try Again", { onPress: () => this.#retry() }),
          ),
    );
  }

  #retry(): void {
    this.#exportFailure = null;
    this.#tiles.retry();
    this.#arrangement = null;
    if (this.#shown !== null) this.#arrange(this.#shown);
    this.redraw();
  }

  #readout(moment: Moment): Node_ {
    const { shown } = moment;
    const place = shown.gaze.now.place ?? shown.gaze.now.pinned;
    const spoken = place !== null && this.#input?.byKeys ? this.#describe(place, moment).join(", ") : "";
    const hint =
      progressText(shown.source.info) ??
      "Drag to move, turn the wheel to zoom, hold Shift and drag to select, click to keep a pair.";
    return h(
      "div",
      { key: "readout", class: "kernel-readout" },
      place === null ? h("div", { key: "hint", class: "note" }, hint) : pairText(this.#describe(place, moment)),
      h("div", { key: "spoken", class: "for-readers", "aria-live": "polite" }, spoken),
    );
  }

  /** Row, column, value. */
  #describe(place: Place, { shown, rows, columns }: Moment): [string, string, string] {
    const { source, picture, entries } = shown;
    const row = rows.examples[place.row];
    const column = columns.examples[place.column];
    return [
      exampleText(source.info.x1, row),
      exampleText(columnsOf(source.info), column),
      valueText(this.#tiles.at(place.row, place.column), () => {
        const { id, view } = picture;
        const request: KernelEntryRequest = { id, view, row, column };
        return entries.look(source, request);
      }),
    ];
  }
}

function pairText([row, column, value]: readonly string[]): Node_ {
  return h(
    "dl",
    { key: "pair", class: "kernel-pair" },
    h("div", {}, h("dt", {}, "Row"), h("dd", { class: "name" }, row)),
    h("div", {}, h("dt", {}, "Column"), h("dd", { class: "name" }, column)),
    h("div", {}, h("dt", {}, "Kernel"), h("dd", { class: "number" }, value)),
  );
}

/** From the picture where it shows the pair itself, or else asked for. */
function valueText(drawn: ReturnType<TileStore["at"]>, ask: () => KernelEntry | string | null): string {
  if (drawn?.level === 0) return formatValue(drawn.value);
  const answer = ask();
  if (typeof answer === "string") return answer;
  if (answer !== null && answer.value !== null) return formatValue(answer.value);
  if (drawn === null || Number.isNaN(drawn.value)) return "not known yet";
  const side = 2 ** drawn.level;
  return `${formatValue(drawn.value)} (mean of ${side} × ${side} pairs)`;
}

function frameOf(extent: Extent, ...children: readonly Child[]): Node_ {
  // A very wide or tall kernel is not drawn as a line
  const ratio = Math.min(2.5, Math.max(0.6, extent.columns / extent.rows));
  return h("div", { class: "kernel-frame", variables: { "--ratio": ratio.toFixed(4) } }, ...children);
}

/** With neither picture nor sentence it is only there to be measured and drawn upon. */
function stageOf(moment: Moment | null, sentence: string | null, label: string): Node_ {
  return h(
    "div",
    {
      key: "stage",
      class: "kernel-stage",
      tabindex: 0,
      role: "application",
      "aria-roledescription": "heatmap",
      "aria-label": label,
    },
    h("canvas", { key: "canvas", "aria-hidden": "true" }),
    moment && sentence === null ? overlay(moment) : null,
    sentence === null ? null : h("p", { key: "sentence", class: "kernel-sentence" }, sentence),
  );
}

function roomOf({ origin, scale, size }: Moment, side: "row" | "column"): AxisRoom {
  return side === "row"
    ? { origin: origin.y, scale, length: size.height }
    : { origin: origin.x, scale, length: size.width };
}

/** Lines between classes, and what is pointed at, kept and selected. */
function overlay(moment: Moment): Node_ {
  const { shown, size, rows, columns, origin, scale, extent, colours } = moment;
  const { place, pinned, selection } = shown.gaze.now;
  const [left, top] = [Math.max(0, origin.x), Math.max(0, origin.y)];
  const right = Math.min(size.width, origin.x + extent.columns * scale);
  const bottom = Math.min(size.height, origin.y + extent.rows * scale);
  const box = (region: Region, className: string, least: number): Node_[] => {
    const width = Math.max(least, (region.right - region.left) * scale);
    const height = Math.max(least, (region.bottom - region.top) * scale);
    const x = origin.x + ((region.left + region.right) / 2) * scale - width / 2;
    const y = origin.y + ((region.top + region.bottom) / 2) * scale - height / 2;
    // Light upon dark, so that it is seen on any colour
    return ["halo", "edge"].map((layer) => h("rect", { class: `${className} ${layer}`, x, y, width, height }));
  };
  const cell = ({ row, column }: Place): Region => ({ top: row, left: column, bottom: row + 1, right: column + 1 });
  return h(
    "svg",
    {
      key: "overlay",
      class: `kernel-overlay ${colours?.scale.diverging ? "diverging" : ""}`,
      width: size.width,
      height: size.height,
      "aria-hidden": "true",
    },
    ...boundariesAlong(rows, roomOf(moment, "row")).map((y) =>
      h("line", { class: "boundary", x1: left, x2: right, y1: Math.round(y), y2: Math.round(y) }),
    ),
    ...boundariesAlong(columns, roomOf(moment, "column")).map((x) =>
      h("line", { class: "boundary", x1: Math.round(x), x2: Math.round(x), y1: top, y2: bottom }),
    ),
    selection === null ? null : box(selection, "selection", 3),
    pinned === null ? null : box(cell(pinned), "pinned", 9),
    place === null ? null : box(cell(place), "place", 7),
  );
}

function columnAxis(moment: Moment): Node_ {
  const room = roomOf(moment, "column");
  const { columns, shown } = moment;
  const isGiven = shown.picture.order === "given";
  const ticks = ticksAlong(columns, isGiven, room, 44);
  return axis(
    "columns",
    ticks,
    groupsAlong(columns, room),
    40,
    isGiven ? shown.gaze.now.place?.column : undefined,
    room,
  );
}

function rowAxis(moment: Moment): Node_ {
  const room = roomOf(moment, "row");
  const { rows, shown } = moment;
  const isGiven = shown.picture.order === "given";
  const ticks = ticksAlong(rows, isGiven, room, 30);
  return axis("rows", ticks, groupsAlong(rows, room), 14, isGiven ? shown.gaze.now.place?.row : undefined, room);
}

/** For the eye: what is pointed at is read out below the picture. */
function axis(
  side: "rows" | "columns",
  ticks: ReturnType<typeof ticksAlong>,
  groups: ReturnType<typeof groupsAlong>,
  labelRoom: number,
  place: number | undefined,
  { origin, scale, length }: AxisRoom,
): Node_ {
  const px = (at: number): string => `${at.toFixed(1)}px`;
  const at = place === undefined ? null : origin + (place + 0.5) * scale;
  return h(
    "div",
    { key: side, class: `kernel-axis ${side}`, "aria-hidden": "true" },
    ...groups.map(({ group, index, from, to }) =>
      h(
        "div",
        {
          key: `group ${index}`,
          class: `group ${hueOf(index)}`,
          title: group.label,
          variables: { "--at": px(from), "--length": px(Math.max(1, to - from)) },
        },
        ticks.length === 0 && to - from >= labelRoom ? h("span", {}, group.label) : null,
      ),
    ),
    ...ticks.map((tick) =>
      h("span", { key: `tick ${tick.text}`, class: "kernel-tick", variables: { "--at": px(tick.at) } }, tick.text),
    ),
    at === null || at < 0 || at > length
      ? null
      : h("span", { key: "place", class: "kernel-tick place", variables: { "--at": px(at) } }, place!),
  );
}

export function legend(scale: ColourScale, table: ColourTable, hasGaps: boolean): Node_ {
  const ticks = ticksOf(scale);
  const logarithmic = scale.kind !== "linear";
  return h(
    "div",
    {
      key: "legend",
      class: "kernel-legend",
      role: "img",
      "aria-label":
        `Colours from ${formatValue(scale.low)} to ${formatValue(scale.high)}, ` +
        `${logarithmic ? "logarithmic" : "linear"}${scale.diverging ? ", zero in the middle" : ""}.`,
      variables: { "--map": gradientOf(table) },
    },
    h(
      "div",
      { class: "kernel-legend-scale" },
      h("div", { class: "kernel-legend-bar" }),
      ...ticks.map(({ value, position }) =>
        h(
          "span",
          { class: "kernel-tick", variables: { "--at": `${(100 * position).toFixed(2)}%` } },
          formatTick(value),
        ),
      ),
    ),
    logarithmic ? h("span", { class: "note" }, "log") : null,
    hasGaps ? h("span", { class: "note" }, h("span", { class: "swatch kernel-gap" }), "not known yet") : null,
  );
}

customElements.define("kernel-heatmap", KernelHeatmap);

export function heatmap(key: string, shown: HeatmapShown): Node_ {
  return h("kernel-heatmap", { key, own: true, ".shown": shown });
}
