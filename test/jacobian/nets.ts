import * as tf from "@tensorflow/tfjs";

/**
 * Whole networks, small enough that every element of their Jacobians can be compared: a model file like a user's, which
 * tests load as Kernelscope does and also import, to ask TensorFlow.js itself. All weights are made here, the same in
 * every evaluation; none is zero or one, so that nothing a model computes with them goes unseen.
 */

let state = 17;

/** Repeatable numbers, uniform between `low` and `high`. */
function uniform(shape: number[], low = -0.7, high = 0.7): tf.Tensor {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).map(() => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return low + ((high - low) * state) / 0x7fffffff;
  });
  return tf.tensor(data, shape);
}

const L = tf.layers;
type Symbolic = tf.SymbolicTensor;

function modelOf(inputs: Symbolic | Symbolic[], output: Symbolic): tf.LayersModel {
  state = 17;
  const model = tf.model({ inputs, outputs: output });
  model.setWeights(
    model.weights.map(({ shape, originalName }) =>
      originalName.endsWith("variance") ? uniform(shape as number[], 0.5, 2) : uniform(shape as number[]),
    ),
  );
  return model;
}

/** Applies layers one after the other. */
function chain(x: Symbolic, ...layers: tf.layers.Layer[]): Symbolic {
  return layers.reduce((value, layer) => layer.apply(value) as Symbolic, x);
}

/** Its second layer is frozen. */
export function mlp(): tf.LayersModel {
  const x = tf.input({ shape: [5], name: "x" });
  return modelOf(
    x,
    chain(
      x,
      L.dense({ name: "first", units: 6, activation: "relu" }),
      L.dense({ name: "second", units: 5, activation: "tanh", trainable: false }),
      L.dense({ name: "third", units: 3 }),
    ),
  );
}

/** Strides, padding on unequal sides, and both kinds of pooling. */
export function cnn(): tf.LayersModel {
  const x = tf.input({ shape: [9, 8, 2], name: "x" });
  return modelOf(
    x,
    chain(
      x,
      L.conv2d({ name: "strided", filters: 4, kernelSize: 3, strides: 2, padding: "same", activation: "relu" }),
      L.maxPooling2d({ poolSize: 3, strides: 1, padding: "same" }),
      L.zeroPadding2d({ padding: [[2, 1], [0, 1]] }), // prettier-ignore
      L.conv2d({ name: "oblong", filters: 3, kernelSize: [2, 3], activation: "elu" }),
      L.averagePooling2d({ poolSize: [3, 2], strides: 2 }),
      L.flatten(),
      L.dense({ name: "logits", units: 3 }),
    ),
  );
}

/**
 * What TensorFlow.js itself has no gradient of (dilated convolutions), or a wrong one: where an average is taken over the
 * part of a window that is inside the image, its gradient divides by the size of the whole window.
 */
export function padded(): tf.LayersModel {
  const x = tf.input({ shape: [7, 6, 2], name: "x" });
  return modelOf(
    x,
    chain(
      x,
      L.conv2d({ name: "dilated", filters: 3, kernelSize: 2, dilationRate: 2, activation: "tanh" }),
      L.averagePooling2d({ poolSize: 3, strides: 2, padding: "same" }),
      L.globalAveragePooling2d({}),
    ),
  );
}

/** Two residual blocks, the second with a convolution on its shortcut. */
export function residual(): tf.LayersModel {
  const conv = (x: Symbolic, name: string, filters: number, kernelSize: number, strides = 1): Symbolic =>
    chain(
      x,
      L.conv2d({ name: `${name}_conv`, filters, kernelSize, strides, padding: "same", useBias: false }),
      L.batchNormalization({ name: `${name}_norm` }),
    );
  const relu = (x: Symbolic): Symbolic => chain(x, L.reLU());
  const add = (a: Symbolic, b: Symbolic): Symbolic => L.add().apply([a, b]) as Symbolic;
  const x = tf.input({ shape: [6, 6, 2], name: "x" });
  const stem = relu(conv(x, "stem", 3, 3));
  const same = relu(add(conv(relu(conv(stem, "same_a", 3, 3)), "same_b", 3, 3), stem));
  const inner = conv(relu(conv(same, "half_a", 4, 3, 2)), "half_b", 4, 3);
  const half = relu(add(inner, conv(same, "half_shortcut", 4, 1, 2)));
  return modelOf(x, chain(half, L.globalAveragePooling2d({}), L.dense({ name: "logits", units: 3 })));
}

/** With the sigmoid gates that PyTorch has, and sequences from one layer to the next. */
export function lstm(): tf.LayersModel {
  const x = tf.input({ shape: [4, 3], name: "x" });
  const gates = { recurrentActivation: "sigmoid" } as const;
  return modelOf(
    x,
    chain(
      x,
      L.lstm({ ...gates, name: "lower", units: 4, returnSequences: true }),
      L.lstm({ ...gates, name: "upper", units: 3 }),
      L.dense({ name: "logits", units: 2 }),
    ),
  );
}

/** As TensorFlow.js has it: hard sigmoid gates, one bias, and the state reset before it is multiplied. */
export function gru(): tf.LayersModel {
  const x = tf.input({ shape: [4, 3], name: "x" });
  return modelOf(x, chain(x, L.gru({ name: "cell", units: 4 }), L.dense({ name: "logits", units: 3 })));
}

/** One layer at three places, and two inputs. */
export function shared(): tf.LayersModel {
  const [a, b] = ["a", "b"].map((name) => tf.input({ shape: [4], name }));
  const layer = L.dense({ name: "shared", units: 4, activation: "tanh" });
  const joined = L.concatenate().apply([chain(a, layer, layer), chain(b, layer)]) as Symbolic;
  return modelOf([a, b], chain(joined, L.dense({ name: "logits", units: 3 })));
}

// Plain functions: the variables that they use are their parameters.

const variable = (name: string, shape: number[], trainable = true): tf.Variable =>
  tf.variable(uniform(shape), trainable, name);

state = 29;
const depthwiseFilter = variable("depthwise", [3, 3, 4, 2]);
const groupedFilter = variable("grouped", [2, 2, 4, 6]);
const groupedBias = variable("grouped_bias", [6]);
const pointwise = variable("pointwise", [6, 3]);

/** A depthwise convolution with two filters a channel, and one in two groups. */
export function grouped(x: tf.Tensor4D): tf.Tensor {
  const wide = tf.relu(tf.depthwiseConv2d(x, depthwiseFilter as tf.Tensor4D, 1, "same"));
  const groups = tf.split<tf.Tensor4D>(wide, 2, 3);
  const filters = tf.split<tf.Tensor4D>(groupedFilter, 2, 3);
  const halves = groups.map((group, index) => tf.conv2d(group, filters[index], 2, "valid"));
  const mixed = tf.relu6(tf.add(tf.concat(halves, 3), groupedBias));
  return tf.matMul(tf.mean(mixed, [1, 2]), pointwise);
}

const width = 8;
const heads = 2;
const table = variable("embedding", [7, width]);
const positions = variable("positions", [5, width]);
const gain = variable("gain", [width]);
const shift = variable("shift", [width]);
const projections = ["query", "key", "value", "mix"].map((name) => variable(name, [width, width]));
const temperature = variable("temperature", [], false);
const logits = variable("logits", [width, 3]);

function layerNorm(x: tf.Tensor): tf.Tensor {
  const { mean, variance } = tf.moments(x, -1, true);
  const normal = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5)));
  return tf.add(tf.mul(normal, gain), shift);
}

/** Embeddings, layer normalisation, self-attention with two heads and a shortcut. Its temperature is frozen. */
export function attention(ids: tf.Tensor2D): tf.Tensor {
  const [batch, time] = ids.shape;
  const embedded = tf.add(tf.gather(table, ids), positions);
  const normal = layerNorm(embedded);
  const project = (weights: tf.Tensor): tf.Tensor => {
    const flat = tf.matMul(tf.reshape(normal, [-1, width]), weights);
    return tf.transpose(tf.reshape(flat, [batch, time, heads, width / heads]), [0, 2, 1, 3]);
  };
  const [query, key, value] = projections.slice(0, 3).map(project);
  const scores = tf.softmax(tf.mul(tf.matMul(query, key, false, true), temperature));
  const joined = tf.reshape(tf.transpose(tf.matMul(scores, value), [0, 2, 1, 3]), [-1, width]);
  const mixed = tf.reshape(tf.matMul(joined, projections[3] as tf.Tensor2D), [batch, time, width]);
  return tf.matMul(tf.mean(tf.add(embedded, mixed), 1), logits);
}
