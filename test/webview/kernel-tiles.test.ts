import { beforeEach, expect, test } from "vitest";
import type { KernelPicture, KernelTile } from "../../sidecar/protocol/ntk";
import { levelFor, TileStore, tilesOver, topLevel, valueAt, type TileAddress } from "../../webview/kernel/tiles";
import { syntheticSource, type SyntheticSource } from "./synthetic-kernel";

const picture: KernelPicture = { id: "k1", view: "trace", order: "given" };
const large = { rows: 10_000, columns: 10_000 };

test("levels end where one tile holds the whole kernel", () => {
  expect(topLevel({ rows: 60, columns: 60 })).toBe(0);
  expect(topLevel({ rows: 256, columns: 257 })).toBe(1);
  expect(topLevel(large)).toBe(6);
  expect([64, 1, 0.999, 0.5, 0.3, 0.06, 1e-9].map((pixels) => levelFor(pixels, large))).toEqual([0, 0, 0, 1, 2, 5, 6]);
});

test("a level's tiles cover the region, the middle first", () => {
  const tiles = tilesOver({ top: 0, left: 300, bottom: 500, right: 900 }, 0);
  expect(tiles).toHaveLength(6);
  expect(tiles[0].column).toBe(2);
  expect(tilesOver({ top: 0, left: 0, bottom: 10_000, right: 10_000 }, 6)).toEqual([{ level: 6, row: 0, column: 0 }]);
});

test("however far it is zoomed, few tiles are in view", () => {
  for (const scale of [0.05, 0.1, 0.26, 0.51, 1.01, 7, 64]) {
    const half = Math.min(5000, 1000 / scale / 2);
    const region = { top: 5000 - half, left: 5000 - half, bottom: 5000 + half, right: 5000 + half };
    expect(tilesOver(region, levelFor(scale, large)).length).toBeLessThanOrEqual(36);
  }
});

let source: SyntheticSource;
let dropped: KernelTile[];
let store: TileStore;
let waiting: (() => void)[] = [];

function made(options: { bytes?: number; atOnce?: number } = {}): TileStore {
  return new TileStore({
    changed: () => waiting.splice(0).forEach((done) => done()),
    dropped: (tile) => dropped.push(tile),
    ...options,
  });
}

/** Until nothing more is on its way. */
async function settle(): Promise<void> {
  while (store.loading > 0) await new Promise<void>((done) => waiting.push(done));
}

beforeEach(() => {
  source = syntheticSource({ count: 2000 });
  dropped = [];
  waiting = [];
  store = made();
  store.show(source, picture);
});

const extent = { rows: 2000, columns: 2000 };
const everywhere = { top: 0, left: 0, bottom: 2000, right: 2000 };

test("only what is in view is asked for, once, beside the whole kernel", async () => {
  const inView: TileAddress[] = [
    { level: 0, row: 1, column: 1 },
    { level: 0, row: 1, column: 2 },
  ];
  store.want(inView, extent);
  store.want(inView, extent);
  await settle();
  store.want(inView, extent);
  expect(source.requests.map(({ level, row, column }) => [level, row, column])).toEqual([
    [3, 0, 0],
    [0, 1, 1],
    [0, 1, 2],
  ]);
  expect(store.over(everywhere, 0).map(({ level }) => level)).toEqual([3, 0, 0]);
  expect(store.over({ top: 300, left: 300, bottom: 310, right: 310 }, 0)).toHaveLength(2);
  expect(store.over(everywhere, 1)).toHaveLength(1);
});

test("values are those of the pairs, and means of them at coarser levels", async () => {
  store.want([{ level: 0, row: 1, column: 1 }], extent);
  await settle();
  const { value } = await source.entry({ id: "k1", view: "trace", row: 260, column: 470 });
  expect(store.at(260, 470)).toEqual({ value: Math.fround(value!), level: 0 });
  expect(store.at(0, 0)!.level).toBe(3);
  const [top] = store.over(everywhere, 3);
  expect(store.at(9, 20)!.value).toBe(valueAt(top, 9, 20));
  expect(valueAt(top, 9, 20)).toBe(top.values[250 * 1 + 2]);
});

test("no more are asked for at once than may be, and what goes out of view is given up", async () => {
  source.delay = 20;
  store = made({ atOnce: 3 });
  store.show(source, picture);
  store.want(tilesOver(everywhere, 0), extent);
  expect(source.requests).toHaveLength(3);
  store.want([{ level: 0, row: 7, column: 7 }], extent);
  await settle();
  expect(source.aborted).toBe(2);
  expect(source.requests.map(({ level, row }) => [level, row]).at(-1)).toEqual([0, 7]);
  expect(source.requests).toHaveLength(4);
  expect(store.over(everywhere, 0)).toHaveLength(2);
});

test("the room is bounded: what was in view longest ago goes first", async () => {
  store = made({ bytes: 4 * 256 * 256 * 4 });
  store.show(source, picture);
  for (let column = 0; column < 7; column++) {
    store.want([{ level: 0, row: 0, column }], extent);
    await settle();
  }
  expect(store.bytes).toBeLessThanOrEqual(4 * 256 * 256 * 4);
  expect(dropped.map(({ column }) => column)).toEqual([0, 1, 2, 3]);
  expect(store.over(everywhere, 0)[0].level).toBe(3);
});

test("while it is computed, tiles with gaps are asked for again, and the older ones stay until the newer have come", async () => {
  source.known = 300;
  const inView = [
    { level: 0, row: 0, column: 0 },
    { level: 0, row: 1, column: 1 },
  ];
  store.want(inView, extent);
  await settle();
  expect(store.at(299, 299)!.value).not.toBeNaN();
  expect(store.at(300, 300)!.value).toBeNaN();
  source.known = 2000;
  source.info = { ...source.info, version: 2 };
  source.delay = 5;
  source.requests.splice(0);
  store.want(inView, extent);
  expect(store.over(everywhere, 0)).toHaveLength(3);
  await settle();
  // The first tile was whole already
  expect(source.requests.map(({ level, row }) => [level, row])).toEqual([
    [3, 0],
    [0, 1],
  ]);
  expect(store.at(300, 300)!.value).not.toBeNaN();
  expect(dropped).toHaveLength(2);
});

test("what cannot be had is said, and asked for again when the user or a new version says so", async () => {
  source.refusal = "The sidecar has ended: start it again.";
  store.want([], extent);
  await settle();
  expect(store.failure).toBe("The sidecar has ended: start it again.");
  store.want([], extent);
  expect(source.requests).toHaveLength(1);
  source.refusal = null;
  store.retry();
  await settle();
  expect(store.failure).toBeNull();
  expect(store.over(everywhere, 0)).toHaveLength(1);
});

test("the range is that of the picture that is shown", async () => {
  store.want([], extent);
  await settle();
  const range = store.range!;
  expect(range.min).toBeGreaterThan(0);
  store.show(source, { ...picture, view: { row: 0, column: 1 } });
  expect(store.range).toBeNull();
  expect(store.over(everywhere, 0)).toEqual([]);
  store.show(source, picture);
  expect(store.range).toEqual(range);
});
