import type {
  BinaryName,
  CompareName,
  ConvertAttributes,
  LogicalName,
  NoAttributes,
  UnaryName,
} from "../../../primitives/attributes";
import { broadcast, broadcastRank } from "./layout";
import type { Lowering, Tf, TfTensor } from "./lowering";

const one =
  (compute: (tf: Tf, x: TfTensor) => TfTensor): Lowering<NoAttributes> =>
  (tf, [x]) =>
    compute(tf, x);

/** TensorFlow's kernels of two operands broadcast along so many axes and no more. */
const largestRank = 5;

const two =
  (compute: (tf: Tf, x: TfTensor, y: TfTensor) => TfTensor): Lowering<NoAttributes> =>
  (tf, [x, y], _attributes, { shape }) =>
    broadcastRank([x.shape, y.shape]) <= largestRank
      ? compute(tf, x, y)
      : compute(tf, broadcast(tf, x, shape), broadcast(tf, y, shape));

/** TensorFlow.js's own kernel computes this of integers in 32-bit floats, which have too few digits. */
function absolute(tf: Tf, x: TfTensor): TfTensor {
  return x.dtype === "int32" ? tf.maximum(x, tf.neg(x)) : tf.abs(x);
}

export const unary: Record<UnaryName, Lowering<NoAttributes>> = {
  neg: one((tf, x) => tf.neg(x)),
  abs: one(absolute),
  sign: one((tf, x) => tf.sign(x)),
  floor: one((tf, x) => tf.floor(x)),
  ceil: one((tf, x) => tf.ceil(x)),
  round: one((tf, x) => tf.round(x)),
  exp: one((tf, x) => tf.exp(x)),
  expm1: one((tf, x) => tf.expm1(x)),
  log: one((tf, x) => tf.log(x)),
  log1p: one((tf, x) => tf.log1p(x)),
  sqrt: one((tf, x) => tf.sqrt(x)),
  rsqrt: one((tf, x) => tf.rsqrt(x)),
  sin: one((tf, x) => tf.sin(x)),
  cos: one((tf, x) => tf.cos(x)),
  tan: one((tf, x) => tf.tan(x)),
  asin: one((tf, x) => tf.asin(x)),
  acos: one((tf, x) => tf.acos(x)),
  atan: one((tf, x) => tf.atan(x)),
  sinh: one((tf, x) => tf.sinh(x)),
  cosh: one((tf, x) => tf.cosh(x)),
  tanh: one((tf, x) => tf.tanh(x)),
  asinh: one((tf, x) => tf.asinh(x)),
  acosh: one((tf, x) => tf.acosh(x)),
  atanh: one((tf, x) => tf.atanh(x)),
  erf: one((tf, x) => tf.erf(x)),
  logistic: one((tf, x) => tf.sigmoid(x)),
};

/** TensorFlow's division of integers rounds down; ours truncates. */
function divide(tf: Tf, x: TfTensor, y: TfTensor): TfTensor {
  if (x.dtype !== "int32") return tf.div(x, y);
  const magnitude = tf.floorDiv(absolute(tf, x), absolute(tf, y));
  return tf.mul(tf.mul(tf.sign(x), tf.sign(y)), magnitude);
}

/** TensorFlow's remainder has the sign of the divisor; ours has that of the dividend. */
function remainder(tf: Tf, x: TfTensor, y: TfTensor): TfTensor {
  return tf.mul(tf.sign(x), tf.mod(absolute(tf, x), absolute(tf, y)));
}

export const binary: Record<BinaryName, Lowering<NoAttributes>> = {
  add: two((tf, x, y) => tf.add(x, y)),
  sub: two((tf, x, y) => tf.sub(x, y)),
  mul: two((tf, x, y) => tf.mul(x, y)),
  div: two(divide),
  pow: two((tf, x, y) => tf.pow(x, y)),
  max: two((tf, x, y) => tf.maximum(x, y)),
  min: two((tf, x, y) => tf.minimum(x, y)),
  atan2: two((tf, x, y) => tf.atan2(x, y)),
  rem: two(remainder),
};

/** Booleans are ordered as 0 and 1, which TensorFlow's kernels do not do. */
const compared = (compute: (tf: Tf, x: TfTensor, y: TfTensor) => TfTensor): Lowering<NoAttributes> =>
  two((tf, x, y) => {
    if (x.dtype !== "bool") return compute(tf, x, y);
    return compute(tf, tf.cast(x, "int32"), tf.cast(y, "int32"));
  });

export const compare: Record<CompareName, Lowering<NoAttributes>> = {
  eq: compared((tf, x, y) => tf.equal(x, y)),
  ne: compared((tf, x, y) => tf.notEqual(x, y)),
  lt: compared((tf, x, y) => tf.less(x, y)),
  le: compared((tf, x, y) => tf.lessEqual(x, y)),
  gt: compared((tf, x, y) => tf.greater(x, y)),
  ge: compared((tf, x, y) => tf.greaterEqual(x, y)),
};

export const logical: Record<LogicalName | "not", Lowering<NoAttributes>> = {
  and: two((tf, x, y) => tf.logicalAnd(x, y)),
  or: two((tf, x, y) => tf.logicalOr(x, y)),
  not: one((tf, x) => tf.logicalNot(x)),
};

export const isFinite: Lowering<NoAttributes> = one((tf, x) => tf.isFinite(x));
export const select: Lowering<NoAttributes> = (tf, [condition, x, y], _attributes, { shape }) =>
  tf.where(broadcast(tf, condition, shape), broadcast(tf, x, shape), broadcast(tf, y, shape));
export const convert: Lowering<ConvertAttributes> = (tf, [x], { dtype }) =>
  tf.cast(x, dtype === "float64" ? "float32" : dtype);
