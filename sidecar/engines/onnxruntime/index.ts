import { availableParallelism } from "node:os";
import type * as ort from "onnxruntime-node";
import { argumentsOf } from "../../graph/graph";
import { formatShape, sameShape } from "../../graph/types";
import { EngineError, type Engine, type Unsupported } from "../engine";
import { everyEquation, requireOpaqueHost } from "../interpreter/opaque";
import { ModelCache } from "./cache";
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
  /** A folder for optimised models, so that the next process need not optimise them again; none by default. */
  readonly cacheDir?: string;
  /** The most bytes that it may take, 512 MiB by default. */
  readonly cacheLimit?: number;
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
  const factory = sessionFactory(library, provider, threads, options);
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

function sessionFactory(
  library: typeof ort,
  provider: Provider,
  threads: number,
  { cacheDir, cacheLimit }: OnnxruntimeOptions,
): SessionFactory {
  const settings = (onCpu: readonly string[]): ort.InferenceSession.SessionOptions => ({
    executionProviders: [
      provider === "webgpu" && onCpu.length > 0 ? { name: provider, forceCpuNodeNames: onCpu } : provider,
    ],
    graphOptimizationLevel: "all",
    // With a pattern, the second run allocates all its memory anew beside what the first one took.
    enableMemPattern: false,
    intraOpNumThreads: threads,
    logSeverityLevel: 3,
    extra: { optimization: { constant_folding_max_output_size_in_bytes: String(largestFolded) } },
  });
  const { InferenceSession, env } = library;
  // What is optimised for a GPU cannot be written down.
  const cache = cacheDir === undefined || provider !== "cpu" ? null : new ModelCache(cacheDir, cacheLimit);

  return {
    library,
    provider,
    async create(model, onCpu) {
      if (!cache) return InferenceSession.create(model, settings(onCpu));
      const key = ModelCache.key(model, `onnxruntime ${env.versions.node ?? env.versions.common} ${provider}`);
      const known = await cache.read(key);
      if (known) {
        try {
          return await InferenceSession.create(known, { ...settings(onCpu), graphOptimizationLevel: "disabled" });
        } catch {
          await cache.remove(key);
        }
      }
      let created: ort.InferenceSession | null = null;
      try {
        return await cache.keep(key, async (path) => {
          created = await InferenceSession.create(model, { ...settings(onCpu), optimizedModelFilePath: path });
          return created;
        });
      } catch {
        // The model is not at fault, if it was made; a full disk may be.
        return created ?? InferenceSession.create(model, settings(onCpu));
      }
    },
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
