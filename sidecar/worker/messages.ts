import type { Source } from "../graph/graph";
import type { DType, Shape } from "../graph/types";
import type { JacobianInputs } from "../protocol/messages";
import type { Strategy } from "../quantities/jacobian";
import type { InputOption } from "../sources/tfjs/inputs";
import type { Model } from "../sources/model";
import type { EngineName, EngineStatus } from "../engines";

/** What user code may take. What is computed with the model afterwards takes as long, and as much, as it takes. */
export interface Limits {
  /** Seconds for evaluating and tracing the model. */
  readonly timeLimit: number;
  /** Bytes of arrays outside V8's heap, and of the heap. */
  readonly codeMemory: number;
}

/** The first message to a worker; there is one request for each process. */
export interface Order {
  readonly request: Request;
  readonly limits: Limits;
}

/** What the sidecar asks of the worker process. */
export type Request =
  | { readonly kind: "trace"; readonly model: ModelRequest }
  | { readonly kind: "jacobian"; readonly model: ModelRequest; readonly job: JacobianJob }
  | { readonly kind: "engines" };

export interface ModelRequest {
  readonly file: string;
  readonly export: string | null;
  readonly inputs: readonly InputOption[];
  readonly batch: number;
  /** Code files with batching rules. */
  readonly batchingRules?: readonly string[];
}

export interface JacobianJob {
  readonly inputs: JacobianInputs;
  /** `null` for the usual one, or with chunk `auto` for the best. */
  readonly strategy: Strategy | null;
  /** `auto` for the largest that fits in memory, where the whole does not. */
  readonly chunk: number | "auto" | null;
  readonly engine: EngineName | null;
  /** Names of trainable parameters that are left out. */
  readonly exclude: readonly string[];
  readonly out: string;
  /** Whether compiled graphs are kept on disk for the next run. */
  readonly cache: boolean;
}

/** The model without its weights, which stay in the worker. */
export type TracedModel = Omit<Model, "weights">;

export interface JacobianReport {
  /** Of all blocks together: [N, ...output, P]; several outputs are flattened and counted together, [N, O, P]. */
  readonly shape: Shape;
  readonly strategy: Strategy;
  readonly chunk: number | null;
  readonly batch: number;
  readonly blocks: readonly { readonly name: string; readonly shape: Shape; readonly dtype: DType }[];
  readonly engine: string;
  readonly device: string;
  /** Of the run itself, without tracing and compilation. */
  readonly seconds: number;
  /** What was predicted to be held at once, arguments included, and what the run has added to the process. */
  readonly predictedPeakBytes: number;
  readonly measuredPeakBytes: number;
}

export interface Replies {
  trace: TracedModel;
  jacobian: JacobianReport;
  engines: readonly EngineStatus[];
}

export type Reply =
  | { readonly kind: "done"; readonly result: Replies[keyof Replies] }
  | { readonly kind: "progress"; readonly fraction: number }
  /** Files of the user's own whose code is about to be run. */
  | { readonly kind: "read"; readonly files: readonly string[] }
  /** The model has been evaluated and traced: what follows is computation, to which the time limit does not apply. */
  | { readonly kind: "traced" }
  | ({ readonly kind: "failed" } & Fault);

/** Who is to blame, which decides the exit code, and one sentence. */
export interface Fault {
  readonly fault: "model" | "memory" | "engine";
  readonly message: string;
  readonly source: Source | null;
}

/** Where a result is written before it is renamed to `path`, by the worker with this process id. */
export function partialFile(path: string, pid: number): string {
  return `${path}.${pid}.partial`;
}
