import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { isFloat } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { elu, leakyRelu, prelu, relu, selu, softplus } from "../../activations";
import type { Operator, OperatorCall, OperatorTable } from "../call";
import { aligned, axisOf, floating, numeric, type Operand } from "./common";

type Unary = (b: Builder, x: Value) => Value;
type Binary = (b: Builder, x: Value, y: Value) => Value;

const at = ops.scalarLike;
const scaled = (b: Builder, x: Value, factor: number): Value => (factor === 1 ? x : ops.mul(b, x, at(b, x, factor)));
const shifted = (b: Builder, x: Value, summand: number): Value => ops.add(b, x, at(b, x, summand));

const unary =
  (op: Unary): Operator =>
  (b, call) =>
    op(b, numeric(b, call.value(call.has("self") ? "self" : "input")));

/** Functions of floating-point numbers, to which integers are converted. */
const smooth = (op: Unary): Operator => unary((b, x) => op(b, floating(b, x)));

const binary =
  (op: Binary): Operator =>
  (b, call) => {
    const [x, y] = aligned(b, [call.operand("self"), call.operand("other")]);
    return op(b, x, y);
  };

/** Booleans count as 0 and 1. */
const arithmetic = (op: Binary): Operator => binary((b, x, y) => op(b, numeric(b, x), numeric(b, y)));

const logical =
  (op: Binary): Operator =>
  (b, call) => {
    const [x, y] = aligned(b, [call.operand("self"), call.operand("other")]);
    return op(b, truth(b, x), truth(b, y));
  };

/** On booleans only: the graph has no bits of integers. */
const bitwise =
  (op: Binary): Operator =>
  (b, call) => {
    const [x, y] = aligned(b, [call.operand("self"), call.operand("other")]);
    if (x.dtype !== "bool") throw call.refuse("is supported for booleans only; use arithmetic instead");
    return op(b, x, y);
  };

function truth(b: Builder, x: Value): Value {
  return ops.convert(b, x, "bool");
}

const xor: Binary = (b, x, y) => ops.ne(b, ops.convert(b, x, "int32"), ops.convert(b, y, "int32"));

/** alpha (exp(x / beta) - 1) where x is not positive; the exponential sees no positive x, where it would overflow. */
function negativeExponential(b: Builder, x: Value, alpha: number, beta: number): Value {
  const capped = ops.select(b, ops.gt(b, x, at(b, x, 0)), at(b, x, 0), x);
  return scaled(b, ops.expm1(b, scaled(b, capped, 1 / beta)), alpha);
}

/** Between `low` and `high`, whose derivative is 0 outside and, where `inclusive`, 1 at the bounds. */
function clip(b: Builder, x: Value, low: number | null, high: number | null, inclusive = true): Value {
  const [below, above] = inclusive ? [ops.lt, ops.gt] : [ops.le, ops.ge];
  const capped = high === null ? x : ops.select(b, above(b, x, at(b, x, high)), at(b, x, high), x);
  // A number above the upper bound is compared with the lower one as such
  return low === null
    ? capped
    : ops.select(b, below(b, x, at(b, x, low)), at(b, x, Math.min(low, high ?? low)), capped);
}

const relu6: Unary = (b, x) => clip(b, x, 0, 6, false);
const sixth = (b: Builder, x: Value): Value => scaled(b, clip(b, shifted(b, x, 3), 0, 6, false), 1 / 6);

function gelu(b: Builder, x: Value, approximate: string): Value {
  const half = scaled(b, x, 0.5);
  if (approximate !== "tanh") return ops.mul(b, half, shifted(b, ops.erf(b, scaled(b, x, Math.SQRT1_2)), 1));
  const cubic = ops.mul(b, x, shifted(b, scaled(b, ops.mul(b, x, x), 0.044715), 1));
  return ops.mul(b, half, shifted(b, ops.tanh(b, scaled(b, cubic, Math.sqrt(2 / Math.PI))), 1));
}

const silu: Unary = (b, x) => ops.mul(b, x, ops.logistic(b, x));

/** log(sigmoid(x)) = -softplus(-x) */
const logSigmoid: Unary = (b, x) => ops.neg(b, softplus(b, ops.neg(b, x)));

const softplusOf: Operator = (b, call) => {
  const x = floating(b, call.value("self"));
  const beta = call.number("beta", 1);
  const scaledX = scaled(b, x, beta);
  const soft = scaled(b, softplus(b, scaledX), 1 / beta);
  return ops.select(b, ops.gt(b, scaledX, at(b, x, call.number("threshold", 20))), x, soft);
};

/** The quotient, rounded down. */
function floorDivide(b: Builder, x: Value, y: Value): Value {
  if (isFloat(x.dtype)) return ops.floor(b, ops.div(b, x, y));
  const quotient = ops.div(b, x, y);
  const remainder = ops.sub(b, x, ops.mul(b, quotient, y));
  const inexact = ops.ne(b, remainder, at(b, remainder, 0));
  const signsDiffer = ops.lt(b, ops.mul(b, ops.sign(b, remainder), ops.sign(b, y)), at(b, y, 0));
  return ops.select(b, ops.and(b, inexact, signsDiffer), ops.sub(b, quotient, at(b, quotient, 1)), quotient);
}

const truncate: Unary = (b, x) =>
  isFloat(x.dtype) ? ops.select(b, ops.lt(b, x, at(b, x, 0)), ops.ceil(b, x), ops.floor(b, x)) : x;

/** The remainder with the divisor's sign. */
function remainder(b: Builder, x: Value, y: Value): Value {
  return ops.sub(b, x, ops.mul(b, floorDivide(b, ...detached(b, x, y)), y));
}

const detached = (b: Builder, x: Value, y: Value): [Value, Value] => [ops.stopGradient(b, x), ops.stopGradient(b, y)];

const divide: Operator = (b, call) => {
  const [x, y] = aligned(b, [call.operand("self"), call.operand("other")]).map((operand) => numeric(b, operand));
  switch (call.text("rounding_mode", "none")) {
    case "floor":
      return floorDivide(b, x, y);
    case "trunc":
      return isFloat(x.dtype) ? truncate(b, ops.div(b, x, y)) : ops.div(b, x, y);
    default:
      return ops.div(b, floating(b, x), floating(b, y));
  }
};

/** self + alpha other */
const sum = (op: Binary, self: string, other: string): Operator => {
  return (b, call) => {
    const [x, y] = aligned(b, [call.operand(self), call.operand(other)]).map((operand) => numeric(b, operand));
    return op(b, x, scaled(b, y, call.number("alpha", 1)));
  };
};

const MOST_PRODUCTS = 8;

const power: Operator = (b, call) => {
  const exponent = call.operand("exponent");
  const base = call.operand("self");
  if (typeof exponent === "number" && typeof base === "object") {
    const x = numeric(b, base);
    // Small whole powers as products: their derivatives are right at 0, and engines have no faster power
    if (Number.isInteger(exponent) && exponent >= 1 && exponent <= MOST_PRODUCTS) {
      let result = x;
      for (let factor = 1; factor < exponent; factor++) result = ops.mul(b, result, x);
      return result;
    }
    if (exponent === 0) return ops.full(b, x.shape, x.dtype, 1);
    const float = floating(b, x);
    if (exponent === 0.5) return ops.sqrt(b, float);
    if (exponent === -0.5) return ops.rsqrt(b, float);
    if (exponent === -1) return ops.div(b, at(b, float, 1), float);
  }
  const [x, y] = aligned(b, [base, exponent]);
  const result = ops.pow(b, floating(b, x), floating(b, y));
  return isFloat(x.dtype) ? result : ops.round(b, result);
};

/** A bound may be an array, a number, or left out. */
const clamp: Operator = (b, call) => {
  const x = numeric(b, call.value("self"));
  const bound = (name: string): Operand | null => (call.has(name) ? call.operand(name) : null);
  const [low, high] = [bound("min"), bound("max")];
  const isNumber = (operand: Operand | null): operand is number | null =>
    operand === null || typeof operand === "number";
  if (isNumber(low) && isNumber(high)) {
    const isFractional = [low, high].some((each) => each !== null && !Number.isInteger(each));
    return clip(b, isFractional ? floating(b, x) : x, low, high);
  }
  let result = x;
  if (low !== null) result = ops.max(b, ...pairOf(b, result, low));
  if (high !== null) result = ops.min(b, ...pairOf(b, result, high));
  return result;
};

function pairOf(b: Builder, x: Operand, y: Operand): [Value, Value] {
  const [p, q] = aligned(b, [x, y]);
  return [numeric(b, p), numeric(b, q)];
}

/** condition ? self : other, all broadcast. */
function choose(b: Builder, condition: Value, self: Operand, other: Operand): Value {
  const [x, y] = aligned(b, [self, other]);
  const rank = Math.max(condition.shape.length, x.shape.length);
  return ops.select(b, truth(b, ops.padRank(b, condition, rank)), ops.padRank(b, x, rank), ops.padRank(b, y, rank));
}

const maskedFill: Operator = (b, call) => {
  const x = call.value("self");
  const value = call.operand("value");
  const filling = typeof value === "object" ? ops.convert(b, value, x.dtype) : b.scalar(Number(value), x.dtype);
  return choose(b, call.value("mask"), filling, x);
};

/** One slope for each feature (axis 1), or one for all. */
const preluOf: Operator = (b, call) => {
  const x = call.value("self");
  const slope = call.value("weight");
  if (slope.shape.length !== 1) return prelu(b, x, slope);
  const shape = x.shape.map((_, axis) => (axis === 1 ? slope.shape[0] : 1));
  return prelu(b, x, ops.reshape(b, slope, x.shape.length < 2 ? [slope.shape[0]] : shape));
};

const shrink =
  (isSoft: boolean): Operator =>
  (b, call) => {
    const x = floating(b, call.value("self"));
    const lambda = call.number("lambd", 0.5);
    const above = ops.gt(b, x, at(b, x, lambda));
    const below = ops.lt(b, x, at(b, x, -lambda));
    const [high, low] = isSoft ? [shifted(b, x, -lambda), shifted(b, x, lambda)] : [x, x];
    return ops.select(b, above, high, ops.select(b, below, low, at(b, x, 0)));
  };

const isNaN: Unary = (b, x) => ops.ne(b, x, x);
const isInfinite: Unary = (b, x) => ops.not(b, ops.or(b, ops.isFinite(b, x), isNaN(b, x)));

const nanToNum: Operator = (b, call) => {
  const x = floating(b, call.value("self"));
  const largest = x.dtype === "float64" ? Number.MAX_VALUE : 3.4028234663852886e38;
  const number = ops.select(b, isNaN(b, x), at(b, x, call.number("nan", 0)), x);
  const low = ops.select(b, ops.lt(b, number, at(b, x, -largest)), at(b, x, call.number("neginf", -largest)), number);
  return ops.select(b, ops.gt(b, low, at(b, x, largest)), at(b, x, call.number("posinf", largest)), low);
};

/** Rounds half to even, at a decimal place. */
const round: Operator = (b, call) => {
  const x = call.value("self");
  if (!isFloat(x.dtype)) return x;
  const scale = 10 ** call.number("decimals", 0);
  return scaled(b, ops.round(b, scaled(b, x, scale)), 1 / scale);
};

const glu: Operator = (b, call) => {
  const x = call.value("self");
  const axis = axisOf(call, call.size("dim", -1), x.shape.length);
  const half = x.shape[axis] / 2;
  if (!Number.isInteger(half)) throw call.refuse(`halves an axis of extent ${x.shape[axis]}; export the model again`);
  const gate = ops.logistic(b, ops.sliceAxis(b, x, axis, half, 2 * half));
  return ops.mul(b, ops.sliceAxis(b, x, axis, 0, half), gate);
};

/** start + weight (end - start) */
const lerp: Operator = (b, call) => {
  const [start, end, weight] = aligned(b, [call.value("self"), call.value("end"), call.operand("weight")]);
  return ops.add(b, start, ops.mul(b, weight, ops.sub(b, end, start)));
};

/** self + value op(tensor1, tensor2) */
const fused =
  (op: Binary): Operator =>
  (b, call) => {
    const [x, y, z] = aligned(b, [call.value("self"), call.value("tensor1"), call.value("tensor2")]);
    return ops.add(b, x, scaled(b, op(b, y, z), call.number("value", 1)));
  };

const eluOf: Operator = (b, call) => {
  const x = floating(b, call.value("self"));
  const [alpha, scale, inputScale] = [call.number("alpha", 1), call.number("scale", 1), call.number("input_scale", 1)];
  if (alpha === 1 && scale === 1 && inputScale === 1) return elu(b, x);
  const positive = ops.gt(b, x, at(b, x, 0));
  return scaled(b, ops.select(b, positive, x, negativeExponential(b, x, alpha, 1 / inputScale)), scale);
};

const celu: Operator = (b, call) => {
  const x = floating(b, call.value("self"));
  const alpha = call.number("alpha", 1);
  return ops.select(b, ops.gt(b, x, at(b, x, 0)), x, negativeExponential(b, x, alpha, alpha));
};

const logit: Operator = (b, call) => {
  const x = floating(b, call.value("self"));
  const epsilon = call.optionalNumber("eps");
  const p = epsilon === null ? x : clip(b, x, epsilon, 1 - epsilon);
  return ops.log(b, ops.div(b, p, ops.sub(b, at(b, p, 1), p)));
};

/** Of a random slope in training, of the mean slope else. */
const rrelu = (b: Builder, call: OperatorCall): Value => {
  if (call.flag("training", false)) {
    throw call.refuse("is random in training mode; call model.eval() before the export");
  }
  return leakyRelu(b, call.value("self"), (call.number("lower", 0.125) + call.number("upper", 1 / 3)) / 2);
};

const hardtanh = (call: OperatorCall, b: Builder): Value =>
  clip(b, call.value("self"), call.number("min_val", -1), call.number("max_val", 1), false);

export const elementwise: OperatorTable = {
  abs: unary(ops.abs),
  neg: unary(ops.neg),
  negative: unary(ops.neg),
  positive: unary((_b, x) => x),
  sign: unary(ops.sign),
  sgn: unary(ops.sign),
  ceil: unary((b, x) => (isFloat(x.dtype) ? ops.ceil(b, x) : x)),
  floor: unary((b, x) => (isFloat(x.dtype) ? ops.floor(b, x) : x)),
  trunc: unary(truncate),
  fix: unary(truncate),
  frac: unary((b, x) => ops.sub(b, x, truncate(b, x))),
  round,
  exp: smooth(ops.exp),
  exp2: smooth((b, x) => ops.exp(b, scaled(b, x, Math.LN2))),
  expm1: smooth(ops.expm1),
  log: smooth(ops.log),
  log2: smooth((b, x) => scaled(b, ops.log(b, x), Math.LOG2E)),
  log10: smooth((b, x) => scaled(b, ops.log(b, x), Math.LOG10E)),
  log1p: smooth(ops.log1p),
  sqrt: smooth(ops.sqrt),
  rsqrt: smooth(ops.rsqrt),
  square: unary((b, x) => ops.mul(b, x, x)),
  reciprocal: smooth((b, x) => ops.div(b, at(b, x, 1), x)),
  sin: smooth(ops.sin),
  cos: smooth(ops.cos),
  tan: smooth(ops.tan),
  asin: smooth(ops.asin),
  acos: smooth(ops.acos),
  atan: smooth(ops.atan),
  sinh: smooth(ops.sinh),
  cosh: smooth(ops.cosh),
  tanh: smooth(ops.tanh),
  asinh: smooth(ops.asinh),
  acosh: smooth(ops.acosh),
  atanh: smooth(ops.atanh),
  erf: smooth(ops.erf),
  erfc: smooth((b, x) => ops.sub(b, at(b, x, 1), ops.erf(b, x))),
  sigmoid: smooth(ops.logistic),
  logit,

  relu: unary(relu),
  relu6: unary(relu6),
  elu: eluOf,
  celu,
  selu: smooth(selu),
  gelu: (b, call) => gelu(b, call.value("self"), call.text("approximate", "none")),
  silu: smooth(silu),
  mish: smooth((b, x) => ops.mul(b, x, ops.tanh(b, softplus(b, x)))),
  hardsigmoid: smooth(sixth),
  hardswish: smooth((b, x) => ops.mul(b, x, sixth(b, x))),
  hardtanh: (b, call) => hardtanh(call, b),
  leaky_relu: (b, call) => leakyRelu(b, call.value("self"), call.number("negative_slope", 0.01)),
  rrelu,
  rrelu_with_noise_functional: (b, call) => [rrelu(b, call), null],
  prelu: preluOf,
  _prelu_kernel: (b, call) => prelu(b, call.value("self"), call.value("weight")),
  softplus: softplusOf,
  log_sigmoid: smooth(logSigmoid),
  log_sigmoid_forward: (b, call) => [logSigmoid(b, floating(b, call.value("self"))), null],
  softshrink: shrink(true),
  hardshrink: shrink(false),
  threshold: (b, call) => {
    const x = call.value("self");
    return ops.select(b, ops.gt(b, x, at(b, x, call.number("threshold"))), x, at(b, x, call.number("value")));
  },
  glu,
  clamp,
  clip: clamp,
  clamp_min: clamp,
  clamp_max: clamp,
  nan_to_num: nanToNum,

  add: sum(ops.add, "self", "other"),
  sub: sum(ops.sub, "self", "other"),
  subtract: sum(ops.sub, "self", "other"),
  rsub: (b, call) => {
    const [x, y] = aligned(b, [call.operand("self"), call.operand("other")]);
    return ops.sub(b, y, scaled(b, x, call.number("alpha", 1)));
  },
  mul: arithmetic(ops.mul),
  multiply: arithmetic(ops.mul),
  div: divide,
  divide,
  true_divide: divide,
  floor_divide: arithmetic(floorDivide),
  remainder: arithmetic(remainder),
  fmod: arithmetic(ops.rem),
  pow: power,
  maximum: arithmetic(ops.max),
  minimum: arithmetic(ops.min),
  fmax: arithmetic(ops.max),
  fmin: arithmetic(ops.min),
  atan2: binary((b, x, y) => ops.atan2(b, floating(b, x), floating(b, y))),
  arctan2: binary((b, x, y) => ops.atan2(b, floating(b, x), floating(b, y))),
  lerp,
  addcmul: fused(ops.mul),
  addcdiv: fused(ops.div),

  eq: arithmetic(ops.eq),
  ne: arithmetic(ops.ne),
  lt: arithmetic(ops.lt),
  le: arithmetic(ops.le),
  gt: arithmetic(ops.gt),
  ge: arithmetic(ops.ge),
  logical_and: logical(ops.and),
  logical_or: logical(ops.or),
  logical_xor: logical(xor),
  logical_not: (b, call) => ops.not(b, truth(b, call.value("self"))),
  bitwise_and: bitwise(ops.and),
  bitwise_or: bitwise(ops.or),
  bitwise_xor: bitwise(xor),
  __and__: bitwise(ops.and),
  __or__: bitwise(ops.or),
  __xor__: bitwise(xor),
  bitwise_not: (b, call) => {
    const x = call.value("self");
    if (x.dtype !== "bool") throw call.refuse("is supported for booleans only; use arithmetic instead");
    return ops.not(b, x);
  },
  isnan: smooth(isNaN),
  isinf: smooth(isInfinite),
  isfinite: smooth(ops.isFinite),
  where: (b, call) => choose(b, call.value("condition"), call.operand("self"), call.operand("other")),
  masked_fill: maskedFill,
};
