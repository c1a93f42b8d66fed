import { Unexpected } from "./json";

/**
 * Sizes that depend on the batch, as torch.export writes them: sympy's `srepr`, such as
 * `Mul(Integer(2), Symbol('s77', positive=True, integer=True))`.
 */

export type Expression =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "symbol"; readonly name: string }
  | { readonly kind: "call"; readonly name: string; readonly operands: readonly Expression[] };

/** Values of symbols, by name. */
export type Bindings = ReadonlyMap<string, number>;

const DEEPEST = 60;
const LONGEST = 20_000;

export function parseExpression(text: string): Expression {
  if (text.length > LONGEST) throw new Unexpected("a size is an expression of unusual length");
  const tokens = text.match(/'[^']*'|[\w.+-]+|[(),=]/g) ?? [];
  let at = 0;
  const expect = (token: string): void => {
    if (tokens[at++] !== token) throw new Unexpected(`the size ${text.slice(0, 80)} cannot be read`);
  };
  const parse = (depth: number): Expression => {
    if (depth > DEEPEST) throw new Unexpected("a size is an expression of unusual depth");
    const token = tokens[at++] ?? "";
    if (/^[+-]?[\d.]+(e[+-]?\d+)?$/i.test(token)) return { kind: "number", value: Number(token) };
    if (token.startsWith("'")) return { kind: "symbol", name: token.slice(1, -1) };
    if (token === "true" || token === "false") return { kind: "number", value: Number(token === "true") };
    const name = token.split(".").pop()!;
    expect("(");
    const operands: Expression[] = [];
    while (tokens[at] !== ")") {
      if (tokens[at + 1] === "=") at += 3;
      else operands.push(parse(depth + 1));
      if (tokens[at] !== ")") expect(",");
    }
    expect(")");
    return wrapped(name, operands);
  };
  const result = parse(0);
  if (at !== tokens.length) throw new Unexpected(`the size ${text.slice(0, 80)} cannot be read`);
  return result;
}

/** `Symbol('s0')` and `Integer(3)` are what they hold. */
function wrapped(name: string, operands: readonly Expression[]): Expression {
  const [first] = operands;
  if (name === "Symbol" || name === "Integer") {
    if (first === undefined || first.kind === "call") throw new Unexpected(`a size has an empty ${name}`);
    return first;
  }
  if (name === "Float" && first?.kind === "symbol") return { kind: "number", value: Number(first.name) };
  return { kind: "call", name, operands };
}

export function symbolsOf(expression: Expression): Set<string> {
  if (expression.kind === "number") return new Set();
  if (expression.kind === "symbol") return new Set([expression.name]);
  return new Set(expression.operands.flatMap((operand) => [...symbolsOf(operand)]));
}

type Rule = (...operands: number[]) => number;

const floorMod: Rule = (a, b) => a - b * Math.floor(a / b);
const truth =
  (test: (a: number, b: number) => boolean): Rule =>
  (a, b) =>
    Number(test(a, b));

/** sympy's functions, and those of torch.utils._sympy.functions. */
const rules: Readonly<Record<string, Rule>> = {
  Add: (...operands) => operands.reduce((sum, operand) => sum + operand, 0),
  Mul: (...operands) => operands.reduce((product, operand) => product * operand, 1),
  Pow: (base, exponent) => base ** exponent,
  PowByNatural: (base, exponent) => base ** exponent,
  FloatPow: (base, exponent) => base ** exponent,
  Rational: (a, b) => a / b,
  FloorDiv: (a, b) => Math.floor(a / b),
  CleanDiv: (a, b) => Math.floor(a / b),
  CeilDiv: (a, b) => Math.ceil(a / b),
  IntTrueDiv: (a, b) => a / b,
  FloatTrueDiv: (a, b) => a / b,
  Mod: floorMod,
  PythonMod: floorMod,
  ModularIndexing: (base, divisor, modulus) => floorMod(Math.floor(base / divisor), modulus),
  Max: (...operands) => Math.max(...operands),
  Min: (...operands) => Math.min(...operands),
  Abs: (a) => Math.abs(a),
  floor: (a) => Math.floor(a),
  ceiling: (a) => Math.ceil(a),
  FloorToInt: (a) => Math.floor(a),
  CeilToInt: (a) => Math.ceil(a),
  TruncToInt: (a) => Math.trunc(a),
  TruncToFloat: (a) => Math.trunc(a),
  ToFloat: (a) => a,
  Identity: (a) => a,
  OpaqueUnaryFn_sqrt: (a) => Math.sqrt(a),
  OpaqueUnaryFn_log2: (a) => Math.log2(a),
  Equality: truth((a, b) => a === b),
  Unequality: truth((a, b) => a !== b),
  StrictLessThan: truth((a, b) => a < b),
  LessThan: truth((a, b) => a <= b),
  StrictGreaterThan: truth((a, b) => a > b),
  GreaterThan: truth((a, b) => a >= b),
  And: (...operands) => Number(operands.every((operand) => operand !== 0)),
  Or: (...operands) => Number(operands.some((operand) => operand !== 0)),
  Not: (a) => Number(a === 0),
};

/** Null where it has a symbol without a value, or a function that is not known. */
export function evaluateExpression(expression: Expression, bindings: Bindings): number | null {
  if (expression.kind === "number") return expression.value;
  if (expression.kind === "symbol") return bindings.get(expression.name) ?? null;
  const operands = expression.operands.map((operand) => evaluateExpression(operand, bindings));
  if (!Object.hasOwn(rules, expression.name) || operands.some((operand) => operand === null)) return null;
  return rules[expression.name](...(operands as number[]));
}
