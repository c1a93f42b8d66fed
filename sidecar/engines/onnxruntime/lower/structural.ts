import { range, type Shape } from "../../../graph/types";
import type {
  AxisAttributes,
  BroadcastAttributes,
  IotaAttributes,
  PadAttributes,
  ReduceAttributes,
  ReshapeAttributes,
  SliceAttributes,
  TransposeAttributes,
} from "../../../primitives/attributes";
import type { Lower } from "./lowering";
import type { Ref, Writer } from "./writer";

/** Primitives that move elements. Each keeps thin axes thin as long as it can (see `Operands`). */

const iota: Lower<IotaAttributes> = (w, _x, { shape, dtype, axis }) => {
  const type = dtype === "bool" ? "int32" : dtype;
  const [start, limit, step] = [0, shape[axis], 1].map((element) => w.scalar(element, type));
  const count = w.cast(w.node("Range", [start, limit, step], [shape[axis]], type), dtype);
  return w.reshape(
    count,
    shape.map((extent, other) => (other === axis ? extent : 1)),
  );
};

const broadcast: Lower<BroadcastAttributes> = (w, x, { shape, axes }) => {
  const operand = x.thin(0);
  const thin = shape.map(() => 1);
  axes.forEach((to, from) => (thin[to] = operand.shape[from]));
  return w.reshape(operand, thin);
};

/**
 * Splits both shapes into the shortest runs of axes with equal numbers of elements. A run whose long axes are all thin
 * stays thin; one of which only some are is made whole.
 */
function reshape(w: Writer, operand: Ref, from: Shape, to: Shape): Ref {
  if (from.includes(0) || operand.shape.every((extent, axis) => extent === from[axis])) {
    return w.reshape(w.expand(operand, from), to);
  }
  const whole = [...operand.shape];
  const result = [...to];
  let i = 0;
  let j = 0;
  while (i < from.length || j < to.length) {
    const [firstIn, firstOut] = [i, j];
    let [left, right] = [from[i++] ?? 1, to[j++] ?? 1];
    while (left !== right) {
      if (left < right) left *= from[i++];
      else right *= to[j++];
    }
    const long = range(i - firstIn)
      .map((offset) => firstIn + offset)
      .filter((axis) => axis < from.length && from[axis] > 1);
    const thin = long.filter((axis) => operand.shape[axis] === 1);
    if (thin.length === 0) continue;
    if (thin.length === long.length) {
      for (let axis = firstOut; axis < Math.min(j, to.length); axis++) result[axis] = 1;
    } else {
      for (const axis of thin) whole[axis] = from[axis];
    }
  }
  return w.reshape(w.expand(operand, whole), result);
}

const slice: Lower<SliceAttributes> = (w, x, { start, limit, strides }, output) => {
  const operand = x.thin(0);
  // A thin axis needs no slice, but for an empty one.
  const skip = (axis: number): boolean => x.isThin(0, axis) && output.shape[axis] > 0;
  return w.slice(
    operand,
    start.map((from, axis) => (skip(axis) ? 0 : from)),
    limit.map((to, axis) => (skip(axis) ? 1 : to)),
    strides.map((stride, axis) => (skip(axis) ? 1 : stride)),
  );
};

const pad: Lower<PadAttributes> = (w, x, { low, high, interior, value }) => {
  const touched = range(low.length).filter((axis) => low[axis] !== 0 || high[axis] !== 0 || interior[axis] !== 0);
  const dilated = w.dilate(
    x.fullAlong(0, touched),
    interior.map((amount) => amount + 1),
    value,
  );
  return w.pad(dilated, low, high, value);
};

const concatenate: Lower<AxisAttributes> = (w, x, { axis }) => {
  const operands = range(x.count);
  // An axis along which any part is whole has to be whole in all of them.
  const whole = range(x.value(0).shape.length).filter(
    (other) => other === axis || operands.some((operand) => !x.isThin(operand, other)),
  );
  return w.concat(
    operands.map((operand) => x.fullAlong(operand, whole)),
    axis,
  );
};

export const structural = {
  iota,
  broadcast_in_dim: broadcast,
  reshape: ((w, x, { shape }) => reshape(w, x.thin(0), x.value(0).shape, shape)) satisfies Lower<ReshapeAttributes>,
  transpose: ((w, x, { permutation }) => w.transpose(x.thin(0), permutation)) satisfies Lower<TransposeAttributes>,
  slice,
  pad,
  concatenate,
  reverse: ((w, x, { axes }) => w.reverse(x.thin(0), axes)) satisfies Lower<ReduceAttributes>,
};
