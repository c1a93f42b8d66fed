import type { Builder } from "../graph/builder";
import type { Value } from "../graph/graph";
import { isFloat } from "../graph/types";
import type { BinaryName, CompareName, ConvertAttributes, LogicalName, NoAttributes, UnaryName } from "./attributes";
import { erf as erfScalar, pow as powScalar, roundHalfToEven } from "./scalars";
import {
  broadcastShapes,
  elementwiseBatch,
  elementwiseExamples,
  expectCount,
  expectFloat,
  expectSameDType,
  like,
  noFlops,
  outputElements,
} from "./makers";
import * as ops from "./ops";
import type { Primitive } from "./primitive";

/** Primitives that act on each element alone. `t` is a tangent or cotangent, `x` and `y` operands, `z` the output. */

type Elementwise = Primitive<NoAttributes>;
type Derivative = (b: Builder, t: Value, x: Value, z: Value) => Value;

const num = ops.scalarLike;

function unary(name: UnaryName, scalar: (x: number) => number, derivative: Derivative | "zero"): Elementwise {
  return {
    scalar,
    shape(inputs) {
      expectCount(inputs, 1);
      const integerToo = name === "neg" || name === "abs" || name === "sign";
      if (!(integerToo && inputs[0].dtype === "int32")) expectFloat(inputs[0]);
      return like(inputs[0]);
    },
    jvp(b, [x], [t], [z]) {
      return [t && derivative !== "zero" ? derivative(b, t, x, z) : null];
    },
    batch: elementwiseBatch((b, inputs) => b.emit(name, inputs, {})[0]),
    flops: outputElements,
    examples: elementwiseExamples,
  };
}

const square = (b: Builder, x: Value): Value => ops.mul(b, x, x);
/** 1 - x^2 */
const oneMinusSquare = (b: Builder, x: Value): Value => ops.sub(b, num(b, x, 1), square(b, x));
/** 1 + x^2 */
const onePlusSquare = (b: Builder, x: Value): Value => ops.add(b, num(b, x, 1), square(b, x));

export const unaryPrimitives: Record<UnaryName, Elementwise> = {
  neg: {
    ...unary(
      "neg",
      (x) => -x,
      (b, t) => ops.neg(b, t),
    ),
    transpose: (b, [t]) => [t && ops.neg(b, t)],
  },
  abs: unary("abs", Math.abs, (b, t, x) => ops.mul(b, t, ops.sign(b, x))),
  sign: unary("sign", Math.sign, "zero"),
  floor: unary("floor", Math.floor, "zero"),
  ceil: unary("ceil", Math.ceil, "zero"),
  round: unary("round", roundHalfToEven, "zero"),
  exp: unary("exp", Math.exp, (b, t, _x, z) => ops.mul(b, t, z)),
  // (e^x - 1)' = e^x = z + 1
  expm1: unary("expm1", Math.expm1, (b, t, _x, z) => ops.mul(b, t, ops.add(b, z, num(b, z, 1)))),
  log: unary("log", Math.log, (b, t, x) => ops.div(b, t, x)),
  log1p: unary("log1p", Math.log1p, (b, t, x) => ops.div(b, t, ops.add(b, x, num(b, x, 1)))),
  // sqrt(x)' = 1 / (2 sqrt(x))
  sqrt: unary("sqrt", Math.sqrt, (b, t, _x, z) => ops.div(b, ops.mul(b, t, num(b, t, 0.5)), z)),
  // (x^-1/2)' = -1/2 x^-3/2 = -1/2 z / x
  rsqrt: unary(
    "rsqrt",
    (x) => 1 / Math.sqrt(x),
    (b, t, x, z) => ops.mul(b, t, ops.mul(b, num(b, t, -0.5), ops.div(b, z, x))),
  ),
  sin: unary("sin", Math.sin, (b, t, x) => ops.mul(b, t, ops.cos(b, x))),
  cos: unary("cos", Math.cos, (b, t, x) => ops.mul(b, t, ops.neg(b, ops.sin(b, x)))),
  // tan' = 1 + tan^2
  tan: unary("tan", Math.tan, (b, t, _x, z) => ops.mul(b, t, onePlusSquare(b, z))),
  asin: unary("asin", Math.asin, (b, t, x) => ops.mul(b, t, ops.rsqrt(b, oneMinusSquare(b, x)))),
  acos: unary("acos", Math.acos, (b, t, x) => ops.neg(b, ops.mul(b, t, ops.rsqrt(b, oneMinusSquare(b, x))))),
  atan: unary("atan", Math.atan, (b, t, x) => ops.div(b, t, onePlusSquare(b, x))),
  sinh: unary("sinh", Math.sinh, (b, t, x) => ops.mul(b, t, ops.cosh(b, x))),
  cosh: unary("cosh", Math.cosh, (b, t, x) => ops.mul(b, t, ops.sinh(b, x))),
  // tanh' = 1 - tanh^2
  tanh: unary("tanh", Math.tanh, (b, t, _x, z) => ops.mul(b, t, oneMinusSquare(b, z))),
  asinh: unary("asinh", Math.asinh, (b, t, x) => ops.mul(b, t, ops.rsqrt(b, onePlusSquare(b, x)))),
  acosh: unary("acosh", Math.acosh, (b, t, x) => ops.mul(b, t, ops.rsqrt(b, ops.sub(b, square(b, x), num(b, x, 1))))),
  atanh: unary("atanh", Math.atanh, (b, t, x) => ops.div(b, t, oneMinusSquare(b, x))),
  // erf' = 2 / sqrt(pi) exp(-x^2)
  erf: unary("erf", erfScalar, (b, t, x) =>
    ops.mul(b, t, ops.mul(b, num(b, x, 2 / Math.sqrt(Math.PI)), ops.exp(b, ops.neg(b, square(b, x))))),
  ),
  // logistic' = z (1 - z)
  logistic: unary(
    "logistic",
    (x) => 1 / (1 + Math.exp(-x)),
    (b, t, _x, z) => ops.mul(b, t, ops.mul(b, z, ops.sub(b, num(b, z, 1), z))),
  ),
};

function binaryShape(inputs: readonly Value[]): Value[] {
  expectCount(inputs, 2);
  expectSameDType(inputs);
  if (inputs[0].dtype === "bool") throw new Error("expected numbers, got bool");
  return [{ shape: broadcastShapes(inputs), dtype: inputs[0].dtype }];
}

function binary(name: BinaryName, scalar: (x: number, y: number) => number): Elementwise {
  return {
    scalar,
    shape: binaryShape,
    batch: elementwiseBatch((b, inputs) => b.emit(name, inputs, {})[0]),
    flops: outputElements,
    examples: elementwiseExamples,
  };
}

/** A tangent that may have been broadcast by the operation takes the output's shape. */
function widen(b: Builder, t: Value, output: Value): Value {
  return ops.broadcastTo(b, t, output.shape);
}

/** x when the operation leaves it as it is: the other operand is the neutral element, and does not broadcast it. */
function neutral(element: number, sides: "both" | "right"): NonNullable<Elementwise["simplify"]> {
  return (_b, [x, y], _attributes, definitions) => {
    if (definitions.splat(y) === element) return x;
    return sides === "both" && definitions.splat(x) === element ? y : undefined;
  };
}

function addTangents(b: Builder, left: Value | null, right: Value | null): Value | null {
  return left && right ? ops.add(b, left, right) : (left ?? right);
}

/** The derivative of max and min: the operand that won gets the tangent; at a tie each gets half. */
function winner(compare: typeof ops.gt): NonNullable<Elementwise["jvp"]> {
  return (b, [x, y], [tx, ty], [z]) => {
    const weight = (own: Value, other: Value): Value => {
      const half = num(b, z, 0.5);
      const tied = ops.select(b, ops.eq(b, own, other), half, num(b, z, 0));
      return ops.select(b, compare(b, own, other), num(b, z, 1), tied);
    };
    return [addTangents(b, tx && ops.mul(b, tx, weight(x, y)), ty && ops.mul(b, ty, weight(y, x)))];
  };
}

export const binaryPrimitives: Record<BinaryName, Elementwise> = {
  add: {
    ...binary("add", (x, y) => x + y),
    simplify: neutral(0, "both"),
    jvp: (b, _primals, [tx, ty], [z]) => [
      tx && ty ? ops.add(b, tx, ty) : tx ? widen(b, tx, z) : ty ? widen(b, ty, z) : null,
    ],
    transpose: (b, [t], [x, y], linear) => [
      t && linear[0] ? ops.sumTo(b, t, x.shape) : null,
      t && linear[1] ? ops.sumTo(b, t, y.shape) : null,
    ],
  },
  sub: {
    ...binary("sub", (x, y) => x - y),
    simplify: neutral(0, "right"),
    jvp: (b, _primals, [tx, ty], [z]) => [
      tx && ty ? ops.sub(b, tx, ty) : tx ? widen(b, tx, z) : ty ? ops.neg(b, widen(b, ty, z)) : null,
    ],
    transpose: (b, [t], [x, y], linear) => [
      t && linear[0] ? ops.sumTo(b, t, x.shape) : null,
      t && linear[1] ? ops.neg(b, ops.sumTo(b, t, y.shape)) : null,
    ],
  },
  mul: {
    ...binary("mul", (x, y) => x * y),
    simplify: neutral(1, "both"),
    // (xy)' = x'y + xy'
    jvp: (b, [x, y], [tx, ty]) => [addTangents(b, tx && ops.mul(b, tx, y), ty && ops.mul(b, x, ty))],
    transpose: (b, [t], [x, y], linear) => [
      t && linear[0] ? ops.sumTo(b, ops.mul(b, t, y), x.shape) : null,
      t && linear[1] ? ops.sumTo(b, ops.mul(b, t, x), y.shape) : null,
    ],
  },
  div: {
    ...binary("div", (x, y) => x / y),
    simplify: neutral(1, "right"),
    // (x/y)' = x'/y - (z/y) y'
    jvp: (b, [, y], [tx, ty], [z]) => [
      addTangents(b, tx && ops.div(b, tx, y), ty && ops.neg(b, ops.mul(b, ty, ops.div(b, z, y)))),
    ],
    transpose: (b, [t], [x, y], linear) => [t && linear[0] ? ops.sumTo(b, ops.div(b, t, y), x.shape) : null, null],
  },
  pow: {
    ...binary("pow", powScalar),
    // (x^y)' = y x^(y-1) x' + log(x) x^y y', with 0 for the second term at x = 0 and 0 for the first at y = 0
    jvp(b, [x, y], [tx, ty], [z]) {
      const one = num(b, y, 1);
      const safeExponent = ops.select(b, ops.eq(b, y, num(b, y, 0)), one, ops.sub(b, y, one));
      const left = tx && ops.mul(b, tx, ops.mul(b, y, ops.pow(b, x, safeExponent)));
      const safeBase = ops.select(b, ops.eq(b, x, num(b, x, 0)), num(b, x, 1), x);
      const right = ty && ops.mul(b, ty, ops.mul(b, ops.log(b, safeBase), z));
      return [addTangents(b, left, right)];
    },
  },
  max: { ...binary("max", Math.max), jvp: winner(ops.gt) },
  min: { ...binary("min", Math.min), jvp: winner(ops.lt) },
  atan2: {
    ...binary("atan2", Math.atan2),
    // atan2(x, y)' = (y x' - x y') / (x^2 + y^2)
    jvp(b, [x, y], [tx, ty]) {
      const norm = ops.add(b, square(b, x), square(b, y));
      return [
        addTangents(
          b,
          tx && ops.mul(b, tx, ops.div(b, y, norm)),
          ty && ops.mul(b, ty, ops.div(b, ops.neg(b, x), norm)),
        ),
      ];
    },
  },
  rem: {
    ...binary("rem", (x, y) => x % y),
    // x rem y = x - y trunc(x/y), and trunc has no derivative
    jvp(b, [x, y], [tx, ty], [z]) {
      const trunc = (): Value => {
        const quotient = ops.div(b, x, y);
        return ops.mul(b, ops.sign(b, quotient), ops.floor(b, ops.abs(b, quotient)));
      };
      return [addTangents(b, tx && widen(b, tx, z), ty && ops.neg(b, ops.mul(b, ty, trunc())))];
    },
  },
};

function compare(name: CompareName, scalar: (x: number, y: number) => boolean): Elementwise {
  return {
    scalar: (x, y) => Number(scalar(x, y)),
    shape(inputs) {
      expectCount(inputs, 2);
      expectSameDType(inputs);
      return [{ shape: broadcastShapes(inputs), dtype: "bool" }];
    },
    batch: elementwiseBatch((b, inputs) => b.emit(name, inputs, {})[0]),
    flops: outputElements,
    examples: elementwiseExamples,
  };
}

export const comparePrimitives: Record<CompareName, Elementwise> = {
  eq: compare("eq", (x, y) => x === y),
  ne: compare("ne", (x, y) => x !== y),
  lt: compare("lt", (x, y) => x < y),
  le: compare("le", (x, y) => x <= y),
  gt: compare("gt", (x, y) => x > y),
  ge: compare("ge", (x, y) => x >= y),
};

function logical(name: LogicalName | "not", operands: number, scalar: (...x: number[]) => boolean): Elementwise {
  return {
    scalar: (...x) => Number(scalar(...x)),
    shape(inputs) {
      expectCount(inputs, operands);
      if (inputs.some((input) => input.dtype !== "bool")) throw new Error("expected booleans");
      return [{ shape: broadcastShapes(inputs), dtype: "bool" }];
    },
    batch: elementwiseBatch((b, inputs) => b.emit(name, inputs, {})[0]),
    flops: outputElements,
    examples: elementwiseExamples,
  };
}

const convert: Primitive<ConvertAttributes> = {
  shape(inputs, { dtype }) {
    expectCount(inputs, 1);
    return [{ shape: inputs[0].shape, dtype }];
  },
  jvp: (b, [x], [t], _outputs, { dtype }) => [
    t && isFloat(dtype) && isFloat(x.dtype) ? ops.convert(b, t, dtype) : null,
  ],
  transpose: (b, [t], [x]) => [t && ops.convert(b, t, x.dtype)],
  batch: elementwiseBatch((b, [x], { dtype }) => ops.convert(b, x, dtype)),
  flops: noFlops,
  simplify: (_b, [x], { dtype }) => (x.dtype === dtype ? x : undefined),
  examples: elementwiseExamples,
};

const select: Elementwise = {
  scalar: (condition, x, y) => (condition ? x : y),
  shape(inputs) {
    expectCount(inputs, 3);
    if (inputs[0].dtype !== "bool") throw new Error("the condition of a select must be bool");
    expectSameDType(inputs.slice(1));
    return [{ shape: broadcastShapes(inputs), dtype: inputs[1].dtype }];
  },
  jvp(b, [condition], [, tx, ty], [z]) {
    if (!tx && !ty) return [null];
    const zero = num(b, z, 0);
    return [widen(b, ops.select(b, condition, tx ?? zero, ty ?? zero), z)];
  },
  transpose(b, [t], [condition, x, y], linear) {
    if (!t) return [null, null, null];
    // No product with the condition, though engines would be quicker: what is not selected may be NaN, as in a softmax of
    // a row that is masked as a whole
    const zero = num(b, t, 0);
    return [
      null,
      linear[1] ? ops.sumTo(b, ops.select(b, condition, t, zero), x.shape) : null,
      linear[2] ? ops.sumTo(b, ops.select(b, condition, zero, t), y.shape) : null,
    ];
  },
  batch: elementwiseBatch((b, [condition, x, y]) => ops.select(b, condition, x, y)),
  flops: outputElements,
  examples: elementwiseExamples,
};

export const otherElementwisePrimitives = {
  and: logical("and", 2, (x, y) => Boolean(x) && Boolean(y)),
  or: logical("or", 2, (x, y) => Boolean(x) || Boolean(y)),
  not: logical("not", 1, (x) => !x),
  is_finite: {
    scalar: (x: number) => Number(Number.isFinite(x)),
    shape(inputs) {
      expectCount(inputs, 1);
      expectFloat(inputs[0]);
      return [{ shape: inputs[0].shape, dtype: "bool" }];
    },
    batch: elementwiseBatch((b, [x]) => ops.isFinite(b, x)),
    flops: outputElements,
    examples: elementwiseExamples,
  } satisfies Elementwise as Elementwise,
  stop_gradient: {
    scalar: (x: number) => x,
    shape(inputs) {
      expectCount(inputs, 1);
      return like(inputs[0]);
    },
    batch: elementwiseBatch((b, [x]) => ops.stopGradient(b, x)),
    flops: noFlops,
    examples: elementwiseExamples,
  } satisfies Elementwise as Elementwise,
  convert,
  select,
};
