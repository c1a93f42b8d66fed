import type { Analysis, DeviceInfo, FallbackAnalysis, Place, StrategyAnalysis } from "./analysis";
import type { Outline } from "./outline";
import type {
  KernelArrangement,
  KernelArrangementRequest,
  KernelAxis,
  KernelEntry,
  KernelEntryRequest,
  KernelInfo,
  KernelPart,
  KernelSelection,
  KernelTile,
  KernelTileRequest,
  NtkForm,
  NtkMethod,
  TraceKind,
} from "./ntk";

/**
 * What the extension and the sidecar say to each other beside the language server's own messages. JSON-RPC over one
 * WebSocket: `Requests` and `Told` go to the sidecar, `Notices` come from it.
 */

/** Names a model: a binding of a code file, or a saved model's file. */
export interface ModelRef {
  readonly uri: string;
  /** The top-level binding; null for a saved model, and for a code file in which no binding could be told to be a model. */
  readonly export: string | null;
}

/** A `class` is one of a Python file: called as a factory is. */
export type ModelKind = "model" | "class" | "factory" | "function" | "saved" | "unknown";

/** Why an analysis does not speak of what is in the editor now. */
export type Staleness =
  /** The text has been changed since. */
  | "edited"
  /** The evaluation after it failed. */
  | "failed"
  /** It was computed in an earlier session, or by a sidecar that has ended. */
  | "restored";

/** What is wrong with a model, for the user: one sentence, and its place. */
export interface ModelFault {
  readonly fault: "model" | "memory" | "engine";
  readonly message: string;
  readonly source: Place | null;
}

/** All that is known of one model at one moment. */
export interface ModelState extends ModelRef {
  readonly kind: ModelKind;
  /** Names of the parameters of a class, factory or function, as they are written; a `?` follows one that may be left out. */
  readonly takes: readonly string[];
  /** Names of inputs whose shapes have to be given, as far as the text tells; a `?` follows one that may be left out. */
  readonly inputs: readonly string[];
  /** Whether it is part of another model of its file, or makes it: then that one is meant where none is named. */
  readonly isPart: boolean;
  /** 1-based, in the text as it is now: where the model is bound or made. Null while that line is being edited. */
  readonly line: number | null;
  /** `asking-pytorch`: it has been evaluated, and the user's PyTorch is asked what it would do. */
  readonly activity: "idle" | "evaluating" | "asking-pytorch";
  /**
   * The last one that succeeded. Its places are those of the text that was evaluated, before any edits since. Of its
   * strategies, `timeline` and `buffers` are empty: `kernelscope/plan` has them.
   */
  readonly analysis: Analysis | null;
  /** Whether strategies and fallbacks are still being found out: until then the analysis has none. */
  readonly planning: boolean;
  readonly stale: Staleness | null;
  readonly fault: ModelFault | null;
  /** Milliseconds that the last evaluation took. */
  readonly milliseconds: number | null;
  /** Of the texts that were evaluated, by path: by these a sidecar that is started anew tells whether they have changed. */
  readonly digests: Readonly<Record<string, string>>;
}

/** The models of a file, in the order of their lines. */
export interface FileState {
  readonly uri: string;
  readonly models: readonly ModelState[];
}

/** What the user has chosen for one model. */
export interface ModelOptions {
  /** Number of examples; else the setting's. */
  readonly batch?: number;
  /** Arguments of a factory or class: in JSON, `40,[128]` as in `createModel(40,[128])`; of a Python file in its literals. */
  readonly arguments?: string;
  /** `NAME=SHAPE[:DTYPE]` for each input whose shape the model leaves open. */
  readonly inputs?: readonly string[];
  /** How its Jacobian is to be computed; else whatever is best. */
  readonly strategy?: StrategyAnalysis["strategy"];
  /** Rows at once, with `strategy`. */
  readonly chunk?: number;
  /** Names of trainable parameters that are left out of the Jacobian. */
  readonly exclude?: readonly string[];
}

export interface Settings {
  /** Whether code of the workspace may be run. */
  readonly trusted: boolean;
  readonly evaluate: "manual" | "onOpen" | "onSave";
  readonly inlayHints: boolean;
  readonly codeLens: boolean;
  /** Number of examples. */
  readonly batch: number;
  /** "auto", or a part of the name of a known card. */
  readonly device: string;
  /** `16GiB`; empty: the device's. */
  readonly targetMemory: string;
  /** "auto" or an engine's name. */
  readonly engine: string;
  /** Seconds that a model's code may take. */
  readonly timeLimit: number;
  /** `2GiB` */
  readonly codeMemory: string;
  /** Folder of a native TensorFlow.js; empty: found beside the model. */
  readonly tensorflow: string;
  /** The Python that runs Python files; empty: that of their workspace folder, else that of the environment. */
  readonly python: string;
  /** The Python that has been chosen for a workspace folder, by the folder's path. */
  readonly pythons: Readonly<Record<string, string>>;
  /** Paths of code files with batching rules. */
  readonly batchingRules: readonly string[];
  /** By `path#export`. */
  readonly models: Readonly<Record<string, ModelOptions>>;
}

/** What the sidecar is told when the language client starts it. */
export interface InitializationOptions {
  readonly settings: Settings;
  /** What was known when the last sidecar ended: shown, as stale, until it is computed anew. */
  readonly restored: readonly FileState[];
}

export interface EngineInfo {
  readonly name: string;
  readonly available: boolean;
  /** What it computes on, or why it is not available. */
  readonly detail: string;
}

export interface Devices {
  readonly detected: readonly DeviceInfo[];
  /** Common cards, to predict for one that one does not have. */
  readonly profiles: readonly DeviceInfo[];
  readonly engines: readonly EngineInfo[];
}

export type JacobianInputs =
  /** A .npy file, or an .npz file with an array for each input. */
  | { readonly kind: "file"; readonly file: string }
  /** Standard normal numbers (whole numbers: 0 and 1) for so many examples. */
  | { readonly kind: "random"; readonly batch: number; readonly seed: number };

export interface JacobianRequest {
  /** Chosen by the extension, to match progress. */
  readonly run: string;
  readonly model: ModelRef;
  readonly inputs: JacobianInputs;
  readonly strategy: string | null;
  readonly chunk: number | null;
  /** The .npz file to write. */
  readonly out: string;
}

/** What a Jacobian's computation tells of itself. */
export interface JacobianSummary {
  readonly shape: readonly number[];
  readonly strategy: string;
  readonly chunk: number | null;
  readonly batch: number;
  readonly blocks: readonly { readonly name: string; readonly shape: readonly number[]; readonly dtype: string }[];
  readonly engine: string;
  readonly device: string;
  readonly seconds: number;
  readonly measuredPeakBytes: number;
}

export interface NtkRequest {
  /** Chosen by the extension, to match progress. */
  readonly run: string;
  /** Chosen by the extension too, and the same for the same kernel: by it the kernel is asked about. */
  readonly kernel: string;
  readonly model: ModelRef;
  /** What people are to call it. */
  readonly title: string;
  readonly x1: JacobianInputs;
  /** Null for the kernel of x1 with itself. */
  readonly x2: JacobianInputs | null;
  /** A .npy file with a whole number for each example of x1: its class. Null for what the examples themselves say. */
  readonly labels: string | null;
  /** Computes the part of one parameter alone; null for the whole kernel. */
  readonly part: KernelPart | null;
  readonly form: NtkForm;
  /** Of the form `trace`. */
  readonly trace: TraceKind;
  /** Null for the quickest by estimate. */
  readonly method: NtkMethod | null;
  /** Made if it is not there. The tiles of an interrupted run of the same are taken over. */
  readonly folder: string;
}

/** What a kernel's computation tells of itself. */
export interface NtkSummary {
  readonly kernel: string;
  readonly shape: readonly number[];
  readonly form: NtkForm;
  readonly trace: TraceKind | null;
  readonly method: NtkMethod;
  readonly engine: string;
  readonly device: string;
  readonly seconds: number;
  readonly measuredPeakBytes: number;
  /** The .npy file that was written. */
  readonly out: string;
}

/** What a page asks of a kernel, and is answered, by method. Arrays of numbers go as JSON allows. */
export interface KernelQuestions {
  /** Answered from the disk, while the kernel is computed and after. */
  "kernelscope/kernelTile": { params: KernelTileRequest; result: SentKernelTile };
  "kernelscope/kernelEntry": { params: KernelEntryRequest; result: SentKernelEntry };
  "kernelscope/kernelArrangement": { params: KernelArrangementRequest; result: SentKernelArrangement };
}

export type SentKernelTile = Omit<KernelTile, "values"> & {
  /** Float32, little endian, in base64. */
  readonly values: string;
};

export type SentKernelEntry = Omit<KernelEntry, "block"> & { readonly block: readonly number[] | null };

export interface SentKernelAxis extends Omit<KernelAxis, "examples"> {
  readonly examples: readonly number[];
}

export interface SentKernelArrangement extends Omit<KernelArrangement, "rows" | "columns"> {
  readonly rows: SentKernelAxis;
  readonly columns: SentKernelAxis | null;
}

export type SentKernelSelection = Omit<KernelSelection, "rows" | "columns"> & {
  readonly rows: readonly number[];
  readonly columns: readonly number[];
};

/** What each way to compute the Jacobian takes, for some number of examples on some device. */
export interface MemoryPlan {
  readonly batch: number;
  readonly device: DeviceInfo;
  /** With timelines and buffers. First each strategy whole, then chunks of those that do not fit; as far as they are known. */
  readonly strategies: readonly StrategyAnalysis[];
  readonly fallbacks: readonly FallbackAnalysis[];
  /** Why there is no Jacobian, a sentence. */
  readonly fault: string | null;
  /** Whether all is known; only then one of them is `recommended`. */
  readonly isWhole: boolean;
}

export interface PlanRequest {
  /** Chosen by the extension, to match what is told meanwhile. */
  readonly id: string;
  readonly model: ModelRef;
  /** Where examples are coupled, the number that the model was evaluated for is taken. */
  readonly batch: number;
  readonly device: DeviceInfo;
}

/** What setting up a native TensorFlow.js would do. */
export interface SetupPlan {
  /** One that works already: nothing need be done. */
  readonly found: InstalledTensorflow | null;
  readonly downloads: readonly { readonly name: string; readonly bytes: number }[];
  readonly downloadBytes: number;
  /** What it takes when it is done. */
  readonly diskBytes: number;
  /** A sentence for each thing that has to be put right first. */
  readonly missing: readonly string[];
}

export interface InstalledTensorflow {
  readonly packageDir: string;
  readonly usesGpu: boolean;
}

/** A long computation fails as data, not as an error of the protocol. */
export type Outcome<T> =
  | { readonly kind: "done"; readonly result: T }
  | { readonly kind: "cancelled" }
  | { readonly kind: "failed"; readonly fault: ModelFault };

/** Requests of the extension, by method. All can be cancelled. */
export interface Requests extends KernelQuestions {
  /** Evaluates a model's code, or reads a saved model. A Python file's PyTorch is asked afterwards what it would do. */
  "kernelscope/analyze": { params: { model: ModelRef }; result: Outcome<ModelState> };
  /** Gives up an evaluation that is in progress, whatever has begun it. */
  "kernelscope/cancelAnalysis": { params: { model: ModelRef }; result: null };
  /** What is known of models in these files without running them. Files that hold none are left out. */
  "kernelscope/find": { params: { uris: readonly string[] }; result: readonly FileState[] };
  "kernelscope/jacobian": { params: JacobianRequest; result: Outcome<JacobianSummary> };
  /** Of a model that has been analysed. What becomes of the kernel is told by `kernelscope/kernel`. */
  "kernelscope/ntk": { params: NtkRequest; result: Outcome<NtkSummary> };
  /** A kernel that is kept in a folder, from then on known by its id; null where there is none. */
  "kernelscope/openKernel": { params: { folder: string }; result: KernelInfo | null };
  /** Forgets a kernel and removes its folder. One that is being computed is refused. */
  "kernelscope/removeKernel": { params: { id: string }; result: null };
  /** Writes some pairs as a .npy file [rows, columns]. */
  "kernelscope/saveKernelEntries": { params: { selection: SentKernelSelection; out: string }; result: null };
  /** Of a model that has been evaluated. Progress is told by notices of the same name. */
  "kernelscope/plan": { params: PlanRequest; result: Outcome<MemoryPlan> };
  /** The model's graph by modules. Of a model that has been evaluated. */
  "kernelscope/outline": { params: { model: ModelRef }; result: Outcome<Outline> };
  "kernelscope/devices": { params: Record<string, never>; result: Devices };
  /** `near`: folders in or above which there may be a native TensorFlow.js already. */
  "kernelscope/planSetup": { params: { folder: string; near: readonly string[] }; result: SetupPlan };
  /** `advice`: what the user should know of it, a sentence; null where all is well. */
  "kernelscope/setUp": {
    params: { run: string; folder: string };
    result: Outcome<InstalledTensorflow & { readonly advice: string | null }>;
  };
}

/** Notifications of the extension, by method. */
export interface Told {
  "kernelscope/settings": Settings;
}

/** Notifications of the sidecar, by method. */
export interface Notices {
  /** Something about a file's models has changed. */
  "kernelscope/file": FileState;
  /** The device that predictions are made for. */
  "kernelscope/device": DeviceInfo;
  /** What is known so far of a plan that was asked for. */
  "kernelscope/plan": { readonly id: string; readonly plan: MemoryPlan };
  /** All that is known of a kernel but its entries: told whenever some of it has changed. */
  "kernelscope/kernel": KernelInfo;
  /** Of a computation, or of a setup, which says what it is doing. */
  "kernelscope/progress": { readonly run: string; readonly fraction: number; readonly message?: string };
}
