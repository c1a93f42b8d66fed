import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range, sizeOf, type Shape } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import type { Operator, OperatorCall, OperatorTable } from "../call";
import { aligned, axisOf, floating } from "./common";

/** Normalisations, and softmax. */

/** x minus its mean over `axes`, and one over its standard deviation; both keep these axes, with an extent of 1. */
function standardised(
  b: Builder,
  x: Value,
  axes: readonly number[],
  epsilon: number,
): { centred: Value; inverse: Value } {
  const count = sizeOf(axes.map((axis) => x.shape[axis]));
  const kept = x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
  const mean = (value: Value): Value => {
    const sum = ops.reduceSum(b, value, axes);
    return ops.reshape(b, ops.mul(b, sum, ops.scalarLike(b, sum, 1 / count)), kept);
  };
  const centred = ops.sub(b, x, mean(x));
  const variance = mean(ops.mul(b, centred, centred));
  return { centred, inverse: ops.rsqrt(b, ops.add(b, variance, ops.scalarLike(b, variance, epsilon))) };
}

/** x weight + bias, of which either may be left out; `place` brings them into the rank of `x`. */
function affine(b: Builder, x: Value, call: OperatorCall, place: (parameter: Value) => Value): Value {
  const [weight, bias] = [call.optional("weight"), call.optional("bias")];
  const scaled = weight === null ? x : ops.mul(b, x, place(ops.convert(b, weight, x.dtype)));
  return bias === null ? scaled : ops.add(b, scaled, place(ops.convert(b, bias, x.dtype)));
}

/** One number for each feature, on axis 1. */
const onFeatures =
  (b: Builder, shape: Shape) =>
  (parameter: Value): Value =>
    ops.reshape(
      b,
      parameter,
      shape.map((extent, axis) => (axis === 1 ? extent : 1)),
    );

const batchNorm = (b: Builder, call: OperatorCall, training: boolean): Value => {
  const x = floating(b, call.value("input"));
  const place = onFeatures(b, x.shape);
  const [mean, variance] = [call.optional("running_mean"), call.optional("running_var")];
  if (training || mean === null || variance === null) {
    // Without running statistics it may be an instance's normalisation, decomposed: one for each feature of each example
    if (mean !== null || call.operator === "batch_norm") {
      call.couples(
        "batch normalisation in training mode uses the batch's own mean and variance; call model.eval() before the " +
          "export for the running ones",
        "perhaps",
      );
    }
    const axes = range(x.shape.length).filter((axis) => axis !== 1);
    const { centred, inverse } = standardised(b, x, axes, call.number("eps", 1e-5));
    return affine(b, ops.mul(b, centred, inverse), call, place);
  }
  // The arrays of one number for each feature are combined first
  const statistics = ops.convert(b, variance, x.dtype);
  const inverse = ops.rsqrt(b, ops.add(b, statistics, ops.scalarLike(b, statistics, call.number("eps", 1e-5))));
  const weight = call.optional("weight");
  const factor = weight === null ? inverse : ops.mul(b, inverse, ops.convert(b, weight, x.dtype));
  const centred = ops.sub(b, x, place(ops.convert(b, mean, x.dtype)));
  const scaled = ops.mul(b, centred, place(factor));
  const bias = call.optional("bias");
  return bias === null ? scaled : ops.add(b, scaled, place(ops.convert(b, bias, x.dtype)));
};

/** With the batch's statistics, which nothing that is differentiated needs, left out. */
const nativeBatchNorm: Operator = (b, call) => {
  const result = batchNorm(b, call, call.flag("training", false));
  return [result, null, null, call.optional("running_mean"), call.optional("running_var")];
};

const layerNorm = (b: Builder, call: OperatorCall): Value => {
  const x = floating(b, call.value("input"));
  const outer = x.shape.length - call.sizes("normalized_shape").length;
  const axes = range(x.shape.length).filter((axis) => axis >= outer);
  const { centred, inverse } = standardised(b, x, axes, call.number("eps", 1e-5));
  return affine(b, ops.mul(b, centred, inverse), call, (parameter) => ops.padRank(b, parameter, x.shape.length));
};

const rmsNorm: Operator = (b, call) => {
  const x = floating(b, call.value("input"));
  const outer = x.shape.length - call.sizes("normalized_shape").length;
  const axes = range(x.shape.length).filter((axis) => axis >= outer);
  const sum = ops.reduceSum(b, ops.mul(b, x, x), axes);
  const mean = ops.mul(b, sum, ops.scalarLike(b, sum, 1 / sizeOf(x.shape.slice(outer))));
  const epsilon = call.optionalNumber("eps") ?? (x.dtype === "float64" ? 2 ** -52 : 2 ** -23);
  const inverse = ops.rsqrt(b, ops.add(b, mean, ops.scalarLike(b, mean, epsilon)));
  const kept = ops.reshape(b, inverse, [...x.shape.slice(0, outer), ...axes.map(() => 1)]);
  const result = affine(b, ops.mul(b, x, kept), call, (parameter) => ops.padRank(b, parameter, x.shape.length));
  return call.operator === "rms_norm" ? result : [result, null];
};

/** Features in consecutive groups, each normalised with all its spatial elements. */
function groupNorm(b: Builder, call: OperatorCall, groups: number): Value {
  const x = floating(b, call.value("input"));
  const [examples, features, ...spatial] = x.shape;
  if (features % groups !== 0)
    throw call.refuse(`has ${features} features in ${groups} groups; export the model again`);
  const split = ops.reshape(b, x, [examples, groups, features / groups, ...spatial]);
  const axes = range(split.shape.length).filter((axis) => axis >= 2);
  const { centred, inverse } = standardised(b, split, axes, call.number("eps", 1e-5));
  return affine(b, ops.reshape(b, ops.mul(b, centred, inverse), x.shape), call, onFeatures(b, x.shape));
}

const instanceNorm: Operator = (b, call) => {
  if (!call.flag("use_input_stats", true)) return batchNorm(b, call, false);
  return groupNorm(b, call, call.value("input").shape[1]);
};

function keepAxis(b: Builder, reduced: Value, axis: number): Value {
  return ops.expandDims(b, reduced, axis);
}

/** x minus its maximum, which keeps exponentials in range; no derivative passes through the maximum, as it cancels. */
function stabilised(b: Builder, x: Value, axis: number): Value {
  return ops.sub(b, x, keepAxis(b, ops.stopGradient(b, ops.reduceMax(b, x, [axis])), axis));
}

export function softmax(b: Builder, x: Value, axis: number): Value {
  const exponentials = ops.exp(b, stabilised(b, x, axis));
  return ops.div(b, exponentials, keepAxis(b, ops.reduceSum(b, exponentials, [axis]), axis));
}

/** Where all along the axis is minus infinity, zeros. */
export function safeSoftmax(b: Builder, x: Value, axis: number): Value {
  const lowest = ops.scalarLike(b, x, -Infinity);
  const largest = keepAxis(b, ops.stopGradient(b, ops.reduceMax(b, x, [axis])), axis);
  const isEmpty = ops.eq(b, largest, lowest);
  // An empty row is one of zeros before the exponentials, where it would be no number
  const filled = ops.select(b, isEmpty, ops.scalarLike(b, x, 0), x);
  return ops.select(b, isEmpty, ops.scalarLike(b, x, 0), softmax(b, filled, axis));
}

function logSoftmax(b: Builder, x: Value, axis: number): Value {
  const shifted = stabilised(b, x, axis);
  const logSum = ops.log(b, ops.reduceSum(b, ops.exp(b, shifted), [axis]));
  return ops.sub(b, shifted, keepAxis(b, logSum, axis));
}

const along =
  (op: (b: Builder, x: Value, axis: number) => Value): Operator =>
  (b, call) => {
    const x = floating(b, call.value("self"));
    if (x.shape.length === 0) return ops.reshape(b, op(b, ops.reshape(b, x, [1]), 0), []);
    return op(b, x, axisOf(call, call.size("dim"), x.shape.length));
  };

/** g v / |v|, with one norm for each index of the axis `dim`; the norms come too. */
const weightNorm: Operator = (b, call) => {
  const [v, g] = [call.value("v"), call.value("g")];
  const given = call.size("dim", 0);
  const axes = range(v.shape.length).filter((axis) => given === -1 || axis !== axisOf(call, given, v.shape.length));
  const norm = ops.sqrt(b, ops.reduceSum(b, ops.mul(b, v, v), axes));
  const kept = ops.reshape(
    b,
    norm,
    v.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent)),
  );
  const [scale, weight] = aligned(b, [ops.div(b, ops.reshape(b, g, kept.shape), kept), v]);
  const result = ops.mul(b, scale, weight);
  return call.operator === "_weight_norm" ? result : [result, kept];
};

export const normalisation: OperatorTable = {
  batch_norm: (b, call) => batchNorm(b, call, call.flag("training", false)),
  native_batch_norm: nativeBatchNorm,
  _native_batch_norm_legit: nativeBatchNorm,
  _native_batch_norm_legit_functional: nativeBatchNorm,
  _native_batch_norm_legit_no_training: (b, call) => [batchNorm(b, call, false), null, null],
  layer_norm: layerNorm,
  native_layer_norm: (b, call) => [layerNorm(b, call), null, null],
  rms_norm: rmsNorm,
  _fused_rms_norm: rmsNorm,
  group_norm: (b, call) => groupNorm(b, call, call.size("num_groups")),
  native_group_norm: (b, call) => [groupNorm(b, call, call.size("group")), null, null],
  instance_norm: instanceNorm,
  softmax: along(softmax),
  _softmax: along(softmax),
  _safe_softmax: along(safeSoftmax),
  log_softmax: along(logSoftmax),
  _log_softmax: along(logSoftmax),
  _weight_norm: weightNorm,
  _weight_norm_interface: weightNorm,
};
