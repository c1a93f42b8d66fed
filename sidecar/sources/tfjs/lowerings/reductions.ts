import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { sizeOf } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { axesOf, floating, numeric, positiveAxis, type Lowering, type LoweringTable } from "./kernel";

type Reduce = (b: Builder, x: Value, axes: readonly number[]) => Value;

interface ReduceAttributes {
  readonly axis?: number | number[];
  readonly reductionIndices?: number | number[];
  readonly keepDims?: boolean;
}

/** Reduces the input `x` over the kernel's axes; with `keepDims` these stay, with an extent of 1. */
const reduction =
  (reduce: Reduce): Lowering =>
  (b, { inputs: { x }, attributes }) => {
    const { axis, reductionIndices, keepDims } = attributes as ReduceAttributes;
    const axes = axesOf(axis ?? reductionIndices, x.shape.length);
    const reduced = reduce(b, x, axes);
    if (!keepDims) return reduced;
    return ops.reshape(
      b,
      reduced,
      x.shape.map((extent, index) => (axes.includes(index) ? 1 : extent)),
    );
  };

const onNumbers = (reduce: Reduce): Reduce => {
  return (b, x, axes) => reduce(b, numeric(b, x), axes);
};

/** Booleans as integers: all is a minimum, any a maximum. */
const onBooleans = (reduce: Reduce): Reduce => {
  return (b, x, axes) => ops.convert(b, reduce(b, ops.convert(b, x, "int32"), axes), "bool");
};

const mean: Reduce = (b, x, axes) => {
  const sum = ops.reduceSum(b, floating(b, x), axes);
  const count = sizeOf(axes.map((axis) => x.shape[axis]));
  return ops.mul(b, sum, ops.scalarLike(b, sum, 1 / count));
};

interface ScanAttributes {
  readonly axis: number;
  readonly exclusive: boolean;
  readonly reverse: boolean;
}

/** Moves elements along an axis, towards the end for positive amounts; `fill` takes the places that become free. */
function shift(b: Builder, x: Value, axis: number, amount: number, fill: number): Value {
  const only = (value: number): number[] => x.shape.map((_, index) => (index === axis ? value : 0));
  return ops.pad(b, x, only(amount), only(-amount), only(0), fill);
}

const cumsum: Lowering = (b, { inputs, attributes }) => {
  const { axis, exclusive, reverse } = attributes as ScanAttributes;
  const x = numeric(b, inputs.x);
  const along = positiveAxis(axis, x.shape.length);
  const operand = exclusive ? shift(b, x, along, reverse ? -1 : 1, 0) : x;
  return ops.cumsum(b, operand, along, reverse);
};

/** Products of 1, 2, 4, ... neighbours: a number of steps that is the logarithm of the extent. */
const cumprod: Lowering = (b, { inputs, attributes }) => {
  const { axis, exclusive, reverse } = attributes as ScanAttributes;
  const along = positiveAxis(axis, inputs.x.shape.length);
  const direction = reverse ? -1 : 1;
  let product = exclusive ? shift(b, inputs.x, along, direction, 1) : inputs.x;
  for (let width = 1; width < inputs.x.shape[along]; width *= 2) {
    product = ops.mul(b, product, shift(b, product, along, direction * width, 1));
  }
  return product;
};

export const reductions: LoweringTable = {
  Sum: reduction(onNumbers(ops.reduceSum)),
  Prod: reduction(onNumbers(ops.reduceProd)),
  Max: reduction(onNumbers(ops.reduceMax)),
  Min: reduction(onNumbers(ops.reduceMin)),
  Mean: reduction(mean),
  All: reduction(onBooleans(ops.reduceMin)),
  Any: reduction(onBooleans(ops.reduceMax)),
  ArgMax: (b, { inputs: { x }, attributes }) => {
    const axes = axesOf((attributes as ReduceAttributes).axis ?? 0, x.shape.length);
    return ops.argmax(b, numeric(b, x), axes[0]);
  },
  ArgMin: (b, { inputs: { x }, attributes }) => {
    const axes = axesOf((attributes as ReduceAttributes).axis ?? 0, x.shape.length);
    return ops.argmin(b, numeric(b, x), axes[0]);
  },
  Cumsum: cumsum,
  Cumprod: cumprod,
};
