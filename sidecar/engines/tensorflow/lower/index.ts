import type { AttributesOf, PrimitiveName } from "../../../primitives/attributes";
import { convGeneralDilated } from "./convolution";
import { dotGeneral } from "./dot";
import { binary, compare, convert, isFinite, logical, select, unary } from "./elementwise";
import { gather, scatterAdd } from "./indexing";
import type { Lowering } from "./lowering";
import { argmax, argmin, argsort, cumsum, reduce } from "./reduction";
import { broadcastInDim, concatenate, copy, iota, pad, reshape, reverse, slice, transpose } from "./structural";
import { reduceWindow, selectAndGatherAdd, selectAndScatterAdd } from "./window";

type LoweredName = Exclude<PrimitiveName, "map" | "opaque">;

/** How each primitive is computed with the operations of TensorFlow.js. The type says if one is missing. */
export const lowerings: { readonly [K in LoweredName]: Lowering<AttributesOf[K]> } = {
  ...unary,
  ...binary,
  ...compare,
  ...logical,
  is_finite: isFinite,
  select,
  stop_gradient: copy,
  convert,

  reduce_sum: reduce((tf, x, axes) => tf.sum(x, axes)),
  reduce_prod: reduce((tf, x, axes) => tf.prod(x, axes)),
  reduce_max: reduce((tf, x, axes) => tf.max(x, axes)),
  reduce_min: reduce((tf, x, axes) => tf.min(x, axes)),
  argmax,
  argmin,
  cumsum,
  argsort,

  reshape,
  transpose,
  broadcast_in_dim: broadcastInDim,
  pad,
  slice,
  concatenate,
  reverse,
  iota,

  dot_general: dotGeneral,
  conv_general_dilated: convGeneralDilated,

  reduce_window_sum: reduceWindow(0, (tf, x, y) => tf.add(x, y)),
  reduce_window_max: reduceWindow(-Infinity, (tf, x, y) => tf.maximum(x, y)),
  select_and_gather_add: selectAndGatherAdd,
  select_and_scatter_add: selectAndScatterAdd,

  gather,
  scatter_add: scatterAdd,
};
