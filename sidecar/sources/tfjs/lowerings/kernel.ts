import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import type { TypedArray } from "../../../graph/types";
import { convert, padRank, transpose } from "../../../primitives/ops";
import { view } from "../../view";

/** One call of a TensorFlow.js kernel, with its inputs as values of the graph. */
export interface KernelCall {
  readonly kernel: string;
  /** By TensorFlow.js's names for the kernel's inputs; "0", "1", ... where the kernel takes a list. */
  readonly inputs: Readonly<Record<string, Value>>;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each kernel has its own attributes
  readonly attributes: any;
  /** The elements of an input that depends on neither the model's inputs nor its parameters; else null. */
  readonly known: (input: string) => TypedArray | null;
}

/** Emits what a kernel computes. `null`: not in this case; the call becomes an opaque equation. */
export type Lowering = (b: Builder, call: KernelCall) => Value | readonly Value[] | null;

export type LoweringTable = Readonly<Record<string, Lowering>>;

/** Two operands with equal ranks. */
export function pair(b: Builder, x: Value, y: Value): [Value, Value] {
  const rank = Math.max(x.shape.length, y.shape.length);
  return [padRank(b, x, rank), padRank(b, y, rank)];
}

/** TensorFlow.js counts axes from the end where they are negative. */
export function positiveAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

export function axesOf(axes: number | readonly number[] | null | undefined, rank: number): number[] {
  if (axes === null || axes === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  const list = typeof axes === "number" ? [axes] : axes;
  return [...new Set(list.map((axis) => positiveAxis(axis, rank)))].sort((p, q) => p - q);
}

/** A number for each spatial dimension. */
export function perDimension(amount: number | readonly number[] | null | undefined, rank: number): number[] {
  if (amount === null || amount === undefined) return new Array<number>(rank).fill(1);
  if (typeof amount === "number") return new Array<number>(rank).fill(amount);
  return amount.length === 1 ? new Array<number>(rank).fill(amount[0]) : [...amount];
}

/** `x` with other axes put in place: a reshape to `split`, a transpose, a reshape to `joined`. */
export function rearrange(
  b: Builder,
  x: Value,
  split: readonly number[],
  permutation: readonly number[],
  joined: readonly number[],
): Value {
  return view(b, transpose(b, view(b, x, split), permutation), joined);
}

/** Booleans as 0 and 1, for operations that are not defined on them. */
export function numeric(b: Builder, x: Value): Value {
  return x.dtype === "bool" ? convert(b, x, "int32") : x;
}

export function floating(b: Builder, x: Value): Value {
  return x.dtype === "float32" || x.dtype === "float64" ? x : convert(b, x, "float32");
}
