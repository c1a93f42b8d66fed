import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { argument } from "../../sidecar/graph/builder";
import { checkGraph } from "../../sidecar/graph/check";
import { argumentsOf, type Graph } from "../../sidecar/graph/graph";
import { tensor, type Tensor } from "../../sidecar/graph/tensor";
import { isFloat, sizeOf } from "../../sidecar/graph/types";
import { inferShapes, newBuilder } from "../../sidecar/primitives";
import * as ops from "../../sidecar/primitives/ops";
import { ntkForms, ntkGraph, type NtkOptions } from "../../sidecar/quantities/ntk";
import { evaluate, randomLike } from "../laws";
import { generator } from "../../sidecar/sources/random";
import { randomGraph } from "../transforms/random-graph";
import { randomNet } from "./random-net";
import { methods } from "./references";

/**
 * All methods agree on random graphs, in 64 bits. Both sides are exact, but summed in another order: their difference is
 * relative to the kernel's largest entry. Where derivatives cancel (what is normalised may be constant) the kernel is
 * zero but for the square of a rounding error.
 */
const exact = 1e-10;
const ZERO = 1e-24;

const ROWS = 2;
const COLUMNS = 3;

/** Random examples, weights and indices below 5, by the names of the kernel's inputs. */
function settings(graph: Graph, random: () => number): Map<string, Tensor> {
  const values = new Map<string, Tensor>();
  const add = (name: string, shape: readonly number[], floats: boolean): void => {
    const data = Int32Array.from({ length: sizeOf(shape) }, () => Math.floor(5 * random()));
    values.set(name, floats ? randomLike({ shape, dtype: "float64" }, random) : tensor(shape, "int32", data));
  };
  for (const { name, value } of graph.inputs) {
    add(name, [ROWS, ...value.shape], isFloat(value.dtype));
    add(`${name}'`, [COLUMNS, ...value.shape], isFloat(value.dtype));
  }
  for (const { name, value } of graph.parameters) add(name, value.shape, true);
  return values;
}

async function kernel(graph: Graph, options: NtkOptions, values: ReadonlyMap<string, Tensor>): Promise<Tensor> {
  const made = ntkGraph(graph, options);
  checkGraph(made.graph, inferShapes);
  const [result] = await evaluate(
    made.graph,
    argumentsOf(made.graph).map(({ name }) => values.get(name)!),
  );
  expect(result.shape).toEqual(made.shape);
  return result;
}

interface Asked extends Pick<NtkOptions, "form" | "trace"> {
  /** Whether there is a second set of examples. */
  readonly twoSets: boolean;
}

async function expectAgreement(graph: Graph, random: () => number, { twoSets, ...form }: Asked): Promise<void> {
  const values = settings(graph, random);
  const common = {
    ...form,
    rows: ROWS,
    columns: twoSets ? COLUMNS : null,
    wrt: graph.parameters.map((parameter) => parameter.name),
    norms: false,
  };
  const { contraction, ...others } = methods;
  const expected = await kernel(graph, { ...common, ...contraction }, values);
  for (const [method, options] of Object.entries(others)) {
    const actual = await kernel(graph, { ...common, ...options }, values);
    expect(largestDifference(actual, expected), method).toBeLessThan(exact * largest(expected.data) + ZERO);
  }
}

function largest(numbers: Iterable<number>): number {
  let result = 0;
  for (const number of numbers) result = Math.max(result, Math.abs(number));
  return result;
}

function largestDifference(actual: Tensor, expected: Tensor): number {
  return largest(Float64Array.from(expected.data, (entry, index) => actual.data[index] - entry));
}

/** The seed of a graph that fails is in fast-check's report. */
function property(name: string, make: (random: () => number, length: number) => Graph, longest: number): void {
  it(name, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        fc.integer({ min: 1, max: longest }),
        fc.constantFrom(...ntkForms),
        fc.constantFrom("sum" as const, "mean" as const),
        fc.boolean(),
        async (seed, length, form, trace, twoSets) => {
          const random = generator(seed);
          const graph = make(random, length);
          checkGraph(graph, inferShapes);
          await expectAgreement(graph, random, { form, trace, twoSets });
        },
      ),
      { numRuns: 25 },
    );
  });
}

describe("all methods agree", () => {
  property("on random graphs", randomGraph, 8);
  property("on random nets", randomNet, 5);

  it("on a table whose rows are taken and that is multiplied with, contracted over the same axis", async () => {
    const builder = newBuilder();
    const inputs = [argument("x", [2, 5], "float32"), argument("ids", [3], "int32")];
    const parameters = [argument("table", [5, 4], "float32")];
    const table = parameters[0].value;
    const outputs = [
      ops.tanh(builder, ops.gather(builder, table, inputs[1].value, 0)),
      ops.tanh(builder, ops.dotGeneral(builder, inputs[0].value, table, [[1], [0]])),
    ];
    const graph = builder.build({ inputs, parameters, outputs });
    await expectAgreement(graph, generator(3), { form: "full", trace: "sum", twoSets: true });
  });

  it("where parameters and outputs are of different types", async () => {
    const builder = newBuilder();
    const inputs = [argument("x", [5], "float32")];
    const parameters = [argument("w", [5, 4], "float32"), argument("v", [4, 3], "float64")];
    const [w, v] = parameters.map(({ value }) => value);
    const hidden = ops.tanh(builder, ops.dotGeneral(builder, inputs[0].value, w, [[0], [0]]));
    const wide = ops.convert(builder, hidden, "float64");
    const outputs = [hidden, ops.dotGeneral(builder, wide, v, [[0], [0]])];
    const graph = builder.build({ inputs, parameters, outputs });
    for (const form of ntkForms) await expectAgreement(graph, generator(3), { form, trace: "sum", twoSets: true });
  });
});
