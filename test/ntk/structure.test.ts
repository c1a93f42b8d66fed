import { describe, expect, it } from "vitest";
import type { Attributes, Value } from "../../sidecar/graph/graph";
import { tensor, type Tensor } from "../../sidecar/graph/tensor";
import { isFloat, range } from "../../sidecar/graph/types";
import { newBuilder, primitiveNames, primitiveOf } from "../../sidecar/primitives";
import type { GatherAttributes, PrimitiveName } from "../../sidecar/primitives/attributes";
import type { Structure } from "../../sidecar/primitives/primitive";
import { vjp } from "../../sidecar/transforms";
import { primitiveCases } from "../engines/cases";
import { singleGraph } from "../engines/single";
import { evaluate, randomLike } from "../laws";
import { generator } from "../../sidecar/sources/random";

/**
 * The structure of every primitive that has one, on the catalogue that the engines are compared on. For two cotangents of
 * an operation's output, and two values of its other operand, the weight's cotangents have the inner product
 *
 *     sum over g, d, e of (sum over k of x1[g, k, d] x2[g, k, e]) (sum over c of t1[g, c, d] t2[g, c, e])
 *
 * where the left side is computed by transposing the operation. Of operations whose structures have the same layout it
 * holds also between one and the other: their weights' elements are in the same places. All in 64 bit.
 */
const exact = 1e-11;

interface Operation {
  readonly name: string;
  readonly primitive: PrimitiveName;
  readonly inputs: readonly Pick<Value, "shape" | "dtype">[];
  readonly attributes: Attributes;
  readonly weight: number;
  readonly structure: Structure;
}

/** Every equation of the catalogue with every operand that it has a structure in, each once. */
function operations(): Operation[] {
  const found = new Map<string, Operation>();
  for (const { name, graph } of primitiveCases()) {
    for (const { primitive, inputs, attributes } of graph.equations) {
      const rules = primitiveOf(primitive);
      for (const weight of range(inputs.length)) {
        const structure = isFloat(inputs[weight].dtype) ? rules.structure?.(inputs, weight, attributes) : undefined;
        if (structure === undefined) continue;
        const types = inputs.map(({ shape, dtype }) => ({ shape, dtype }));
        const key = JSON.stringify([primitive, weight, types, attributes]);
        const operation = { primitive: primitive as PrimitiveName, inputs: types, attributes, weight, structure };
        if (!found.has(key)) found.set(key, { name: `${name}, operand ${weight}`, ...operation });
      }
    }
  }
  return [...found.values()];
}

/** What one operation's weight is multiplied with [G, K, D], its cotangents at the output [G, C, D] and at the weight. */
interface Sample {
  readonly operation: Operation;
  readonly factor: Tensor;
  readonly cotangent: Tensor;
  readonly ofWeight: Tensor;
}

async function sample(operation: Operation, random: () => number): Promise<Sample> {
  const { primitive, inputs, attributes, weight, structure } = operation;
  const graph = singleGraph(primitive, inputs, attributes as never);
  const values = inputs.map((input) => {
    if (isFloat(input.dtype)) return randomLike(input, random);
    // What is not a float is indices of rows
    const rows = inputs[weight].shape[(attributes as GatherAttributes).axis];
    const { data } = randomLike(input, random);
    return tensor(
      input.shape,
      "int32",
      Int32Array.from(data, (x) => Math.floor(((x + 1) / 2) * rows)),
    );
  });
  const cotangent = randomLike(graph.outputs[0], random);
  const ofWeight = await evaluate(vjp(graph, [graph.inputs[weight].value]), [...values, cotangent]);

  // The structure of this graph's own values; of the weight it may use the type only
  const builder = newBuilder();
  const own = primitiveOf(primitive).structure!(
    graph.inputs.map(({ value }) => value),
    weight,
    attributes,
  )!;
  const others = graph.inputs.filter((_, index) => index !== weight);
  const given = { name: "cotangent", value: { ...graph.outputs[0] } };
  const factor = own.factor(builder);
  const outputs = [factor.value, own.cotangent(builder, given.value)];
  const parts = await evaluate(builder.build({ inputs: [...others, given], outputs }), [
    ...values.filter((_, index) => index !== weight),
    cotangent,
  ]);
  const { g, k, c, d } = structure.extents;
  expect(parts[0].shape, operation.name).toEqual(factor.kind === "indices" ? [d] : [g, k, d]);
  expect(parts[1].shape, operation.name).toEqual([g, c, d]);
  return {
    operation,
    factor: factor.kind === "indices" ? oneHot(parts[0], k) : parts[0],
    cotangent: parts[1],
    ofWeight: ofWeight[1],
  };
}

/** Indices [D] as [1, K, D]. */
function oneHot({ data }: Tensor, k: number): Tensor {
  const values = new Float64Array(k * data.length);
  data.forEach((row, position) => (values[row * data.length + position] = 1));
  return tensor([1, k, data.length], "float64", values);
}

/** sum over the middle axis of a [G, M, D] b [G, M, E]: [G, D, E]. */
function gram(a: Tensor, b: Tensor): Float64Array {
  const [groups, middle, d] = a.shape;
  const e = b.shape[2];
  const result = new Float64Array(groups * d * e);
  for (let g = 0; g < groups; g++) {
    for (let m = 0; m < middle; m++) {
      for (let i = 0; i < d; i++) {
        for (let j = 0; j < e; j++) {
          result[(g * d + i) * e + j] += a.data[(g * middle + m) * d + i] * b.data[(g * middle + m) * e + j];
        }
      }
    }
  }
  return result;
}

const inner = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
};

/** The difference of both sides, relative to the largest that the product can be. */
function residual(one: Sample, other: Sample): number {
  const expected = inner(one.ofWeight.data, other.ofWeight.data);
  const actual = inner(gram(one.factor, other.factor), gram(one.cotangent, other.cotangent));
  const norm = ({ ofWeight: { data } }: Sample): number => Math.sqrt(inner(data, data));
  return Math.abs(actual - expected) / Math.max(norm(one) * norm(other), 1e-30);
}

const all = operations();
const structured = primitiveNames.filter((name) => primitiveOf(name).structure !== undefined);

describe.each(structured)("the structure of %s", (name) => {
  const own = all.filter(({ primitive }) => primitive === name);

  it("gives the inner products of its weight's cotangents", async () => {
    expect(own.length).toBeGreaterThan(0);
    for (const [index, operation] of own.entries()) {
      const random = generator(index + 1);
      const [one, other] = [await sample(operation, random), await sample(operation, random)];
      expect(residual(one, other), `${operation.name}, seed ${index + 1}`).toBeLessThan(exact);
      expect(residual(one, one), `${operation.name} with itself, seed ${index + 1}`).toBeLessThan(exact);
    }
  });
});

it("has the same layout only where the weight's elements are in the same places, whatever the primitive", async () => {
  const groups = new Map<string, Operation[]>();
  for (const operation of all) {
    const { inputs, weight, structure } = operation;
    const key = JSON.stringify([inputs[weight].shape, structure.layout]);
    groups.set(key, [...(groups.get(key) ?? []), operation]);
  }
  let compared = 0;
  for (const [key, group] of groups) {
    const samples: Sample[] = [];
    for (const [index, operation] of group.entries()) samples.push(await sample(operation, generator(index + 1)));
    for (const other of samples.slice(1)) {
      const names = `${samples[0].operation.name}; ${other.operation.name}`;
      expect(residual(samples[0], other), `${key}: ${names}`).toBeLessThan(exact);
      compared++;
    }
  }
  expect(compared).toBeGreaterThan(20);
});
