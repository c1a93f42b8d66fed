import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import * as ops from "../../../primitives/ops";
import type { SmallFloat } from "../element-types";

/** Rounding, and how derivatives pass it. */

const at = ops.scalarLike;

/** The rounded value, with the derivative of the value itself: x + stop_gradient(rounded - x). */
export function straightThrough(b: Builder, x: Value, roundedValue: Value): Value {
  // Where the difference is no number (infinities), the rounded value stands alone
  const difference = ops.sub(b, roundedValue, x);
  const finite = ops.isFinite(b, difference);
  const moved = ops.add(b, x, ops.stopGradient(b, ops.select(b, finite, difference, at(b, x, 0))));
  return ops.select(b, finite, moved, ops.stopGradient(b, roundedValue));
}

/**
 * The nearest number with so few bits, half to even. What is beyond the largest becomes the largest where `saturate` says
 * so, else what the type has for it.
 */
export function rounded(b: Builder, x: Value, small: SmallFloat, saturate: boolean): Value {
  const { mantissa, minimum, largest, beyond, nan } = small;
  const finite = ops.isFinite(b, x);
  const number = ops.select(b, finite, x, at(b, x, 0));
  // No less than the smallest normal number, below which all steps are one
  const magnitude = ops.max(b, ops.abs(b, number), at(b, x, 2 ** minimum));
  const exponent = ops.floor(b, ops.mul(b, ops.log(b, magnitude), at(b, x, Math.LOG2E)));
  const step = ops.pow(b, at(b, x, 2), ops.sub(b, exponent, at(b, x, mantissa)));
  const near = ops.mul(b, ops.round(b, ops.div(b, number, step)), step);
  const limit = saturate ? largest : beyond;
  const sign = ops.sign(b, x);
  const over = ops.select(b, ops.gt(b, ops.abs(b, near), at(b, x, largest)), ops.mul(b, sign, at(b, x, limit)), near);
  const outside = ops.select(b, ops.ne(b, x, x), at(b, x, nan), ops.mul(b, sign, at(b, x, limit)));
  return ops.select(b, finite, over, outside);
}
