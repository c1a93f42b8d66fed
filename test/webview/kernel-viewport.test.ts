import { expect, test } from "vitest";
import {
  clamped,
  framing,
  largestZoom,
  originOf,
  panned,
  scaleOf,
  showing,
  under,
  visibleRegion,
  whole,
  zoomed,
} from "../../webview/kernel/viewport";

const size = { width: 500, height: 400 };
const extent = { rows: 1000, columns: 1000 };

test("at first the whole kernel is in view, in the middle", () => {
  const viewport = clamped(whole(extent), extent, size);
  expect(scaleOf(viewport, extent, size)).toBe(0.4);
  expect(originOf(viewport, extent, size)).toEqual({ x: 50, y: 0 });
  expect(visibleRegion(viewport, extent, size)).toEqual({ top: 0, left: 0, bottom: 1000, right: 1000 });
});

test("what is under the pointer stays there while it is zoomed", () => {
  const point = { x: 320, y: 130 };
  let viewport = whole(extent);
  for (const factor of [3, 1.7, 4, 0.5]) {
    const before = under(point, viewport, extent, size);
    viewport = zoomed(viewport, factor, point, extent, size);
    const after = under(point, viewport, extent, size);
    expect(after.row).toBeCloseTo(before.row, 9);
    expect(after.column).toBeCloseTo(before.column, 9);
  }
  expect(viewport.zoom).toBeCloseTo(10.2, 9);
});

test("zoom ends at the whole kernel, and at pairs of 64 pixels", () => {
  expect(zoomed(whole(extent), 0.01, { x: 9, y: 9 }, extent, size)).toEqual(whole(extent));
  const near = zoomed(whole(extent), 1e9, { x: 250, y: 200 }, extent, size);
  expect(scaleOf(near, extent, size)).toBeCloseTo(64, 9);
  // Of very few examples, all are in view at once
  expect(largestZoom({ rows: 3, columns: 3 }, size)).toBe(1);
});

test("the picture follows the pointer, and nothing beyond the edge is shown", () => {
  const near = { row: 500, column: 500, zoom: 10 };
  expect(panned(near, { x: 40, y: -80 }, extent, size)).toEqual({ row: 520, column: 490, zoom: 10 });
  const corner = panned(near, { x: 1e6, y: 1e6 }, extent, size);
  expect(originOf(corner, extent, size)).toEqual({ x: 0, y: 0 });
  const end = panned(near, { x: -1e6, y: -1e6 }, extent, size);
  expect(visibleRegion(end, extent, size)).toMatchObject({ bottom: 1000, right: 1000 });
});

test("a place out of view is brought to the edge, and one in view moves nothing", () => {
  const near = { row: 500, column: 500, zoom: 10 };
  expect(showing(near, { row: 500, column: 460 }, extent, size)).toEqual(near);
  const moved = showing(near, { row: 700, column: 100 }, extent, size);
  const { bottom, left } = visibleRegion(moved, extent, size);
  expect(bottom).toBeCloseTo(701, 9);
  expect(left).toBeCloseTo(100, 9);
});

test("a region is shown as large as it fits", () => {
  const region = { top: 100, left: 300, bottom: 180, right: 350 };
  const seen = visibleRegion(framing(region, extent, size), extent, size);
  expect(seen.top).toBeCloseTo(100, 9);
  expect(seen.bottom).toBeCloseTo(180, 9);
  expect((seen.left + seen.right) / 2).toBeCloseTo(325, 9);
});

test("kernels that are not square keep square pairs", () => {
  const wide = { rows: 10, columns: 200 };
  const viewport = clamped(whole(wide), wide, size);
  expect(scaleOf(viewport, wide, size)).toBe(2.5);
  expect(originOf(viewport, wide, size)).toEqual({ x: 0, y: 187.5 });
});
