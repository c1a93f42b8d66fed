import type {
  BinaryName,
  CompareName,
  ConvertAttributes,
  LogicalName,
  NoAttributes,
  UnaryName,
} from "../../../primitives/attributes";
import {
  acosDouble,
  acoshDouble,
  asinDouble,
  asinhDouble,
  atanDouble,
  atanhDouble,
  coshDouble,
  erfDouble,
  sinhDouble,
} from "./doubles";
import type { Lower } from "./lowering";
import type { Ref, Writer } from "./writer";

/** Elementwise primitives. Operands stay thin (see `Operands`): ONNX broadcasts them. */

type Unary = (w: Writer, x: Ref) => Ref;

const direct =
  (opType: string): Unary =>
  (w, x) =>
    w.unary(opType, x);

/** The operator where onnxruntime has it for float32 only, and a composite for float64. */
const orDouble =
  (opType: string, double: Unary): Unary =>
  (w, x) =>
    x.type === "float64" ? double(w, x) : w.unary(opType, x);

/** exp(x) - 1 = tanh(x / 2) (exp(x) + 1), which loses nothing near 0. */
export const expm1: Unary = (w, x) =>
  w.mul(w.unary("Tanh", w.with("Mul", x, 0.5)), w.with("Add", w.unary("Exp", x), 1));

/**
 * With u = 1 + x rounded, log(1 + x) = log(u) x / (u - 1) undoes the rounding (Kahan); u = 1 means x is its own
 * logarithm. Beyond 1 the rounding of u does no harm.
 */
export const log1p: Unary = (w, x) => {
  const u = w.with("Add", x, 1);
  const rounded = w.with("Sub", u, 1);
  const log = w.unary("Log", u);
  const near = w.where(w.with("Equal", rounded, 0, "bool"), x, w.div(w.mul(log, x), rounded));
  return w.where(w.with("Greater", w.unary("Abs", x), 1, "bool"), log, near);
};

const unaries: Record<UnaryName, Unary> = {
  neg: direct("Neg"),
  abs: direct("Abs"),
  sign: direct("Sign"),
  floor: direct("Floor"),
  ceil: direct("Ceil"),
  round: direct("Round"),
  exp: direct("Exp"),
  expm1,
  log: direct("Log"),
  log1p,
  sqrt: direct("Sqrt"),
  rsqrt: (w, x) => w.unary("Reciprocal", w.unary("Sqrt", x)),
  sin: direct("Sin"),
  cos: direct("Cos"),
  tan: orDouble("Tan", (w, x) => w.div(w.unary("Sin", x), w.unary("Cos", x))),
  asin: orDouble("Asin", asinDouble),
  acos: orDouble("Acos", acosDouble),
  atan: orDouble("Atan", atanDouble),
  sinh: orDouble("Sinh", sinhDouble),
  cosh: orDouble("Cosh", coshDouble),
  tanh: direct("Tanh"),
  asinh: orDouble("Asinh", asinhDouble),
  acosh: orDouble("Acosh", acoshDouble),
  atanh: orDouble("Atanh", atanhDouble),
  erf: orDouble("Erf", erfDouble),
  logistic: direct("Sigmoid"),
};

/** Division by zero would end the process: the divisor becomes 1 there, and the result `otherwise`. */
function guarded(w: Writer, x: Ref, y: Ref, divide: (divisor: Ref) => Ref, otherwise: Ref): Ref {
  if (x.type !== "int32") return divide(y);
  const zero = w.with("Equal", y, 0, "bool");
  return w.where(zero, otherwise, divide(w.where(zero, w.scalar(1, "int32"), y)));
}

/** In the first octant, then mirrored; infinite operands and zeros with a sign as in IEEE 754. */
function atan2(w: Writer, y: Ref, x: Ref): Ref {
  const isNegative = (v: Ref): Ref =>
    w.binary("Or", w.with("Less", v, 0, "bool"), w.with("Less", w.unary("Reciprocal", v), 0, "bool"), "bool");
  const absX = w.unary("Abs", x);
  const absY = w.unary("Abs", y);
  const large = w.binary("Max", absX, absY);
  const small = w.binary("Min", absX, absY);
  const ratio = w.where(w.compare("Equal", small, large), w.scalar(1, x.type), w.div(small, large));
  const octant = unaries.atan(w, w.where(w.with("Equal", large, 0, "bool"), w.scalar(0, x.type), ratio));
  const from = (angle: number, v: Ref): Ref => w.sub(w.scalar(angle, x.type), v);
  const quadrant = w.where(w.compare("Greater", absY, absX), from(Math.PI / 2, octant), octant);
  const half = w.where(isNegative(x), from(Math.PI, quadrant), quadrant);
  return w.where(isNegative(y), w.unary("Neg", half), half);
}

const binaries: Record<BinaryName, (w: Writer, x: Ref, y: Ref) => Ref> = {
  add: (w, x, y) => w.add(x, y),
  sub: (w, x, y) => w.sub(x, y),
  mul: (w, x, y) => w.mul(x, y),
  div: (w, x, y) => guarded(w, x, y, (divisor) => w.div(x, divisor), w.scalar(-1, "int32")),
  pow: (w, x, y) => w.binary("Pow", x, y),
  max: (w, x, y) => w.binary("Max", x, y),
  min: (w, x, y) => w.binary("Min", x, y),
  atan2,
  rem: (w, x, y) => guarded(w, x, y, (divisor) => mod(w, x, divisor), x),
};

function mod(w: Writer, x: Ref, y: Ref): Ref {
  const { shape } = w.add(x, y);
  return w.node("Mod", [x, y], shape, x.type, { fmod: 1 });
}

const comparisons: Record<CompareName, string> = {
  eq: "Equal",
  ne: "Equal",
  lt: "Less",
  le: "LessOrEqual",
  gt: "Greater",
  ge: "GreaterOrEqual",
};

function compare(name: CompareName): Lower<NoAttributes> {
  return (w, x) => {
    const ordered = name !== "eq" && name !== "ne" && x.value(0).dtype === "bool";
    const [a, b] = [x.thin(0), x.thin(1)].map((operand) => (ordered ? w.cast(operand, "int32") : operand));
    const result = w.compare(comparisons[name], a, b);
    return name === "ne" ? w.unary("Not", result) : result;
  };
}

/** `condition ? a : b`; onnxruntime has no Where for booleans. */
export function select(w: Writer, condition: Ref, a: Ref, b: Ref): Ref {
  if (a.type !== "bool") return w.where(condition, a, b);
  const both = (p: Ref, q: Ref): Ref => w.compare("And", p, q);
  return w.compare("Or", both(condition, a), both(w.unary("Not", condition), b));
}

type ElementwiseName =
  | UnaryName | BinaryName | CompareName | LogicalName
  | "not" | "is_finite" | "stop_gradient" | "select"; // prettier-ignore

const entries = <K extends string, V, R>(table: Record<K, V>, wrap: (value: V, name: K) => R): Record<K, R> =>
  Object.fromEntries(Object.entries(table).map(([name, value]) => [name, wrap(value as V, name as K)])) as Record<K, R>;

export const elementwise: Record<ElementwiseName, Lower<NoAttributes>> & { convert: Lower<ConvertAttributes> } = {
  ...entries(
    unaries,
    (unary): Lower<NoAttributes> =>
      (w, x) =>
        unary(w, x.thin(0)),
  ),
  ...entries(
    binaries,
    (binary): Lower<NoAttributes> =>
      (w, x) =>
        binary(w, x.thin(0), x.thin(1)),
  ),
  ...entries(comparisons, (_, name) => compare(name)),
  and: (w, x) => w.compare("And", x.thin(0), x.thin(1)),
  or: (w, x) => w.compare("Or", x.thin(0), x.thin(1)),
  not: (w, x) => w.unary("Not", x.thin(0)),
  // NaN is not less than anything.
  is_finite: (w, x) => w.with("Less", w.unary("Abs", x.thin(0)), Infinity, "bool"),
  stop_gradient: (_, x) => x.thin(0),
  select: (w, x) => select(w, x.thin(0), x.thin(1), x.thin(2)),
  convert: (w, x, { dtype }) => w.cast(x.thin(0), dtype),
};
