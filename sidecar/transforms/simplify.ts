import { Builder } from "../graph/builder";
import type { Argument, Attributes, Constant, Equation, Graph, Value } from "../graph/graph";
import { inline, inlineEquations } from "../graph/inline";
import { sameShape, sizeOf, type DType, type Shape, type TypedArray } from "../graph/types";
import { inferShapes, primitiveOf } from "../primitives";
import type { Definitions } from "../primitives/primitive";

/**
 * A builder that does not emit what can be had for less: it folds constants, shares equal equations and applies the
 * primitives' own rules. What it builds is simplified but for what no output needs (`dropUnused`).
 */
export class SimplifyingBuilder extends Builder implements Definitions {
  /** By a number that equal equations have in common, the place of the latest one. */
  private readonly latest = new Map<number, number>();
  /** For each equation, the place of the one before it with the same number, or -1. */
  private readonly earlier: number[] = [];
  /** For each value that an equation made, the place of that one. */
  private readonly places = new Map<Value, number>();
  private readonly splats = new Map<Value, number>();
  private readonly knownScalars = new Map<string, Value>();
  private readonly knownConstants = new Map<TypedArray, Value[]>();

  constructor() {
    super(inferShapes);
  }

  override emit(primitive: string, inputs: readonly Value[], attributes: Attributes): Value[] {
    const rules = primitiveOf(primitive);
    const simpler = this.fold(primitive, inputs, attributes) ?? rules.simplify?.(this, inputs, attributes, this);
    if (simpler) return [simpler];

    const hash = this.hashOf(primitive, inputs, attributes);
    const latest = this.latest.get(hash) ?? -1;
    for (let place = latest; place >= 0; place = this.earlier[place]) {
      const known = this.equations[place];
      if (isSame(known, primitive, inputs, attributes)) return [...known.outputs];
    }
    const place = this.equations.length;
    const outputs = super.emit(primitive, inputs, attributes);
    this.latest.set(hash, place);
    this.earlier.push(latest);
    for (const output of outputs) this.places.set(output, place);
    return outputs;
  }

  override constant(data: TypedArray, shape: Shape, dtype: DType): Value {
    // One-element constants are shared by value, larger ones by their array
    if (data.length === 1) return this.shareScalar(data, shape, dtype);
    const same = this.knownConstants.get(data) ?? [];
    const earlier = same.find((value) => value.dtype === dtype && sameShape(value.shape, shape));
    if (earlier !== undefined) return earlier;
    const value = super.constant(data, shape, dtype);
    this.knownConstants.set(data, [...same, value]);
    return value;
  }

  private shareScalar(data: TypedArray, shape: Shape, dtype: DType): Value {
    const key = `${Object.is(data[0], -0) ? "-0" : data[0]} ${dtype} ${shape.length}`;
    const earlier = this.knownScalars.get(key);
    if (earlier !== undefined) return earlier;
    const value = super.constant(data, shape, dtype);
    this.knownScalars.set(key, value);
    this.splats.set(value, data[0]);
    return value;
  }

  override append(equations: readonly Equation[], constants: readonly Constant[]): Map<Value, Value> {
    const known = new Map<Value, Value>();
    for (const { value, data } of constants) known.set(value, this.constant(data, value.shape, value.dtype));
    inlineEquations(this, equations, known);
    return known;
  }

  producer(value: Value): Equation | undefined {
    const place = this.places.get(value);
    return place === undefined ? undefined : this.equations[place];
  }

  splat(value: Value): number | undefined {
    return this.splats.get(value);
  }

  /** An elementwise operation on constants of one element. */
  private fold(primitive: string, inputs: readonly Value[], attributes: Attributes): Value | undefined {
    const { scalar } = primitiveOf(primitive);
    if (scalar === undefined || inputs.length === 0) return undefined;
    const operands = inputs.map((input) => this.splats.get(input));
    if (operands.some((operand) => operand === undefined)) return undefined;
    const [{ shape, dtype }] = inferShapes(primitive, inputs, attributes);
    if (sizeOf(shape) !== 1) return undefined;
    return this.scalar(scalar(...(operands as number[])), dtype, shape.length);
  }

  private hashOf(primitive: string, inputs: readonly Value[], attributes: Attributes): number {
    let hash = hashOf(primitive, 0);
    for (const input of inputs) {
      const place = this.places.get(input);
      hash = place === undefined ? hashOf(input.shape, hash) : joined(hash, place);
    }
    return hashOf(attributes, hash);
  }
}

function isSame(equation: Equation, primitive: string, inputs: readonly Value[], attributes: Attributes): boolean {
  if (equation.primitive !== primitive || equation.inputs.length !== inputs.length) return false;
  for (let index = 0; index < inputs.length; index++) if (equation.inputs[index] !== inputs[index]) return false;
  return equalAttributes(equation.attributes, attributes);
}

/** Whether attributes, or parts of them, are equal. A graph among them counts as itself: two bodies are not compared. */
function equalAttributes(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return Object.is(a, b);
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) return false;
    for (let index = 0; index < a.length; index++) if (!equalAttributes(a[index], b[index])) return false;
    return true;
  }
  if ("equations" in a || "equations" in b || Array.isArray(a) || Array.isArray(b)) return false;
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const names = Object.keys(left);
  if (names.length !== Object.keys(right).length) return false;
  return names.every((name) => name in right && equalAttributes(left[name], right[name]));
}

/** Parts that are equal have the same hash; objects of one form mostly have the same keys, which are left out. */
function hashOf(part: unknown, before: number): number {
  switch (typeof part) {
    case "number":
      return joined(before, part | 0);
    case "string": {
      let hash = before;
      for (let index = 0; index < part.length; index++) hash = joined(hash, part.charCodeAt(index));
      return hash;
    }
    case "object": {
      if (part === null) return joined(before, 1);
      if (Array.isArray(part)) {
        let hash = joined(before, part.length);
        for (const element of part) hash = hashOf(element, hash);
        return hash;
      }
      // Bodies are told apart by comparison
      if ("equations" in part) return joined(before, 2);
      let hash = before;
      for (const name in part) hash = hashOf((part as Record<string, unknown>)[name], hash);
      return hash;
    }
    default:
      return joined(before, part === true ? 3 : 4);
  }
}

/** One step of the Fowler-Noll-Vo hash, on whole numbers. */
function joined(hash: number, next: number): number {
  return Math.imul(hash ^ next, 0x01000193);
}

/**
 * The same function with fewer equations: constants folded, equal equations shared (the first one's source stays), moves
 * that cancel removed, and what no output needs dropped. Arguments stay, used or not.
 */
export function simplify(graph: Graph): Graph {
  const builder = new SimplifyingBuilder();
  const renew = ({ name, value: { shape, dtype } }: Argument): Argument => ({ name, value: { shape, dtype } });
  const inputs = graph.inputs.map(renew);
  const parameters = graph.parameters.map(renew);
  const buffers = graph.buffers.map(renew);
  const values = [...inputs, ...parameters, ...buffers].map(({ value }) => value);
  const outputs = inline(builder, graph, values);
  return dropUnused(builder.build({ inputs, parameters, buffers, outputs }));
}

/** Dead code elimination: equations and constants on which no output depends are left out. */
export function dropUnused(graph: Graph): Graph {
  const needed = new Set<Value>(graph.outputs);
  const kept: Equation[] = [];
  for (const equation of [...graph.equations].reverse()) {
    if (!equation.outputs.some((output) => needed.has(output))) continue;
    kept.push(equation);
    equation.inputs.forEach((input) => needed.add(input));
  }
  return {
    ...graph,
    constants: graph.constants.filter(({ value }) => needed.has(value)),
    equations: kept.reverse(),
  };
}
