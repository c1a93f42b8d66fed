import type { Graph } from "../../../sidecar/graph/graph";
import type { Tensor } from "../../../sidecar/graph/tensor";
import { argumentsOf } from "../../../sidecar/graph/graph";
import { sizeOf, type DType, type Shape } from "../../../sidecar/graph/types";
import type { AttributesOf, PrimitiveName } from "../../../sidecar/primitives/attributes";
import { floats, singleGraph, tensorOf } from "../single";

/** A graph with arguments on which all engines must agree. The name starts with the primitive that it is about. */
export interface PrimitiveCase {
  readonly name: string;
  readonly graph: Graph;
  readonly arguments: Tensor[];
}

/** A case of one equation. */
export function equationCase<K extends PrimitiveName>(
  primitive: K,
  what: string,
  inputs: Tensor[],
  attributes: AttributesOf[K],
): PrimitiveCase {
  return { name: `${primitive}: ${what}`, graph: singleGraph(primitive, inputs, attributes), arguments: inputs };
}

/** A case of any graph, with seeded random numbers for its arguments. */
export function graphCase(name: string, graph: Graph): PrimitiveCase {
  const random = new Random(name);
  return { name, graph, arguments: argumentsOf(graph).map(({ value }) => random.ofType(value.dtype, value.shape)) };
}

/** Random numbers that are the same in every run: mulberry32, seeded with a text. */
export class Random {
  private state = 2166136261;

  constructor(seed: string) {
    for (const character of seed) this.state = Math.imul(this.state ^ character.charCodeAt(0), 16777619);
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Floats between `low` and `high`. */
  floats(shape: Shape, low = -2, high = 2): Tensor {
    return floats(
      shape,
      Array.from({ length: sizeOf(shape) }, () => low + (high - low) * this.next()),
    );
  }

  /** Whole numbers in low..high-1, of any dtype: many of them are equal. */
  whole(dtype: DType, shape: Shape, low: number, high: number): Tensor {
    return tensorOf(
      dtype,
      shape,
      Array.from({ length: sizeOf(shape) }, () => low + Math.floor((high - low) * this.next())),
    );
  }

  ofType(dtype: DType, shape: Shape): Tensor {
    if (dtype === "bool") return this.whole("bool", shape, 0, 2);
    return dtype === "int32" ? this.whole("int32", shape, -9, 10) : this.floats(shape);
  }
}

export const dtypes = ["float32", "int32", "bool"] as const;
