import type { Graph } from "../../graph/graph";
import type { CompileOptions, Engine, Executable, Unsupported } from "../engine";
import { Interpreter } from "../interpreter/interpreter";
import { everyEquation, requireOpaqueHost } from "../interpreter/opaque";
import { TfjsBackend } from "./backend";
import { loadNative } from "./load";
import type { Tf } from "./lower/lowering";

export interface TensorFlowOptions {
  /** The folder of a built `@tensorflow/tfjs-node-gpu` or `@tensorflow/tfjs-node`. */
  readonly packageDir: string;
}

/** An executable that tells how much memory its last run took. */
export interface MeasuredExecutable extends Executable {
  /** The most bytes that arguments, constants and live values took at once, without what an operation needs on the way. */
  readonly peakBytes: number;
}

export interface TfjsEngine extends Engine {
  compile(graph: Graph, options?: CompileOptions): Promise<MeasuredExecutable>;
}

export interface TensorFlowEngine extends TfjsEngine {
  readonly usesGpu: boolean;
}

/** Runs graphs operation by operation on TensorFlow. Loads the native library; only the worker process may do that. */
export function createTensorFlowEngine({ packageDir }: TensorFlowOptions): TensorFlowEngine {
  const { tf, device, usesGpu } = loadNative(packageDir);
  return { ...createTfjsEngine(tf, "tensorflow", device), usesGpu };
}

/** The same engine on any backend of TensorFlow.js that has been registered. */
export function createTfjsEngine(tf: Tf, backend: string, device: string): TfjsEngine {
  return {
    name: "tensorflow",
    device,
    supports: unsupported,
    // eslint-disable-next-line @typescript-eslint/require-await
    async compile(graph, { opaque, fixed } = {}) {
      requireOpaqueHost(graph, opaque);
      return new Interpreter(graph, new TfjsBackend(tf, backend, opaque), fixed);
    },
    dispose: () => Promise.resolve(),
  };
}

function unsupported(graph: Graph): Unsupported[] {
  const found: Unsupported[] = [];
  for (const equation of everyEquation(graph)) {
    const wide = [...equation.inputs, ...equation.outputs].some(({ dtype }) => dtype === "float64");
    if (wide) found.push({ equation, reason: "TensorFlow.js has no 64-bit floating-point numbers" });
  }
  return found;
}
