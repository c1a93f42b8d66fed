import type { Builder } from "../graph/builder";
import type { Equation, Graph, Value } from "../graph/graph";
import type { ValueType } from "../graph/types";
import type { LoopAxis } from "./attributes";

/** Where the examples of a batch are in a value: element (o * batch + b) * inner + i of `axis` belongs to example b. */
export interface ExampleAxis {
  readonly axis: number;
  readonly inner: number;
}

/**
 * Where examples are after an operation: on an axis; nowhere, the value is the same for any batch (`null`); in a place
 * that cannot be followed ("lost"); or mixed with one another ("coupled").
 */
export type Examples = ExampleAxis | null | "lost" | "coupled";

export interface Batched {
  readonly outputs: readonly Value[];
  /** The axis along which each output is batched. */
  readonly axes: readonly number[];
}

/**
 * An operation that is linear in one operand, its weight w, written as a product with something that w is not part of:
 *
 *     output[g, c, d] = sum over k of w[g, k, c] x[g, k, d]
 *
 * Its derivative with respect to w has the structure of x times an identity over c and blocks over g, which is what
 * structured derivatives use (Novak et al. 2022, "Fast finite width neural tangent kernel").
 */
export interface Structure {
  /** How the weight's axes are dealt out to g, k and c: the same text, the same elements in the same places. */
  readonly layout: string;
  readonly extents: { readonly g: number; readonly k: number; readonly c: number; readonly d: number };
  /**
   * x as `values` [G, K, D]; or, of an operation that takes rows of the weight, their numbers (int32, [D]), of which x is
   * the one-hot encoding.
   */
  readonly factor: (this: void, builder: Builder) => { readonly kind: "values" | "indices"; readonly value: Value };
  /** A cotangent of the output, as [G, C, D]. */
  readonly cotangent: (this: void, builder: Builder, cotangent: Value) => Value;
}

/** What a rule of a primitive that holds a graph needs to know of transforms, which stand above primitives. */
export interface GraphTransforms {
  /**
   * A graph of (inputs, tangents of the inputs that vary) -> (tangents of the outputs that vary), with which ones do.
   */
  tangents(graph: Graph, varies: readonly boolean[]): { graph: Graph; varies: boolean[] };
  /**
   * For a graph that is linear in some inputs: a graph of (the other inputs, cotangents of the outputs that have one) ->
   * cotangents of the linear inputs.
   */
  transpose(graph: Graph, linear: readonly boolean[], present: readonly boolean[]): Graph;
  /** The graph over inputs that are batched along the given axes (or not, `null`); every output is batched along its first. */
  vmap(graph: Graph, axes: readonly (number | null)[], size: number, over?: readonly LoopAxis[]): Graph;
  flops(graph: Graph): number;
}

/** What simplification knows of the values emitted so far. */
export interface Definitions {
  /** The equation that made a value; undefined for arguments and constants. */
  producer(value: Value): Equation | undefined;
  /** The element of a constant that has only one. */
  splat(value: Value): number | undefined;
}

/** All that is known of one primitive, but for how an engine runs it. */
export interface Primitive<A> {
  /** Types of the outputs; throws an Error that says what does not fit. */
  shape(this: void, inputs: readonly Value[], attributes: A): ValueType[];

  /**
   * Tangents of the outputs. `null` is a tangent that is zero. Left out where no output has a derivative.
   * The equation itself has been emitted already; `outputs` are its values.
   */
  jvp?(
    this: void,
    builder: Builder,
    primals: readonly Value[],
    tangents: readonly (Value | null)[],
    outputs: readonly Value[],
    attributes: A,
    transforms: GraphTransforms,
  ): (Value | null)[];

  /**
   * Cotangents of the inputs in which the operation is linear, given those of the outputs. `linear` says in which inputs
   * it is to be transposed; of these only the type may be used.
   */
  transpose?(
    this: void,
    builder: Builder,
    cotangents: readonly (Value | null)[],
    inputs: readonly Value[],
    linear: readonly boolean[],
    attributes: A,
    transforms: GraphTransforms,
  ): (Value | null)[];

  /** The same operation on inputs of which some have one more axis, of extent `size`. Without it, vmap loops. */
  batch?(
    this: void,
    builder: Builder,
    inputs: readonly Value[],
    axes: readonly (number | null)[],
    size: number,
    attributes: A,
    transforms: GraphTransforms,
  ): Batched;

  /** Its structure in the operand `weight`, where there is one that is worth using. Of that operand only the type may be used. */
  structure?(this: void, inputs: readonly Value[], weight: number, attributes: A): Structure | undefined;

  /** Floating-point operations, a multiply-add counted as two. */
  flops(
    this: void,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes: A,
    transforms: GraphTransforms,
  ): number;

  /** Follows the examples of a batch through the operation. Left out: they are lost. */
  examples?(
    this: void,
    inputs: readonly Value[],
    examples: readonly (ExampleAxis | null)[],
    outputs: readonly Value[],
    attributes: A,
    batch: number,
  ): Examples;

  /** A value that equals the operation's (only) output and costs less, if there is one. May emit equations. */
  simplify?(
    this: void,
    builder: Builder,
    inputs: readonly Value[],
    attributes: A,
    definitions: Definitions,
  ): Value | undefined;

  /** Elementwise primitives: the operation on numbers. Booleans are 0 and 1. */
  scalar?(this: void, ...operands: number[]): number;
}
