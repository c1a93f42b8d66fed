import type { Shape } from "../graph/types";
import type { Place } from "./analysis";

/** A model's graph by modules, as a list: each row is followed by those in it. */
export interface Outline {
  readonly rows: readonly OutlineRow[];
  /** Number of examples, where shapes have a batch axis. */
  readonly batch: number;
  /** Floating-point operations of the model itself, for all examples. */
  readonly flops: number;
}

export interface OutlineRow {
  /** Its own among the rows, and the same when the model is read again. */
  readonly id: string;
  readonly form: "module" | "operation" | "parameter";
  /** From 0: a row is in the last one before it that is less deep. */
  readonly depth: number;
  /** Within the row that it is in: `0` of `layers.0`. */
  readonly name: string;
  /** The class of a module, the operator, the element type of a parameter. Empty where it is not known. */
  readonly kind: string;
  /** Of outputs, with the batch axis where they depend on the examples; of a parameter its own. */
  readonly shapes: readonly Shape[];
  /** Elements of the parameters that it is or holds; each is held by the operation that uses it first. */
  readonly elements: number;
  /**
   * With respect to the trainable ones of these together: [N, ...output, P], of a single parameter [N, ...output,
   * ...parameter]. Null where there are none.
   */
  readonly jacobian: { readonly shape: Shape; readonly bytes: number } | null;
  /** Of the model's floating-point operations, from 0 to 1. */
  readonly share: number;
  readonly source: Place | null;
}
