import { describe, expect, test } from "vitest";
import type { OutlineRow } from "../../sidecar/protocol/outline";
import { keyEffect, OutlineTree, rowsInSight, typedTo } from "../../webview/outline-tree";
import { manyBlocks, outlineRow } from "./outlines";

const rows: readonly OutlineRow[] = [
  outlineRow("features", { kind: "Sequential" }),
  outlineRow("features.conv", { depth: 1, kind: "Conv2d", shapes: [[100, 16, 26, 26]] }),
  outlineRow("features.conv.weight", { depth: 2, form: "parameter", shapes: [[16, 1, 3, 3]] }),
  outlineRow("features.relu", { depth: 1, kind: "ReLU" }),
  outlineRow("head", { kind: "Linear" }),
  outlineRow("head.weight", { depth: 1, form: "parameter" }),
];
const tree = new OutlineTree(rows);

function names(filter: string, toggled: readonly string[] = []): string[] {
  return tree.seen({ filter, toggled }).map(({ row, isFound }) => (isFound ? row.id : `(${row.id})`));
}

describe("the rows that are seen", () => {
  test("are all of a small model, without what is closed", () => {
    expect(names("")).toEqual(rows.map(({ id }) => id));
    expect(names("", ["module features.conv"])).not.toContain("parameter features.conv.weight");
    expect(names("", ["module features"])).toEqual(["module features", "module head", "parameter head.weight"]);
  });

  test("are those of a search, within what they are in", () => {
    expect(names("weight conv")).toEqual([
      "(module features)",
      "(module features.conv)",
      "parameter features.conv.weight",
    ]);
    expect(names("26, 26")).toEqual(["(module features)", "module features.conv"]);
    expect(names("linear")).toEqual(["module head"]);
    expect(names("parameter", ["module features"])).toEqual([
      "(module features)",
      "(module head)",
      "parameter head.weight",
    ]);
    expect(names("nowhere")).toEqual([]);
    expect(tree.found({ filter: "weight conv", toggled: [] })).toBe(1);
  });

  test("know where they are", () => {
    const seen = tree.seen({ filter: "", toggled: [] });
    expect(seen.map(({ position, among, parent, isOpen }) => [position, among, parent, isOpen])).toEqual([
      [1, 2, -1, true],
      [1, 2, 0, true],
      [1, 1, 1, null],
      [2, 2, 0, null],
      [2, 2, -1, true],
      [1, 1, 4, null],
    ]);
  });

  test("are few at first where there are many", () => {
    const large = new OutlineTree(manyBlocks(5000));
    expect(large.seen({ filter: "", toggled: [] })).toHaveLength(5000);
    const start = performance.now();
    expect(large.seen({ filter: "block_4999", toggled: ["module block_4999"] })).toHaveLength(4);
    expect(performance.now() - start).toBeLessThan(500);
  });
});

describe("keys", () => {
  const seen = tree.seen({ filter: "", toggled: ["module head"] });
  const at = (key: string, row: number): unknown => keyEffect(key, seen, row, 3);

  test("go up and down, and no further than the ends", () => {
    expect(at("ArrowDown", 0)).toEqual({ kind: "go", to: 1 });
    expect(at("ArrowUp", 0)).toEqual({ kind: "go", to: 0 });
    expect(at("End", 0)).toEqual({ kind: "go", to: 4 });
    expect(at("ArrowDown", 4)).toEqual({ kind: "go", to: 4 });
    expect(at("PageDown", 0)).toEqual({ kind: "go", to: 3 });
    expect(at("PageUp", 2)).toEqual({ kind: "go", to: 0 });
    expect(at("Home", 3)).toEqual({ kind: "go", to: 0 });
  });

  test("open and close, then go inward and outward", () => {
    expect(at("ArrowRight", 0)).toEqual({ kind: "go", to: 1 });
    expect(at("ArrowRight", 4)).toEqual({ kind: "toggle" });
    expect(at("ArrowRight", 2)).toBe(null);
    expect(at("ArrowLeft", 1)).toEqual({ kind: "toggle" });
    expect(at("ArrowLeft", 2)).toEqual({ kind: "go", to: 1 });
    expect(at("ArrowLeft", 4)).toBe(null);
    expect(at(" ", 0)).toEqual({ kind: "toggle" });
    expect(at("Enter", 3)).toEqual({ kind: "press" });
    expect(at("Tab", 3)).toBe(null);
  });

  test("that are letters go to the next name that begins with them", () => {
    expect(typedTo("h", seen, 0)).toBe(4);
    expect(typedTo("F", seen, 4)).toBe(0);
    expect(typedTo("feat", seen, 0)).toBe(0);
    expect(typedTo("x", seen, 0)).toBe(null);
  });
});

test("only rows within sight are drawn, and some beyond", () => {
  expect(rowsInSight(1000, 200, 800, 20)).toEqual([0, 42]);
  expect(rowsInSight(1000, -2000, 800, 20)).toEqual([88, 152]);
  expect(rowsInSight(1000, -19_800, 800, 20)).toEqual([978, 1000]);
  expect(rowsInSight(3, 2000, 800, 20)).toEqual([0, 0]);
});
