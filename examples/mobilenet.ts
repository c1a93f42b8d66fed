import * as tf from "@tensorflow/tfjs";

/** A net in the manner of MobileNetV2: 17 inverted residual blocks, 53 convolutions, 1,000 classes. */
let seed = 1;

/** A batch normalisation and a ReLU6 after a layer. */
function normalised(layer: tf.layers.Layer, x: tf.SymbolicTensor, activate: boolean): tf.SymbolicTensor {
  const normalise = tf.layers.batchNormalization({ name: `${layer.name}_norm`, epsilon: 1e-3 });
  const y = normalise.apply(layer.apply(x)) as tf.SymbolicTensor;
  return activate ? (tf.layers.reLU({ maxValue: 6 }).apply(y) as tf.SymbolicTensor) : y;
}

function conv(x: tf.SymbolicTensor, name: string, filters: number, activate: boolean, kernelSize = 1, strides = 1) {
  const kernelInitializer = tf.initializers.heNormal({ seed: seed++ });
  const layer = tf.layers.conv2d({
    name,
    filters,
    kernelSize,
    strides,
    padding: "same",
    useBias: false,
    kernelInitializer,
  });
  return normalised(layer, x, activate);
}

function depthwise(x: tf.SymbolicTensor, name: string, strides: number): tf.SymbolicTensor {
  const depthwiseInitializer = tf.initializers.heNormal({ seed: seed++ });
  const layer = tf.layers.depthwiseConv2d({
    name,
    kernelSize: 3,
    strides,
    padding: "same",
    useBias: false,
    depthwiseInitializer,
  });
  return normalised(layer, x, true);
}

/** Expand, filter each channel by itself, project; with a shortcut where the shape stays. */
function block(x: tf.SymbolicTensor, name: string, filters: number, strides: number, expansion: number) {
  const channels = x.shape[3]!;
  const wide = expansion === 1 ? x : conv(x, `${name}_expand`, channels * expansion, true);
  const y = conv(depthwise(wide, `${name}_depthwise`, strides), `${name}_project`, filters, false);
  return strides === 1 && channels === filters ? (tf.layers.add().apply([x, y]) as tf.SymbolicTensor) : y;
}

/** Filters, blocks, stride of the first block, expansion. */
const stages = [
  [16, 1, 1, 1],
  [24, 2, 2, 6],
  [32, 3, 2, 6],
  [64, 4, 2, 6],
  [96, 3, 1, 6],
  [160, 3, 2, 6],
  [320, 1, 1, 6],
];

/** `kernelscope analyze "examples/mobilenet.ts#mobileNet(96,10)"` takes smaller images and fewer classes. */
export function mobileNet(size = 224, classes = 1000): tf.LayersModel {
  const image = tf.input({ shape: [size, size, 3], name: "image" });
  let x = conv(image, "stem", 32, true, 3, 2);
  stages.forEach(([filters, blocks, strides, expansion], stage) => {
    for (let i = 0; i < blocks; i++) {
      x = block(x, `stage${stage + 1}_block${i + 1}`, filters, i === 0 ? strides : 1, expansion);
    }
  });
  x = conv(x, "head", 1280, true);
  const pooled = tf.layers.globalAveragePooling2d({ name: "pool" }).apply(x);
  const kernelInitializer = tf.initializers.glorotNormal({ seed: seed++ });
  const logits = tf.layers.dense({ name: "logits", units: classes, kernelInitializer }).apply(pooled);
  return tf.model({ inputs: image, outputs: logits as tf.SymbolicTensor });
}
