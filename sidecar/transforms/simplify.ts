import { Builder } from "../graph/builder";
import type { Argument, Attributes, Equation, Graph, Value } from "../graph/graph";
import { inline } from "../graph/inline";
import { sameShape, sizeOf, type DType, type Shape, type TypedArray } from "../graph/types";
import { inferShapes, primitiveOf } from "../primitives";
import type { Definitions } from "../primitives/primitive";

/** A builder that does not emit what can be had for less: it folds constants, shares equal equations and applies the primitives' own rules. */
class SimplifyingBuilder extends Builder implements Definitions {
  private readonly identity = new Map<object, number>();
  private readonly known = new Map<string, Value[]>();
  private readonly producers = new Map<Value, Equation>();
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

    const key = this.keyOf(primitive, inputs, attributes);
    const earlier = this.known.get(key);
    if (earlier !== undefined) return earlier;
    const outputs = super.emit(primitive, inputs, attributes);
    this.known.set(key, outputs);
    const equation = this.equations[this.equations.length - 1];
    outputs.forEach((output) => this.producers.set(output, equation));
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

  producer(value: Value): Equation | undefined {
    return this.producers.get(value);
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

  private keyOf(primitive: string, inputs: readonly Value[], attributes: Attributes): string {
    const identify = (thing: object): number => {
      let id = this.identity.get(thing);
      if (id === undefined) {
        id = this.identity.size;
        this.identity.set(thing, id);
      }
      return id;
    };
    // A graph among the attributes counts as itself (two bodies are not compared); JSON has no infinities
    const text = JSON.stringify(attributes, (_key, value: unknown) => {
      if (typeof value === "object" && value !== null && "equations" in value) return `graph ${identify(value)}`;
      return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
    });
    return `${primitive} ${inputs.map(identify).join(" ")} ${text}`;
  }
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
