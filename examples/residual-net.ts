import * as tf from "@tensorflow/tfjs";

/**
 * A wide residual net for 32x32 colour images: 10 logits, about 400,000 parameters in 44 trainable tensors, and the
 * moving averages of its batch normalisations as buffers.
 */
let seed = 1;

function conv(x: tf.SymbolicTensor, name: string, filters: number, kernelSize: number, strides = 1): tf.SymbolicTensor {
  const kernelInitializer = tf.initializers.heNormal({ seed: seed++ });
  const layer = tf.layers.conv2d({
    name: `${name}_conv`,
    filters,
    kernelSize,
    strides,
    padding: "same",
    useBias: false,
    kernelInitializer,
  });
  const normalise = tf.layers.batchNormalization({ name: `${name}_norm` });
  return normalise.apply(layer.apply(x)) as tf.SymbolicTensor;
}

const relu = (x: tf.SymbolicTensor) => tf.layers.reLU().apply(x) as tf.SymbolicTensor;

/** Two convolutions beside a shortcut, which is a convolution of its own where the shape changes. */
function block(x: tf.SymbolicTensor, name: string, filters: number, strides: number): tf.SymbolicTensor {
  const inner = relu(conv(x, `${name}_a`, filters, 3, strides));
  const residual = conv(inner, `${name}_b`, filters, 3);
  const isSame = strides === 1 && x.shape[3] === filters;
  const shortcut = isSame ? x : conv(x, `${name}_shortcut`, filters, 1, strides);
  return relu(tf.layers.add().apply([residual, shortcut]) as tf.SymbolicTensor);
}

const image = tf.input({ shape: [32, 32, 3], name: "image" });
let x = relu(conv(image, "stem", 16, 3));
x = block(x, "wide_1", 80, 1);
x = block(x, "half_1", 64, 2);
x = block(x, "half_2", 64, 1);
x = block(x, "quarter_1", 64, 2);
x = block(x, "quarter_2", 64, 1);
const pooled = tf.layers.globalAveragePooling2d({ name: "pool" }).apply(x) as tf.SymbolicTensor;
const logits = tf.layers.dense({
  name: "logits",
  units: 10,
  kernelInitializer: tf.initializers.glorotNormal({ seed: seed++ }),
});

export const model = tf.model({ inputs: image, outputs: logits.apply(pooled) as tf.SymbolicTensor });
