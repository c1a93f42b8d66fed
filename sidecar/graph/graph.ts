import type { TypedArray, ValueType } from "./types";

/** A place in a user's file. `module` is the layer or module path, such as `block_1/conv`, where there is one. */
export interface Source {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based. */
  readonly column: number;
  readonly module?: string;
}

/**
 * One array of a graph. It has a shape and an element type and nothing else: who makes it and who uses it is known by
 * the equations, and two values are the same only if they are the same object.
 */
export type Value = ValueType;

/** Plain data that says what exactly a primitive does: axes, strides, or a body graph. */
export type Attributes = object;

/** `outputs = primitive(inputs; attributes)`. Each value is the output of at most one equation of a graph. */
export interface Equation {
  readonly primitive: string;
  readonly inputs: readonly Value[];
  readonly attributes: Attributes;
  readonly outputs: readonly Value[];
  readonly source: Source | null;
}

export interface Argument {
  readonly name: string;
  readonly value: Value;
}

/** `data` holds the elements in row-major order, one byte for a boolean. */
export interface Constant {
  readonly value: Value;
  readonly data: TypedArray;
}

/**
 * A function as a typed, single-assignment list of equations, in the manner of a jaxpr.
 *
 * Its arguments are `inputs`, `parameters` (what Jacobians are taken with respect to) and `buffers` (state that is read
 * but not differentiated, such as moving averages). A transform keeps each argument in its role.
 *
 * A graph is plain data: it survives a structured clone, also across processes.
 */
export interface Graph {
  readonly inputs: readonly Argument[];
  readonly parameters: readonly Argument[];
  readonly buffers: readonly Argument[];
  readonly constants: readonly Constant[];
  readonly equations: readonly Equation[];
  readonly outputs: readonly Value[];
}

/** Inputs, parameters and buffers, in this order: the order in which an engine is given their arrays. */
export function argumentsOf(graph: Graph): Argument[] {
  return [...graph.inputs, ...graph.parameters, ...graph.buffers];
}

export function formatSource(source: Source): string {
  return `${source.file}:${source.line}`;
}
