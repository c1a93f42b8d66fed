import type * as tf from "@tensorflow/tfjs";

interface Call {
  /** Number of slices. */
  readonly size: number;
  /** Runs the operation itself. */
  readonly run: (inputs: { x: tf.Tensor }) => tf.Tensor;
}

/**
 * A batching rule for the operation `Smooth` of smoothing.ts: how it runs for `size` slices at once, which have an axis of
 * their own in front. Rows are smoothed each for itself, so that those of all slices can be rows of one array.
 */
export function Smooth({ x }: { x: tf.Tensor }, { size, run }: Call): tf.Tensor {
  const [rows, time] = x.shape.slice(1);
  return run({ x: x.reshape([size * rows, time]) }).reshape([size, rows, time]);
}
