import * as tf from "@tensorflow/tfjs";

/** The convolutional net of PyTorch's tutorial on neural tangent kernels: 32x32 images, 10 logits. */
const conv = (seed: number, activation?: "relu") =>
  tf.layers.conv2d({ filters: 32, kernelSize: 3, activation, kernelInitializer: tf.initializers.heNormal({ seed }) });

export const model = tf.sequential();
model.add(tf.layers.inputLayer({ inputShape: [32, 32, 3] }));
model.add(conv(1, "relu"));
model.add(conv(2, "relu"));
model.add(conv(3));
model.add(tf.layers.flatten());
model.add(tf.layers.dense({ units: 10, kernelInitializer: tf.initializers.glorotNormal({ seed: 4 }) }));
