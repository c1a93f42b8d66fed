import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range, sizeOf } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import {
  floating,
  numberedType,
  positiveAxis,
  type Call,
  type Operator,
  type OperatorTable,
  type TensorItem,
} from "../call";
import { rangeOf, smallFloats, type ElementType } from "../element-types";
import { convolve, withBias } from "./convolutions";
import { matmul } from "./products";
import { rounded } from "./rounding";

/**
 * Quantised numbers. They are kept as floats that hold integers until something wants integers: so a derivative can pass
 * from a quantisation to the dequantisation behind it, as if nothing had been rounded ("straight through").
 */

const at = ops.scalarLike;

/** The float that a quantised value was made from, by the value. */
const origins = new WeakMap<Value, { readonly float: Value }>();

function noteStraightThrough(call: Call): void {
  call.reading.note(
    "the model quantises numbers: derivatives pass as if they were not rounded, and stop where they are cut off",
  );
}

/** Scales and zero points of the whole array, of each slice along an axis, or of blocks along it. */
function spreadOver(call: Call, x: Value, value: Value): Value {
  const { b } = call;
  if (sizeOf(value.shape) === 1)
    return ops.reshape(
      b,
      value,
      x.shape.map(() => 1),
    );
  const axis = positiveAxis(call.int("axis", 1), x.shape.length);
  const block = call.int("block_size", 0);
  if (block === 0 || value.shape.length === 1) {
    return ops.reshape(
      b,
      value,
      x.shape.map((_, other) => (other === axis ? value.shape[0] : 1)),
    );
  }
  const shape = [...value.shape.slice(0, axis + 1), block, ...value.shape.slice(axis + 1)];
  const axes = range(shape.length).filter((other) => other !== axis + 1);
  const repeated = ops.reshape(
    b,
    ops.broadcastInDim(b, value, shape, axes),
    value.shape.map((extent, other) => (other === axis ? extent * block : extent)),
  );
  return ops.sliceAxis(b, repeated, axis, 0, x.shape[axis]);
}

/** max(low, min(high, x)), whose derivative is 1 between the bounds and on them. */
function saturate(b: Builder, x: Value, low: number, high: number): Value {
  const raised = ops.select(b, ops.lt(b, x, at(b, x, low)), at(b, x, low), x);
  return ops.select(b, ops.gt(b, raised, at(b, raised, high)), at(b, raised, high), raised);
}

/** round(x / scale) + zero, cut to the type's range. */
function quantised(call: Call, x: Value, scale: Value, zero: Value | null, type: ElementType): TensorItem {
  const { b } = call;
  noteStraightThrough(call);
  const small = smallFloats[type];
  const ratio = ops.div(b, x, scale);
  const point = zero && ops.convert(b, zero, x.dtype);
  const shifted = (value: Value): Value => (point ? ops.add(b, value, point) : value);
  if (small) {
    const saturates = call.int("saturate", 1) === 1 || type === "float4e2m1";
    const value = rounded(b, shifted(ratio), small, saturates);
    return call.typed(withOrigin(value, saturate(b, shifted(ratio), -small.largest, small.largest)), type);
  }
  const [low, high] = rangeOf(type);
  const whole = ops.convert(b, saturate(b, shifted(ops.round(b, ratio)), low, high), "int32");
  return call.typed(withOrigin(whole, saturate(b, shifted(ratio), low, high)), type);
}

function withOrigin(value: Value, float: Value): Value {
  origins.set(value, { float });
  return value;
}

/** The quantised value as a float, with the derivative of what it was made from. */
function asFloat(b: Builder, value: Value): Value {
  const origin = origins.get(value);
  const plain = ops.convert(b, value, origin?.float.dtype ?? "float32");
  if (!origin) return floating(b, plain);
  const { float } = origin;
  return ops.add(b, float, ops.stopGradient(b, ops.sub(b, plain, float)));
}

const quantize: Operator = (call) => {
  const { b } = call;
  const x = floating(b, call.input(0));
  const zero = call.optional(2);
  const wanted = call.int("output_dtype", 0);
  const type: ElementType = zero ? call.type(2) : wanted !== 0 ? numberedType(wanted) : "uint8";
  const scale = spreadOver(call, x, floating(b, call.input(1)));
  return quantised(call, x, scale, zero && spreadOver(call, x, zero), type);
};

const dequantize: Operator = (call) => {
  const { b } = call;
  const x = asFloat(b, call.input(0));
  const scale = spreadOver(call, x, floating(b, call.input(1)));
  const zero = call.optional(2);
  const centred = zero ? ops.sub(b, x, floating(b, spreadOver(call, x, zero))) : x;
  const wanted = call.int("output_dtype", 0);
  const type = wanted !== 0 ? numberedType(wanted) : call.type(1);
  return call.typed(ops.mul(b, centred, scale), type);
};

/** To uint8, with a scale and a zero point from the array's own range. */
const dynamicQuantize: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const axes = range(x.shape.length);
  const zero = b.scalar(0, x.dtype);
  const low = ops.min(b, ops.reduceMin(b, x, axes), zero);
  const high = ops.max(b, ops.reduceMax(b, x, axes), zero);
  const scale = ops.div(b, ops.sub(b, high, low), at(b, high, 255));
  const point = ops.round(b, saturate(b, ops.neg(b, ops.div(b, low, scale)), 0, 255));
  const item = quantised(call, x, ops.padRank(b, scale, axes.length), ops.padRank(b, point, axes.length), "uint8");
  return [item, call.typed(scale, "float"), call.typed(ops.convert(b, point, "int32"), "uint8")];
};

/** A quantised operand without its zero point, as a float. `axis` is where several zero points stand. */
function centred(call: Call, index: number, zero: number, axis: number): Value {
  const { b } = call;
  const x = asFloat(b, call.input(index));
  const point = call.optional(zero);
  if (point === null) return x;
  return ops.sub(b, x, floating(b, perSlice(b, point, x, axis)));
}

function perSlice(b: Builder, value: Value, x: Value, axis: number): Value {
  if (sizeOf(value.shape) === 1)
    return ops.reshape(
      b,
      value,
      x.shape.map(() => 1),
    );
  if (value.shape.length > 1) return ops.padRank(b, value, x.shape.length);
  return ops.reshape(
    b,
    value,
    x.shape.map((_, other) => (other === axis ? value.shape[0] : 1)),
  );
}

const matMulInteger: Operator = (call) => {
  const { b } = call;
  const rows = call.input(0).shape.length - 2;
  const product = matmul(call, centred(call, 0, 2, rows), centred(call, 1, 3, call.input(1).shape.length - 1));
  return call.typed(withOrigin(ops.convert(b, ops.round(b, product), "int32"), product), "int32");
};

/** Inputs x, its scale and zero point, w, its own, and the output's. */
const qLinear =
  (multiply: (call: Call, x: Value, w: Value) => Value, weightAxis: (w: Value) => number): Operator =>
  (call) => {
    const { b } = call;
    const product = multiply(
      call,
      centred(call, 0, 2, call.input(0).shape.length - 2),
      centred(call, 3, 5, weightAxis(call.input(3))),
    );
    const onProduct = (value: Value): Value => {
      const isFeature = call.node.opType === "QLinearConv";
      return perSlice(b, floating(b, value), product, isFeature ? 1 : product.shape.length - 1);
    };
    const [left, right] = [onProduct(call.input(1)), onProduct(call.input(4))];
    const real = ops.mul(b, product, ops.mul(b, left, right));
    const scale = onProduct(call.input(6));
    return quantised(call, real, scale, onProduct(call.input(7)), call.type(7));
  };

export const quantisation: OperatorTable = {
  QuantizeLinear: quantize,
  DequantizeLinear: dequantize,
  DynamicQuantizeLinear: dynamicQuantize,
  MatMulInteger: matMulInteger,
  QLinearMatMul: qLinear(matmul, (w) => w.shape.length - 1),
  QLinearConv: qLinear(
    (call, x, w) => {
      const bias = call.optional(8);
      return withBias(call.b, convolve(call, x, w), bias && floating(call.b, bias));
    },
    () => 0,
  ),
};
