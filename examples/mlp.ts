import * as tf from "@tensorflow/tfjs";

/** A multilayer perceptron for 28x28 digits, as flat vectors of 784 pixels. */
const dense = (units: number, seed: number, activation?: "relu") =>
  tf.layers.dense({ units, activation, kernelInitializer: tf.initializers.heNormal({ seed }) });

export const model = tf.sequential({
  layers: [tf.layers.inputLayer({ inputShape: [784] }), dense(512, 1, "relu"), dense(512, 2, "relu"), dense(10, 3)],
});
