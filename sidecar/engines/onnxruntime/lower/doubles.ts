import { log1p } from "./elementwise";
import type { Ref, Writer } from "./writer";

/** Functions that onnxruntime's CPU provider lacks for float64, from those that it has. */

/**
 * The angle of the point (c, s), given one in float32: turning back by that angle leaves an angle so small that three
 * terms of the arc tangent's series are exact.
 */
function refineAngle(w: Writer, s: Ref, c: Ref, angle: Ref): Ref {
  const rough = w.cast(angle, "float64");
  const sin = w.unary("Sin", rough);
  const cos = w.unary("Cos", rough);
  const t = w.div(w.sub(w.mul(s, cos), w.mul(c, sin)), w.add(w.mul(c, cos), w.mul(s, sin)));
  const square = w.mul(t, t);
  const series = w.with("Add", w.mul(square, w.with("Add", w.with("Mul", square, 1 / 5), -1 / 3)), 1);
  return w.add(rough, w.mul(t, series));
}

const single = (w: Writer, opType: string, x: Ref): Ref => w.unary(opType, w.cast(x, "float32"));

/** sqrt(1 - x^2) without cancellation near 1. */
const leg = (w: Writer, x: Ref): Ref => {
  const one = w.scalar(1, "float64");
  return w.unary("Sqrt", w.mul(w.sub(one, x), w.add(one, x)));
};

export const asinDouble = (w: Writer, x: Ref): Ref => refineAngle(w, x, leg(w, x), single(w, "Asin", x));
export const acosDouble = (w: Writer, x: Ref): Ref => refineAngle(w, leg(w, x), x, single(w, "Acos", x));

export const atanDouble = (w: Writer, x: Ref): Ref => {
  const size = w.unary("Abs", x);
  const far = w.with("Greater", size, 1, "bool");
  const s = w.where(far, w.unary("Sign", x), x);
  const c = w.where(far, w.unary("Reciprocal", size), w.scalar(1, "float64"));
  return refineAngle(w, s, c, single(w, "Atan", x));
};

export const coshDouble = (w: Writer, x: Ref): Ref =>
  w.add(w.with("Mul", w.unary("Exp", x), 0.5), w.with("Mul", w.unary("Exp", w.unary("Neg", x)), 0.5));

export const sinhDouble = (w: Writer, x: Ref): Ref => w.mul(w.unary("Tanh", x), coshDouble(w, x));

/** Beyond this, x^2 + 1 and x^2 - 1 are x^2 in float64. */
const farAway = 1e9;

export const asinhDouble = (w: Writer, x: Ref): Ref => {
  const size = w.unary("Abs", x);
  const square = w.mul(size, size);
  const root = w.unary("Sqrt", w.with("Add", square, 1));
  const near = log1p(w, w.add(size, w.div(square, w.with("Add", root, 1))));
  const far = w.with("Add", w.unary("Log", size), Math.LN2);
  return w.mul(w.unary("Sign", x), w.where(w.with("Greater", size, farAway, "bool"), far, near));
};

export const acoshDouble = (w: Writer, x: Ref): Ref => {
  const above = w.with("Sub", x, 1);
  const root = w.unary("Sqrt", w.mul(above, w.with("Add", x, 1)));
  const far = w.with("Add", w.unary("Log", x), Math.LN2);
  return w.where(w.with("Greater", x, farAway, "bool"), far, log1p(w, w.add(above, root)));
};

export const atanhDouble = (w: Writer, x: Ref): Ref => {
  const rest = w.sub(w.scalar(1, "float64"), x);
  return w.with("Mul", log1p(w, w.div(w.with("Mul", x, 2), rest)), 0.5);
};

/**
 * Up to 3, erf(x) = 2 / sqrt(pi) x exp(-x^2) (1 + 2x^2/3 (1 + 2x^2/5 (...))), all terms of which are positive; beyond,
 * 1 - exp(-x^2) / sqrt(pi) / (x + 1/2 / (x + 2/2 / (x + 3/2 / (...)))).
 */
export const erfDouble = (w: Writer, x: Ref): Ref => {
  const size = w.unary("Abs", x);
  const bounded = w.with("Min", size, 3);
  const twice = w.with("Mul", w.mul(bounded, bounded), 2);
  let series = w.scalar(1, "float64");
  for (let term = 65; term >= 1; term--) {
    series = w.with("Add", w.mul(w.with("Mul", twice, 1 / (2 * term + 1)), series), 1);
  }
  const gaussian = (v: Ref): Ref => w.unary("Exp", w.unary("Neg", w.mul(v, v)));
  const near = w.with("Mul", w.mul(w.mul(bounded, gaussian(bounded)), series), 2 / Math.sqrt(Math.PI));
  const distant = w.with("Max", size, 3);
  let fraction = distant;
  for (let level = 40; level >= 1; level--) fraction = w.add(distant, w.div(w.scalar(level / 2, "float64"), fraction));
  const complement = w.div(w.with("Mul", gaussian(distant), 1 / Math.sqrt(Math.PI)), fraction);
  const far = w.sub(w.scalar(1, "float64"), complement);
  return w.mul(w.unary("Sign", x), w.where(w.with("Greater", size, 3, "bool"), far, near));
};
