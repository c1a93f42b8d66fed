import * as tf from "@tensorflow/tfjs";

/** Repeatable numbers between -0.7 and 0.7, none of them zero. */
const weights = (shape: [number, number], phase: number): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: shape[0] * shape[1] }, (_, index) => 0.7 * Math.sin(1.7 * index + phase)),
    shape,
  );

const words = tf.variable(weights([7, 4], 0.3), true, "words");
const mixing = tf.variable(weights([4, 4], 1.1), true, "mixing");

/** Scores of words, by the table from which words were embedded: rows are taken of it, and it is multiplied with. */
export function tied(ids: tf.Tensor2D): tf.Tensor {
  const [batch, time] = ids.shape;
  const embedded = tf.reshape(tf.gather(words, ids), [-1, 4]);
  const hidden = tf.tanh(tf.matMul(embedded, mixing));
  const scores = tf.matMul(hidden, words, false, true);
  return tf.mean(tf.reshape(scores, [batch, time, 7]), 1);
}
