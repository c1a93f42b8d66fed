import type { Graph } from "../graph/graph";
import { formatSource } from "../graph/graph";
import { EngineError, type Engine } from "./engine";
import { findTensorFlow, mayUseGpu } from "./tensorflow/find";

/**
 * Which engines there are on this machine, and which one is best. Native libraries are loaded only when they are asked
 * for, and only the worker process may ask: one that is missing or broken is then an engine that is not available, with
 * the reason, and one that crashes takes no editor with it.
 */
export const engineNames = ["tensorflow", "onnxruntime", "onnxruntime-webgpu", "reference"] as const;

/** As people say it in `--engine`. */
export type EngineName = (typeof engineNames)[number];

export interface EngineOptions {
  /** Folders from which a native TensorFlow.js is looked for: the model's, the workspace's. */
  readonly folders?: readonly string[];
  /** Threads that an engine on the CPU uses; by default one for each core. */
  readonly threads?: number;
  /** A folder in which compiled graphs are kept for the next run; none by default. */
  readonly cacheDir?: string;
}

export interface Unavailable {
  readonly name: EngineName;
  readonly reason: string;
}

export type EngineStatus =
  | { readonly name: EngineName; readonly available: true; readonly device: string }
  | ({ readonly available: false } & Unavailable);

export interface Picked {
  readonly engine: Engine;
  readonly name: EngineName;
  /** Engines that would have come first, with why they were not taken. */
  readonly passedOver: readonly Unavailable[];
}

const factories: Readonly<Record<EngineName, (options: EngineOptions) => Promise<Engine>>> = {
  async tensorflow({ folders = [] }) {
    const found = findTensorFlow(folders);
    if ("reason" in found) throw new EngineError(found.reason);
    const { createTensorFlowEngine } = await import("./tensorflow/index");
    return createTensorFlowEngine(found);
  },
  async onnxruntime({ threads, cacheDir }) {
    const { createOnnxruntimeEngine } = await import("./onnxruntime/index");
    return createOnnxruntimeEngine({ provider: "cpu", threads, cacheDir });
  },
  async "onnxruntime-webgpu"() {
    const { createOnnxruntimeEngine } = await import("./onnxruntime/index");
    return createOnnxruntimeEngine({ provider: "webgpu" });
  },
  async reference() {
    const { createReferenceEngine } = await import("./reference/index");
    return createReferenceEngine({ precision: 32 });
  },
};

/** Every engine, with its device or with why it cannot be used here. Loads the native libraries that there are. */
export async function availableEngines(options: EngineOptions = {}): Promise<EngineStatus[]> {
  const statuses: EngineStatus[] = [];
  for (const name of engineNames) {
    try {
      const engine = await factories[name](options);
      statuses.push({ name, available: true, device: engine.device });
      await engine.dispose();
    } catch (error) {
      statuses.push({ name, available: false, reason: firstLine(error) });
    }
  }
  return statuses;
}

/**
 * The engine of that name, or where none is named the best one that can run the graph: TensorFlow if it is on a GPU, else
 * onnxruntime, else the reference.
 */
export async function pickEngine(name: EngineName | null, graph: Graph, options: EngineOptions = {}): Promise<Picked> {
  if (name !== null) {
    const engine = await factories[name](options);
    const reason = cannotRun(engine, graph);
    if (reason === null) return { engine, name, passedOver: [] };
    await engine.dispose();
    throw new EngineError(`the engine ${name} cannot run this: ${reason}`);
  }
  const passedOver: Unavailable[] = [];
  for (const candidate of ["tensorflow", "onnxruntime", "reference"] as const) {
    const attempt = await tryEngine(candidate, graph, options);
    if ("engine" in attempt) return { engine: attempt.engine, name: candidate, passedOver };
    passedOver.push({ name: candidate, reason: attempt.reason });
  }
  throw new EngineError(
    `no engine can run this: ${passedOver.map(({ name, reason }) => `${name}: ${reason}`).join("; ")}`,
  );
}

async function tryEngine(
  name: EngineName,
  graph: Graph,
  options: EngineOptions,
): Promise<{ engine: Engine } | { reason: string }> {
  try {
    if (name === "tensorflow") {
      const found = findTensorFlow(options.folders ?? []);
      if ("packageDir" in found && !mayUseGpu(found.packageDir)) return { reason: "there is no GPU that it could use" };
    }
    const engine = await factories[name](options);
    const reason = name === "tensorflow" && !usesGpu(engine) ? "it found no GPU" : cannotRun(engine, graph);
    if (reason === null) return { engine };
    await engine.dispose();
    return { reason };
  } catch (error) {
    return { reason: firstLine(error) };
  }
}

function usesGpu(engine: Engine): boolean {
  return "usesGpu" in engine && engine.usesGpu === true;
}

function cannotRun(engine: Engine, graph: Graph): string | null {
  const [first] = engine.supports(graph) as (ReturnType<Engine["supports"]>[number] | undefined)[];
  if (first === undefined) return null;
  const { source } = first.equation;
  return source ? `${first.reason} (${formatSource(source)})` : first.reason;
}

/** What a loader says on its further lines is where it looked. */
function firstLine(error: unknown): string {
  return (error as Error).message.split("\n")[0];
}
