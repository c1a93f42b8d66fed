import type { Graph } from "../graph/graph";
import type { DType, Shape, ValueType } from "../graph/types";

/**
 * The closed set of primitives, in the manner of JAX's lax, with what each one's attributes are. This page is the
 * definition that every rule and every engine follows.
 */

/**
 * Elementwise primitives of one floating-point operand (`neg`, `abs` and `sign` also take int32). `round` rounds half to
 * even. `logistic` is 1 / (1 + exp(-x)).
 */
export const unaryNames = [
  "neg", "abs", "sign", "floor", "ceil", "round",
  "exp", "expm1", "log", "log1p", "sqrt", "rsqrt",
  "sin", "cos", "tan", "asin", "acos", "atan",
  "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
  "erf", "logistic",
] as const; // prettier-ignore

/**
 * Elementwise primitives of two operands of one dtype (floating point or int32), of equal rank; an extent of 1 is
 * broadcast. `rem` has the sign of the dividend. `div` of int32 truncates. `atan2` and `pow` are for floating point.
 */
export const binaryNames = ["add", "sub", "mul", "div", "pow", "max", "min", "atan2", "rem"] as const;

/** Elementwise comparisons of two operands of one dtype, broadcast like binary primitives; the result is bool. */
export const compareNames = ["eq", "ne", "lt", "le", "gt", "ge"] as const;

/** Elementwise logic on booleans; `not` has one operand. */
export const logicalNames = ["and", "or"] as const;

/** Reductions over `axes`, which disappear from the shape. */
export const reduceNames = ["reduce_sum", "reduce_max", "reduce_min", "reduce_prod"] as const;

export type UnaryName = (typeof unaryNames)[number];
export type BinaryName = (typeof binaryNames)[number];
export type CompareName = (typeof compareNames)[number];
export type LogicalName = (typeof logicalNames)[number];
export type ReduceName = (typeof reduceNames)[number];

export type NoAttributes = Record<string, never>;

export interface ConvertAttributes {
  readonly dtype: DType;
}

export interface ReduceAttributes {
  /** Sorted, without duplicates. */
  readonly axes: readonly number[];
}

export interface AxisAttributes {
  readonly axis: number;
}

export interface CumsumAttributes {
  readonly axis: number;
  /** From the end to the beginning. */
  readonly reverse: boolean;
}

export interface ArgsortAttributes {
  readonly axis: number;
  /** Stable in both directions: equal elements keep their order. */
  readonly descending: boolean;
}

export interface ReshapeAttributes {
  readonly shape: Shape;
}

export interface TransposeAttributes {
  /** Output axis i is input axis permutation[i]. */
  readonly permutation: readonly number[];
}

export interface BroadcastAttributes {
  readonly shape: Shape;
  /** Input axis i becomes output axis axes[i] (increasing); its extent is the output's, or 1. */
  readonly axes: readonly number[];
}

export interface PadAttributes {
  /** Elements put before and after each axis; a negative number takes elements away. */
  readonly low: readonly number[];
  readonly high: readonly number[];
  /** Elements put between neighbours, before `low` and `high` are applied; never negative. */
  readonly interior: readonly number[];
  readonly value: number;
}

export interface SliceAttributes {
  readonly start: readonly number[];
  /** Exclusive. */
  readonly limit: readonly number[];
  readonly strides: readonly number[];
}

export interface IotaAttributes {
  readonly shape: Shape;
  readonly dtype: DType;
  /** The axis along which the elements count 0, 1, 2, ... */
  readonly axis: number;
}

/**
 * Contraction of two arrays. Extents of a pair of batch axes are equal, or one of them is 1 (broadcast). The output's axes are the batch axes (in the order given), then the left operand's other
 * axes, then the right operand's, each in order.
 */
export interface DotAttributes {
  readonly contract: readonly [readonly number[], readonly number[]];
  readonly batch: readonly [readonly number[], readonly number[]];
}

/**
 * Convolution (cross-correlation) in any number of spatial dimensions.
 *
 * The first `batchDims` axes of both operands and of the output are batch axes: operand extents are equal or 1
 * (broadcast). The specs name the axes that follow, counted from `batchDims` on: `lhsSpec` = [example, feature,
 * ...spatial], `rhsSpec` = [output feature, input feature, ...spatial], `outSpec` = [example, feature, ...spatial].
 *
 * With I = lhs features: `featureGroups` G splits features into G consecutive blocks; the kernel has I/G input features and
 * its output features are in G consecutive blocks, one for each block of lhs features. `batchGroups` B splits the lhs's
 * examples into B consecutive blocks, and the kernel's output features too; block b of output features sees block b of
 * examples, and the output has (examples / B) examples. At most one of the two is greater than 1.
 * Padding may be negative (a crop) and is applied after `lhsDilation`.
 */
export interface ConvAttributes {
  readonly strides: readonly number[];
  readonly padding: readonly (readonly [number, number])[];
  readonly lhsDilation: readonly number[];
  readonly rhsDilation: readonly number[];
  readonly featureGroups: number;
  readonly batchGroups: number;
  readonly batchDims: number;
  readonly lhsSpec: readonly number[];
  readonly rhsSpec: readonly number[];
  readonly outSpec: readonly number[];
}

/** A window that slides over all axes; axes that it leaves alone have window and stride 1 and no padding. */
export interface WindowAttributes {
  readonly window: readonly number[];
  readonly strides: readonly number[];
  /** Never negative. Padding counts as 0 for a sum and as minus infinity for a maximum. */
  readonly padding: readonly (readonly [number, number])[];
  readonly dilation: readonly number[];
}

export interface GatherAttributes {
  readonly axis: number;
  readonly batchDims: number;
}

export interface ScatterAddAttributes extends GatherAttributes {
  /** Extent of the output's `axis`. */
  readonly size: number;
}

/** An operation that runs as a loop under vmap, for want of a batching rule. */
export interface Fallback {
  readonly operation: string;
  readonly reason: string;
  /** What the loop runs over, as whoever asked for the vmap has it; empty where that is not said. */
  readonly over: readonly LoopAxis[];
}

/**
 * What a vectorised axis is made of: the examples, the elements of all outputs, or those of all parameters. `extent` is
 * of the whole, of which a loop may run over a part: one output's elements, a chunk of the examples.
 */
export interface LoopAxis {
  readonly axis: "examples" | "outputs" | "parameters";
  readonly extent: number;
}

/**
 * For i in 0..length-1: body(slices), where the slice of a mapped input is input[i] (without its first axis), and
 * unmapped inputs are passed whole. An output is stacked along a new first axis, or summed over the iterations.
 * The body's arguments are all in its `inputs`.
 */
export interface MapAttributes {
  readonly body: Graph;
  readonly length: number;
  readonly mapped: readonly boolean[];
  readonly combine: readonly ("stack" | "sum")[];
  readonly fallback: Fallback | null;
}

/** An operation that only its own framework can run; `kernel` and `attributes` are that framework's. */
export interface OpaqueAttributes {
  readonly framework: string;
  readonly kernel: string;
  readonly attributes: Record<string, unknown>;
  readonly outputs: readonly ValueType[];
  /**
   * The operation's vector-Jacobian product as its framework gives it, if it does: a graph from (inputs, cotangents of
   * the floating-point outputs) to the cotangents of the floating-point inputs.
   */
  readonly vjp: Graph | null;
  /** The user's own batching rule, where there is one. */
  readonly batching?: OpaqueBatching;
}

/** A batching rule of the user's own, as traced for one operation. */
export interface OpaqueBatching {
  /**
   * Which inputs have one more axis, in front, and the operation for all slices at once, whose outputs all have it in
   * front; `null` where there is no better way than a loop.
   */
  readonly cases: readonly { readonly batched: readonly boolean[]; readonly graph: SizedGraph | null }[];
  /** Why it is a loop, where it is one. */
  readonly reason: string;
}

/** A graph for any number of slices, as it is for two and for three: all that differs are integers, which grow evenly. */
export interface SizedGraph {
  readonly two: Graph;
  readonly three: Graph;
}

type Elementwise = Record<UnaryName | BinaryName | CompareName | LogicalName, NoAttributes>;

/** What the attributes of each primitive are. Its keys are the closed set. */
export interface AttributesOf extends Elementwise, Record<ReduceName, ReduceAttributes> {
  not: NoAttributes;
  is_finite: NoAttributes;
  /** The identity, through which no derivative passes. */
  stop_gradient: NoAttributes;
  /** To a float, an integer (towards zero) or bool (not equal to zero). */
  convert: ConvertAttributes;
  /** `condition ? a : b`: inputs condition (bool), a, b of equal rank, extents of 1 broadcast. */
  select: NoAttributes;

  /** Index of the first largest or smallest element, int32; the axis disappears. */
  argmax: AxisAttributes;
  argmin: AxisAttributes;
  cumsum: CumsumAttributes;
  /** The int32 permutation that sorts along the axis. */
  argsort: ArgsortAttributes;

  reshape: ReshapeAttributes;
  transpose: TransposeAttributes;
  broadcast_in_dim: BroadcastAttributes;
  pad: PadAttributes;
  slice: SliceAttributes;
  concatenate: AxisAttributes;
  reverse: ReduceAttributes;
  iota: IotaAttributes;

  dot_general: DotAttributes;
  conv_general_dilated: ConvAttributes;

  reduce_window_sum: WindowAttributes;
  reduce_window_max: WindowAttributes;
  /**
   * Inputs (tangent, operand) -> for each window of the operand, the tangent's element at the window's first maximum.
   * Linear in the tangent. Along axes that the window leaves alone the operand's extent may be 1 (broadcast).
   */
  select_and_gather_add: WindowAttributes;
  /**
   * Inputs (cotangent, operand) -> for each window of the operand, adds the cotangent's element at the window's first
   * maximum. Linear in the cotangent; the transpose of `select_and_gather_add`, broadcast alike. The output has the
   * operand's shape along windowed axes.
   */
  select_and_scatter_add: WindowAttributes;

  /**
   * Inputs operand [B.., P.., A, Q..], int32 indices [B.., I..] -> [B.., P.., I.., Q..]: takes along `axis` (which
   * counts from the operand's first axis), where B.. are `batchDims` axes of equal extents. An index must be in 0..A-1.
   */
  gather: GatherAttributes;
  /** Inputs updates [B.., P.., I.., Q..], int32 indices [B.., I..] -> [B.., P.., size, Q..]: the transpose of gather. */
  scatter_add: ScatterAddAttributes;

  map: MapAttributes;
  opaque: OpaqueAttributes;
}

export type PrimitiveName = keyof AttributesOf;
