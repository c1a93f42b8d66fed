import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { isFloat, range, sizeOf } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { floating, numeric, positiveAxes, positiveAxis, type Call, type Operator, type OperatorTable } from "../call";
import { mean } from "./normalisation";

const at = ops.scalarLike;

type Reduce = (b: Builder, x: Value, axes: readonly number[], kept: (reduced: Value) => Value) => Value;

/** Axes are an attribute in older operator sets and an input in newer ones; without any, all are meant. */
const reduction =
  (reduce: Reduce): Operator =>
  (call) => {
    const { b } = call;
    const x = call.input(0);
    const rank = x.shape.length;
    const given = call.integers("axes", 1);
    if (!given?.length && call.int("noop_with_empty_axes", 0) === 1) {
      return call.typed(
        reduce(b, x, [], (value) => value),
        call.type(0),
      );
    }
    const axes = given?.length ? positiveAxes(given, rank) : range(rank);
    const ones = x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
    const keep = (reduced: Value): Value => ops.reshape(b, reduced, ones);
    const reduced = reduce(b, x, axes, keep);
    return call.wrapped(call.int("keepdims", 1) === 1 ? keep(reduced) : reduced, call.type(0));
  };

/** Booleans are 0 and 1; of none at all the maximum is the least integer there is, which is false. */
const extreme =
  (reduce: (b: Builder, x: Value, axes: readonly number[]) => Value): Reduce =>
  (b, x, axes) => {
    const found = reduce(b, numeric(b, x), axes);
    return x.dtype === "bool" ? ops.gt(b, found, at(b, found, 0)) : found;
  };

const inFloat =
  (reduce: Reduce): Reduce =>
  (b, x, axes, keep) => {
    const result = reduce(b, floating(b, x), axes, keep);
    return isFloat(x.dtype) ? result : ops.convert(b, result, x.dtype);
  };

const sumSquare: Reduce = (b, x, axes) => ops.reduceSum(b, ops.mul(b, x, x), axes);

/** The square root, whose derivative at 0 is taken as 0: the norm of a vector that is 0 has none. */
function rootOf(b: Builder, x: Value): Value {
  const isZero = ops.eq(b, x, at(b, x, 0));
  return ops.select(b, isZero, at(b, x, 0), ops.sqrt(b, ops.select(b, isZero, at(b, x, 1), x)));
}

/** max + log(sum(exp(x - max))), where the maximum is a number. */
const logSumExp: Reduce = (b, x, axes, keep) => {
  if (axes.length === 0 || sizeOf(x.shape) === 0) return ops.log(b, ops.reduceSum(b, ops.exp(b, x), axes));
  const largest = ops.stopGradient(b, ops.reduceMax(b, x, axes));
  const safe = ops.select(b, ops.isFinite(b, largest), largest, at(b, largest, 0));
  return ops.add(b, ops.log(b, ops.reduceSum(b, ops.exp(b, ops.sub(b, x, keep(safe))), axes)), safe);
};

const position =
  (find: (b: Builder, x: Value, axis: number) => Value): Operator =>
  (call) => {
    const { b } = call;
    const x = numeric(b, call.input(0));
    const axis = positiveAxis(call.int("axis", 0), x.shape.length);
    const last = call.int("select_last_index", 0) === 1;
    const found = find(b, last ? ops.reverse(b, x, [axis]) : x, axis);
    const place = last ? ops.sub(b, at(b, found, x.shape[axis] - 1), found) : found;
    return call.typed(call.int("keepdims", 1) === 1 ? ops.expandDims(b, place, axis) : place, "int64");
  };

/** Moves elements along an axis, towards the end for positive amounts; `fill` takes the places that become free. */
function shift(b: Builder, x: Value, axis: number, amount: number, fill: number): Value {
  const only = (value: number): number[] => x.shape.map((_, index) => (index === axis ? value : 0));
  return ops.pad(b, x, only(amount), only(-amount), only(0), fill);
}

function scanOf(call: Call): { x: Value; axis: number; exclusive: boolean; reverse: boolean } {
  const x = call.input(0);
  const axis = positiveAxis(call.elements(1)[0], x.shape.length);
  return { x, axis, exclusive: call.int("exclusive", 0) === 1, reverse: call.int("reverse", 0) === 1 };
}

const cumSum: Operator = (call) => {
  const { x, axis, exclusive, reverse } = scanOf(call);
  return ops.cumsum(call.b, exclusive ? shift(call.b, x, axis, reverse ? -1 : 1, 0) : x, axis, reverse);
};

/** Products of 1, 2, 4, ... neighbours: a number of steps that is the logarithm of the extent. */
const cumProd: Operator = (call) => {
  const { b } = call;
  const { x, axis, exclusive, reverse } = scanOf(call);
  const direction = reverse ? -1 : 1;
  let product = exclusive ? shift(b, x, axis, direction, 1) : x;
  for (let width = 1; width < x.shape[axis]; width *= 2) {
    product = ops.mul(b, product, shift(b, product, axis, direction * width, 1));
  }
  return product;
};

export const reductions: OperatorTable = {
  ReduceSum: reduction((b, x, axes) => ops.reduceSum(b, x, axes)),
  ReduceMean: reduction(inFloat((b, x, axes) => mean(b, x, axes))),
  ReduceMax: reduction(extreme(ops.reduceMax)),
  ReduceMin: reduction(extreme(ops.reduceMin)),
  ReduceProd: reduction((b, x, axes) => ops.reduceProd(b, x, axes)),
  ReduceL1: reduction((b, x, axes) => ops.reduceSum(b, ops.abs(b, x), axes)),
  ReduceL2: reduction(inFloat((b, x, axes, keep) => rootOf(b, sumSquare(b, x, axes, keep)))),
  ReduceSumSquare: reduction(sumSquare),
  ReduceLogSum: reduction(inFloat((b, x, axes) => ops.log(b, ops.reduceSum(b, x, axes)))),
  ReduceLogSumExp: reduction(inFloat(logSumExp)),
  ArgMax: position(ops.argmax),
  ArgMin: position(ops.argmin),
  CumSum: cumSum,
  CumProd: cumProd,
};
