import { booleans, floats, integers } from "../single";
import { compareNames, logicalNames, unaryNames, type UnaryName } from "../../../sidecar/primitives/attributes";
import { dtypes, equationCase, Random, type PrimitiveCase } from "./case";

/** Where each function of one number is defined; -3 to 3 where nothing is said. */
const domains: Partial<Record<UnaryName, [number, number]>> = {
  log: [0.01, 9],
  log1p: [-0.9, 9],
  sqrt: [0, 9],
  rsqrt: [0.01, 9],
  asin: [-1, 1],
  acos: [-1, 1],
  acosh: [1, 9],
  atanh: [-0.9, 0.9],
  tan: [-1.4, 1.4],
};

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** Arguments at the edges of each function's domain. */
const edges: Partial<Record<UnaryName, number[]>> = {
  neg: [0, inf, -inf, nan],
  abs: [0, inf, -inf, nan],
  sign: [0, inf, -inf],
  floor: [inf, -inf, nan, -0.5, 0.5, 1e9],
  ceil: [inf, -inf, nan, -0.5, 0.5, 1e9],
  round: [0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5, 0.49999997, 8388609, inf, -inf, nan],
  exp: [0, -inf, inf, nan, -200],
  expm1: [0, -inf, inf, nan, -200],
  log: [0, inf, -1, nan],
  log1p: [-1, inf, -2, nan],
  sqrt: [0, inf, -1, nan],
  rsqrt: [inf, -1, nan],
  sin: [0, inf, nan, 100],
  cos: [0, inf, nan, 100],
  asin: [1, -1, 2, nan],
  acos: [1, -1, 2, nan],
  atan: [inf, -inf, nan],
  sinh: [0, inf, -inf, nan],
  cosh: [0, inf, -inf, nan],
  tanh: [inf, -inf, nan, 50, -50],
  asinh: [inf, -inf, nan, 1e6, -1e6],
  acosh: [1, inf, 0.5, nan],
  atanh: [1, -1, 2, nan],
  erf: [inf, -inf, nan, 10, -10],
  logistic: [inf, -inf, nan, 90, -90],
};

/** Functions that are close to their argument near zero, where a clumsy formula loses every digit. */
const accurateNearZero: UnaryName[] = [
  "expm1",
  "log1p",
  "sinh",
  "tanh",
  "asinh",
  "atanh",
  "sin",
  "tan",
  "asin",
  "atan",
];

function unaryCases(): PrimitiveCase[] {
  const cases: PrimitiveCase[] = [];
  for (const name of unaryNames) {
    const random = new Random(name);
    const [low, high] = domains[name] ?? [-3, 3];
    cases.push(equationCase(name, "a matrix", [random.floats([3, 7], low, high)], {}));
    cases.push(equationCase(name, "a scalar", [random.floats([], low, high)], {}));
    const special = edges[name];
    if (special) cases.push(equationCase(name, "edges of the domain", [floats([special.length], special)], {}));
    if (accurateNearZero.includes(name)) {
      cases.push(equationCase(name, "near zero", [floats([4], [1e-5, -2e-5, 3e-6, 1e-7])], {}));
    }
  }
  for (const name of ["neg", "abs", "sign"] as const) {
    cases.push(equationCase(name, "int32", [integers([5], [-3, 0, 4, -2147483647, 16777217])], {}));
  }
  return cases;
}

function binaryCases(): PrimitiveCase[] {
  const cases: PrimitiveCase[] = [];
  for (const name of ["add", "sub", "mul", "div", "pow", "max", "min", "atan2", "rem"] as const) {
    const random = new Random(name);
    const left = name === "pow" ? 0.1 : -2;
    const operand = (shape: number[], low: number) => random.floats(shape, low, 3);
    cases.push(
      equationCase(name, "equal shapes", [operand([3, 4], left), operand([3, 4], -2)], {}),
      equationCase(name, "scalars", [operand([], left), operand([], -2)], {}),
      equationCase(name, "broadcast both ways", [operand([3, 1, 5], left), operand([1, 4, 5], -2)], {}),
      equationCase(name, "broadcast of one element", [operand([1, 1], left), operand([4, 5], -2)], {}),
      equationCase(name, "rank 7", [operand([2, 1, 2, 1, 2, 1, 2], left), operand([1, 2, 1, 2, 2, 3, 1], -2)], {}),
    );
    if (name === "pow" || name === "atan2") continue;
    const divisor = name === "div" || name === "rem" ? [3, -2, 5, -5, 1, -7] : [3, -2, 0, -5, 1, -7];
    cases.push(
      equationCase(name, "int32", [integers([6], [7, 7, -7, -7, 0, 16777217]), integers([6], divisor)], {}),
      equationCase(name, "int32, broadcast", [random.whole("int32", [3, 1], -9, 9), integers([1, 2], [4, -3])], {}),
    );
  }
  cases.push(
    equationCase("max", "ties and infinities", [floats([4], [1, inf, -inf, -inf]), floats([4], [1, 2, 2, -inf])], {}),
    equationCase("min", "ties and infinities", [floats([4], [1, inf, -inf, inf]), floats([4], [1, 2, 2, inf])], {}),
    equationCase("max", "NaN wins", [floats([3], [nan, 1, nan]), floats([3], [1, nan, nan])], {}),
    equationCase("min", "NaN wins", [floats([3], [nan, 1, nan]), floats([3], [1, nan, nan])], {}),
    equationCase("add", "infinities", [floats([3], [inf, inf, nan]), floats([3], [1, -inf, 1])], {}),
    equationCase("mul", "infinities", [floats([3], [inf, inf, nan]), floats([3], [-2, 0, 0])], {}),
    equationCase("div", "by zero", [floats([4], [1, -1, 0, inf]), floats([4], [0, 0, 0, inf])], {}),
    equationCase(
      "pow",
      "zero and negative bases",
      [floats([10], [0, 0, 0, -2, -2, -2, -2, 0, inf, 2]), floats([10], [0, 2, -1, 3, 2, -1, 0.5, 0.5, -1, -inf])],
      {},
    ),
    equationCase("rem", "negatives, zero, infinity", [
      floats([7], [5.5, -5.5, 5.5, -5.5, 1, 3, inf]),
      floats([7], [2, 2, -2, -2, 0, inf, 2]),
    ], {}),
    equationCase("atan2", "axes and quadrants", [
      floats([8], [0, 1, 0, -1, 1, -1, 1, -1]),
      floats([8], [1, 0, -1, 0, 1, 1, -1, -1]),
    ], {}),
  ); // prettier-ignore
  return cases;
}

function comparisonCases(): PrimitiveCase[] {
  const cases: PrimitiveCase[] = [];
  for (const name of compareNames) {
    const random = new Random(name);
    for (const dtype of dtypes) {
      const high = dtype === "bool" ? 2 : 3;
      const operand = (shape: number[]) => random.whole(dtype, shape, 0, high);
      cases.push(
        equationCase(name, `${dtype}, equal shapes`, [operand([3, 5]), operand([3, 5])], {}),
        equationCase(name, `${dtype}, broadcast`, [operand([3, 1]), operand([1, 5])], {}),
      );
    }
    cases.push(equationCase(name, "NaN and infinities", [
      floats([5], [nan, nan, inf, -inf, 1]),
      floats([5], [nan, 1, inf, inf, nan]),
    ], {})); // prettier-ignore
  }
  for (const name of logicalNames) {
    cases.push(equationCase(name, "truth table", [booleans([2, 1], [0, 1]), booleans([1, 2], [0, 1])], {}));
  }
  cases.push(
    equationCase("not", "truth table", [booleans([2], [0, 1])], {}),
    equationCase("is_finite", "special values", [floats([5], [1, inf, -inf, nan, 3e38])], {}),
  );
  return cases;
}

function selectCases(): PrimitiveCase[] {
  const random = new Random("select");
  const cases: PrimitiveCase[] = [];
  for (const dtype of dtypes) {
    const mask = (shape: number[]) => random.ofType("bool", shape);
    const operand = (shape: number[]) => random.ofType(dtype, shape);
    cases.push(
      equationCase("select", `${dtype}, equal shapes`, [mask([3, 4]), operand([3, 4]), operand([3, 4])], {}),
      equationCase("select", `${dtype}, broadcast`, [mask([3, 1, 2]), operand([1, 4, 1]), operand([3, 1, 1])], {}),
    );
  }
  cases.push(
    equationCase("select", "scalars", [booleans([], [1]), floats([], [1]), floats([], [2])], {}),
    // The side that is not taken must not leak, as it would from a blend by multiplication
    equationCase("select", "NaN on the other side", [
      booleans([2], [1, 0]), floats([2], [1, nan]), floats([2], [inf, 2]),
    ], {}),
  ); // prettier-ignore
  return cases;
}

function convertCases(): PrimitiveCase[] {
  const random = new Random("convert");
  const cases: PrimitiveCase[] = [];
  for (const from of dtypes) {
    for (const to of dtypes) {
      cases.push(equationCase("convert", `${from} to ${to}`, [random.ofType(from, [3, 4])], { dtype: to }));
    }
  }
  const fractions = floats([6], [1.9, -1.9, 0, 0.3, -0.3, 100.7]);
  cases.push(
    equationCase("convert", "fractions to int32", [fractions], { dtype: "int32" }),
    equationCase("convert", "fractions to bool", [fractions], { dtype: "bool" }),
    equationCase("stop_gradient", "a matrix", [random.floats([2, 3])], {}),
    equationCase("stop_gradient", "int32", [random.ofType("int32", [2, 3])], {}),
  );
  return cases;
}

export function elementwiseCases(): PrimitiveCase[] {
  return [...unaryCases(), ...binaryCases(), ...comparisonCases(), ...selectCases(), ...convertCases()];
}
