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
import * as layout from "./layout";
import type { Lowering } from "./lowering";

/** Primitives that move elements and compute nothing. */

export const copy: Lowering<unknown> = (tf, [x]) => tf.clone(x);

export const reshape: Lowering<ReshapeAttributes> = (tf, [x], { shape }) => tf.reshape(x, [...shape]);

export const transpose: Lowering<TransposeAttributes> = (tf, [x], { permutation }) =>
  layout.transpose(tf, x, permutation);

export const broadcastInDim: Lowering<BroadcastAttributes> = (tf, [x], { shape, axes }) => {
  const own = new Array<number>(shape.length).fill(1);
  axes.forEach((to, from) => (own[to] = x.shape[from]));
  return layout.broadcast(tf, tf.reshape(x, own), shape);
};

export const pad: Lowering<PadAttributes> = (tf, [x], { low, high, interior, value }) =>
  layout.pad(tf, x, low, high, interior, value);

export const slice: Lowering<SliceAttributes> = (tf, [x], { start, limit, strides }) =>
  layout.slice(tf, x, start, limit, strides);

export const concatenate: Lowering<AxisAttributes> = (tf, inputs, { axis }) => tf.concat([...inputs], axis);

export const reverse: Lowering<ReduceAttributes> = (tf, [x], { axes }) => tf.reverse(x, [...axes]);

export const iota: Lowering<IotaAttributes> = (tf, _inputs, { shape, dtype, axis }) => {
  const count = tf.range(0, shape[axis], 1, dtype === "int32" ? "int32" : "float32");
  const own = shape.map((extent, other) => (other === axis ? extent : 1));
  return layout.broadcast(tf, tf.reshape(count, own), shape);
};
