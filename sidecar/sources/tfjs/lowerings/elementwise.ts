import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import type { DType } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { elu, leakyRelu, prelu, relu, relu6, selu, softplus } from "../../activations";
import { floating, numeric, pair, type KernelCall, type Lowering, type LoweringTable } from "./kernel";

type Unary = (b: Builder, x: Value) => Value;
type Binary = (b: Builder, x: Value, y: Value) => Value;

/** Kernels whose one input is called `x`. */
const unary =
  (op: Unary): Lowering =>
  (b, { inputs }) =>
    op(b, inputs.x);

const unaryFloat = (op: Unary): Lowering => unary((b, x) => op(b, floating(b, x)));

/** Kernels with inputs `a` and `b` that broadcast. */
const binary =
  (op: Binary): Lowering =>
  (b, { inputs }) =>
    op(b, ...pair(b, inputs.a, inputs.b));

/** Arithmetic; booleans count as 0 and 1, and the result has the operands' dtype. */
const arithmetic = (op: Binary): Lowering =>
  binary((b, x, y) => ops.convert(b, op(b, numeric(b, x), numeric(b, y)), x.dtype));

const comparison = (op: Binary): Lowering => binary((b, x, y) => op(b, numeric(b, x), numeric(b, y)));

const logical = (op: Binary): Lowering =>
  binary((b, x, y) => op(b, ops.convert(b, x, "bool"), ops.convert(b, y, "bool")));

const at = ops.scalarLike;

function clip(b: Builder, x: Value, low: number, high: number): Value {
  const capped = ops.select(b, ops.gt(b, x, at(b, x, high)), at(b, x, high), x);
  return ops.select(b, ops.lt(b, x, at(b, x, low)), at(b, x, low), capped);
}

/** The remainder with the divisor's sign. */
const mod: Binary = (b, x, y) => {
  const remainder = ops.rem(b, x, y);
  const negative = (value: Value): Value => ops.lt(b, value, at(b, value, 0));
  // Booleans are compared by number: `ne` is for numbers.
  const signsDiffer = ops.ne(b, ops.convert(b, negative(x), "int32"), ops.convert(b, negative(y), "int32"));
  return ops.select(b, signsDiffer, ops.rem(b, ops.add(b, remainder, y), y), remainder);
};

/** floor(x / y) as int32. */
const floorDiv: Binary = (b, x, y) => {
  if (x.dtype !== "int32") return ops.convert(b, ops.floor(b, ops.div(b, floating(b, x), floating(b, y))), "int32");
  const quotient = ops.div(b, x, y);
  const remainder = ops.sub(b, x, ops.mul(b, quotient, y));
  const inexact = ops.ne(b, remainder, at(b, remainder, 0));
  const signsDiffer = ops.lt(b, ops.mul(b, ops.sign(b, remainder), ops.sign(b, y)), at(b, y, 0));
  const below = ops.sub(b, quotient, at(b, quotient, 1));
  return ops.select(b, ops.and(b, inexact, signsDiffer), below, quotient);
};

function pow(b: Builder, { inputs, known }: KernelCall): Value {
  const dtype: DType = inputs.a.dtype;
  if (dtype !== "float32") {
    const [x, y] = pair(b, floating(b, inputs.a), floating(b, inputs.b));
    return ops.convert(b, ops.round(b, ops.pow(b, x, y)), dtype);
  }
  const exponent = known("b");
  // x^2 as a product: its derivative is right for all x, and engines have no faster power.
  if (exponent?.length === 1 && exponent[0] === 2 && inputs.b.shape.length <= inputs.a.shape.length) {
    return ops.mul(b, inputs.a, inputs.a);
  }
  return ops.pow(b, ...pair(b, inputs.a, floating(b, inputs.b)));
}

/** The activation that a fused kernel applies to its result. */
export function activate(b: Builder, x: Value, call: KernelCall): Value | null {
  const { activation, leakyreluAlpha } = call.attributes as { activation?: string; leakyreluAlpha?: number };
  switch (activation ?? "linear") {
    case "linear":
      return x;
    case "relu":
      return relu(b, x);
    case "relu6":
      return relu6(b, x);
    case "elu":
      return elu(b, x);
    case "sigmoid":
      return ops.logistic(b, x);
    case "leakyrelu":
      return leakyRelu(b, x, leakyreluAlpha ?? 0.2);
    case "prelu":
      return prelu(b, x, call.inputs.preluActivationWeights);
    default:
      return null;
  }
}

export const elementwise: LoweringTable = {
  Abs: unary((b, x) => ops.abs(b, numeric(b, x))),
  Acos: unaryFloat(ops.acos),
  Acosh: unaryFloat(ops.acosh),
  Asin: unaryFloat(ops.asin),
  Asinh: unaryFloat(ops.asinh),
  Atan: unaryFloat(ops.atan),
  Atanh: unaryFloat(ops.atanh),
  Ceil: unaryFloat(ops.ceil),
  Cos: unaryFloat(ops.cos),
  Cosh: unaryFloat(ops.cosh),
  Erf: unaryFloat(ops.erf),
  Exp: unaryFloat(ops.exp),
  Expm1: unaryFloat(ops.expm1),
  Floor: unaryFloat(ops.floor),
  Log: unaryFloat(ops.log),
  Log1p: unaryFloat(ops.log1p),
  Neg: unary(ops.neg),
  Reciprocal: unaryFloat((b, x) => ops.div(b, at(b, x, 1), x)),
  Round: unaryFloat(ops.round),
  Rsqrt: unaryFloat(ops.rsqrt),
  Sigmoid: unaryFloat(ops.logistic),
  Sign: unary(ops.sign),
  Sin: unaryFloat(ops.sin),
  Sinh: unaryFloat(ops.sinh),
  Softplus: unaryFloat(softplus),
  Sqrt: unaryFloat(ops.sqrt),
  Square: unary((b, x) => ops.mul(b, x, x)),
  Tan: unaryFloat(ops.tan),
  Tanh: unaryFloat(ops.tanh),

  Relu: unary(relu),
  Relu6: unary(relu6),
  Elu: unaryFloat(elu),
  Selu: unaryFloat(selu),
  LeakyRelu: (b, { inputs, attributes }) => leakyRelu(b, inputs.x, (attributes as { alpha: number }).alpha),
  Prelu: (b, { inputs }) => prelu(b, inputs.x, inputs.alpha),
  Step: (b, { inputs, attributes }) => {
    const { alpha } = attributes as { alpha?: number };
    const x = inputs.x;
    return ops.select(b, ops.gt(b, x, at(b, x, 0)), ops.full(b, x.shape, x.dtype, 1), at(b, x, alpha ?? 0));
  },
  ClipByValue: (b, { inputs, attributes }) => {
    const { clipValueMin, clipValueMax } = attributes as { clipValueMin: number; clipValueMax: number };
    return clip(b, inputs.x, clipValueMin, clipValueMax);
  },
  /** dy where y >= 0, else dy (y + 1). */
  EluGrad: (b, { inputs: { dy, y } }) =>
    ops.select(b, ops.ge(b, y, at(b, y, 0)), dy, ops.mul(b, dy, ops.add(b, y, at(b, y, 1)))),

  IsFinite: unaryFloat(ops.isFinite),
  IsNan: unaryFloat((b, x) => ops.ne(b, x, x)),
  IsInf: unaryFloat((b, x) => ops.not(b, ops.or(b, ops.isFinite(b, x), ops.ne(b, x, x)))),
  LogicalNot: unary((b, x) => ops.not(b, ops.convert(b, x, "bool"))),

  Cast: (b, { inputs, attributes }) => {
    const { dtype } = attributes as { dtype: string };
    return dtype === "float32" || dtype === "int32" || dtype === "bool" ? ops.convert(b, inputs.x, dtype) : null;
  },
  Identity: (_b, { inputs }) => inputs.x,
  ZerosLike: unary((b, x) => ops.full(b, x.shape, x.dtype, 0)),
  OnesLike: unary((b, x) => ops.full(b, x.shape, x.dtype, 1)),

  Add: arithmetic(ops.add),
  Sub: arithmetic(ops.sub),
  Multiply: arithmetic(ops.mul),
  Maximum: arithmetic(ops.max),
  Minimum: arithmetic(ops.min),
  Mod: arithmetic(mod),
  RealDiv: binary((b, x, y) => ops.div(b, floating(b, x), floating(b, y))),
  FloorDiv: binary(floorDiv),
  Pow: pow,
  Atan2: binary((b, x, y) => ops.atan2(b, floating(b, x), floating(b, y))),
  SquaredDifference: arithmetic((b, x, y) => {
    const difference = ops.sub(b, x, y);
    return ops.mul(b, difference, difference);
  }),
  AddN: (b, { inputs }) => Object.values(inputs).reduce((sum, x) => ops.add(b, ...pair(b, sum, x))),

  Equal: comparison(ops.eq),
  NotEqual: comparison(ops.ne),
  Less: comparison(ops.lt),
  LessEqual: comparison(ops.le),
  Greater: comparison(ops.gt),
  GreaterEqual: comparison(ops.ge),
  LogicalAnd: logical(ops.and),
  LogicalOr: logical(ops.or),

  Select: (b, { inputs: { condition, t, e } }) => {
    // A condition of rank 1 chooses whole slices.
    const rank = t.shape.length;
    const aligned =
      condition.shape.length === 1 && rank > 1
        ? ops.reshape(b, condition, [condition.shape[0], ...new Array<number>(rank - 1).fill(1)])
        : ops.padRank(b, condition, rank);
    return ops.select(b, ops.convert(b, aligned, "bool"), t, e);
  },
};
