import type { DeviceInfo, Place, StrategyAnalysis } from "./analysis";
import type { JacobianSummary, MemoryPlan, ModelRef, ModelState } from "./messages";

/** What the extension and a panel's page say to each other, by `postMessage`. */

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
  readonly summary: JacobianSummary | null;
  readonly message: string | null;
}

/** The views of the panel. */
export type PanelView = "overview" | "memory" | "parameters" | "ntk" | "runs";

/** All that a page shows: sent whole whenever something has changed. */
export interface PanelState {
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
  /** Whether code of the workspace may be run. */
  readonly trusted: boolean;
  /** Whether the sidecar answers. */
  readonly running: boolean;
}

export type ToPanel =
  | { readonly type: "state"; readonly state: PanelState }
  | { readonly type: "show"; readonly view: PanelView }
  /** The answer to `plan`: parts of it as they become known, and the whole; or a sentence that says why there is none. */
  | { readonly type: "plan"; readonly id: string; readonly plan: MemoryPlan }
  | { readonly type: "noPlan"; readonly id: string; readonly message: string };

/** What the user does in the page. */
export type FromPanel =
  /** The page listens now, and may be sent its state. */
  | { readonly type: "ready" }
  | { readonly type: "reveal"; readonly place: Place }
  | { readonly type: "command"; readonly command: PanelCommand }
  | { readonly type: "setBatch"; readonly batch: number }
  /** Asks what the Jacobian would take. A newer question gives up an older one. */
  | { readonly type: "plan"; readonly id: string; readonly batch: number; readonly device: DeviceInfo }
  /** Settles how the Jacobian is to be computed; `strategy` null leaves it open again. */
  | {
      readonly type: "useStrategy";
      readonly strategy: StrategyAnalysis["strategy"] | null;
      readonly chunk: number | null;
    }
  /** Settles what predictions are made for, by name. */
  | { readonly type: "useDevice"; readonly name: string }
  | { readonly type: "cancel"; readonly run: string }
  | { readonly type: "openResult"; readonly run: string };

export type PanelCommand =
  "analyze" | "computeJacobian" | "chooseDevice" | "exportResults" | "restartSidecar" | "trust";

/** What a page keeps with `setState`, by which it is restored after a reload. */
export interface PanelMemory {
  readonly model: ModelRef;
  readonly view: PanelView;
  /** The page's own, which the extension need not look at: what the parameters are searched for and sorted by. */
  readonly filter?: string;
  readonly sort?: { readonly column: "order" | "name" | "elements" | "bytes"; readonly descending: boolean };
  /** What is being tried out in the memory view; else what the settings say. */
  readonly trial?: {
    readonly batch?: number;
    /** Its name. */
    readonly device?: string;
    /** The strategy whose timeline is shown; else the one to take. */
    readonly strategy?: StrategyAnalysis["strategy"];
    readonly chunk?: number | null;
  };
  /** Pixels from the top. */
  readonly scroll?: number;
}
