import { describe, expect, it } from "vitest";
import { argument } from "../graph/builder";
import { checkGraph } from "../graph/check";
import type { Graph } from "../graph/graph";
import { printGraph } from "../graph/print";
import { inferShapes, newBuilder } from "../primitives";
import { concatenate, mul, reduceSum, reshape, sliceAxis, transpose } from "../primitives/ops";
import { atSize, sameGraph, SizeError } from "./sized";

/** Slices are joined, cut and put together again. */
function joined(size: number, factor = 2): Graph {
  const b = newBuilder();
  const x = argument("x", [size, 3, 4], "float32");
  const rows = reshape(b, x.value, [size * 3, 4]);
  const head = sliceAxis(b, rows, 0, 0, size * 3 - 1);
  const scaled = mul(
    b,
    concatenate(b, [head, sliceAxis(b, rows, 0, size * 3 - 1, size * 3)], 0),
    b.scalar(factor, "float32", 2),
  );
  const back = transpose(b, reshape(b, scaled, [size, 3, 4]), [0, 2, 1]);
  return b.build({ inputs: [x], outputs: [reduceSum(b, back, [2])] });
}

describe("a graph for any number of slices", () => {
  const sized = { two: joined(2), three: joined(3) };

  it.each([1, 2, 3, 5, 100])("is at %i what it would have been traced to be", (size) => {
    const made = atSize(sized, size);
    checkGraph(made, inferShapes);
    expect(printGraph(made)).toBe(printGraph(joined(size)));
    expect(sameGraph(made, joined(size))).toBe(true);
  });

  it("tells another graph from it", () => {
    expect(sameGraph(atSize(sized, 5), joined(6))).toBe(false);
    expect(sameGraph(atSize(sized, 5), joined(5, 3))).toBe(false);
  });

  it("holds constants that are the same for every size, and no others", () => {
    expect(() => atSize({ two: joined(2, 2), three: joined(3, 3) }, 5)).toThrow(SizeError);
  });

  it("has the same operations at every size", () => {
    const b = newBuilder();
    const x = argument("x", [3, 3, 4], "float32");
    const other = b.build({ inputs: [x], outputs: [reduceSum(b, x.value, [2])] });
    expect(() => atSize({ two: joined(2), three: other }, 5)).toThrow(
      new SizeError("operations are not the same for every number of slices"),
    );
  });
});
