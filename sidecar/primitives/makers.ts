import type { Builder } from "../graph/builder";
import type { Value } from "../graph/graph";
import { formatShape, isFloat, range, sizeOf, type Shape, type ValueType } from "../graph/types";
import { expandDims, moveAxis, padRank, reshape } from "./ops";
import type { Batched, ExampleAxis, Examples, Primitive } from "./primitive";

/** Makers of rules: most primitives need one line for each rule, because a maker covers their family. */

export function outputElements(_inputs: readonly Value[], outputs: readonly Value[]): number {
  return outputs.reduce((total, output) => total + sizeOf(output.shape), 0);
}

export const noFlops = (): number => 0;

/** Shape of elementwise operands: equal rank, extents equal or 1. */
export function broadcastShapes(inputs: readonly Value[]): number[] {
  const rank = inputs[0].shape.length;
  const extents: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    let extent = 1;
    for (const input of inputs) {
      if (input.shape.length !== rank) {
        throw new Error(`operands have different ranks: ${inputs.map((x) => formatShape(x.shape)).join(" and ")}`);
      }
      if (input.shape[axis] === 1 || input.shape[axis] === extent) continue;
      if (extent !== 1) {
        throw new Error(`operands do not broadcast: ${inputs.map((x) => formatShape(x.shape)).join(" and ")}`);
      }
      extent = input.shape[axis];
    }
    extents.push(extent);
  }
  return extents;
}

export function expectSameDType(inputs: readonly Value[]): void {
  if (inputs.some((input) => input.dtype !== inputs[0].dtype)) {
    throw new Error(`operands have different element types: ${inputs.map((input) => input.dtype).join(" and ")}`);
  }
}

export function expectFloat(input: Value): void {
  if (!isFloat(input.dtype)) throw new Error(`expected a floating-point operand, got ${input.dtype}`);
}

export function expectCount(inputs: readonly Value[], count: number): void {
  if (inputs.length !== count) throw new Error(`expected ${count} operands, got ${inputs.length}`);
}

export function expectAxis(axis: number, shape: Shape): void {
  if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length) {
    throw new Error(`axis ${axis} is not one of ${formatShape(shape)}`);
  }
}

export function like(type: ValueType): ValueType[] {
  return [{ shape: type.shape, dtype: type.dtype }];
}

// Linear operations

/** d f(x) = f(dx), for an operation that is linear in its only operand (or in its first, the others being indices). */
export function linearJvp<A>(
  apply: (builder: Builder, inputs: readonly Value[], attributes: A) => Value,
): NonNullable<Primitive<A>["jvp"]> {
  return (builder, primals, tangents, _outputs, attributes) => {
    const [tangent] = tangents;
    return [tangent ? apply(builder, [tangent, ...primals.slice(1)], attributes) : null];
  };
}

/** (xy)' = x'y + xy', for an operation that is linear in each of its two operands. */
export function bilinearJvp<A>(
  apply: (builder: Builder, lhs: Value, rhs: Value, attributes: A) => Value,
  sum: (builder: Builder, a: Value, b: Value) => Value,
): NonNullable<Primitive<A>["jvp"]> {
  return (builder, [lhs, rhs], [lhsTangent, rhsTangent], _outputs, attributes) => {
    const left = lhsTangent && apply(builder, lhsTangent, rhs, attributes);
    const right = rhsTangent && apply(builder, lhs, rhsTangent, attributes);
    return [left && right ? sum(builder, left, right) : (left ?? right)];
  };
}

// Batching

/**
 * Elementwise operations: operands that are batched get the batch on one common axis (that of the first batched one);
 * the others get an axis of extent 1 there, which broadcasts.
 */
export function elementwiseBatch<A>(
  apply: (builder: Builder, inputs: readonly Value[], attributes: A) => Value,
): NonNullable<Primitive<A>["batch"]> {
  return (builder, inputs, axes, _size, attributes) => {
    const axis = axes.find((candidate) => candidate !== null)!;
    const aligned = inputs.map((input, index) => {
      const from = axes[index];
      return from === null ? expandDims(builder, input, axis) : moveAxis(builder, input, from, axis);
    });
    return { outputs: [apply(builder, aligned, attributes)], axes: [axis] };
  };
}

/** Moves the batch axis to the front; an operand without one gets an axis of extent 1. */
export function batchToFront(builder: Builder, input: Value, axis: number | null): Value {
  return axis === null ? padRank(builder, input, input.shape.length + 1) : moveAxis(builder, input, axis, 0);
}

/** Repeats an operand without a batch axis along a new first axis; moves that of a batched one to the front. */
export function materializeBatch(builder: Builder, input: Value, axis: number | null, size: number): Value {
  if (axis !== null) return moveAxis(builder, input, axis, 0);
  return builder.emit("broadcast_in_dim", [input], {
    shape: [size, ...input.shape],
    axes: range(input.shape.length).map((position) => position + 1),
  })[0];
}

export function batchedAt(output: Value, axis: number): Batched {
  return { outputs: [output], axes: [axis] };
}

/** Index of `axis` in an array that has one more axis, at `inserted`. */
export function shifted(axis: number, inserted: number): number {
  return axis >= inserted ? axis + 1 : axis;
}

/** Splits `axis` into one of extent `outer` and, after it, one with the rest. */
export function splitAxis(builder: Builder, x: Value, axis: number, outer: number): Value {
  const inner = x.shape[axis] / outer;
  return reshape(builder, x, [...x.shape.slice(0, axis), outer, inner, ...x.shape.slice(axis + 1)]);
}

/** Joins `axis` with the one that follows it. */
export function joinAxes(builder: Builder, x: Value, axis: number): Value {
  return reshape(builder, x, [
    ...x.shape.slice(0, axis),
    x.shape[axis] * x.shape[axis + 1],
    ...x.shape.slice(axis + 2),
  ]);
}

/** Moves the axis `from` so that it is the outer part of the axis `into` (which is counted without `from`). */
export function moveAxisInto(builder: Builder, x: Value, from: number, into: number): Value {
  return joinAxes(builder, moveAxis(builder, x, from, into), into);
}

// Following the examples of a batch

/** Operands that agree on where the examples are (or do not vary with the batch). */
export function commonExamples(examples: readonly (ExampleAxis | null)[]): Examples {
  let common: ExampleAxis | null = null;
  for (const place of examples) {
    if (place === null) continue;
    if (common !== null && (common.axis !== place.axis || common.inner !== place.inner)) return "coupled";
    common = place;
  }
  return common;
}

export function elementwiseExamples(_inputs: readonly Value[], examples: readonly (ExampleAxis | null)[]): Examples {
  return commonExamples(examples);
}

/** The axis is consumed as a whole: examples must not be on it. Those behind it move forward if it disappears. */
export function examplesBeside(place: ExampleAxis | null, axes: readonly number[], removed: boolean): Examples {
  if (place === null) return null;
  if (axes.includes(place.axis)) return "coupled";
  const before = removed ? axes.filter((axis) => axis < place.axis).length : 0;
  return { axis: place.axis - before, inner: place.inner };
}
