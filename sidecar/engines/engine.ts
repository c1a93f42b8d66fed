import type { Equation, Graph, Value } from "../graph/graph";
import type { Tensor } from "../graph/tensor";

/** Runs operations that only the model's own framework can run (`opaque` equations). */
export interface OpaqueHost {
  /** As opaque operations name it: those of others it cannot run. */
  readonly framework: string;
  run(equation: Equation, inputs: readonly Tensor[]): Tensor[];
}

export interface CompileOptions {
  readonly opaque?: OpaqueHost;
  /**
   * Arguments whose values will not change from run to run. An engine may build them in, which is often faster; what a
   * run is given for them is then not read.
   */
  readonly fixed?: ReadonlyMap<Value, Tensor>;
}

export interface RunOptions {
  /** A run stops between steps once this is aborted, by throwing the signal's reason. */
  readonly signal?: AbortSignal;
  /** Told how much of the work is done, between 0 and 1. */
  readonly onProgress?: (fraction: number) => void;
}

/** A compiled graph. Its arguments are the graph's inputs, parameters and buffers, in that order. */
export interface Executable {
  run(inputs: readonly Tensor[], options?: RunOptions): Promise<Tensor[]>;
  dispose(): Promise<void>;
}

/** Why an engine cannot run a graph: the equation, and a sentence. */
export interface Unsupported {
  readonly equation: Equation;
  readonly reason: string;
}

/** Something that runs graphs. Native engines are loaded only in the worker process. */
export interface Engine {
  readonly name: "reference" | "onnxruntime" | "tensorflow";
  /** The device as a person calls it, such as "CPU (2 cores)" or "WebGPU". */
  readonly device: string;
  supports(graph: Graph): Unsupported[];
  compile(graph: Graph, options?: CompileOptions): Promise<Executable>;
  dispose(): Promise<void>;
}

/** The engine failed although the model and the data are in order (exit code 4). */
export class EngineError extends Error {
  override readonly name = "EngineError";
}
