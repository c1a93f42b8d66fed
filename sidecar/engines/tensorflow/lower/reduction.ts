import type {
  ArgsortAttributes,
  AxisAttributes,
  CumsumAttributes,
  ReduceAttributes,
} from "../../../primitives/attributes";
import type { Lowering, Tf, TfTensor } from "./lowering";
import { transpose } from "./layout";

/** Reductions, and what goes along an axis. */

export function reduce(compute: (tf: Tf, x: TfTensor, axes: number[]) => TfTensor): Lowering<ReduceAttributes> {
  // TensorFlow.js reduces over everything where it is given no axes
  return (tf, [x], { axes }) => (axes.length === 0 ? tf.clone(x) : compute(tf, x, [...axes]));
}

export const argmax: Lowering<AxisAttributes> = (tf, [x], { axis }) => tf.argMax(x, axis);
export const argmin: Lowering<AxisAttributes> = (tf, [x], { axis }) => tf.argMin(x, axis);

export const cumsum: Lowering<CumsumAttributes> = (tf, [x], { axis, reverse }) => tf.cumsum(x, axis, false, reverse);

export const argsort: Lowering<ArgsortAttributes> = (tf, [x], { axis, descending }) => {
  const last = x.shape.length - 1;
  const exchange = x.shape.map((_, other) => (other === axis ? last : other === last ? axis : other));
  // The indices of the largest elements in order, the lower index first among equal ones. That also sorts upwards, with
  // the signs turned.
  const rows = transpose(tf, descending ? x : tf.neg(x), exchange);
  return transpose(tf, tf.topk(rows, x.shape[axis], true).indices, exchange);
};
