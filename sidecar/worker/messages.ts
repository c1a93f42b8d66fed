import type { Source } from "../graph/graph";
import type { DType, Shape } from "../graph/types";
import type { JacobianInputs } from "../protocol/messages";
import type { ExamplesInfo, LearningCurve } from "../protocol/ntk";
import type { Spectrum } from "../kernel/spectrum";
import type { Strategy } from "../quantities/jacobian";
import type { NtkForm, NtkMethod } from "../quantities/ntk";
import type { InputOption } from "../sources/inputs";
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
  | { readonly kind: "ntk"; readonly model: ModelRequest; readonly job: NtkJob }
  | { readonly kind: "predict"; readonly model: ModelRequest; readonly job: PredictJob }
  | { readonly kind: "engines" };

export interface ModelRequest {
  readonly file: string;
  readonly export: string | null;
  readonly inputs: readonly InputOption[];
  readonly batch: number;
  /** Code files with batching rules. */
  readonly batchingRules?: readonly string[];
  /** The Python that runs a Python file; null for that of the environment. */
  readonly python?: string | null;
  /** Whether the PyTorch of a Python file is asked what it would do. */
  readonly probe?: boolean;
  /** A folder for what another program makes of the model, which is removed when the worker has ended. */
  readonly scratch?: string;
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

export interface NtkJob {
  readonly x1: JacobianInputs;
  /** Null for the kernel of x1 with itself. */
  readonly x2: JacobianInputs | null;
  /** A .npy file with a whole number for each example of x1: its class. Null for what the examples themselves say. */
  readonly labels: string | null;
  readonly form: NtkForm;
  /** Of the form `trace`. */
  readonly trace: "sum" | "mean";
  /** Null for the quickest by estimate. */
  readonly method: NtkMethod | null;
  readonly engine: EngineName | null;
  /** Names of trainable parameters that are left out. */
  readonly exclude: readonly string[];
  /** The .npy file to write. Beside it, in a folder of this name with `.tiles`, stand the tiles until it is written. */
  readonly out: string;
  /** Whether the tiles stay when it is. */
  readonly keepTiles: boolean;
  /** Whether it is told how the linearised model learns the labels. */
  readonly curve: boolean;
  /** Bytes that one tile may take, or null for the usual. */
  readonly tileMemory: number | null;
  readonly cache: boolean;
}

export interface PredictJob {
  /** .npy files: examples, and what the outputs are trained towards, [N, ...output]. */
  readonly train: { readonly x: string; readonly y: string };
  readonly test: { readonly x: string; readonly y: string | null };
  readonly learningRate: number;
  /** In steps of the learning rate. */
  readonly times: readonly number[];
  readonly training: "flow" | "descent";
  /** Null for `full`, or where that is too large for a decomposition, `trace`. */
  readonly form: "full" | "trace" | null;
  readonly engine: EngineName | null;
  readonly exclude: readonly string[];
  /** The .npz file to write. */
  readonly out: string;
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

export interface ExamplesOfKernel {
  readonly x1: ExamplesInfo;
  readonly x2: ExamplesInfo | null;
  /** C, of one example. */
  readonly outputs: number;
}

export interface NtkReport {
  /** Of the kernel. */
  readonly shape: Shape;
  readonly form: NtkForm;
  readonly trace: "sum" | "mean" | null;
  readonly method: NtkMethod;
  /** Examples of a tile's side. */
  readonly tile: number;
  readonly engine: string;
  readonly device: string;
  /** Of all tiles that were computed in this run, with their compilation. */
  readonly seconds: number;
  readonly predictedPeakBytes: number;
  readonly measuredPeakBytes: number;
  /** Each parameter's part of the trace of all examples' kernels with themselves; they add up to 1. None by vector products. */
  readonly layers: readonly { readonly parameter: string; readonly share: number }[];
  /** In descending order. Empty where the kernel is not symmetric, of the form `diagonal`, or too large. */
  readonly eigenvalues: readonly number[];
  readonly conditionNumber: number | null;
  /** What else is told of the eigenvalues; null where there are none. */
  readonly spectrum: Omit<Spectrum, "eigenvalues"> | null;
  /** Null where it is not asked for, or there are no labels. */
  readonly curve: LearningCurve | null;
}

/** Of one step along a random direction, in which each parameter moves by the same part of its own norm. */
export interface LinearityReport {
  /** That part. */
  readonly step: number;
  /** |f(p + s v) - f(p) - s J v| / |s J v| over outputs of training examples: 0 for a linear model. Null where J v is zero. */
  readonly error: number | null;
}

export interface PredictReport {
  /** Null is infinity, which JSON does not have. */
  readonly times: readonly (number | null)[];
  readonly training: "flow" | "descent";
  readonly form: "full" | "trace";
  readonly trainLoss: readonly number[];
  /** Null without targets of the test examples. */
  readonly testLoss: readonly number[] | null;
  /** Whether gradient descent does not diverge. */
  readonly stable: boolean;
  readonly largestLearningRate: number | null;
  /** How far the model itself is from its linearisation. */
  readonly linearity: readonly LinearityReport[];
  /** Of the file that is written. */
  readonly arrays: readonly { readonly name: string; readonly shape: Shape; readonly dtype: DType }[];
  readonly engine: string;
  readonly device: string;
  readonly seconds: number;
}

export interface Replies {
  trace: TracedModel;
  jacobian: JacobianReport;
  ntk: NtkReport;
  predict: PredictReport;
  engines: readonly EngineStatus[];
}

export type Reply =
  | { readonly kind: "done"; readonly result: Replies[keyof Replies] }
  | { readonly kind: "progress"; readonly fraction: number }
  /** Files of the user's own whose code is about to be run. */
  | { readonly kind: "read"; readonly files: readonly string[] }
  /** What is known of a Python file's model before its PyTorch is asked what it would do. */
  | { readonly kind: "model"; readonly model: TracedModel }
  /** What a kernel's examples are, before it is computed. */
  | ({ readonly kind: "examples" } & ExamplesOfKernel)
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
