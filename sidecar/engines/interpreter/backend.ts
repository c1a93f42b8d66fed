import type { Constant, Equation, Value } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import type { ValueType } from "../../graph/types";

/** Gathers what the iterations of a `map` yield for one of its outputs. */
export interface Collector<T> {
  /** Takes over the value of the next iteration. */
  add(value: T): void;
  /** The collected output. Called once, after which the collector is spent. */
  finish(): T;
  /** Frees what has been collected, where the loop ends early. */
  abandon(): void;
}

/** How an engine that runs graphs equation by equation holds arrays, as `T`, and computes with them. */
export interface Backend<T> {
  upload(tensor: Tensor, type: ValueType): T;
  uploadConstant(constant: Constant): T;
  download(value: T, type: ValueType): Promise<Tensor>;
  /** Runs one equation that is not a `map`. The outputs are new; the inputs stay as they are. */
  run(equation: Equation, inputs: readonly T[]): T[];
  /** One more hold of the same array, freed on its own. */
  share(value: T): T;
  free(value: T): void;
  /** Element `index` of the first axis. */
  sliceAt(value: T, index: number, type: Value): T;
  stack(length: number, slice: ValueType): Collector<T>;
  sum(type: ValueType): Collector<T>;
  /** Called at the end of a run: gives back what is shared with others in the process. */
  leave?(): void;
}
