import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range, sizeOf } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { floating, positiveAxis, type Call, type Operator, type OperatorTable } from "../call";

const at = ops.scalarLike;

/** Reduced over `axes`, which stay with an extent of 1. */
export function kept(
  b: Builder,
  reduce: (b: Builder, x: Value, axes: readonly number[]) => Value,
  x: Value,
  axes: readonly number[],
): Value {
  return ops.reshape(
    b,
    reduce(b, x, axes),
    x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent)),
  );
}

export function mean(b: Builder, x: Value, axes: readonly number[]): Value {
  const sum = ops.reduceSum(b, x, axes);
  return ops.mul(b, sum, at(b, sum, 1 / sizeOf(axes.map((axis) => x.shape[axis]))));
}

/** (x - mean) / sqrt(variance + epsilon), over `axes`. */
function standardised(
  b: Builder,
  x: Value,
  axes: readonly number[],
  epsilon: number,
): { x: Value; mean: Value; inverse: Value } {
  const average = kept(b, mean, x, axes);
  const centred = ops.sub(b, x, average);
  const variance = kept(b, mean, ops.mul(b, centred, centred), axes);
  const inverse = ops.rsqrt(b, ops.add(b, variance, at(b, variance, epsilon)));
  return { x: ops.mul(b, centred, inverse), mean: average, inverse };
}

/** One number for each feature, beside examples and spatial axes. */
function perFeature(b: Builder, x: Value, rank: number): Value {
  return ops.reshape(b, x, [1, ...x.shape, ...new Array<number>(Math.max(0, rank - 2)).fill(1)].slice(0, rank));
}

const batchNormalization: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const rank = x.shape.length;
  const epsilon = call.float("epsilon", 1e-5);
  const of = (index: number): Value => {
    const value = call.input(index);
    return ops.convert(b, rank === 1 ? value : perFeature(b, value, rank), x.dtype);
  };
  const scaled = (value: Value): Value => ops.add(b, ops.mul(b, value, of(1)), of(2));
  const training = call.int("training_mode", 0) === 1;
  if (call.int("spatial", 1) === 0) throw call.unsupported("statistics of each element (spatial = 0) are not read");
  if (!training) {
    const variance = call.input(4);
    const inverse = ops.rsqrt(b, ops.add(b, variance, at(b, variance, epsilon)));
    const factor = ops.mul(b, ops.convert(b, rank === 1 ? inverse : perFeature(b, inverse, rank), x.dtype), of(1));
    return ops.add(b, ops.mul(b, ops.sub(b, x, of(3)), factor), of(2));
  }
  const axes = range(rank).filter((axis) => axis !== 1);
  const momentum = call.float("momentum", 0.9);
  const average = mean(b, x, axes);
  const centred = ops.sub(b, x, perFeature(b, average, rank));
  const variance = mean(b, ops.mul(b, centred, centred), axes);
  const inverse = ops.rsqrt(b, ops.add(b, variance, at(b, variance, epsilon)));
  const running = (old: Value, current: Value): Value =>
    ops.add(
      b,
      ops.mul(b, old, at(b, old, momentum)),
      ops.mul(b, ops.convert(b, current, old.dtype), at(b, old, 1 - momentum)),
    );
  return [
    scaled(ops.mul(b, centred, perFeature(b, inverse, rank))),
    running(call.input(3), average),
    running(call.input(4), variance),
  ];
};

const instanceNormalization: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const rank = x.shape.length;
  const normal = standardised(b, x, range(rank).slice(2), call.float("epsilon", 1e-5)).x;
  return ops.add(b, ops.mul(b, normal, perFeature(b, call.input(1), rank)), perFeature(b, call.input(2), rank));
};

const layerNormalization: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const rank = x.shape.length;
  const axes = range(rank).slice(positiveAxis(call.int("axis", -1), rank));
  const { x: normal, mean: average, inverse } = standardised(b, x, axes, call.float("epsilon", 1e-5));
  const scaled = ops.mul(b, normal, ops.padRank(b, call.input(1), rank));
  const bias = call.optional(2);
  return [bias ? ops.add(b, scaled, ops.padRank(b, bias, rank)) : scaled, average, inverse];
};

/** x / sqrt(mean(x^2) + epsilon) */
const rmsNormalization: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const rank = x.shape.length;
  const axes = range(rank).slice(positiveAxis(call.int("axis", -1), rank));
  const square = kept(b, mean, ops.mul(b, x, x), axes);
  const inverse = ops.rsqrt(b, ops.add(b, square, at(b, square, call.float("epsilon", 1e-5))));
  return ops.mul(b, ops.mul(b, x, inverse), ops.padRank(b, call.input(1), rank));
};

const groupNormalization: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const rank = x.shape.length;
  const groups = call.int("num_groups", 1);
  const [examples, features] = x.shape;
  const split = ops.reshape(b, x, [examples, groups, sizeOf(x.shape) / (examples * groups)]);
  const normal = ops.reshape(b, standardised(b, split, [2], call.float("epsilon", 1e-5)).x, x.shape);
  // Before operator set 21 there was one scale for each group
  const each = (value: Value): Value => {
    if (value.shape[0] === features) return perFeature(b, value, rank);
    const repeated = ops.broadcastInDim(b, value, [groups, features / groups], [0]);
    return perFeature(b, ops.reshape(b, repeated, [features]), rank);
  };
  return ops.add(b, ops.mul(b, normal, each(call.input(1))), each(call.input(2)));
};

/** x / (bias + alpha / size * sum of squares of neighbouring features) ^ beta */
const lrn: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const size = call.int("size", 1);
  if (!(size >= 1 && size < 2 ** 24)) throw new Error(`its size is ${size}`);
  const low = Math.floor((size - 1) / 2);
  const onFeatures = <T>(amount: T, otherwise: T): T[] => x.shape.map((_, axis) => (axis === 1 ? amount : otherwise));
  const squares = ops.reduceWindowSum(b, ops.mul(b, x, x), {
    window: onFeatures(size, 1),
    strides: onFeatures(1, 1),
    dilation: onFeatures(1, 1),
    padding: onFeatures([low, size - 1 - low] as const, [0, 0] as const),
  });
  const scaled = ops.mul(b, squares, at(b, squares, call.float("alpha", 0.0001) / size));
  const base = ops.add(b, scaled, at(b, scaled, call.float("bias", 1)));
  return ops.mul(b, x, ops.pow(b, base, at(b, base, -call.float("beta", 0.75))));
};

const meanVariance: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const axes = (call.ints("axes") ?? [0, 2, 3]).map((axis) => positiveAxis(axis, x.shape.length));
  const centred = ops.sub(b, x, kept(b, mean, x, axes));
  const deviation = ops.sqrt(b, kept(b, mean, ops.mul(b, centred, centred), axes));
  return ops.div(b, centred, ops.add(b, deviation, at(b, deviation, 1e-9)));
};

/** x / |x|, and 0 where the norm is 0. */
const lpNormalization: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const axis = positiveAxis(call.int("axis", -1), x.shape.length);
  const total = (value: Value): Value => kept(b, ops.reduceSum, value, [axis]);
  const norm = call.int("p", 2) === 1 ? total(ops.abs(b, x)) : ops.sqrt(b, total(ops.mul(b, x, x)));
  const isZero = ops.eq(b, norm, at(b, norm, 0));
  return ops.div(b, x, ops.select(b, isZero, at(b, norm, 1), norm));
};

/** Axes that are normalised together: one since operator set 13, all from it on before. */
function softmaxAxes(call: Call, x: Value): number[] {
  const rank = x.shape.length;
  const axis = positiveAxis(call.int("axis", call.opset >= 13 ? -1 : 1), rank);
  return call.opset >= 13 ? [axis] : range(rank).slice(axis);
}

/** x minus its maximum, which keeps exponentials in range; no derivative passes through the maximum, as it cancels. */
function stabilised(b: Builder, x: Value, axes: readonly number[]): Value {
  return ops.sub(b, x, ops.stopGradient(b, kept(b, ops.reduceMax, x, axes)));
}

export function softmax(b: Builder, x: Value, axes: readonly number[]): Value {
  const exponentials = ops.exp(b, stabilised(b, x, axes));
  return ops.div(b, exponentials, kept(b, ops.reduceSum, exponentials, axes));
}

export function logSoftmax(b: Builder, x: Value, axes: readonly number[]): Value {
  const shifted = stabilised(b, x, axes);
  return ops.sub(b, shifted, ops.log(b, kept(b, ops.reduceSum, ops.exp(b, shifted), axes)));
}

/** 1 at the first maximum, else 0. */
const hardmax: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const axes = softmaxAxes(call, x);
  const [axis] = axes;
  const flat = ops.reshape(b, x, [
    ...x.shape.slice(0, axis),
    sizeOf(axes.map((each) => x.shape[each])),
    ...x.shape.slice(axes[axes.length - 1] + 1),
  ]);
  const place = ops.expandDims(b, ops.argmax(b, flat, axis), axis);
  const hit = ops.eq(b, ops.iota(b, flat.shape, axis, "int32"), ops.broadcastTo(b, place, flat.shape));
  return ops.reshape(b, ops.convert(b, hit, x.dtype), x.shape);
};

export const normalisation: OperatorTable = {
  BatchNormalization: batchNormalization,
  InstanceNormalization: instanceNormalization,
  LayerNormalization: layerNormalization,
  RMSNormalization: rmsNormalization,
  GroupNormalization: groupNormalization,
  LRN: lrn,
  MeanVarianceNormalization: meanVariance,
  LpNormalization: lpNormalization,
  Softmax: (call) => softmax(call.b, floating(call.b, call.input(0)), softmaxAxes(call, call.input(0))),
  LogSoftmax: (call) => logSoftmax(call.b, call.input(0), softmaxAxes(call, call.input(0))),
  Hardmax: hardmax,
};
