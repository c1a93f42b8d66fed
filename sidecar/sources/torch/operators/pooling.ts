import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range, sizeOf } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import type { Operator, OperatorCall, OperatorTable } from "../call";
import { checkConstant, constant, floating } from "./common";

/** Pooling over the last one, two or three axes. */

interface Pool {
  readonly size: readonly number[];
  readonly strides: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  /** Windows along each axis. */
  readonly output: readonly number[];
}

function poolOf(call: OperatorCall, spatial: readonly number[]): Pool {
  const n = spatial.length;
  const size = call.perAxis("kernel_size", n, 1);
  const given = call.sizes("stride", []);
  const strides = given.length === 0 ? size : call.perAxis("stride", n, 1);
  const padding = call.perAxis("padding", n, 0);
  const dilation = call.perAxis("dilation", n, 1);
  const roundsUp = call.flag("ceil_mode", false);
  const output = range(n).map((axis) => {
    const room = spatial[axis] + 2 * padding[axis] - (size[axis] - 1) * dilation[axis] - 1;
    const count = (roundsUp ? Math.ceil(room / strides[axis]) : Math.floor(room / strides[axis])) + 1;
    // The last window must begin inside the input, or in the padding before it
    return roundsUp && (count - 1) * strides[axis] >= spatial[axis] + padding[axis] ? count - 1 : count;
  });
  return { size, strides, padding, dilation, output };
}

/** The windows over all axes of `x`, whose last axes they slide over: what they do not reach is cut off. */
function windows(b: Builder, x: Value, pool: Pool, reduce: typeof ops.reduceWindowMax): Value {
  const n = pool.size.length;
  const outer = x.shape.length - n;
  const spatial = x.shape.slice(outer);
  const high = range(n).map((axis) => {
    const needed = (pool.output[axis] - 1) * pool.strides[axis] + (pool.size[axis] - 1) * pool.dilation[axis] + 1;
    return needed - spatial[axis] - pool.padding[axis];
  });
  const around = <T>(inner: readonly T[], beside: T): T[] => [...new Array<T>(outer).fill(beside), ...inner];
  const cut = ops.slice(
    b,
    x,
    x.shape.map(() => 0),
    x.shape.map((extent, axis) => (axis < outer ? extent : extent - Math.max(0, -high[axis - outer]))),
  );
  return reduce(b, cut, {
    window: around(pool.size, 1),
    strides: around(pool.strides, 1),
    dilation: around(pool.dilation, 1),
    padding: around(
      range(n).map((axis) => [pool.padding[axis], Math.max(0, high[axis])] as const),
      [0, 0] as const,
    ),
  });
}

const maxPool =
  (n: number, withIndices: boolean): Operator =>
  (b, call) => {
    const x = call.value("self");
    const result = windows(b, x, poolOf(call, x.shape.slice(-n)), ops.reduceWindowMax);
    return withIndices ? [result, null] : result;
  };

/** One over the numbers that each window counts: the whole window, or what of it is inside the (padded) input. */
function reciprocals(b: Builder, call: OperatorCall, pool: Pool, spatial: readonly number[], x: Value): Value {
  const countsPadding = call.flag("count_include_pad", true);
  const counts = range(pool.size.length).map((axis) =>
    range(pool.output[axis]).map((position) => {
      const start = position * pool.strides[axis] - pool.padding[axis];
      const [low, high] = countsPadding
        ? [start, Math.min(start + pool.size[axis], spatial[axis] + pool.padding[axis])]
        : [Math.max(0, start), Math.min(start + pool.size[axis], spatial[axis])];
      return high - low;
    }),
  );
  let elements = [1];
  checkConstant(call, sizeOf(pool.output));
  for (const along of counts) elements = elements.flatMap((outer) => along.map((count) => outer / count));
  const rank = x.shape.length;
  if (elements.every((element) => element === elements[0])) return b.scalar(elements[0], x.dtype, rank);
  const shape = [...new Array<number>(rank - pool.output.length).fill(1), ...pool.output];
  return ops.convert(b, constant(b, Float64Array.from(elements), shape), x.dtype);
}

const avgPool =
  (n: number): Operator =>
  (b, call) => {
    const x = floating(b, call.value("self"));
    const spatial = x.shape.slice(-n);
    const pool = poolOf(call, spatial);
    checkConstant(call, sizeOf(pool.output));
    const sum = windows(b, x, pool, ops.reduceWindowSum);
    const divisor = call.optionalNumber("divisor_override");
    const factor =
      divisor === null ? reciprocals(b, call, pool, spatial, x) : b.scalar(1 / divisor, x.dtype, x.shape.length);
    return ops.mul(b, sum, factor);
  };

/** The part of an axis that output `position` of `count` pools. */
function partOf(extent: number, count: number, position: number): [number, number] {
  return [Math.floor((position * extent) / count), Math.ceil(((position + 1) * extent) / count)];
}

/** Output extents; one that is left open is the input's. */
function targets(call: OperatorCall, spatial: readonly number[]): number[] {
  const given = call.sizes("output_size");
  const sizes = given.length === 1 ? spatial.map(() => given[0]) : given;
  if (sizes.length !== spatial.length) throw call.refuse("has an output of another rank; export the model again");
  return sizes;
}

/** Parts of equal size are windows, of different ones a product with a fixed matrix along the axis. */
function averageAlong(b: Builder, call: OperatorCall, x: Value, axis: number, count: number): Value {
  const extent = x.shape[axis];
  if (count === extent) return x;
  if (extent % count === 0) {
    const split = [...x.shape.slice(0, axis), count, extent / count, ...x.shape.slice(axis + 1)];
    const sum = ops.reduceSum(b, ops.reshape(b, x, split), [axis + 1]);
    return ops.mul(b, sum, ops.scalarLike(b, sum, count / extent));
  }
  checkConstant(call, count * extent);
  const matrix = new Float64Array(count * extent);
  for (let position = 0; position < count; position++) {
    const [from, to] = partOf(extent, count, position);
    matrix.fill(1 / (to - from), position * extent + from, position * extent + to);
  }
  const mixed = ops.dotGeneral(b, x, ops.convert(b, constant(b, matrix, [count, extent]), x.dtype), [[axis], [1]]);
  return ops.moveAxis(b, mixed, mixed.shape.length - 1, axis);
}

const adaptiveAverage =
  (n: number): Operator =>
  (b, call) => {
    const x = floating(b, call.value("self"));
    const outer = x.shape.length - n;
    const sizes = targets(call, x.shape.slice(outer));
    if (sizes.every((size) => size === 1)) {
      const axes = range(n).map((axis) => outer + axis);
      const sum = ops.reduceSum(b, x, axes);
      const mean = ops.mul(b, sum, ops.scalarLike(b, sum, 1 / sizeOf(x.shape.slice(outer))));
      return ops.reshape(b, mean, [...x.shape.slice(0, outer), ...sizes]);
    }
    return sizes.reduce((result, size, axis) => averageAlong(b, call, result, outer + axis, size), x);
  };

const adaptiveMaximum =
  (n: number): Operator =>
  (b, call) => {
    const x = call.value("self");
    const outer = x.shape.length - n;
    const spatial = x.shape.slice(outer);
    const sizes = targets(call, spatial);
    if (sizes.some((size, axis) => spatial[axis] % size !== 0)) {
      throw call.refuse(
        `pools [${spatial.join(",")}] to [${sizes.join(",")}], which is supported only for equal parts`,
      );
    }
    const size = sizes.map((count, axis) => spatial[axis] / count);
    const pool = { size, strides: size, padding: size.map(() => 0), dilation: size.map(() => 1), output: sizes };
    return [windows(b, x, pool, ops.reduceWindowMax), null];
  };

export const pooling: OperatorTable = {
  max_pool1d: maxPool(1, false),
  max_pool2d: maxPool(2, false),
  max_pool3d: maxPool(3, false),
  max_pool1d_with_indices: maxPool(1, true),
  max_pool2d_with_indices: maxPool(2, true),
  max_pool3d_with_indices: maxPool(3, true),
  avg_pool1d: avgPool(1),
  avg_pool2d: avgPool(2),
  avg_pool3d: avgPool(3),
  adaptive_avg_pool1d: adaptiveAverage(1),
  adaptive_avg_pool2d: adaptiveAverage(2),
  _adaptive_avg_pool2d: adaptiveAverage(2),
  adaptive_avg_pool3d: adaptiveAverage(3),
  _adaptive_avg_pool3d: adaptiveAverage(3),
  adaptive_max_pool1d: adaptiveMaximum(1),
  adaptive_max_pool2d: adaptiveMaximum(2),
  adaptive_max_pool3d: adaptiveMaximum(3),
};
