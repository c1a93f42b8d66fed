import type {
  ArgsortAttributes,
  AxisAttributes,
  CumsumAttributes,
  ReduceAttributes,
} from "../../primitives/attributes";
import { range, stridesOf, type Shape } from "../../graph/types";
import { offsets, offsetsAlong } from "./offsets";
import { zeros, type Kernel } from "./kernel";

/** Kernels that go along axes. */

export function reduce(initial: number, join: (sum: number, x: number) => number): Kernel<ReduceAttributes> {
  return ([x], { axes }, output) => {
    // Of infinity an Int32Array would make 0
    const bound = output.dtype === "int32" ? Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, initial)) : initial;
    const result = zeros(output).fill(bound);
    const keptStrides = stridesOf(output.shape);
    const strides = x.shape.map((_, axis) => {
      const before = axes.filter((other) => other < axis).length;
      return axes.includes(axis) ? 0 : keptStrides[axis - before];
    });
    const target = offsets(x.shape, strides);
    for (let index = 0; index < target.length; index++) {
      result[target[index]] = join(result[target[index]], x.data[index]);
    }
    return result;
  };
}

/** Where each line along `axis` starts, in row-major order of the other axes. */
function lineStarts(shape: Shape, axis: number): Int32Array {
  return offsetsAlong(
    shape,
    range(shape.length).filter((other) => other !== axis),
  );
}

export function positionOf(better: (x: number, best: number) => boolean): Kernel<AxisAttributes> {
  return ([x], { axis }, output) => {
    const result = zeros(output);
    const step = stridesOf(x.shape)[axis];
    lineStarts(x.shape, axis).forEach((start, line) => {
      let best = 0;
      for (let index = 1; index < x.shape[axis]; index++) {
        if (better(x.data[start + index * step], x.data[start + best * step])) best = index;
      }
      result[line] = best;
    });
    return result;
  };
}

export const cumsum: Kernel<CumsumAttributes> = ([x], { axis, reverse }, output) => {
  const result = zeros(output);
  const step = stridesOf(x.shape)[axis];
  const extent = x.shape[axis];
  for (const start of lineStarts(x.shape, axis)) {
    let sum = 0;
    for (let index = 0; index < extent; index++) {
      const at = start + (reverse ? extent - 1 - index : index) * step;
      sum += x.data[at];
      result[at] = sum;
    }
  }
  return result;
};

export const argsort: Kernel<ArgsortAttributes> = ([x], { axis, descending }, output) => {
  const result = zeros(output);
  const step = stridesOf(x.shape)[axis];
  for (const start of lineStarts(x.shape, axis)) {
    const at = (index: number): number => x.data[start + index * step];
    // Array.prototype.sort is stable.
    const order = range(x.shape[axis]).sort((a, b) => (descending ? at(b) - at(a) : at(a) - at(b)));
    order.forEach((from, to) => (result[start + to * step] = from));
  }
  return result;
};
