import { describe, expect, it } from "vitest";
import type { Builder } from "../../sidecar/graph/builder";
import type { Graph, Value } from "../../sidecar/graph/graph";
import { newBuilder } from "../../sidecar/primitives";
import { add, dotGeneral, mul, reshape, sub, tanh } from "../../sidecar/primitives/ops";
import { ntkForms, ntkGraph, type NtkForm, type NtkMethod } from "../../sidecar/quantities/ntk";
import { evaluate, randomLike } from "../laws";
import { generator } from "../../sidecar/sources/random";
import { largestDifference, structuredWhereverPossible } from "./kernels";

/**
 * A bias that is added to what a weight yields has its part of the kernel from the weight's product: the same kernel as by
 * contraction, whatever else a bias is used for. In 64 bit.
 */
const exact = 1e-12;

type Layer = (b: Builder, x: Value, weight: Value, biases: readonly Value[]) => Value;

const product = (b: Builder, x: Value, weight: Value): Value => dotGeneral(b, x, weight, [[0], [0]]);

/** By what they do with their two biases, and how many of these need no product of their own. */
const layers: Record<string, { readonly layer: Layer; readonly merged: number }> = {
  "one after the other": { layer: (b, x, w, [c, d]) => add(b, add(b, product(b, x, w), c), d), merged: 2 },
  "one of another shape": {
    layer: (b, x, w, [c, d]) => {
      const row = add(b, reshape(b, product(b, x, w), [1, 4]), reshape(b, c, [1, 4]));
      return mul(b, reshape(b, row, [4]), d);
    },
    merged: 1,
  },
  "one taken away": { layer: (b, x, w, [c, d]) => sub(b, add(b, product(b, x, w), c), d), merged: 1 },
  "one used twice": { layer: (b, x, w, [c, d]) => mul(b, add(b, add(b, product(b, x, w), c), d), c), merged: 1 },
  "behind a bend": { layer: (b, x, w, [c, d]) => add(b, tanh(b, add(b, product(b, x, w), c)), d), merged: 1 },
};

function net(layer: Layer): Graph {
  const b = newBuilder();
  const value = (...shape: number[]): Value => ({ shape, dtype: "float64" });
  const [x, w, c, d, v, e] = [value(3), value(3, 4), value(4), value(4), value(4, 2), value(2)];
  const hidden = tanh(b, layer(b, x, w, [c, d]));
  return b.build({
    inputs: [{ name: "x", value: x }],
    parameters: Object.entries({ w, c, d, v, e }).map(([name, value]) => ({ name, value })),
    outputs: [add(b, product(b, hidden, v), e)],
  });
}

describe.each(Object.entries(layers))("biases, %s", (_, { layer, merged }) => {
  const graph = net(layer);
  const made = (form: NtkForm, method: NtkMethod): Graph =>
    ntkGraph(graph, {
      form,
      trace: "sum",
      method,
      rows: 5,
      columns: 3,
      wrt: graph.parameters.map(({ name }) => name),
      norms: false,
      choose: structuredWhereverPossible,
    }).graph;

  it.each(ntkForms)("have their part of the kernel, %s", async (form) => {
    const structured = made(form, "structured");
    const random = generator(5);
    const values = [...structured.inputs, ...structured.parameters].map(({ value }) => randomLike(value, random));
    const [kernel] = await evaluate(structured, values);
    const [expected] = await evaluate(made(form, "contraction"), values);
    expect(kernel.shape).toEqual(expected.shape);
    expect(largestDifference(kernel, expected)).toBeLessThan(exact);
  });

  it("are added to the weight's part", () => {
    const sums = made("trace", "structured").equations.filter(
      ({ primitive, outputs: [{ shape }] }) => primitive === "add" && shape.join() === "5,3",
    );
    // Each of w, c, d, v and e has a part, or is added to the gram of a weight
    const grams = (merged > 0 ? 1 : 0) + 1;
    const parts = 5 - merged - 1;
    expect(sums).toHaveLength(grams + parts - 1);
  });
});
