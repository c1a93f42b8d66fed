import { availableParallelism } from "node:os";
import type * as ort from "onnxruntime-node";
import { argumentsOf } from "../../graph/graph";
import { formatShape, sameShape } from "../../graph/types";
import { EngineError, type Engine, type Unsupported } from "../engine";
import { everyEquation, requireOpaqueHost } from "../interpreter/opaque";
import { loweringOf } from "./lower/index";
import type { Provider } from "./lower/writer";
import { compileProgram, releaseProgram } from "./program";
import { Run, runProgram } from "./run";
import type { SessionFactory } from "./session";

export interface OnnxruntimeOptions {
  /** Where to run: `cpu` everywhere; `webgpu` on a GPU of any vendor. */
  readonly provider?: Provider;
  /** Threads of an operation; by default one for each core. */
  readonly threads?: number;
}

/** Folding constants must not blow up a model: larger results are computed at each run. */
const largestFolded = 1 << 20;

/**
 * Runs graphs on onnxruntime: each straight piece of a graph as one ONNX model, loops between them. Loads the native
 * library; only the worker process may do that.
 */
export async function createOnnxruntimeEngine(options: OnnxruntimeOptions = {}): Promise<Engine> {
  const library = await loadLibrary();
  const provider = options.provider ?? "cpu";
  const threads = options.threads ?? availableParallelism();
  const factory: SessionFactory = {
    library,
    provider,
    create: (model, onCpu) =>
      library.InferenceSession.create(model, {
        executionProviders: [provider === "webgpu" ? { name: "webgpu", forceCpuNodeNames: onCpu } : "cpu"],
        graphOptimizationLevel: "all",
        // With a pattern, the second run allocates all its memory anew beside what the first one took.
        enableMemPattern: false,
        intraOpNumThreads: threads,
        logSeverityLevel: 3,
        extra: { optimization: { constant_folding_max_output_size_in_bytes: String(largestFolded) } },
      }),
  };
  return {
    name: "onnxruntime",
    device: provider === "webgpu" ? "WebGPU" : `CPU (${threads} ${threads === 1 ? "thread" : "threads"})`,
    supports: (graph) => unsupported(graph),
    async compile(graph, { opaque, fixed = new Map() } = {}) {
      requireOpaqueHost(graph, opaque);
      const program = await compileProgram(factory, graph, fixed);
      return {
        async run(inputs, runOptions = {}) {
          argumentsOf(graph).forEach(({ name, value }, index) => {
            const given = inputs[index] as (typeof inputs)[number] | undefined;
            if (fixed.has(value)) return;
            if (given?.dtype !== value.dtype || !sameShape(given.shape, value.shape)) {
              const got = given ? `${given.dtype}${formatShape(given.shape)}` : "nothing";
              throw new EngineError(
                `the argument ${name} should be ${value.dtype}${formatShape(value.shape)} but is ${got}`,
              );
            }
          });
          const run = new Run(program.work, runOptions, opaque);
          const outputs = await runProgram(program, inputs, run);
          runOptions.onProgress?.(1);
          return outputs;
        },
        dispose: () => releaseProgram(program),
      };
    },
    dispose: () => Promise.resolve(),
  };
}

async function loadLibrary(): Promise<typeof ort> {
  try {
    return await import("onnxruntime-node");
  } catch (error) {
    throw new EngineError(`onnxruntime could not be loaded: ${(error as Error).message}`, { cause: error });
  }
}

function unsupported(graph: Parameters<Engine["supports"]>[0]): Unsupported[] {
  const missing: Unsupported[] = [];
  for (const equation of everyEquation(graph)) {
    if (equation.primitive === "map" || equation.primitive === "opaque") continue;
    if (!loweringOf(equation)) {
      missing.push({ equation, reason: `onnxruntime's engine has no lowering of ${equation.primitive}` });
    }
  }
  return missing;
}
