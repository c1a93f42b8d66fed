import type { Argument, Attributes, Constant, Equation, Graph, Source, Value } from "./graph";
import { newArray, sizeOf, type DType, type Shape, type TypedArray, type ValueType } from "./types";

/** Says what a primitive yields for inputs of given types; throws where they do not fit. */
export type ShapeInference = (primitive: string, inputs: readonly Value[], attributes: Attributes) => ValueType[];

/**
 * Collects the equations of a graph in the order in which they are emitted. Everything emitted within `at(source, ...)`
 * carries that source; this is how equations that a transform makes inherit the user's line.
 */
export class Builder {
  readonly equations: Equation[] = [];
  readonly constants: Constant[] = [];
  private source: Source | null = null;
  private readonly scalars = new Map<string, Value>();

  constructor(private readonly infer: ShapeInference) {}

  /** A fresh builder that emits at the same source. */
  child(): Builder {
    const child = new Builder(this.infer);
    child.source = this.source;
    return child;
  }

  at<T>(source: Source | null, emit: () => T): T {
    const outer = this.source;
    this.source = source;
    try {
      return emit();
    } finally {
      this.source = outer;
    }
  }

  emit(primitive: string, inputs: readonly Value[], attributes: Attributes): Value[] {
    const outputs = this.infer(primitive, inputs, attributes).map(({ shape, dtype }) => ({ shape, dtype }));
    this.equations.push({ primitive, inputs, attributes, outputs, source: this.source });
    return outputs;
  }

  constant(data: TypedArray, shape: Shape, dtype: DType): Value {
    if (data.length !== sizeOf(shape)) {
      throw new Error(`a constant of shape [${shape.join(",")}] cannot hold ${data.length} elements`);
    }
    const value: Value = { shape, dtype };
    this.constants.push({ value, data });
    return value;
  }

  /** A constant with one element, of the given rank (all extents 1) so that it broadcasts against any value of that rank. */
  scalar(element: number, dtype: DType, rank = 0): Value {
    const key = `${Object.is(element, -0) ? "-0" : element} ${dtype} ${rank}`;
    const known = this.scalars.get(key);
    if (known) return known;
    const data = newArray(dtype, 1);
    data[0] = element;
    const value = this.constant(data, new Array<number>(rank).fill(1), dtype);
    this.scalars.set(key, value);
    return value;
  }

  /**
   * Takes over equations and constants that another builder collected.
   *
   * @returns what stands for their values here, where that is not the value itself
   */
  append(equations: readonly Equation[], constants: readonly Constant[]): ReadonlyMap<Value, Value> {
    for (const equation of equations) this.equations.push(equation);
    for (const constant of constants) this.constants.push(constant);
    return new Map();
  }

  build(parts: {
    inputs?: readonly Argument[];
    parameters?: readonly Argument[];
    buffers?: readonly Argument[];
    outputs: readonly Value[];
  }): Graph {
    return {
      inputs: parts.inputs ?? [],
      parameters: parts.parameters ?? [],
      buffers: parts.buffers ?? [],
      constants: this.constants,
      equations: this.equations,
      outputs: parts.outputs,
    };
  }
}

/** A new argument of a graph. */
export function argument(name: string, shape: Shape, dtype: DType): Argument {
  return { name, value: { shape, dtype } };
}
