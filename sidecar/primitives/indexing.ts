import type { Value } from "../graph/graph";
import { formatShape, range, sameShape, sizeOf, type Shape } from "../graph/types";
import type { GatherAttributes, ScatterAddAttributes } from "./attributes";
import { batchedAt, expectAxis, expectCount, linearJvp, materializeBatch, noFlops } from "./makers";
import * as ops from "./ops";
import type { ExampleAxis, Examples, Primitive, Structure } from "./primitive";

/** Taking and adding elements by index. See attributes.ts for the axes B, P, I, Q. */

function expectIndices(indices: { shape: Shape; dtype: string }, array: Shape, { axis, batchDims }: GatherAttributes) {
  if (indices.dtype !== "int32") throw new Error(`indices must be int32, got ${indices.dtype}`);
  expectAxis(axis, array);
  if (axis < batchDims) throw new Error("the axis that is taken along cannot be a batch axis");
  if (!sameShape(indices.shape.slice(0, batchDims), array.slice(0, batchDims))) {
    throw new Error(`indices ${formatShape(indices.shape)} and ${formatShape(array)} differ in their batch axes`);
  }
}

/** `whole` is the array with all elements along `axis`: the extents of [B.., P.., A, I.., Q..] as products. */
export function indexedExtents(whole: Shape, indices: Shape, { axis, batchDims }: GatherAttributes): number[] {
  return [
    sizeOf(whole.slice(0, batchDims)),
    sizeOf(whole.slice(batchDims, axis)),
    whole[axis],
    sizeOf(indices.slice(batchDims)),
    sizeOf(whole.slice(axis + 1)),
  ];
}

/** Follows examples where the array has them at `array` and the indices at `indices`; `widened` maps an axis of the array. */
function indexingExamples(
  array: ExampleAxis | null,
  indices: ExampleAxis | null,
  { axis, batchDims }: GatherAttributes,
  widened: (axis: number) => number | null,
): Examples {
  if (array && indices) {
    const paired = array.axis === indices.axis && array.axis < batchDims && array.inner === indices.inner;
    return paired ? array : "coupled";
  }
  if (array) {
    const to = widened(array.axis);
    return to === null ? "coupled" : { axis: to, inner: array.inner };
  }
  if (indices) {
    return { axis: indices.axis < batchDims ? indices.axis : indices.axis - batchDims + axis, inner: indices.inner };
  }
  return null;
}

/** Rows of the weight: k is the axis that is taken along, c what a row holds, d how many are taken. */
function structure(
  [operand, indices]: readonly Value[],
  weight: number,
  { axis, batchDims }: GatherAttributes,
): Structure | undefined {
  if (weight !== 0 || batchDims > 0) return undefined;
  const before = sizeOf(operand.shape.slice(0, axis));
  const after = sizeOf(operand.shape.slice(axis + 1));
  const extents = { g: 1, k: operand.shape[axis], c: before * after, d: sizeOf(indices.shape) };
  const axes = range(operand.shape.length).filter((other) => other !== axis);
  return {
    // Told apart from a contraction over the same axis, whose factor is not one of indices
    layout: `rows ${JSON.stringify([[], [axis], axes])}`,
    extents,
    factor: (b) => ({ kind: "indices", value: ops.reshape(b, indices, [extents.d]) }),
    cotangent(b, cotangent) {
      const apart = ops.reshape(b, cotangent, [before, extents.d, after]);
      return ops.reshape(b, ops.transpose(b, apart, [0, 2, 1]), [1, extents.c, extents.d]);
    },
  };
}

const gather: Primitive<GatherAttributes> = {
  shape(inputs, a) {
    expectCount(inputs, 2);
    const [operand, indices] = inputs;
    expectIndices(indices, operand.shape, a);
    return [
      {
        shape: [
          ...operand.shape.slice(0, a.axis),
          ...indices.shape.slice(a.batchDims),
          ...operand.shape.slice(a.axis + 1),
        ],
        dtype: operand.dtype,
      },
    ];
  },
  jvp: linearJvp((b, [operand, indices], a) => ops.gather(b, operand, indices, a.axis, a.batchDims)),
  transpose: (b, [t], [operand, indices], _linear, a) => [
    t && ops.scatterAdd(b, t, indices, a.axis, operand.shape[a.axis], a.batchDims),
    null,
  ],
  structure,
  batch(b, [operand, indices], [operandAxis, indicesAxis], size, { axis, batchDims }) {
    if (indicesAxis === null) {
      // The batch is one more axis that is not taken along
      const moved = ops.moveAxis(b, operand, operandAxis!, batchDims);
      return batchedAt(ops.gather(b, moved, indices, axis + 1, batchDims), batchDims);
    }
    if (operandAxis === null) {
      // The batch is one more axis of indices
      const moved = ops.moveAxis(b, indices, indicesAxis, batchDims);
      return batchedAt(ops.gather(b, operand, moved, axis, batchDims), axis);
    }
    const output = ops.gather(
      b,
      materializeBatch(b, operand, operandAxis, size),
      materializeBatch(b, indices, indicesAxis, size),
      axis + 1,
      batchDims + 1,
    );
    return batchedAt(output, 0);
  },
  flops: noFlops,
  examples([, indices], [operandPlace, indicesPlace], _outputs, a) {
    const added = indices.shape.length - a.batchDims - 1;
    return indexingExamples(operandPlace, indicesPlace, a, (axis) =>
      axis === a.axis ? null : axis < a.axis ? axis : axis + added,
    );
  },
};

const scatterAdd: Primitive<ScatterAddAttributes> = {
  shape(inputs, a) {
    expectCount(inputs, 2);
    const [updates, indices] = inputs;
    const count = indices.shape.length - a.batchDims;
    const shape = [...updates.shape.slice(0, a.axis), a.size, ...updates.shape.slice(a.axis + count)];
    expectIndices(indices, shape, a);
    if (!sameShape(updates.shape.slice(a.axis, a.axis + count), indices.shape.slice(a.batchDims))) {
      throw new Error(`updates ${formatShape(updates.shape)} do not fit indices ${formatShape(indices.shape)}`);
    }
    return [{ shape, dtype: updates.dtype }];
  },
  jvp: linearJvp((b, [updates, indices], a) => ops.scatterAdd(b, updates, indices, a.axis, a.size, a.batchDims)),
  transpose: (b, [t], [, indices], _linear, a) => [t && ops.gather(b, t, indices, a.axis, a.batchDims), null],
  batch(b, [updates, indices], [updatesAxis, indicesAxis], size, { axis, size: extent, batchDims }) {
    if (indicesAxis === null) {
      const moved = ops.moveAxis(b, updates, updatesAxis!, batchDims);
      return batchedAt(ops.scatterAdd(b, moved, indices, axis + 1, extent, batchDims), batchDims);
    }
    const output = ops.scatterAdd(
      b,
      materializeBatch(b, updates, updatesAxis, size),
      materializeBatch(b, indices, indicesAxis, size),
      axis + 1,
      extent,
      batchDims + 1,
    );
    return batchedAt(output, 0);
  },
  flops: ([updates]) => sizeOf(updates.shape),
  examples([, indices], [updatesPlace, indicesPlace], _outputs, a) {
    const count = indices.shape.length - a.batchDims;
    const taken = range(count).map((offset) => a.axis + offset);
    if (indicesPlace && indicesPlace.axis >= a.batchDims) return "coupled";
    return indexingExamples(updatesPlace, indicesPlace, a, (axis) =>
      taken.includes(axis) ? null : axis < a.axis ? axis : axis - count + 1,
    );
  },
};

export const indexingPrimitives = { gather, scatter_add: scatterAdd };
