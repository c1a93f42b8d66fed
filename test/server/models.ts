/** Models that tests of the sidecar write into files. */

const tensorflow = 'import * as tf from "@tensorflow/tfjs";\n';

/** A dense layer on line 3, another on line 4, in a model bound on line 2: 4 * 8 + 8 and 8 * units + units parameters. */
export function twoLayers(units = 2): string {
  return `${tensorflow}export const model = tf.sequential({ layers: [
  tf.layers.dense({ name: "first", units: 8, inputShape: [4] }),
  tf.layers.dense({ name: "last", units: ${units} }),
] });
`;
}

/** A batch normalisation in training mode: the examples of a batch depend on one another. */
export const coupled = `${tensorflow}const scale = tf.variable(tf.ones([3]), true, "scale");
export function normalised(x: tf.Tensor2D): tf.Tensor {
  const { mean, variance } = tf.moments(x, 0);
  return x.sub(mean).div(variance.add(1e-3).sqrt()).mul(scale);
}
`;

/** A function whose input has no shape of its own. */
export const plainFunction = `${tensorflow}const weight = tf.variable(tf.ones([3, 2]), true, "weight");
export function project(x: tf.Tensor2D): tf.Tensor {
  return tf.matMul(x, weight);
}
`;

/** Runs for ever. */
export const endless = `${tensorflow}let i = 0;
for (;;) i++;
export const model = tf.sequential();
`;

/** Takes `seconds` to be evaluated. */
export function takingLong(seconds: number, units = 2): string {
  return `${twoLayers(units)}await new Promise((resolve) => setTimeout(resolve, ${1000 * seconds}));\n`;
}
