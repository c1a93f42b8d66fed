import * as tf from "@tensorflow/tfjs";

/**
 * An operation of one's own, in plain JavaScript: each row is smoothed along time, y[t] = (1 - decay) x[t] + decay y[t-1].
 * Only TensorFlow.js can run it, and under vmap it would be a loop, over examples and, in its derivative, over outputs.
 * `smoothing-rules.ts` says how it runs for all of them at once: name that file in the setting
 * `kernelscope.batchingRules`, or give it to the command line with `--batching-rules`.
 */
interface Smoothing {
  readonly decay: number;
  /** From the end to the beginning. */
  readonly reverse: boolean;
}

tf.registerKernel({
  kernelName: "Smooth",
  backendName: "cpu",
  kernelFunc({ inputs, attrs, backend }) {
    const { x } = inputs as { x: tf.TensorInfo };
    const { decay, reverse } = attrs as unknown as Smoothing;
    const memory = backend as Pick<tf.KernelBackend, "readSync" | "write">;
    const values = memory.readSync(x.dataId) as Float32Array;
    const [rows, time] = x.shape;
    const smooth = new Float32Array(values.length);
    for (let row = 0; row < rows; row++) {
      let before = 0;
      for (let step = 0; step < time; step++) {
        const at = row * time + (reverse ? time - 1 - step : step);
        before = smooth[at] = (1 - decay) * values[at] + decay * before;
      }
    }
    return { dataId: memory.write(smooth, x.shape, "float32"), shape: x.shape, dtype: "float32" };
  },
});

// Linear in x: its derivative runs the other way
tf.registerGradient({
  kernelName: "Smooth",
  gradFunc(dy, _saved, attrs) {
    const { decay, reverse } = attrs as unknown as Smoothing;
    return { x: () => smooth(dy as tf.Tensor, { decay, reverse: !reverse }) };
  },
});

function smooth(x: tf.Tensor, attributes: Smoothing): tf.Tensor {
  return tf.engine().runKernel("Smooth", { x }, { ...attributes });
}

class Smooth extends tf.layers.Layer {
  static className = "Smooth";

  override computeOutputShape(shape: tf.Shape): tf.Shape {
    return shape;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const [x] = Array.isArray(inputs) ? inputs : [inputs];
    return smooth(x, { decay: 0.9, reverse: false });
  }
}

const seeded = (seed: number) => tf.initializers.glorotUniform({ seed });

export const model = tf.sequential({
  layers: [
    tf.layers.dense({ units: 32, activation: "tanh", kernelInitializer: seeded(1), inputShape: [16] }),
    new Smooth({ name: "smooth" }),
    tf.layers.activation({ activation: "tanh" }),
    tf.layers.dense({ units: 4, kernelInitializer: seeded(2) }),
  ],
});
