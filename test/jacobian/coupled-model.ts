import * as tf from "@tensorflow/tfjs";

/** A net whose examples see one another: a layer of the user's own takes the mean over the batch away. */
class Centre extends tf.layers.Layer {
  static className = "Centre";
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0] : inputs;
    return tf.sub(x, tf.mean(x, 0, true));
  }
  override computeOutputShape(shape: tf.Shape): tf.Shape {
    return shape;
  }
}

const dense = (name: string, units: number, seed: number, activation?: "tanh"): tf.layers.Layer => {
  const [kernelInitializer, biasInitializer] = [0, 1].map((more) =>
    tf.initializers.randomNormal({ stddev: 0.5, seed: seed + more }),
  );
  return tf.layers.dense({ name, units, activation, kernelInitializer, biasInitializer });
};

export const model = tf.sequential({
  layers: [
    tf.layers.inputLayer({ inputShape: [4] }),
    dense("hidden", 5, 1, "tanh"),
    new Centre({ name: "centre" }),
    tf.layers.activation({ activation: "tanh" }),
    dense("logits", 3, 3),
  ],
});
