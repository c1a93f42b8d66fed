import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range } from "../../../graph/types";
import type { ConvAttributes } from "../../../primitives/attributes";
import * as ops from "../../../primitives/ops";
import { tf } from "../tensorflow";
import { perDimension, type KernelCall, type Lowering, type LoweringTable } from "./kernel";
import { finish } from "./products";

/**
 * Convolutions in two and three dimensions and their gradients, all as one general convolution. One-dimensional ones
 * come as two-dimensional ones of height 1.
 */

interface ConvKernelAttributes {
  readonly strides: number | number[];
  readonly pad: Parameters<typeof tf.backend_util.computeConv2DInfo>[4];
  readonly dataFormat?: string;
  readonly dilations?: number | number[];
  readonly dimRoundingMode?: "floor" | "round" | "ceil";
  readonly filterShape?: number[];
  readonly inputShape?: number[];
}

/** What TensorFlow.js makes of a convolution's attributes, for any number of spatial dimensions. */
interface Geometry {
  /** Axes of the example, the features and the spatial dimensions in an image. */
  readonly image: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding before the first element of each spatial dimension. */
  readonly low: readonly number[];
  readonly input: readonly number[];
  readonly window: readonly number[];
  readonly output: readonly number[];
}

type Shape4 = [number, number, number, number];
type Shape5 = [number, number, number, number, number];

function geometry(
  attributes: ConvKernelAttributes,
  inputShape: readonly number[],
  filterShape: readonly number[],
  depthwise: boolean,
): Geometry {
  const { pad, dimRoundingMode, dataFormat } = attributes;
  const spatialRank = inputShape.length - 2;
  const strides = perDimension(attributes.strides, spatialRank);
  const dilations = perDimension(attributes.dilations, spatialRank);
  const channelsFirst = dataFormat === "NCHW" || dataFormat === "NCDHW";
  const spatial = range(spatialRank).map((i) => i + (channelsFirst ? 2 : 1));
  const image = [0, channelsFirst ? 1 : spatialRank + 1, ...spatial];
  const input = spatial.map((axis) => inputShape[axis]);
  const window = filterShape.slice(0, spatialRank);
  if (spatialRank === 2) {
    const info = tf.backend_util.computeConv2DInfo(
      inputShape as Shape4,
      filterShape as Shape4,
      strides as [number, number],
      dilations as [number, number],
      pad,
      dimRoundingMode,
      depthwise,
      channelsFirst ? "channelsFirst" : "channelsLast",
    );
    const { padInfo } = info;
    const output = [info.outHeight, info.outWidth];
    return { image, strides, dilations, low: [padInfo.top, padInfo.left], input, window, output };
  }
  const info = tf.backend_util.computeConv3DInfo(
    inputShape as Shape5,
    filterShape as Shape5,
    strides as [number, number, number],
    dilations as [number, number, number],
    pad as "same" | "valid",
    false,
    channelsFirst ? "channelsFirst" : "channelsLast",
  );
  const { padInfo } = info;
  const output = [info.outDepth, info.outHeight, info.outWidth];
  return { image, strides, dilations, low: [padInfo.front, padInfo.top, padInfo.left], input, window, output };
}

/** Elements that a window of `window` elements with gaps spans. */
const span = (window: number, dilation: number): number => (window - 1) * dilation + 1;

function general(b: Builder, lhs: Value, rhs: Value, parts: Partial<ConvAttributes>, spatialRank: number): Value {
  const ones = new Array<number>(spatialRank).fill(1);
  return ops.conv(b, lhs, rhs, {
    strides: ones,
    padding: ones.map(() => [0, 0] as const),
    lhsDilation: ones,
    rhsDilation: ones,
    featureGroups: 1,
    batchGroups: 1,
    batchDims: 0,
    lhsSpec: [],
    rhsSpec: [],
    outSpec: [],
    ...parts,
  });
}

/** [...spatial, input, multiplier] as [...spatial, 1, input * multiplier]: one input feature for each group. */
function depthwiseFilter(b: Builder, filter: Value, spatialRank: number): Value {
  const [features, multiplier] = filter.shape.slice(spatialRank);
  return ops.reshape(b, filter, [...filter.shape.slice(0, spatialRank), 1, features * multiplier]);
}

const forward =
  (depthwise: boolean) =>
  (b: Builder, { inputs: { x, filter }, attributes }: KernelCall): Value => {
    const g = geometry(attributes as ConvKernelAttributes, x.shape, filter.shape, depthwise);
    const n = g.window.length;
    // The padding at the end follows from the output's extent, in whatever way TensorFlow.js rounded that.
    const padding = range(n).map((i) => {
      const needed = (g.output[i] - 1) * g.strides[i] + span(g.window[i], g.dilations[i]);
      return [g.low[i], needed - g.input[i] - g.low[i]] as const;
    });
    return general(
      b,
      x,
      depthwise ? depthwiseFilter(b, filter, n) : filter,
      {
        strides: g.strides,
        padding,
        rhsDilation: g.dilations,
        featureGroups: depthwise ? x.shape[g.image[1]] : 1,
        lhsSpec: g.image,
        rhsSpec: [n + 1, n, ...range(n)],
        outSpec: g.image,
      },
      n,
    );
  };

/** The gradient with respect to the input: the cotangent, spread by the strides, with the filter turned around. */
const backpropInput =
  (depthwise: boolean): Lowering =>
  (b, { inputs: { dy, filter }, attributes }) => {
    const a = attributes as ConvKernelAttributes;
    const inputShape = a.inputShape ?? [];
    const g = geometry(a, inputShape, filter.shape, depthwise);
    const n = g.window.length;
    const padding = range(n).map((i) => {
      const reach = span(g.window[i], g.dilations[i]) - 1;
      const low = reach - g.low[i];
      return [low, g.input[i] + reach - span(g.output[i], g.strides[i]) - low] as const;
    });
    return general(
      b,
      dy,
      ops.reverse(b, filter, range(n)),
      {
        padding,
        lhsDilation: g.strides,
        rhsDilation: g.dilations,
        featureGroups: depthwise ? inputShape[g.image[1]] : 1,
        lhsSpec: g.image,
        rhsSpec: [n, n + 1, ...range(n)],
        outSpec: g.image,
      },
      n,
    );
  };

/** The gradient with respect to the filter: input and cotangent, convolved over examples as if these were features. */
const backpropFilter =
  (depthwise: boolean): Lowering =>
  (b, { inputs: { x, dy }, attributes }) => {
    const a = attributes as ConvKernelAttributes;
    const filterShape = a.filterShape ?? [];
    const g = geometry(a, x.shape, filterShape, depthwise);
    const n = g.window.length;
    const padding = range(n).map((i) => {
      const needed = (g.window[i] - 1) * g.dilations[i] + span(g.output[i], g.strides[i]);
      return [g.low[i], needed - g.input[i] - g.low[i]] as const;
    });
    const [example, feature, ...spatial] = g.image;
    const gradient = general(
      b,
      x,
      dy,
      {
        strides: g.dilations,
        padding,
        rhsDilation: g.strides,
        batchGroups: depthwise ? x.shape[feature] : 1,
        lhsSpec: [feature, example, ...spatial],
        rhsSpec: [feature, example, ...spatial],
        outSpec: [n, n + 1, ...range(n)],
      },
      n,
    );
    return ops.reshape(b, gradient, filterShape);
  };

const fused =
  (depthwise: boolean): Lowering =>
  (b, call) => {
    const { dataFormat } = call.attributes as ConvKernelAttributes;
    return dataFormat === "NCHW" ? null : finish(b, forward(depthwise)(b, call), call);
  };

export const convolutions: LoweringTable = {
  Conv2D: forward(false),
  Conv2DBackpropInput: backpropInput(false),
  Conv2DBackpropFilter: backpropFilter(false),
  FusedConv2D: fused(false),
  DepthwiseConv2dNative: forward(true),
  DepthwiseConv2dNativeBackpropInput: backpropInput(true),
  DepthwiseConv2dNativeBackpropFilter: backpropFilter(true),
  FusedDepthwiseConv2D: fused(true),
  Conv3D: forward(false),
  Conv3DBackpropInputV2: backpropInput(false),
  Conv3DBackpropFilterV2: backpropFilter(false),
};
