import type { Extent } from "./source";

/**
 * What part of a kernel is in view. It speaks of pairs of examples, not of pixels, so that pictures of different sizes can
 * share one.
 */
export interface Viewport {
  /** What is in the middle: pairs, counted from 0, with fractions. */
  readonly row: number;
  readonly column: number;
  /** 1 shows the whole kernel. */
  readonly zoom: number;
}

/** In CSS pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** In CSS pixels, from the upper left corner. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Pairs from `top` to `bottom` and `left` to `right`, with fractions; the ends are outside. */
export interface Region {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** An entry becomes no larger, in CSS pixels. */
const largestEntry = 64;

export function whole({ rows, columns }: Extent): Viewport {
  return { row: rows / 2, column: columns / 2, zoom: 1 };
}

/** CSS pixels for an entry. */
export function scaleOf({ zoom }: Viewport, extent: Extent, size: Size): number {
  return zoom * Math.min(size.width / extent.columns, size.height / extent.rows);
}

export function largestZoom(extent: Extent, size: Size): number {
  return Math.max(1, largestEntry / scaleOf(whole(extent), extent, size));
}

/** Nothing beyond the edges is shown, as long as there is enough to fill the picture. */
export function clamped(viewport: Viewport, extent: Extent, size: Size): Viewport {
  const zoom = Math.min(Math.max(1, viewport.zoom), largestZoom(extent, size));
  const scale = scaleOf({ ...viewport, zoom }, extent, size);
  const within = (middle: number, count: number, pixels: number): number => {
    const half = pixels / scale / 2;
    return half * 2 >= count ? count / 2 : Math.min(count - half, Math.max(half, middle));
  };
  return {
    row: within(viewport.row, extent.rows, size.height),
    column: within(viewport.column, extent.columns, size.width),
    zoom,
  };
}

/** Where the first entry's upper left corner is. */
export function originOf(viewport: Viewport, extent: Extent, size: Size): Point {
  const scale = scaleOf(viewport, extent, size);
  return { x: size.width / 2 - viewport.column * scale, y: size.height / 2 - viewport.row * scale };
}

/** The row and column under a point, with fractions; may be outside. */
export function under(
  point: Point,
  viewport: Viewport,
  extent: Extent,
  size: Size,
): { readonly row: number; readonly column: number } {
  const scale = scaleOf(viewport, extent, size);
  return {
    row: viewport.row + (point.y - size.height / 2) / scale,
    column: viewport.column + (point.x - size.width / 2) / scale,
  };
}

/** What is under the point stays there. */
export function zoomed(viewport: Viewport, factor: number, point: Point, extent: Extent, size: Size): Viewport {
  const zoom = Math.min(Math.max(1, viewport.zoom * factor), largestZoom(extent, size));
  const held = under(point, viewport, extent, size);
  const scale = scaleOf({ ...viewport, zoom }, extent, size);
  return clamped(
    {
      row: held.row - (point.y - size.height / 2) / scale,
      column: held.column - (point.x - size.width / 2) / scale,
      zoom,
    },
    extent,
    size,
  );
}

/** The picture follows the pointer. */
export function panned(viewport: Viewport, by: Point, extent: Extent, size: Size): Viewport {
  const scale = scaleOf(viewport, extent, size);
  const { row, column, zoom } = viewport;
  return clamped({ row: row - by.y / scale, column: column - by.x / scale, zoom }, extent, size);
}

export function visibleRegion(viewport: Viewport, extent: Extent, size: Size): Region {
  const first = under({ x: 0, y: 0 }, viewport, extent, size);
  const last = under({ x: size.width, y: size.height }, viewport, extent, size);
  return {
    top: Math.max(0, first.row),
    left: Math.max(0, first.column),
    bottom: Math.min(extent.rows, last.row),
    right: Math.min(extent.columns, last.column),
  };
}

/** Moved as little as shows a place. */
export function showing(
  viewport: Viewport,
  place: { readonly row: number; readonly column: number },
  extent: Extent,
  size: Size,
): Viewport {
  const { top, left, bottom, right } = visibleRegion(viewport, extent, size);
  const shift = (at: number, from: number, to: number): number => Math.min(0, at - from) + Math.max(0, at + 1 - to);
  return clamped(
    {
      ...viewport,
      row: viewport.row + shift(place.row, top, bottom),
      column: viewport.column + shift(place.column, left, right),
    },
    extent,
    size,
  );
}

/** Shows a region as large as it fits. */
export function framing(region: Region, extent: Extent, size: Size): Viewport {
  const fit = Math.min(size.width / (region.right - region.left), size.height / (region.bottom - region.top));
  return clamped(
    {
      row: (region.top + region.bottom) / 2,
      column: (region.left + region.right) / 2,
      zoom: fit / scaleOf(whole(extent), extent, size),
    },
    extent,
    size,
  );
}
