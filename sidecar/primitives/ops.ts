import type { Builder } from "../graph/builder";
import type { Graph, Value } from "../graph/graph";
import { range, sameShape, type DType, type Shape } from "../graph/types";
import type {
  AttributesOf,
  BinaryName,
  CompareName,
  ConvAttributes,
  Fallback,
  LogicalName,
  PrimitiveName,
  ReduceName,
  UnaryName,
  WindowAttributes,
} from "./attributes";

/** One function for each primitive, which emits an equation and returns its output; and the few composites that rules share. */

export function emit<K extends PrimitiveName>(
  builder: Builder,
  primitive: K,
  inputs: readonly Value[],
  attributes: AttributesOf[K],
): Value[] {
  return builder.emit(primitive, inputs, attributes);
}

const unary = (name: UnaryName) => (b: Builder, x: Value) => emit(b, name, [x], {})[0];
const binary = (name: BinaryName | CompareName | LogicalName) => (b: Builder, x: Value, y: Value) =>
  emit(b, name, [x, y], {})[0];

export const neg = unary("neg");
export const abs = unary("abs");
export const sign = unary("sign");
export const floor = unary("floor");
export const ceil = unary("ceil");
export const round = unary("round");
export const exp = unary("exp");
export const expm1 = unary("expm1");
export const log = unary("log");
export const log1p = unary("log1p");
export const sqrt = unary("sqrt");
export const rsqrt = unary("rsqrt");
export const sin = unary("sin");
export const cos = unary("cos");
export const tan = unary("tan");
export const asin = unary("asin");
export const acos = unary("acos");
export const atan = unary("atan");
export const sinh = unary("sinh");
export const cosh = unary("cosh");
export const tanh = unary("tanh");
export const asinh = unary("asinh");
export const acosh = unary("acosh");
export const atanh = unary("atanh");
export const erf = unary("erf");
export const logistic = unary("logistic");

export const add = binary("add");
export const sub = binary("sub");
export const mul = binary("mul");
export const div = binary("div");
export const pow = binary("pow");
export const max = binary("max");
export const min = binary("min");
export const atan2 = binary("atan2");
export const rem = binary("rem");

export const eq = binary("eq");
export const ne = binary("ne");
export const lt = binary("lt");
export const le = binary("le");
export const gt = binary("gt");
export const ge = binary("ge");
export const and = binary("and");
export const or = binary("or");

export const not = (b: Builder, x: Value): Value => emit(b, "not", [x], {})[0];
export const isFinite = (b: Builder, x: Value): Value => emit(b, "is_finite", [x], {})[0];
export const stopGradient = (b: Builder, x: Value): Value => emit(b, "stop_gradient", [x], {})[0];
export const select = (b: Builder, condition: Value, x: Value, y: Value): Value =>
  emit(b, "select", [condition, x, y], {})[0];

export function convert(b: Builder, x: Value, dtype: DType): Value {
  return x.dtype === dtype ? x : emit(b, "convert", [x], { dtype })[0];
}

const reduce = (name: ReduceName) => (b: Builder, x: Value, axes: readonly number[]) =>
  axes.length === 0 ? x : emit(b, name, [x], { axes: [...axes].sort((p, q) => p - q) })[0];

export const reduceSum = reduce("reduce_sum");
export const reduceMax = reduce("reduce_max");
export const reduceMin = reduce("reduce_min");
export const reduceProd = reduce("reduce_prod");

export const argmax = (b: Builder, x: Value, axis: number): Value => emit(b, "argmax", [x], { axis })[0];
export const argmin = (b: Builder, x: Value, axis: number): Value => emit(b, "argmin", [x], { axis })[0];
export const cumsum = (b: Builder, x: Value, axis: number, reverse = false): Value =>
  emit(b, "cumsum", [x], { axis, reverse })[0];
export const argsort = (b: Builder, x: Value, axis: number, descending = false): Value =>
  emit(b, "argsort", [x], { axis, descending })[0];

export function reshape(b: Builder, x: Value, shape: Shape): Value {
  return sameShape(x.shape, shape) ? x : emit(b, "reshape", [x], { shape })[0];
}

export function transpose(b: Builder, x: Value, permutation: readonly number[]): Value {
  return permutation.every((from, to) => from === to) ? x : emit(b, "transpose", [x], { permutation })[0];
}

export function broadcastInDim(b: Builder, x: Value, shape: Shape, axes: readonly number[]): Value {
  return sameShape(x.shape, shape) ? x : emit(b, "broadcast_in_dim", [x], { shape, axes })[0];
}

export function pad(
  b: Builder,
  x: Value,
  low: readonly number[],
  high: readonly number[],
  interior: readonly number[] = low.map(() => 0),
  value = 0,
): Value {
  const idle = [low, high, interior].every((amounts) => amounts.every((amount) => amount === 0));
  return idle ? x : emit(b, "pad", [x], { low, high, interior, value })[0];
}

export function slice(
  b: Builder,
  x: Value,
  start: readonly number[],
  limit: readonly number[],
  strides: readonly number[] = start.map(() => 1),
): Value {
  const whole = start.every((from, axis) => from === 0 && limit[axis] === x.shape[axis] && strides[axis] === 1);
  return whole ? x : emit(b, "slice", [x], { start, limit, strides })[0];
}

/** Elements start..limit-1 of one axis. */
export function sliceAxis(b: Builder, x: Value, axis: number, start: number, limit: number): Value {
  return slice(
    b,
    x,
    x.shape.map((_, other) => (other === axis ? start : 0)),
    x.shape.map((extent, other) => (other === axis ? limit : extent)),
  );
}

export function concatenate(b: Builder, xs: readonly Value[], axis: number): Value {
  return xs.length === 1 ? xs[0] : emit(b, "concatenate", xs, { axis })[0];
}

export function reverse(b: Builder, x: Value, axes: readonly number[]): Value {
  return axes.length === 0 ? x : emit(b, "reverse", [x], { axes })[0];
}

export const iota = (b: Builder, shape: Shape, axis: number, dtype: DType): Value =>
  emit(b, "iota", [], { shape, dtype, axis })[0];

export const dotGeneral = (
  b: Builder,
  lhs: Value,
  rhs: Value,
  contract: readonly [readonly number[], readonly number[]],
  batch: readonly [readonly number[], readonly number[]] = [[], []],
): Value => emit(b, "dot_general", [lhs, rhs], { contract, batch })[0];

export const conv = (b: Builder, lhs: Value, rhs: Value, attributes: ConvAttributes): Value =>
  emit(b, "conv_general_dilated", [lhs, rhs], attributes)[0];

export const reduceWindowSum = (b: Builder, x: Value, window: WindowAttributes): Value =>
  emit(b, "reduce_window_sum", [x], window)[0];
export const reduceWindowMax = (b: Builder, x: Value, window: WindowAttributes): Value =>
  emit(b, "reduce_window_max", [x], window)[0];
export const selectAndGatherAdd = (b: Builder, tangent: Value, operand: Value, window: WindowAttributes): Value =>
  emit(b, "select_and_gather_add", [tangent, operand], window)[0];
export const selectAndScatterAdd = (b: Builder, cotangent: Value, operand: Value, window: WindowAttributes): Value =>
  emit(b, "select_and_scatter_add", [cotangent, operand], window)[0];

export const gather = (b: Builder, operand: Value, indices: Value, axis: number, batchDims = 0): Value =>
  emit(b, "gather", [operand, indices], { axis, batchDims })[0];
export const scatterAdd = (
  b: Builder,
  updates: Value,
  indices: Value,
  axis: number,
  size: number,
  batchDims = 0,
): Value => emit(b, "scatter_add", [updates, indices], { axis, size, batchDims })[0];

export function map(
  b: Builder,
  body: Graph,
  inputs: readonly Value[],
  mapped: readonly boolean[],
  length: number,
  options: { combine?: readonly ("stack" | "sum")[]; fallback?: Fallback | null } = {},
): Value[] {
  const combine = options.combine ?? body.outputs.map(() => "stack" as const);
  return emit(b, "map", inputs, { body, length, mapped, combine, fallback: options.fallback ?? null });
}

// Composites

/** A number as a constant that broadcasts against `like`. */
export function scalarLike(b: Builder, like: Value, element: number): Value {
  return b.scalar(element, like.dtype, like.shape.length);
}

/** `element` in every place of an array of the given type. */
export function full(b: Builder, shape: Shape, dtype: DType, element: number): Value {
  return broadcastInDim(b, b.scalar(element, dtype), shape, []);
}

export function zerosLike(b: Builder, like: Value): Value {
  return full(b, like.shape, like.dtype, 0);
}

/** Adds axes of extent 1 in front until the rank is `rank`. */
export function padRank(b: Builder, x: Value, rank: number): Value {
  return x.shape.length >= rank ? x : reshape(b, x, [...new Array<number>(rank - x.shape.length).fill(1), ...x.shape]);
}

/** NumPy's broadcast of `x` to `shape`: missing leading axes are added, extents of 1 repeated. */
export function broadcastTo(b: Builder, x: Value, shape: Shape): Value {
  const missing = shape.length - x.shape.length;
  return broadcastInDim(
    b,
    x,
    shape,
    range(x.shape.length).map((axis) => axis + missing),
  );
}

export function moveAxis(b: Builder, x: Value, from: number, to: number): Value {
  if (from === to) return x;
  const permutation = range(x.shape.length).filter((axis) => axis !== from);
  permutation.splice(to, 0, from);
  return transpose(b, x, permutation);
}

export function expandDims(b: Builder, x: Value, axis: number): Value {
  return reshape(b, x, [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)]);
}

/** Sums over the axes along which `x` was broadcast from `shape` (of equal rank, with extents of 1). */
export function sumTo(b: Builder, x: Value, shape: Shape): Value {
  const axes = range(shape.length).filter((axis) => shape[axis] === 1 && x.shape[axis] !== 1);
  return axes.length === 0 ? x : reshape(b, reduceSum(b, x, axes), shape);
}

/** The identity matrix of the given size. */
export function eye(b: Builder, size: number, dtype: DType): Value {
  return convert(b, eq(b, iota(b, [size, size], 0, "int32"), iota(b, [size, size], 1, "int32")), dtype);
}
