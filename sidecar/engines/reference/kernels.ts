import type { AttributesOf, NoAttributes, PrimitiveName } from "../../primitives/attributes";
import {
  binaryNames,
  compareNames,
  logicalNames,
  unaryNames,
  type BinaryName,
  type CompareName,
  type LogicalName,
  type UnaryName,
} from "../../primitives/attributes";
import { primitives } from "../../primitives/index";
import { convGeneralDilated } from "./convolution";
import { dotGeneral } from "./dot";
import { elementwise } from "./elementwise";
import { gather, scatterAdd } from "./indexing";
import type { Kernel } from "./kernel";
import { argsort, cumsum, positionOf, reduce } from "./reduction";
import { broadcastInDim, concatenate, convert, copy, iota, pad, reverse, slice, transpose } from "./structural";
import { reduceWindow, selectAndGatherAdd, selectAndScatterAdd } from "./window";

/** Primitives that are computed here; `map` and `opaque` are run by others. */
export type ComputedName = Exclude<PrimitiveName, "map" | "opaque">;
type ElementwiseName = UnaryName | BinaryName | CompareName | LogicalName | "not" | "is_finite" | "select";

const elementwiseNames: readonly ElementwiseName[] = [
  ...unaryNames,
  ...binaryNames,
  ...compareNames,
  ...logicalNames,
  "not",
  "is_finite",
  "select",
];

const elementwiseKernels = Object.fromEntries(
  elementwiseNames.map((name) => [name, elementwise(primitives[name])]),
) as Record<ElementwiseName, Kernel<NoAttributes>>;

export const kernels: { readonly [K in ComputedName]: Kernel<AttributesOf[K]> } = {
  ...elementwiseKernels,
  stop_gradient: copy,
  convert,

  reduce_sum: reduce(0, (sum, x) => sum + x),
  reduce_prod: reduce(1, (product, x) => product * x),
  reduce_max: reduce(-Infinity, Math.max),
  reduce_min: reduce(Infinity, Math.min),
  argmax: positionOf((x, best) => x > best),
  argmin: positionOf((x, best) => x < best),
  cumsum,
  argsort,

  reshape: copy,
  transpose,
  broadcast_in_dim: broadcastInDim,
  pad,
  slice,
  concatenate,
  reverse,
  iota,

  dot_general: dotGeneral,
  conv_general_dilated: convGeneralDilated,

  reduce_window_sum: reduceWindow(0, (sum, x) => sum + x),
  reduce_window_max: reduceWindow(-Infinity, Math.max),
  select_and_gather_add: selectAndGatherAdd,
  select_and_scatter_add: selectAndScatterAdd,

  gather,
  scatter_add: scatterAdd,
};
