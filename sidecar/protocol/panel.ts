import type { DeviceInfo, Place, StrategyAnalysis } from "./analysis";
import type {
  JacobianSummary,
  KernelQuestions,
  MemoryPlan,
  ModelRef,
  ModelState,
  NtkSummary,
  SentKernelSelection,
} from "./messages";
import type { KernelInfo, KernelPart, KernelView } from "./ntk";
import type { Outline } from "./outline";

/** What the extension and a panel's page say to each other, by `postMessage`. */

export type RunResult =
  | { readonly kind: "jacobian"; readonly summary: JacobianSummary }
  | { readonly kind: "ntk"; readonly summary: NtkSummary };

/** A computation that was started from the editor. */
export interface RunState {
  readonly id: string;
  readonly model: ModelRef;
  /** `Jacobian of model, 100 examples` */
  readonly title: string;
  readonly status: "running" | "done" | "cancelled" | "failed";
  /** From 0 to 1. */
  readonly fraction: number;
  /** ISO 8601. */
  readonly started: string;
  /** The file that is written. */
  readonly out: string;
  readonly result: RunResult | null;
  readonly message: string | null;
}

/** The views of the panel. */
export type PanelView = "graph" | "overview" | "memory" | "parameters" | "ntk" | "runs";

/** All that a page shows: sent whole whenever something has changed. */
export interface PanelState {
  /** Beside the code, or as the editor of the model's file. */
  readonly place: "panel" | "editor";
  readonly model: ModelState;
  /** The file's name and the binding: `residual-net.ts#model`. */
  readonly title: string;
  readonly batch: number;
  readonly device: DeviceInfo | null;
  /** All that predictions can be made for: this machine's, then common cards. Empty before they are known. */
  readonly devices: readonly DeviceInfo[];
  /** How the Jacobian is to be computed, where the user has said so. */
  readonly chosen: { readonly strategy: StrategyAnalysis["strategy"]; readonly chunk: number | null } | null;
  readonly runs: readonly RunState[];
  /** Ids of kernels whose model has changed since they were computed. */
  readonly staleKernels: readonly string[];
  /** Whether code of the workspace may be run. */
  readonly trusted: boolean;
  /** Whether the sidecar answers. */
  readonly running: boolean;
}

export type ToPanel =
  | { readonly type: "state"; readonly state: PanelState }
  /** Shows a view, of the view of kernels a certain one. */
  | { readonly type: "show"; readonly view: PanelView; readonly kernel?: string }
  /** All kernels that are known, of any model: sent when the page begins to listen. */
  | { readonly type: "kernels"; readonly kernels: readonly KernelInfo[] }
  /** What has changed of one; with null it is there no more. */
  | { readonly type: "kernel"; readonly id: string; readonly info: KernelInfo | null }
  /** What the sidecar says to a question about a kernel. */
  | { readonly type: "answer"; readonly id: number; readonly answer: KernelQuestions[keyof KernelQuestions]["result"] }
  | { readonly type: "noAnswer"; readonly id: number; readonly message: string }
  /** The answer to `plan`: parts of it as they become known, and the whole; or a sentence that says why there is none. */
  | { readonly type: "plan"; readonly id: string; readonly plan: MemoryPlan }
  | { readonly type: "noPlan"; readonly id: string; readonly message: string }
  /** The answer to `outline`; or a sentence that says why there is none. */
  | { readonly type: "outline"; readonly id: string; readonly outline: Outline }
  | { readonly type: "noOutline"; readonly id: string; readonly message: string };

/** What the user does in the page. */
export type FromPanel =
  /** The page listens now, and may be sent its state. */
  | { readonly type: "ready" }
  | { readonly type: "reveal"; readonly place: Place }
  | { readonly type: "command"; readonly command: PanelCommand }
  | { readonly type: "setBatch"; readonly batch: number }
  /** Asks what the Jacobian would take. A newer question gives up an older one. */
  | { readonly type: "plan"; readonly id: string; readonly batch: number; readonly device: DeviceInfo }
  /** Asks for the model's graph by modules. */
  | { readonly type: "outline"; readonly id: string }
  /** Settles how the Jacobian is to be computed; `strategy` null leaves it open again. */
  | {
      readonly type: "useStrategy";
      readonly strategy: StrategyAnalysis["strategy"] | null;
      readonly chunk: number | null;
    }
  /** Settles what predictions are made for, by name. */
  | { readonly type: "useDevice"; readonly name: string }
  | { readonly type: "cancel"; readonly run: string }
  | { readonly type: "openResult"; readonly run: string }
  /** Asks the sidecar about a kernel. */
  | KernelQuestion
  /** The answer is not wanted any more. */
  | { readonly type: "giveUp"; readonly id: number }
  /** Computes what is missing of a kernel, with what it was asked for. */
  | { readonly type: "continueKernel"; readonly kernel: string }
  | { readonly type: "cancelKernel"; readonly kernel: string }
  /** Computes one parameter's part of a kernel, unless it is known. */
  | { readonly type: "computePart"; readonly part: KernelPart }
  /** Asks where to, and writes the kernel's .npy file there. */
  | { readonly type: "saveKernel"; readonly kernel: string }
  | { readonly type: "removeKernel"; readonly kernel: string }
  | { readonly type: "saveEntries"; readonly selection: SentKernelSelection }
  /** Asks where to, and writes a file that the page has made. */
  | { readonly type: "saveFile"; readonly name: string; readonly content: Uint8Array | string };

export type KernelQuestion = {
  readonly [M in keyof KernelQuestions]: {
    readonly type: "ask";
    readonly id: number;
    readonly method: M;
    readonly params: KernelQuestions[M]["params"];
  };
}[keyof KernelQuestions];

export type PanelCommand =
  | "analyze"
  | "setInputs"
  | "choosePython"
  | "computeJacobian"
  | "computeNtk"
  | "chooseDevice"
  | "exportResults"
  | "restartSidecar"
  | "trust";

/** What the user has chosen to see of kernels. */
export interface KernelChoice {
  readonly order: "given" | "class" | "clusters";
  readonly logarithmic: boolean;
  readonly view: KernelView;
  /** Of the learning curve: the position among its times. */
  readonly time: number;
}

/** What a page keeps with `setState`, by which it is restored after a reload. */
export interface PanelMemory {
  readonly model: ModelRef;
  readonly view: PanelView;
  /** The page's own, which the extension need not look at: what the parameters are searched for and sorted by. */
  readonly filter?: string;
  readonly sort?: { readonly column: "order" | "name" | "elements" | "bytes"; readonly descending: boolean };
  readonly graph?: {
    /** What the outline is searched for. */
    readonly filter: string;
    /** Rows that are open where at first they are closed, or the other way round. */
    readonly toggled: readonly string[];
    /** The same, among those that the search finds. */
    readonly toggledInSearch: readonly string[];
    /** The row that has the focus when the outline has. */
    readonly active: string | null;
  };
  /** What is being tried out in the memory view; else what the settings say. */
  readonly trial?: {
    readonly batch?: number;
    /** Its name. */
    readonly device?: string;
    /** The strategy whose timeline is shown; else the one to take. */
    readonly strategy?: StrategyAnalysis["strategy"];
    readonly chunk?: number | null;
  };
  /** The kernel that is looked at, by id; else the newest of the model. */
  readonly kernel?: string;
  /** The parameter whose part of it is looked at. */
  readonly part?: string | null;
  /** The kernel beside it, by id. */
  readonly beside?: string | null;
  /** How kernels are looked at. */
  readonly kernelChoice?: KernelChoice;
  /** Pixels from the top. */
  readonly scroll?: number;
}
