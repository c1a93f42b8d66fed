import type { Builder } from "../graph/builder";
import type { Value } from "../graph/graph";
import { range, sizeOf } from "../graph/types";
import type { ArgsortAttributes, AxisAttributes, CumsumAttributes, ReduceAttributes, ReduceName } from "./attributes";
import { batchedAt, examplesBeside, expectAxis, expectCount, like, linearJvp, shifted } from "./makers";
import * as ops from "./ops";
import type { Primitive } from "./primitive";

/** Reductions along axes, and what goes along an axis: cumulative sums, positions of extrema, sorting. */

const inputElements = ([x]: readonly Value[]): number => sizeOf(x.shape);

/** The shape with the given axes' extents set to 1. */
function kept(x: Value, axes: readonly number[]): number[] {
  return x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
}

function reduction(name: ReduceName): Primitive<ReduceAttributes> {
  return {
    shape(inputs, { axes }) {
      expectCount(inputs, 1);
      const [x] = inputs;
      if (x.dtype === "bool") throw new Error("expected numbers, got bool");
      axes.forEach((axis) => expectAxis(axis, x.shape));
      return [{ shape: x.shape.filter((_, axis) => !axes.includes(axis)), dtype: x.dtype }];
    },
    batch(b, [x], [axis], _size, { axes }) {
      const at = axis!;
      const moved = axes.map((other) => shifted(other, at));
      return batchedAt(b.emit(name, [x], { axes: moved })[0], at - moved.filter((other) => other < at).length);
    },
    flops: inputElements,
    simplify(b, [x], { axes }) {
      // Reducing one element gives that element
      if (axes.some((axis) => x.shape[axis] !== 1)) return undefined;
      return ops.reshape(
        b,
        x,
        x.shape.filter((_, axis) => !axes.includes(axis)),
      );
    },
    examples: (_inputs, [place], _outputs, { axes }) => examplesBeside(place, axes, true),
  };
}

/** d max(x) = the tangent where the maximum is, averaged over ties. */
const extremumJvp: NonNullable<Primitive<ReduceAttributes>["jvp"]> = (b, [x], [t], [z], { axes }) => {
  if (!t) return [null];
  const place = ops.convert(b, ops.eq(b, x, ops.reshape(b, z, kept(x, axes))), x.dtype);
  return [ops.div(b, ops.reduceSum(b, ops.mul(b, t, place), axes), ops.reduceSum(b, place, axes))];
};

/** Product of all elements before each one along the axis, by doubling: log2(extent) shifted products. */
function exclusiveProduct(b: Builder, x: Value, axis: number, fromEnd: boolean): Value {
  const shift = (value: Value, by: number): Value => {
    const amounts = (amount: number): number[] =>
      range(value.shape.length).map((other) => (other === axis ? amount : 0));
    return fromEnd
      ? ops.pad(b, value, amounts(-by), amounts(by), amounts(0), 1)
      : ops.pad(b, value, amounts(by), amounts(-by), amounts(0), 1);
  };
  let result = shift(x, 1);
  for (let step = 1; step < x.shape[axis]; step *= 2) result = ops.mul(b, result, shift(result, step));
  return result;
}

/** d prod(x) = sum_i dx_i prod_{j != i} x_j, with the products from both sides so that zeros do no harm. */
const productJvp: NonNullable<Primitive<ReduceAttributes>["jvp"]> = (b, [x], [t], _outputs, { axes }) => {
  if (!t) return [null];
  const rest = range(x.shape.length).filter((axis) => !axes.includes(axis));
  const order = [...rest, ...axes];
  const shape = [...rest.map((axis) => x.shape[axis]), sizeOf(axes.map((axis) => x.shape[axis]))];
  const flat = (value: Value): Value => ops.reshape(b, ops.transpose(b, value, order), shape);
  const last = rest.length;
  const others = ops.mul(b, exclusiveProduct(b, flat(x), last, false), exclusiveProduct(b, flat(x), last, true));
  return [ops.reduceSum(b, ops.mul(b, flat(t), others), [last])];
};

export const reducePrimitives: Record<ReduceName, Primitive<ReduceAttributes>> = {
  reduce_sum: {
    ...reduction("reduce_sum"),
    jvp: linearJvp((b, [x], { axes }) => ops.reduceSum(b, x, axes)),
    transpose(b, [t], [x], _linear, { axes }) {
      const rest = range(x.shape.length).filter((axis) => !axes.includes(axis));
      return [t && ops.broadcastInDim(b, t, x.shape, rest)];
    },
  },
  reduce_max: { ...reduction("reduce_max"), jvp: extremumJvp },
  reduce_min: { ...reduction("reduce_min"), jvp: extremumJvp },
  reduce_prod: { ...reduction("reduce_prod"), jvp: productJvp },
};

function argExtremum(name: "argmax" | "argmin"): Primitive<AxisAttributes> {
  return {
    shape(inputs, { axis }) {
      expectCount(inputs, 1);
      expectAxis(axis, inputs[0].shape);
      return [{ shape: inputs[0].shape.filter((_, other) => other !== axis), dtype: "int32" }];
    },
    batch(b, [x], [from], _size, { axis }) {
      const at = from!;
      const moved = shifted(axis, at);
      return batchedAt(b.emit(name, [x], { axis: moved })[0], moved < at ? at - 1 : at);
    },
    flops: inputElements,
    examples: (_inputs, [place], _outputs, { axis }) => examplesBeside(place, [axis], true),
  };
}

const cumsum: Primitive<CumsumAttributes> = {
  shape(inputs, { axis }) {
    expectCount(inputs, 1);
    expectAxis(axis, inputs[0].shape);
    return like(inputs[0]);
  },
  jvp: linearJvp((b, [x], { axis, reverse }) => ops.cumsum(b, x, axis, reverse)),
  transpose: (b, [t], _inputs, _linear, { axis, reverse }) => [t && ops.cumsum(b, t, axis, !reverse)],
  batch(b, [x], [from], _size, { axis, reverse }) {
    const at = from!;
    return batchedAt(ops.cumsum(b, x, shifted(axis, at), reverse), at);
  },
  flops: inputElements,
  examples: (_inputs, [place], _outputs, { axis }) => examplesBeside(place, [axis], false),
};

const argsort: Primitive<ArgsortAttributes> = {
  shape(inputs, { axis }) {
    expectCount(inputs, 1);
    expectAxis(axis, inputs[0].shape);
    return [{ shape: inputs[0].shape, dtype: "int32" }];
  },
  batch(b, [x], [from], _size, { axis, descending }) {
    const at = from!;
    return batchedAt(ops.argsort(b, x, shifted(axis, at), descending), at);
  },
  flops: ([x], _outputs, { axis }) => sizeOf(x.shape) * Math.ceil(Math.log2(Math.max(2, x.shape[axis]))),
  examples: (_inputs, [place], _outputs, { axis }) => examplesBeside(place, [axis], false),
};

export const alongAxisPrimitives = { argmax: argExtremum("argmax"), argmin: argExtremum("argmin"), cumsum, argsort };
