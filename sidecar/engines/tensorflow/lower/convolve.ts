import { range, sizeOf, type Shape } from "../../../graph/types";
import { pad, slice } from "./layout";
import type { Tensor4D, Tensor5D, Tf, TfTensor } from "./lowering";

type InputRole = "group" | "example" | "feature" | "spatial";
type KernelRole = "group" | "outFeature" | "feature" | "spatial";
type OutputRole = "group" | "example" | "outFeature" | "spatial";

/** A convolution in normal form, with its operands in whatever order of axes a kernel wants them. */
export interface Convolution {
  readonly groups: number;
  readonly examples: number;
  /** Input features of one group. */
  readonly features: number;
  /** Output features of one group. */
  readonly outFeatures: number;
  readonly input: Shape;
  readonly kernel: Shape;
  readonly output: Shape;
  readonly strides: readonly number[];
  readonly padding: readonly (readonly [number, number])[];
  readonly inputDilation: readonly number[];
  readonly kernelDilation: readonly number[];
  /** One axis for each role, "spatial" being as many as there are spatial dimensions. */
  takeInput(order: readonly InputRole[]): TfTensor;
  takeKernel(order: readonly KernelRole[]): TfTensor;
}

export interface Result {
  readonly tensor: TfTensor;
  readonly order: readonly OutputRole[];
}

const isOne = (amount: number): boolean => amount === 1;

/** Picks the way to compute a convolution. */
export function convolve(tf: Tf, c: Convolution): Result {
  const dimensions = c.kernel.length;
  const plain = c.kernelDilation.every(isOne) && c.inputDilation.every(isOne);
  // Derivatives with respect to a kernel have kernels as large as an image and outputs as small as a kernel
  const smallOutput = sizeOf(c.output) < sizeOf(c.kernel);
  if (sizeOf(c.kernel) > 1 && !smallOutput && (dimensions === 1 || dimensions === 2)) {
    if (c.groups === 1) {
      if (c.strides.every(isOne) || c.kernelDilation.every(isOne)) return conv2d(tf, c);
    } else if (c.features === 1 && plain && (dimensions === 1 || c.strides[0] === c.strides[1])) {
      return depthwiseConv2d(tf, c);
    }
  }
  if (dimensions === 3 && c.groups === 1 && plain && !smallOutput) return conv3d(tf, c);
  return smallOutput ? matrixProductForEachOutput(tf, c) : matrixProductOfPatches(tf, c);
}

/** Applies input dilation and padding; spatial axes start at `first`. */
function padded(tf: Tf, input: TfTensor, c: Convolution, first: number): TfTensor {
  const around = (amounts: readonly number[]): number[] => {
    const all = new Array<number>(input.shape.length).fill(0);
    amounts.forEach((amount, dimension) => (all[first + dimension] = amount));
    return all;
  };
  return pad(
    tf,
    input,
    around(c.padding.map(([low]) => low)),
    around(c.padding.map(([, high]) => high)),
    around(c.inputDilation.map((dilation) => dilation - 1)),
    0,
  );
}

/** The kernels for images also do one dimension, as images of one line. Spatial axes start at `first` and become two. */
function asImage(tf: Tf, x: TfTensor, first: number, dimensions: number, shape: Shape): Tensor4D {
  const spatial = x.shape.slice(first, first + dimensions);
  const [height, width] = dimensions === 2 ? spatial : [1, spatial[0]];
  const around = shape.map((extent) => (extent === heightHere ? height : extent === widthHere ? width : extent));
  const image: TfTensor = tf.reshape(x, around);
  return image as Tensor4D;
}

/** Stand for the spatial extents in the shape that `asImage` is asked for. */
const heightHere = -1;
const widthHere = -2;

function pair(amounts: readonly number[]): [number, number] {
  return amounts.length === 2 ? [amounts[0], amounts[1]] : [1, amounts[0]];
}

/**
 * Zeros between the elements of the input, as derivatives of strided convolutions have them, are put in: TensorFlow's own
 * kernel for such derivatives (Conv2DBackpropInput, 2.21 with oneDNN on a CPU with AVX-512) is wrong for some numbers of
 * features, 80 among them.
 */
function conv2d(tf: Tf, c: Convolution): Result {
  const dimensions = c.kernel.length;
  const taken = c.takeInput(["group", "example", "spatial", "feature"]);
  const padsItself = c.inputDilation.every(isOne) && c.padding.every(([low, high]) => low >= 0 && high >= 0);
  const input = padsItself ? taken : padded(tf, taken, c, 2);
  const image = asImage(tf, input, 2, dimensions, [c.examples, heightHere, widthHere, c.features]);
  const kernel = c.takeKernel(["spatial", "feature", "group", "outFeature"]);
  const filter = asImage(tf, kernel, 0, dimensions, [heightHere, widthHere, c.features, c.outFeatures]);
  const [vertical, horizontal] = dimensions === 2 ? c.padding : [[0, 0] as const, c.padding[0]];
  const padding: ExplicitPadding = [[0, 0], [...vertical], [...horizontal], [0, 0]];
  return {
    tensor: tf.conv2d(image, filter, pair(c.strides), padsItself ? padding : "valid", "NHWC", pair(c.kernelDilation)),
    order: ["example", "spatial", "outFeature"],
  };
}

type ExplicitPadding = [[number, number], [number, number], [number, number], [number, number]];

/** One input feature in each group: the groups are what this kernel calls channels. */
function depthwiseConv2d(tf: Tf, c: Convolution): Result {
  const dimensions = c.kernel.length;
  const input = padded(tf, c.takeInput(["example", "spatial", "group", "feature"]), c, 1);
  const image = asImage(tf, input, 1, dimensions, [c.examples, heightHere, widthHere, c.groups]);
  const kernel = c.takeKernel(["spatial", "group", "feature", "outFeature"]);
  const filter = asImage(tf, kernel, 0, dimensions, [heightHere, widthHere, c.groups, c.outFeatures]);
  // The kernel for CPUs wants both strides equal; across the one line of a line any stride does
  const stride = c.strides[dimensions - 1];
  return {
    tensor: tf.depthwiseConv2d(image, filter, [stride, stride], "valid"),
    order: ["example", "spatial", "group", "outFeature"],
  };
}

function conv3d(tf: Tf, c: Convolution): Result {
  const input = padded(tf, c.takeInput(["group", "example", "spatial", "feature"]), c, 2);
  const volume: TfTensor = tf.reshape(input, input.shape.slice(1));
  const kernel = c.takeKernel(["spatial", "feature", "group", "outFeature"]);
  const filter: TfTensor = tf.reshape(kernel, [...c.kernel, c.features, c.outFeatures]);
  return {
    tensor: tf.conv3d(volume as Tensor5D, filter as Tensor5D, [c.strides[0], c.strides[1], c.strides[2]], "valid"),
    order: ["example", "spatial", "outFeature"],
  };
}

/** All positions in a block of the given extents. */
function positions(extents: Shape): number[][] {
  return extents.reduce<number[][]>(
    (known, extent) => known.flatMap((position) => range(extent).map((index) => [...position, index])),
    [[]],
  );
}

/** Elements first, first + step, ... of each spatial axis, `counts` of them; spatial axes start at 2. */
function block(tf: Tf, x: TfTensor, first: readonly number[], counts: Shape, steps: readonly number[]): TfTensor {
  const shape: Shape = x.shape;
  const limit = first.map((from, axis) => from + (counts[axis] - 1) * steps[axis] + 1);
  return slice(
    tf,
    x,
    [0, 0, ...first, 0],
    [shape[0], shape[1], ...limit, shape[shape.length - 1]],
    [1, 1, ...steps, 1],
  );
}

/** "im2col": for each element of the kernel, what it meets in all output positions; side by side, times the kernel. */
function matrixProductOfPatches(tf: Tf, c: Convolution): Result {
  const input = padded(tf, c.takeInput(["group", "example", "spatial", "feature"]), c, 2);
  const kernel = tf.reshape(c.takeKernel(["group", "spatial", "feature", "outFeature"]), [
    c.groups,
    sizeOf(c.kernel) * c.features,
    c.outFeatures,
  ]);
  const met = positions(c.kernel).map((position) => {
    const first = position.map((index, dimension) => index * c.kernelDilation[dimension]);
    const rows = c.examples * sizeOf(c.output);
    return tf.reshape(block(tf, input, first, c.output, c.strides), [c.groups, rows, c.features]);
  });
  const patches = met.length === 1 ? met[0] : tf.concat(met, 2);
  return { tensor: tf.matMul(patches, kernel), order: ["group", "example", "spatial", "outFeature"] };
}

/** For each output position, all that the kernel meets there, times the kernel: few and large products. */
function matrixProductForEachOutput(tf: Tf, c: Convolution): Result {
  const input = padded(tf, c.takeInput(["group", "example", "spatial", "feature"]), c, 2);
  const depth = sizeOf(c.kernel) * c.features;
  const kernel = tf.reshape(c.takeKernel(["group", "spatial", "feature", "outFeature"]), [
    c.groups,
    depth,
    c.outFeatures,
  ]);
  const products = positions(c.output).map((position) =>
    tf.tidy(() => {
      const first = position.map((index, dimension) => index * c.strides[dimension]);
      const met = tf.reshape(block(tf, input, first, c.kernel, c.kernelDilation), [c.groups, c.examples, depth]);
      return tf.reshape(tf.matMul(met, kernel), [c.groups, c.examples, 1, c.outFeatures]);
    }),
  );
  return {
    tensor: products.length === 1 ? products[0] : tf.concat(products, 2),
    order: ["group", "example", "spatial", "outFeature"],
  };
}
