import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range, sizeOf } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import type { Operator, OperatorCall, OperatorTable } from "../call";
import { axesOf, axisOf, floating, numeric } from "./common";

/** Reductions, scans and sorting. */

type Reduce = (b: Builder, x: Value, axes: readonly number[]) => Value;

/** Over the axes `dim`, all where none are given; with `keepdim` these stay, with an extent of 1. */
function reduced(b: Builder, call: OperatorCall, x: Value, reduce: Reduce): Value {
  const axes = axesOf(call, "dim", x.shape.length);
  return kept(b, call, x, axes, reduce(b, x, axes));
}

function kept(b: Builder, call: OperatorCall, x: Value, axes: readonly number[], result: Value): Value {
  if (!call.flag("keepdim", false)) return result;
  return ops.reshape(
    b,
    result,
    x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent)),
  );
}

const reduction =
  (reduce: Reduce): Operator =>
  (b, call) =>
    reduced(b, call, converted(b, call, numeric(b, call.value("self"))), reduce);

/** In the type that is asked for. */
function converted(b: Builder, call: OperatorCall, x: Value): Value {
  const dtype = call.dtype();
  return dtype === null ? x : ops.convert(b, x, dtype);
}

const mean: Reduce = (b, x, axes) => {
  const sum = ops.reduceSum(b, floating(b, x), axes);
  return ops.mul(b, sum, ops.scalarLike(b, sum, 1 / countOf(x, axes)));
};

function countOf(x: Value, axes: readonly number[]): number {
  return sizeOf(axes.map((axis) => x.shape[axis]));
}

/** Booleans as integers: all is a minimum, any a maximum. */
const onBooleans = (reduce: Reduce): Operator => {
  return (b, call) => {
    const x = ops.convert(b, ops.convert(b, call.value("self"), "bool"), "int32");
    return ops.convert(b, reduced(b, call, x, reduce), "bool");
  };
};

/** Largest or smallest: of all elements, or along an axis together with where it is; or of two arrays. */
const extreme =
  (pick: typeof ops.argmax, reduce: Reduce, between: typeof ops.max): Operator =>
  (b, call) => {
    const x = numeric(b, call.value("self"));
    if (call.has("other")) return between(b, ...pair(b, x, numeric(b, call.value("other"))));
    if (!call.has("dim")) return reduce(b, x, range(x.shape.length));
    if (x.shape.length === 0) return [x, b.scalar(0, "int32")];
    const axis = axisOf(call, call.size("dim"), x.shape.length);
    const index = pick(b, x, axis);
    const indices = ops.expandDims(b, index, axis);
    const moved = ops.moveAxis(b, x, axis, x.shape.length - 1);
    const place = ops.moveAxis(b, indices, axis, x.shape.length - 1);
    const batch = x.shape.length - 1;
    const values = ops.moveAxis(b, ops.gather(b, moved, place, batch, batch), batch, axis);
    return [kept(b, call, x, [axis], without(b, values, axis)), kept(b, call, x, [axis], index)];
  };

function without(b: Builder, x: Value, axis: number): Value {
  return ops.reshape(b, x, [...x.shape.slice(0, axis), ...x.shape.slice(axis + 1)]);
}

function pair(b: Builder, x: Value, y: Value): [Value, Value] {
  const rank = Math.max(x.shape.length, y.shape.length);
  return [ops.padRank(b, x, rank), ops.padRank(b, y, rank)];
}

const indexOf =
  (pick: typeof ops.argmax): Operator =>
  (b, call) => {
    const x = numeric(b, call.value("self"));
    const axis = call.has("dim") ? axisOf(call, call.size("dim"), x.shape.length) : null;
    if (axis === null || x.shape.length === 0) return pick(b, ops.reshape(b, x, [sizeOf(x.shape)]), 0);
    return kept(b, call, x, [axis], pick(b, x, axis));
  };

/** Mean and variance; of a sample where `correction` (or `unbiased`) is 1. */
function moments(b: Builder, call: OperatorCall): { mean: Value; variance: Value } {
  const x = floating(b, call.value("self"));
  const axes = axesOf(call, "dim", x.shape.length);
  const average = mean(b, x, axes);
  const shape = x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
  const centred = ops.sub(b, x, ops.reshape(b, average, shape));
  const sum = ops.reduceSum(b, ops.mul(b, centred, centred), axes);
  const correction = call.has("correction") ? call.number("correction") : Number(call.flag("unbiased", true));
  const variance = ops.mul(b, sum, ops.scalarLike(b, sum, 1 / Math.max(0, countOf(x, axes) - correction)));
  return { mean: kept(b, call, x, axes, average), variance: kept(b, call, x, axes, variance) };
}

/** The root of a sum that may be zero, where its derivative is taken to be zero. */
function safeRoot(b: Builder, x: Value): Value {
  const [zero, one] = [ops.scalarLike(b, x, 0), ops.scalarLike(b, x, 1)];
  const isZero = ops.eq(b, x, zero);
  return ops.select(b, isZero, zero, ops.sqrt(b, ops.select(b, isZero, one, x)));
}

const norm: Operator = (b, call) => {
  const x = converted(b, call, floating(b, call.value("self")));
  const order = call.has("ord") ? call.number("ord") : call.has("p") ? call.number("p") : 2;
  return reduced(b, call, x, (builder, value, axes) => {
    const size = ops.abs(builder, value);
    if (order === Infinity) return ops.reduceMax(builder, size, axes);
    if (order === -Infinity) return ops.reduceMin(builder, size, axes);
    if (order === 0) {
      const isThere = ops.ne(builder, value, ops.scalarLike(builder, value, 0));
      return ops.reduceSum(builder, ops.convert(builder, isThere, value.dtype), axes);
    }
    if (order === 1) return ops.reduceSum(builder, size, axes);
    if (order === 2) return safeRoot(builder, ops.reduceSum(builder, ops.mul(builder, value, value), axes));
    const powers = ops.reduceSum(builder, ops.pow(builder, size, ops.scalarLike(builder, size, order)), axes);
    return ops.pow(builder, powers, ops.scalarLike(builder, powers, 1 / order));
  });
};

const logSumExp: Operator = (b, call) => {
  const x = floating(b, call.value("self"));
  const axes = axesOf(call, "dim", x.shape.length);
  const shape = x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
  const largest = ops.stopGradient(b, ops.reduceMax(b, x, axes));
  // Infinities are not subtracted from themselves
  const offset = ops.select(b, ops.isFinite(b, largest), largest, ops.scalarLike(b, largest, 0));
  const exponentials = ops.exp(b, ops.sub(b, x, ops.reshape(b, offset, shape)));
  const result = ops.add(b, ops.log(b, ops.reduceSum(b, exponentials, axes)), offset);
  return kept(b, call, x, axes, result);
};

const cumulativeSum: Operator = (b, call) => {
  const x = converted(b, call, numeric(b, call.value("self")));
  return x.shape.length === 0 ? x : ops.cumsum(b, x, axisOf(call, call.size("dim"), x.shape.length));
};

/** Products of 1, 2, 4, ... neighbours: a number of steps that is the logarithm of the extent. */
const cumulativeProduct: Operator = (b, call) => {
  const x = converted(b, call, numeric(b, call.value("self")));
  if (x.shape.length === 0) return x;
  const axis = axisOf(call, call.size("dim"), x.shape.length);
  const only = (amount: number): number[] => x.shape.map((_, other) => (other === axis ? amount : 0));
  let result = x;
  for (let width = 1; width < x.shape[axis]; width *= 2) {
    result = ops.mul(b, result, ops.pad(b, result, only(width), only(-width), only(0), 1));
  }
  return result;
};

/** The permutation that sorts along an axis, and the elements in that order. */
function sorted(b: Builder, call: OperatorCall, x: Value, descending: boolean, most: number | null): [Value, Value] {
  const last = x.shape.length - 1;
  const axis = axisOf(call, call.size("dim", -1), x.shape.length);
  const moved = ops.moveAxis(b, x, axis, last);
  const order = ops.argsort(b, moved, last, descending);
  const indices = most === null ? order : ops.sliceAxis(b, order, last, 0, most);
  const values = ops.gather(b, moved, indices, last, last);
  return [ops.moveAxis(b, values, last, axis), ops.moveAxis(b, indices, last, axis)];
}

const sort: Operator = (b, call) => {
  const x = numeric(b, call.value("self"));
  if (x.shape.length === 0) return [x, b.scalar(0, "int32")];
  return sorted(b, call, x, call.flag("descending", false), null);
};

const topK: Operator = (b, call) => {
  const x = numeric(b, call.value("self"));
  if (x.shape.length === 0) return [x, b.scalar(0, "int32")];
  return sorted(b, call, x, call.flag("largest", true), call.size("k"));
};

export const reductions: OperatorTable = {
  sum: reduction(ops.reduceSum),
  mean: reduction(mean),
  prod: reduction(ops.reduceProd),
  amax: reduction(ops.reduceMax),
  amin: reduction(ops.reduceMin),
  max: extreme(ops.argmax, ops.reduceMax, ops.max),
  min: extreme(ops.argmin, ops.reduceMin, ops.min),
  argmax: indexOf(ops.argmax),
  argmin: indexOf(ops.argmin),
  all: onBooleans(ops.reduceMin),
  any: onBooleans(ops.reduceMax),
  count_nonzero: (b, call) =>
    reduced(b, call, ops.convert(b, ops.convert(b, call.value("self"), "bool"), "int32"), ops.reduceSum),
  var: (b, call) => moments(b, call).variance,
  std: (b, call) => safeRoot(b, moments(b, call).variance),
  var_mean: (b, call) => {
    const { mean: average, variance } = moments(b, call);
    return [variance, average];
  },
  std_mean: (b, call) => {
    const { mean: average, variance } = moments(b, call);
    return [safeRoot(b, variance), average];
  },
  linalg_vector_norm: norm,
  norm,
  linalg_norm: (b, call) => {
    const isOfMatrix =
      call.has("ord") && (call.has("dim") ? call.sizes("dim").length : call.value("self").shape.length) > 1;
    if (isOfMatrix) throw call.refuse("is supported for vectors only");
    return norm(b, call);
  },
  logsumexp: logSumExp,
  cumsum: cumulativeSum,
  cumprod: cumulativeProduct,
  sort,
  argsort: (b, call) => {
    const result = sort(b, call) as readonly Value[];
    return result[1];
  },
  topk: topK,
  aminmax: (b, call) => {
    const x = numeric(b, call.value("self"));
    const along = (reduce: Reduce): Value => reduced(b, call, x, reduce);
    return [along(ops.reduceMin), along(ops.reduceMax)];
  },
};
