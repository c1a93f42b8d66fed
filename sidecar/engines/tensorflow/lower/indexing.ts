import { indexedExtents } from "../../../primitives/indexing";
import { checkIndices } from "../../interpreter/indices";
import type { GatherAttributes, ScatterAddAttributes } from "../../../primitives/attributes";
import { arrange } from "./layout";
import type { Lowering } from "./lowering";

export const gather: Lowering<GatherAttributes> = (tf, [operand, indices], attributes, output, source) => {
  const [batch, before, extent, count, after] = indexedExtents(operand.shape, indices.shape, attributes);
  // On a GPU TensorFlow answers an index out of range with zeros
  checkIndices(indices.dataSync(), extent, source);
  const whole = tf.reshape(operand, [batch, before, extent, after]);
  const taken =
    batch === 1
      ? tf.gather(whole, tf.reshape(indices, [count]), 2)
      : tf.gather(whole, tf.reshape(indices, [batch, count]), 2, 1);
  return tf.reshape(taken, [...output.shape]);
};

/** Adds rows of updates up by the number of the row that they go to. */
export const scatterAdd: Lowering<ScatterAddAttributes> = (tf, [updates, indices], attributes, output, source) => {
  const [batch, before, extent, count, after] = indexedExtents(output.shape, indices.shape, attributes);
  checkIndices(indices.dataSync(), extent, source);
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
