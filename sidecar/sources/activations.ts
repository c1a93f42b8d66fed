import type { Builder } from "../graph/builder";
import type { Value } from "../graph/graph";
import * as ops from "../primitives/ops";

/** Activations that frameworks have in common, with the derivatives that they give them where there is a choice. */

const at = ops.scalarLike;

/** max(x, 0), whose derivative at 0 is 0: a maximum would share it between both operands. */
export function relu(b: Builder, x: Value): Value {
  return ops.select(b, ops.gt(b, x, at(b, x, 0)), x, at(b, x, 0));
}

/** min(max(x, 0), 6), whose derivative is 0 at 0 and 1 at 6. */
export function relu6(b: Builder, x: Value): Value {
  return relu(b, ops.select(b, ops.gt(b, x, at(b, x, 6)), at(b, x, 6), x));
}

/** x where it is positive, else alpha (exp(x) - 1). The exponential sees no positive x, where it would overflow. */
function eluWith(b: Builder, x: Value, alpha: number): Value {
  const positive = ops.ge(b, x, at(b, x, 0));
  const exponential = ops.expm1(b, ops.select(b, positive, at(b, x, 0), x));
  return ops.select(b, positive, x, alpha === 1 ? exponential : ops.mul(b, exponential, at(b, x, alpha)));
}

export function elu(b: Builder, x: Value): Value {
  return eluWith(b, x, 1);
}

export function selu(b: Builder, x: Value): Value {
  return ops.mul(b, eluWith(b, x, 1.7580993408473768 / 1.0507009873554805), at(b, x, 1.0507009873554805));
}

export function leakyRelu(b: Builder, x: Value, alpha: number): Value {
  return ops.select(b, ops.lt(b, x, at(b, x, 0)), ops.mul(b, x, at(b, x, alpha)), x);
}

export function prelu(b: Builder, x: Value, alpha: Value): Value {
  const rank = Math.max(x.shape.length, alpha.shape.length);
  const [input, slope] = [x, alpha].map((operand) => ops.padRank(b, operand, rank));
  return ops.select(b, ops.lt(b, input, at(b, input, 0)), ops.mul(b, input, slope), input);
}

/** log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)) */
export function softplus(b: Builder, x: Value): Value {
  return ops.add(b, ops.max(b, x, at(b, x, 0)), ops.log1p(b, ops.exp(b, ops.neg(b, ops.abs(b, x)))));
}
