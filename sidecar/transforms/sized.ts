import type { Builder } from "../graph/builder";
import type { Argument, Attributes, Graph, Value } from "../graph/graph";
import type { TypedArray } from "../graph/types";
import { newBuilder } from "../primitives";
import type { SizedGraph } from "../primitives/attributes";

/**
 * Graphs for any number of slices. One that was traced at two sizes is the same at both but for integers (extents, ends
 * of slices), and these lie on a line: from there it is known at any size.
 */

const TWO = 2;

/** The two differ in more than integers; the message says in what, in words that go on with "its ...". */
export class SizeError extends Error {}

/** Emits the graph at a size, with `values` for its inputs. Equations have the builder's source. */
export function emitAtSize(
  builder: Builder,
  { two, three }: SizedGraph,
  values: readonly Value[],
  size: number,
): Value[] {
  if (two.equations.length !== three.equations.length || two.constants.length !== three.constants.length) {
    throw new SizeError("operations are not the same for every number of slices");
  }
  const known = new Map<Value, Value>(two.inputs.map(({ value }, index) => [value, values[index]]));
  two.constants.forEach(({ value, data }, index) => {
    if (!sameElements(data, three.constants[index].data)) {
      throw new SizeError("constants are not the same for every number of slices");
    }
    known.set(value, builder.constant(data, value.shape, value.dtype));
  });
  two.equations.forEach(({ primitive, inputs, outputs, attributes }, index) => {
    const other = three.equations[index];
    if (other.primitive !== primitive) throw new SizeError("operations are not the same for every number of slices");
    const emitted = builder.emit(
      primitive,
      inputs.map((input) => known.get(input)!),
      between(attributes, other.attributes, size) as Attributes,
    );
    outputs.forEach((output, position) => known.set(output, emitted[position]));
  });
  return two.outputs.map((output) => known.get(output)!);
}

/** The graph at a size. */
export function atSize({ two, three }: SizedGraph, size: number): Graph {
  const builder = newBuilder();
  const inputs = two.inputs.map(({ name, value }, index): Argument => {
    const shape = between(value.shape, three.inputs[index].value.shape, size) as number[];
    return { name, value: { shape, dtype: value.dtype } };
  });
  const values = inputs.map(({ value }) => value);
  return builder.build({ inputs, outputs: emitAtSize(builder, { two, three }, values, size) });
}

/** What plain data that is `two` at 2 and `three` at 3 is at `size`. */
function between(two: unknown, three: unknown, size: number): unknown {
  if (Object.is(two, three)) return two;
  if (Number.isInteger(two) && Number.isInteger(three)) {
    return (two as number) + ((three as number) - (two as number)) * (size - TWO);
  }
  if (Array.isArray(two) && Array.isArray(three) && two.length === three.length) {
    return two.map((element, index) => between(element, three[index], size));
  }
  if (isGraph(two) && isGraph(three)) return atSize({ two, three }, size);
  if (isObject(two) && isObject(three) && String(Object.keys(two)) === String(Object.keys(three))) {
    return Object.fromEntries(Object.entries(two).map(([key, element]) => [key, between(element, three[key], size)]));
  }
  throw new SizeError("numbers do not grow evenly with the number of slices");
}

/** Whether two graphs are the same, but for sources. */
export function sameGraph(a: Graph, b: Graph): boolean {
  return textOf(a) === textOf(b);
}

/** All of a graph, its values numbered in the order in which they are made. */
function textOf(graph: Graph): string {
  const numbers = new Map<Value, number>();
  const define = (value: Value): unknown => {
    numbers.set(value, numbers.size);
    return [value.shape, value.dtype];
  };
  return JSON.stringify([
    graph.inputs.map(({ value }) => define(value)),
    graph.constants.map(({ value, data }) => [define(value), Array.from(data, String)]),
    graph.equations.map(({ primitive, inputs, outputs, attributes }) => [
      primitive,
      inputs.map((input) => numbers.get(input)),
      outputs.map(define),
      JSON.stringify(attributes, (_key, value: unknown) => {
        if (isGraph(value)) return textOf(value);
        return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
      }),
    ]),
    graph.outputs.map((output) => numbers.get(output)),
  ]);
}

function sameElements(a: TypedArray, b: TypedArray): boolean {
  return a.length === b.length && a.every((element, index) => Object.is(element, b[index]));
}

function isGraph(thing: unknown): thing is Graph {
  return isObject(thing) && "equations" in thing;
}

function isObject(thing: unknown): thing is Record<string, unknown> {
  return typeof thing === "object" && thing !== null && !Array.isArray(thing);
}
