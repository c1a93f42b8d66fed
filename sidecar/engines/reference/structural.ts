import type {
  AxisAttributes,
  BroadcastAttributes,
  ConvertAttributes,
  IotaAttributes,
  PadAttributes,
  ReduceAttributes,
  SliceAttributes,
  TransposeAttributes,
} from "../../primitives/attributes";
import { range, stridesOf } from "../../graph/types";
import { broadcastStrides, offsets } from "./offsets";
import { pick, zeros, type Kernel } from "./kernel";

/** Kernels that move elements and compute nothing. */

export const copy: Kernel<unknown> = ([x]) => x.data.slice();

export const convert: Kernel<ConvertAttributes> = ([x], { dtype }, output) => {
  const result = zeros(output);
  // An Int32Array truncates towards zero as it stores; booleans ask for 0 and 1.
  for (let index = 0; index < result.length; index++) {
    result[index] = dtype === "bool" ? Number(x.data[index] !== 0) : x.data[index];
  }
  return result;
};

export const transpose: Kernel<TransposeAttributes> = ([x], { permutation }, output) => {
  const strides = stridesOf(x.shape);
  return pick(
    x,
    offsets(
      output.shape,
      permutation.map((axis) => strides[axis]),
    ),
    output,
  );
};

export const broadcastInDim: Kernel<BroadcastAttributes> = ([x], { axes }, output) => {
  const strides = new Array<number>(output.shape.length).fill(0);
  broadcastStrides(x.shape).forEach((stride, axis) => (strides[axes[axis]] = stride));
  return pick(x, offsets(output.shape, strides), output);
};

export const slice: Kernel<SliceAttributes> = ([x], { start, strides: steps }, output) => {
  const strides = stridesOf(x.shape);
  const first = start.reduce((sum, from, axis) => sum + from * strides[axis], 0);
  return pick(
    x,
    offsets(
      output.shape,
      strides.map((stride, axis) => stride * steps[axis]),
      first,
    ),
    output,
  );
};

export const reverse: Kernel<ReduceAttributes> = ([x], { axes }, output) => {
  const strides = stridesOf(x.shape);
  const last = axes.reduce((sum, axis) => sum + (x.shape[axis] - 1) * strides[axis], 0);
  return pick(
    x,
    offsets(
      output.shape,
      strides.map((stride, axis) => (axes.includes(axis) ? -stride : stride)),
      last,
    ),
    output,
  );
};

export const pad: Kernel<PadAttributes> = ([x], { low, interior, value }, output) => {
  const result = zeros(output).fill(value);
  const strides = stridesOf(output.shape);
  // Along each axis, the elements that negative amounts do not cut off.
  const place = (axis: number, index: number): number => low[axis] + index * (interior[axis] + 1);
  const kept = range(x.shape.length).map((axis) =>
    range(x.shape[axis]).filter((index) => place(axis, index) >= 0 && place(axis, index) < output.shape[axis]),
  );
  if (kept.some((indices) => indices.length === 0)) return result;
  const shape = kept.map((indices) => indices.length);
  const inputStrides = stridesOf(x.shape);
  const from = offsets(
    shape,
    inputStrides,
    kept.reduce((sum, [first], axis) => sum + first * inputStrides[axis], 0),
  );
  const to = offsets(
    shape,
    strides.map((stride, axis) => stride * (interior[axis] + 1)),
    kept.reduce((sum, [first], axis) => sum + place(axis, first) * strides[axis], 0),
  );
  for (let index = 0; index < from.length; index++) result[to[index]] = x.data[from[index]];
  return result;
};

export const concatenate: Kernel<AxisAttributes> = (inputs, { axis }, output) => {
  const result = zeros(output);
  const strides = stridesOf(output.shape);
  let start = 0;
  for (const { shape, data } of inputs) {
    const positions = offsets(shape, strides, start * strides[axis]);
    for (let index = 0; index < data.length; index++) result[positions[index]] = data[index];
    start += shape[axis];
  }
  return result;
};

export const iota: Kernel<IotaAttributes> = (_inputs, { axis }, output) => {
  const count = offsets(
    output.shape,
    output.shape.map((_, other) => Number(other === axis)),
  );
  const result = zeros(output);
  result.set(count);
  return result;
};
