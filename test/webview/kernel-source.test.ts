import { expect, test } from "vitest";
import type { KernelTileRequest } from "../../sidecar/protocol/ntk";
import { boundariesAlong, groupsAlong, ticksAlong } from "../../webview/kernel/axes";
import { csvFile } from "../../webview/kernel/csv";
import { differenceOf, exampleText, whyIncomparable } from "../../webview/kernel/source";
import { summarise } from "../../webview/kernel/summary";
import { syntheticSource } from "./synthetic-kernel";

const { signal } = new AbortController();
const request: KernelTileRequest = {
  id: "k1",
  view: "trace",
  order: "given",
  level: 0,
  row: 0,
  column: 0,
};

test("a difference is the first kernel minus the second, pair by pair and at every level", async () => {
  const first = syntheticSource({ count: 600 });
  const second = syntheticSource({ id: "k2", count: 600, phase: 2, known: 500 });
  const difference = differenceOf(first, second);
  for (const level of [0, 1, 2]) {
    const at = { ...request, id: difference.info.id, level };
    const [a, b, tile] = await Promise.all([
      first.tile({ ...at, id: "k1" }, signal),
      second.tile({ ...at, id: "k2" }, signal),
      difference.tile(at, signal),
    ]);
    for (const place of [0, 1, 500, a.values.length - 1]) {
      expect(tile.values[place]).toEqual(Math.fround(a.values[place] - b.values[place]));
    }
    expect(tile).toMatchObject({ id: difference.info.id, rows: a.rows, columns: a.columns, version: 2 });
  }
  expect(first.requests.map(({ id }) => id)).not.toContain("k2");
  const entry = { id: difference.info.id, view: "trace", row: 3, column: 5 } as const;
  const [a, b, pair] = await Promise.all([first, second, difference].map((source) => source.entry(entry)));
  expect(pair.value).toBeCloseTo(a.value! - b.value!, 12);
  expect(pair.block![4]).toBe(Math.fround(a.block![4] - b.block![4]));
  expect((await difference.entry({ ...entry, row: 550 })).value).toBeNull();
});

test("the range of a difference is that of all tiles that were seen", async () => {
  const difference = differenceOf(syntheticSource({ count: 600 }), syntheticSource({ id: "k2", count: 600, phase: 2 }));
  const tiles = [];
  for (const column of [0, 1, 2]) {
    tiles.push(await difference.tile({ ...request, id: difference.info.id, column }, signal));
  }
  const all = tiles.flatMap(({ values }) => [...values]);
  const ends = [Math.min, Math.max].map((end) => all.reduce((a, b) => end(a, b)));
  expect([tiles[2].range!.min, tiles[2].range!.max]).toEqual(ends);
});

test("a difference is as far as the slower kernel, and failed where one did", () => {
  const first = syntheticSource();
  const second = syntheticSource({ id: "k2", change: { status: "running", fraction: 0.3, version: 7 } });
  expect(differenceOf(first, second).info).toMatchObject({ status: "running", fraction: 0.3, version: 8 });
  second.info = { ...second.info, status: "failed", message: "It did not fit." };
  expect(differenceOf(first, second).info).toMatchObject({ status: "failed", message: "It did not fit." });
  expect(whyIncomparable(first.info, second.info)).toBeNull();
  expect(whyIncomparable(first.info, syntheticSource({ columns: 7 }).info)).toMatch(/60 x 60 pairs and .* 60 x 7:/);
});

test("a selection is summed up from its own pairs, even across tiles", async () => {
  const source = syntheticSource({ count: 600, known: 590 });
  const region = { top: 250, left: 10, bottom: 260, right: 520 };
  const { id, view } = request;
  const values: number[] = [];
  for (let row = 250; row < 260; row++) {
    for (let column = 10; column < 520; column++) {
      values.push((await source.entry({ id, view, row, column })).value!);
    }
  }
  const summary = await summarise(source, request, region, signal);
  expect(summary).toMatchObject({ pairs: 5100, known: 1, level: 0, min: Math.fround(Math.min(...values)) });
  expect(summary.mean).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 5);
  const edge = await summarise(source, request, { top: 580, left: 0, bottom: 600, right: 100 }, signal);
  expect(edge.known).toBe(0.5);
  const unknown = await summarise(source, request, { top: 595, left: 0, bottom: 600, right: 100 }, signal);
  expect(unknown).toMatchObject({ known: 0, mean: null, min: null, max: null });
});

test("of a large selection few tiles are read, and it is said that they hold means", async () => {
  const source = syntheticSource({ count: 2000 });
  const everything = { top: 0, left: 0, bottom: 2000, right: 2000 };
  const summary = await summarise(source, request, everything, signal);
  expect(source.requests.length).toBe(16);
  expect(summary).toMatchObject({ pairs: 4e6, level: 1 });
});

test("examples are called by their names and classes, or else by their numbers", () => {
  const { x1 } = syntheticSource().info;
  expect(exampleText(x1, 7)).toBe("bird-7.png (bird)");
  expect(exampleText({ ...x1, names: null }, 7)).toBe("example 7 (bird)");
  expect(exampleText({ count: 9, names: null, labels: null, classes: [] }, 7)).toBe("example 7");
});

const given = { examples: Uint32Array.from({ length: 1000 }, (_, place) => place), groups: [] };

test("examples in their own order have round numbers along the axis", () => {
  const far = ticksAlong(given, true, { origin: 0, scale: 0.5, length: 500 }, 44);
  expect(far.map(({ text }) => text)).toEqual(["0", "100", "200", "300", "400", "500", "600", "700", "800", "900"]);
  expect(far[1].at).toBe(50.25);
  const near = ticksAlong(given, true, { origin: -7000, scale: 14, length: 100 }, 44);
  expect(near.map(({ text }) => text)).toEqual(["500", "505"]);
  expect(ticksAlong(given, true, { origin: -6400, scale: 64, length: 200 }, 44).map(({ text }) => text)).toEqual([
    "100",
    "101",
    "102",
  ]);
});

test("in another order there are numbers where each has room, and groups before", () => {
  const axis = {
    examples: Uint32Array.of(4, 0, 3, 1, 2),
    groups: [
      { label: "a", from: 0, to: 2 },
      { label: "b", from: 2, to: 5 },
    ],
  };
  const room = { origin: 0, scale: 10, length: 50 };
  expect(ticksAlong(axis, false, room, 30)).toEqual([]);
  expect(groupsAlong(axis, room).map(({ from, to, index }) => [from, to, index])).toEqual([
    [0, 20, 0],
    [20, 50, 1],
  ]);
  expect(boundariesAlong(axis, room)).toEqual([20]);
  const near = { origin: -50, scale: 40, length: 100 };
  expect(ticksAlong(axis, false, near, 30).map(({ text, at }) => [text, at])).toEqual([
    ["0", 10],
    ["3", 50],
    ["1", 90],
  ]);
  expect(groupsAlong(axis, near).map(({ from, to }) => [from, to])).toEqual([
    [0, 30],
    [30, 100],
  ]);
});

test("tables of numbers are CSV, with quotes where they have to be", () => {
  expect(
    csvFile(
      ["a", "b"],
      [
        ["x,y", 1.5],
        ['say "z"', null],
      ],
    ),
  ).toBe('a,b\r\n"x,y",1.5\r\n"say ""z""",\r\n');
});
