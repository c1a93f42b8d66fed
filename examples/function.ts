import * as tf from "@tensorflow/tfjs";

/**
 * A plain function on tensors; the variables that it uses are its parameters. A function has no shapes of its own:
 *
 *     kernelscope analyze examples/function.ts#attention --input x=N,16,24
 */
const size = 24;
const weight = (name: string, seed: number) =>
  tf.variable(tf.randomNormal([size, size], 0, 1 / Math.sqrt(size), "float32", seed), true, name);

const query = weight("query", 1);
const key = weight("key", 2);
const value = weight("value", 3);
const temperature = tf.variable(tf.scalar(Math.sqrt(size)), false, "temperature");

/** Self-attention over a sequence of vectors, [batch, time, size]. */
export function attention(x: tf.Tensor3D): tf.Tensor {
  const project = (weights: tf.Tensor) => tf.einsum("bti,ij->btj", x, weights);
  const scores = tf.matMul(project(query), project(key), false, true).div(temperature);
  return tf.matMul(tf.softmax(scores), project(value));
}
