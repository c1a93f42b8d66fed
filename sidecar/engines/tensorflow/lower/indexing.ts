import { ModelError } from "../../../graph/errors";
import type { Source } from "../../../graph/graph";
import { sizeOf, type Shape } from "../../../graph/types";
import type { GatherAttributes, ScatterAddAttributes } from "../../../primitives/attributes";
import { arrange } from "./layout";
import type { Lowering, TfTensor } from "./lowering";

/** On a GPU TensorFlow answers an index out of range with zeros. */
function checkIndices(indices: TfTensor, extent: number, source: Source | null): void {
  for (const index of indices.dataSync()) {
    if (index < 0 || index >= extent) {
      throw new ModelError(`Index ${index} is out of range: it must be between 0 and ${extent - 1}.`, source);
    }
  }
}

/** `whole` is the array with all elements along `axis`: the extents of [B.., P.., A, I.., Q..] as products. */
function extentsOf(whole: Shape, indices: Shape, { axis, batchDims }: GatherAttributes): number[] {
  return [
    sizeOf(whole.slice(0, batchDims)),
    sizeOf(whole.slice(batchDims, axis)),
    whole[axis],
    sizeOf(indices.slice(batchDims)),
    sizeOf(whole.slice(axis + 1)),
  ];
}

export const gather: Lowering<GatherAttributes> = (tf, [operand, indices], attributes, output, source) => {
  const [batch, before, extent, count, after] = extentsOf(operand.shape, indices.shape, attributes);
  checkIndices(indices, extent, source);
  const whole = tf.reshape(operand, [batch, before, extent, after]);
  const taken =
    batch === 1
      ? tf.gather(whole, tf.reshape(indices, [count]), 2)
      : tf.gather(whole, tf.reshape(indices, [batch, count]), 2, 1);
  return tf.reshape(taken, [...output.shape]);
};

/** Adds rows of updates up by the number of the row that they go to. */
export const scatterAdd: Lowering<ScatterAddAttributes> = (tf, [updates, indices], attributes, output, source) => {
  const [batch, before, extent, count, after] = extentsOf(output.shape, indices.shape, attributes);
  checkIndices(indices, extent, source);
  const axes = [
    { name: "batch", extent: batch },
    { name: "before", extent: before },
    { name: "count", extent: count },
    { name: "after", extent: after },
  ];
  const rows = arrange(tf, updates, axes, [
    ["batch", "count"],
    ["before", "after"],
  ]);
  const start = tf.reshape(tf.range(0, batch * extent, extent, "int32"), [batch, 1]);
  const targets = tf.reshape(tf.add(tf.reshape(indices, [batch, count]), start), [batch * count]);
  const sums = tf.unsortedSegmentSum(rows, targets as never, batch * extent);
  const summed = [
    { name: "batch", extent: batch },
    { name: "place", extent },
    { name: "before", extent: before },
    { name: "after", extent: after },
  ];
  return tf.reshape(arrange(tf, sums, summed, [["batch", "before"], ["place"], ["after"]]), [...output.shape]);
};
