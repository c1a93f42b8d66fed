import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import * as ops from "../../../primitives/ops";
import { elu, leakyRelu, prelu, relu, selu, softplus } from "../../activations";
import {
  aligned,
  broadcastShape,
  constantOf,
  dtypeOf,
  floating,
  numberedType,
  numeric,
  type Call,
  type Operator,
  type OperatorTable,
  type TensorItem,
} from "../call";
import { rangeOf, smallFloats, type ElementType } from "../element-types";
import { rounded, straightThrough } from "./rounding";

type Unary = (b: Builder, x: Value) => Value;
type Binary = (b: Builder, x: Value, y: Value) => Value;

const at = ops.scalarLike;

const unary =
  (op: Unary): Operator =>
  (call) =>
    op(call.b, call.input(0));

/** NumPy's broadcasting; integers of few bits wrap around. Operator sets before 7 are not read. */
const arithmetic =
  (op: Binary): Operator =>
  (call) => {
    const [x, y] = aligned(call.b, [call.input(0), call.input(1)]);
    return call.wrapped(op(call.b, x, y), call.type(0));
  };

const variadic =
  (op: Binary): Operator =>
  (call) => {
    const values = aligned(call.b, call.all());
    return values.slice(1).reduce((result, value) => op(call.b, result, value), values[0]);
  };

const comparison =
  (op: Binary): Operator =>
  (call) => {
    const [x, y] = aligned(call.b, [numeric(call.b, call.input(0)), numeric(call.b, call.input(1))]);
    return op(call.b, x, y);
  };

const logical =
  (op: Binary): Operator =>
  (call) => {
    const [x, y] = aligned(call.b, [call.input(0), call.input(1)]);
    return op(call.b, x, y);
  };

/** Integers whose elements are known are computed here: bits have no primitives. */
const onBits =
  (op: (x: number, y: number) => number): Operator =>
  (call) => {
    const type = call.type(0);
    const shapes = call.all().map(({ shape }) => shape);
    const shape = broadcastShape(shapes);
    const spread = shapes.map((_, index) => {
      const value = ops.broadcastTo(call.b, call.input(index), shape);
      return call.reading.elementsOf(value) ?? call.elements(index);
    });
    const [low, high] = rangeOf(type);
    const elements = Array.from(spread[0], (x, index) => {
      const result = op(x, spread[1]?.[index] ?? 0);
      return low === 0 && high < 2 ** 31 - 1 ? result & high : result;
    });
    return call.constant(elements, shape, type);
  };

/** The remainder with the divisor's sign, or with `fmod` the dividend's. */
const mod: Operator = (call) => {
  const { b } = call;
  const [x, y] = aligned(b, [call.input(0), call.input(1)]);
  const remainder = ops.rem(b, x, y);
  if (call.int("fmod", 0) === 1) return remainder;
  const negative = (value: Value): Value => ops.convert(b, ops.lt(b, value, at(b, value, 0)), "int32");
  const full = ops.broadcastTo(b, y, remainder.shape);
  const wrong = ops.and(b, ops.ne(b, negative(remainder), negative(full)), ops.ne(b, remainder, at(b, remainder, 0)));
  return ops.select(b, wrong, ops.add(b, remainder, full), remainder);
};

const pow: Operator = (call) => {
  const { b } = call;
  const [x, y] = aligned(b, [call.input(0), call.input(1)]);
  const exponent = y.shape.every((extent) => extent === 1) ? (call.known(1)?.[0] ?? null) : null;
  // As a product: its derivative is right for all x, and engines have no faster power
  if (exponent === 2) return ops.mul(b, x, x);
  if (x.dtype === "int32") {
    const power = ops.pow(b, floating(b, x), floating(b, y));
    return call.wrapped(ops.convert(b, ops.round(b, power), "int32"), call.type(0));
  }
  return ops.pow(b, x, ops.convert(b, y, x.dtype));
};

/** A bound of a clip: an attribute before operator set 11, an input since. */
function bound(call: Call, name: string, index: number, x: Value): Value | null {
  if (call.opset < 11) {
    const given = call.optionalFloat(name);
    return given === null ? null : at(call.b, x, given);
  }
  const given = call.optional(index);
  return given && ops.padRank(call.b, given, x.shape.length);
}

/** The derivative is 1 between the bounds and on them. */
const clip: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const [low, high] = [bound(call, "min", 1, x), bound(call, "max", 2, x)];
  const raised = low ? ops.select(b, ops.lt(b, x, low), low, x) : x;
  return high ? ops.select(b, ops.gt(b, raised, high), high, raised) : raised;
};

function hardSigmoid(b: Builder, x: Value, alpha: number, beta: number): Value {
  const line = ops.add(b, ops.mul(b, x, at(b, x, alpha)), at(b, x, beta));
  return clipped(b, line, 0, 1);
}

function clipped(b: Builder, x: Value, low: number, high: number): Value {
  const raised = ops.select(b, ops.lt(b, x, at(b, x, low)), at(b, x, low), x);
  return ops.select(b, ops.gt(b, raised, at(b, raised, high)), at(b, raised, high), raised);
}

export function gelu(b: Builder, x: Value, approximate: boolean): Value {
  const half = ops.mul(b, x, at(b, x, 0.5));
  if (!approximate) {
    return ops.mul(b, half, ops.add(b, ops.erf(b, ops.mul(b, x, at(b, x, Math.SQRT1_2))), at(b, x, 1)));
  }
  const cube = ops.mul(b, ops.mul(b, x, x), x);
  const inner = ops.add(b, x, ops.mul(b, cube, at(b, x, 0.044715)));
  return ops.mul(b, half, ops.add(b, ops.tanh(b, ops.mul(b, inner, at(b, x, Math.sqrt(2 / Math.PI)))), at(b, x, 1)));
}

/** x / (1 + exp(-alpha x)) */
export function swish(b: Builder, x: Value, alpha: number): Value {
  return ops.mul(b, x, ops.logistic(b, ops.mul(b, x, at(b, x, alpha))));
}

const isNaN: Unary = (b, x) => ops.ne(b, x, x);

const isInf: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const infinite = ops.not(b, ops.or(b, ops.isFinite(b, x), isNaN(b, x)));
  const [negative, positive] = [call.int("detect_negative", 1), call.int("detect_positive", 1)];
  if (negative === 1 && positive === 1) return infinite;
  if (negative === 0 && positive === 0) return ops.full(b, x.shape, "bool", 0);
  const side = positive === 1 ? ops.gt(b, x, at(b, x, 0)) : ops.lt(b, x, at(b, x, 0));
  return ops.and(b, infinite, side);
};

/** The same numbers in another type; a derivative passes from float to float, as if nothing had been rounded. */
export function cast(call: Call, x: TensorItem, type: ElementType, saturate: boolean): TensorItem {
  const { b } = call;
  const dtype = dtypeOf(type);
  const small = smallFloats[type];
  if (small && x.type !== type && !(x.type === "bool")) {
    call.reading.note(
      `numbers are rounded to ${type} where the model casts to it, and derivatives pass as if they were not`,
    );
    const value = floating(b, x.value);
    const exact = ops.convert(b, value, "float32");
    return call.typed(straightThrough(b, exact, rounded(b, exact, small, saturate && type.startsWith("float8"))), type);
  }
  if (type === "float8e8m0") throw call.unsupported("casts to float8e8m0 are not read");
  const converted = ops.convert(b, x.value, dtype);
  if (dtype !== "int32" || x.value.dtype === "bool" || x.type === type) return call.typed(converted, type);
  return call.wrapped(converted, type);
}

const where: Operator = (call) => {
  const { b } = call;
  const [condition, x, y] = aligned(b, call.all());
  return call.typed(ops.select(b, condition, x, y), call.type(1));
};

/** Inference leaves everything as it is. */
const dropout: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const ratio = call.opset < 12 ? call.float("ratio", 0.5) : call.has(1) ? call.elements(1)[0] : 0.5;
  const training = call.opset >= 12 && call.has(2) && call.elements(2)[0] !== 0;
  if (training && ratio > 0) {
    throw call.unsupported("dropout in training mode is random; export the model in evaluation mode");
  }
  return [call.tensor(0), ops.full(b, x.shape, "bool", 1)];
};

const shrink: Operator = (call) => {
  const { b } = call;
  const x = floating(b, call.input(0));
  const [lambda, bias] = [call.float("lambd", 0.5), call.float("bias", 0)];
  const above = ops.select(b, ops.gt(b, x, at(b, x, lambda)), ops.sub(b, x, at(b, x, bias)), at(b, x, 0));
  const result = ops.select(b, ops.lt(b, x, at(b, x, -lambda)), ops.add(b, x, at(b, x, bias)), above);
  return call.typed(ops.convert(b, result, call.input(0).dtype), call.type(0));
};

const celu: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const alpha = call.float("alpha", 1);
  // alpha elu(x / alpha)
  return ops.mul(b, elu(b, ops.mul(b, x, at(b, x, 1 / alpha))), at(b, x, alpha));
};

const eluOperator: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const exponential = ops.mul(b, elu(b, x), at(b, x, call.float("alpha", 1)));
  return ops.select(b, ops.gt(b, x, at(b, x, 0)), x, exponential);
};

const seluOperator: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const [alpha, gamma] = [call.float("alpha", 1.67326319217681884765625), call.float("gamma", 1.0507010221481323)];
  if (!call.attribute("alpha") && !call.attribute("gamma")) return selu(b, x);
  const inner = ops.select(b, ops.gt(b, x, at(b, x, 0)), x, ops.mul(b, elu(b, x), at(b, x, alpha)));
  return ops.mul(b, inner, at(b, x, gamma));
};

const mean: Operator = (call) => {
  const sum = variadic(ops.add)(call) as Value;
  return ops.mul(call.b, sum, at(call.b, sum, 1 / call.items.length));
};

const bitShift: Operator = (call) => {
  const [low, high] = rangeOf(call.type(0));
  const width = Math.log2(high - low + 1);
  const outside = (by: number): boolean => by < 0 || by >= width;
  if (call.string("direction", "LEFT") === "RIGHT") {
    return onBits((x, by) => (outside(by) ? (x < 0 ? -1 : 0) : Math.floor(x / 2 ** by)))(call);
  }
  const span = high - low + 1;
  return onBits((x, by) => {
    if (outside(by)) return 0;
    const shifted = (x * 2 ** by - low) % span;
    return (shifted < 0 ? shifted + span : shifted) + low;
  })(call);
};

/** The same bits as another type, of elements that are known. */
const bitCast: Operator = (call) => {
  const { value, type } = call.tensor(0);
  const to = numberedType(call.int("to", 1));
  const [write, read] = [bitWriters[type], bitReaders[to]];
  if (!write || !read) throw call.unsupported(`bits of ${type} as ${to} are not read`);
  const view = new DataView(new ArrayBuffer(4));
  const elements = call.elements(0).map((element) => {
    view.setInt32(0, 0);
    write(view, element);
    return read(view);
  });
  return call.constant(elements, value.shape, to);
};

const bitWriters: Partial<Record<ElementType, (view: DataView, element: number) => void>> = {
  float: (view, element) => view.setFloat32(0, element, true),
  int32: (view, element) => view.setInt32(0, element, true),
  int16: (view, element) => view.setInt16(0, element, true),
  uint16: (view, element) => view.setUint16(0, element, true),
  int8: (view, element) => view.setInt8(0, element),
  uint8: (view, element) => view.setUint8(0, element),
  bool: (view, element) => view.setUint8(0, element),
};

const bitReaders: Partial<Record<ElementType, (view: DataView) => number>> = {
  float: (view) => view.getFloat32(0, true),
  int32: (view) => view.getInt32(0, true),
  int16: (view) => view.getInt16(0, true),
  uint16: (view) => view.getUint16(0, true),
  int8: (view) => view.getInt8(0),
  uint8: (view) => view.getUint8(0),
};

export const elementwise: OperatorTable = {
  Abs: unary((b, x) => ops.abs(b, numeric(b, x))),
  Acos: unary(ops.acos),
  Acosh: unary(ops.acosh),
  Asin: unary(ops.asin),
  Asinh: unary(ops.asinh),
  Atan: unary(ops.atan),
  Atanh: unary(ops.atanh),
  Ceil: unary(ops.ceil),
  Cos: unary(ops.cos),
  Cosh: unary(ops.cosh),
  Erf: (call) =>
    call.typed(
      ops.convert(call.b, ops.erf(call.b, floating(call.b, call.input(0))), call.input(0).dtype),
      call.type(0),
    ),
  Exp: unary(ops.exp),
  Floor: unary(ops.floor),
  Log: unary(ops.log),
  Neg: unary(ops.neg),
  Reciprocal: unary((b, x) => ops.div(b, at(b, x, 1), x)),
  Round: unary(ops.round),
  Sigmoid: unary(ops.logistic),
  Sign: unary(ops.sign),
  Sin: unary(ops.sin),
  Sinh: unary(ops.sinh),
  Sqrt: unary(ops.sqrt),
  Tan: unary(ops.tan),
  Tanh: unary(ops.tanh),

  Celu: celu,
  Elu: eluOperator,
  Gelu: (call) => gelu(call.b, call.input(0), call.string("approximate", "none") === "tanh"),
  HardSigmoid: (call) => hardSigmoid(call.b, call.input(0), call.float("alpha", 0.2), call.float("beta", 0.5)),
  HardSwish: unary((b, x) => ops.mul(b, x, hardSigmoid(b, x, 1 / 6, 0.5))),
  LeakyRelu: (call) => leakyRelu(call.b, call.input(0), call.float("alpha", 0.01)),
  Mish: unary((b, x) => ops.mul(b, x, ops.tanh(b, softplus(b, x)))),
  PRelu: (call) => prelu(call.b, call.input(0), call.input(1)),
  Relu: unary(relu),
  Selu: seluOperator,
  Shrink: shrink,
  Softplus: unary(softplus),
  Softsign: unary((b, x) => ops.div(b, x, ops.add(b, ops.abs(b, x), at(b, x, 1)))),
  Swish: (call) => swish(call.b, call.input(0), call.float("alpha", 1)),
  SwiGLU: (call) => ops.mul(call.b, swish(call.b, call.input(0), call.float("alpha", 1)), call.input(1)),
  ThresholdedRelu: (call) => {
    const x = call.input(0);
    return ops.select(call.b, ops.gt(call.b, x, at(call.b, x, call.float("alpha", 1))), x, at(call.b, x, 0));
  },

  Add: arithmetic(ops.add),
  Sub: arithmetic(ops.sub),
  Mul: arithmetic(ops.mul),
  Div: arithmetic(ops.div),
  Mod: mod,
  Pow: pow,
  Max: variadic(ops.max),
  Min: variadic(ops.min),
  Sum: variadic(ops.add),
  Mean: mean,
  Clip: clip,

  IsNaN: unary(isNaN),
  IsInf: isInf,
  Equal: comparison(ops.eq),
  Less: comparison(ops.lt),
  LessOrEqual: comparison(ops.le),
  Greater: comparison(ops.gt),
  GreaterOrEqual: comparison(ops.ge),
  And: logical(ops.and),
  Or: logical(ops.or),
  // True where the two differ
  Xor: logical((b, x, y) => ops.ne(b, numeric(b, x), numeric(b, y))),
  Not: unary(ops.not),
  Where: where,

  BitCast: bitCast,
  BitShift: bitShift,
  BitwiseAnd: onBits((x, y) => x & y),
  BitwiseOr: onBits((x, y) => x | y),
  BitwiseXor: onBits((x, y) => x ^ y),
  BitwiseNot: onBits((x) => ~x),

  Identity: (call) => call.item(0),
  Cast: (call) => cast(call, call.tensor(0), numberedType(call.int("to", 1)), call.int("saturate", 1) === 1),
  CastLike: (call) => cast(call, call.tensor(0), call.type(1), call.int("saturate", 1) === 1),
  Dropout: dropout,
  Constant: (call) => constantNode(call),
};

/** Each attribute is another form of a constant. */
function constantNode(call: Call): TensorItem {
  const tensor = call.tensorAttribute("value");
  if (tensor) return call.typed(constantOf(call.b, tensor.data, tensor.shape, tensor.dtype), tensor.type);
  if (call.attribute("value_float")) return call.constant([call.float("value_float", 0)], [], "float");
  if (call.attribute("value_int")) return call.constant([clampInt(call.int("value_int", 0))], [], "int64");
  const [floats, ints] = [call.floats("value_floats"), call.ints("value_ints")];
  if (floats) return call.constant(floats, [floats.length], "float");
  if (ints) return call.constant(ints.map(clampInt), [ints.length], "int64");
  throw call.unsupported("constants of text and sparse ones are not read");
}

const clampInt = (number: number): number => Math.min(2 ** 31 - 1, Math.max(-(2 ** 31), number));
