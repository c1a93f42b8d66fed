import type { DeviceInfo, Place } from "./analysis";
import type { JacobianSummary, ModelRef, ModelState } from "./messages";

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

/** The views of the panel. The memory timeline and the NTK get views of their own here. */
export type PanelView = "overview" | "parameters" | "ntk" | "runs";

/** All that a page shows: sent whole whenever something has changed. */
export interface PanelState {
  readonly model: ModelState;
  /** The file's name and the binding: `residual-net.ts#model`. */
  readonly title: string;
  readonly batch: number;
  readonly device: DeviceInfo | null;
  readonly runs: readonly RunState[];
  /** Whether code of the workspace may be run. */
  readonly trusted: boolean;
  /** Whether the sidecar answers. */
  readonly running: boolean;
}

export type ToPanel =
  { readonly type: "state"; readonly state: PanelState } | { readonly type: "show"; readonly view: PanelView };

/** What the user does in the page. */
export type FromPanel =
  /** The page listens now, and may be sent its state. */
  | { readonly type: "ready" }
  | { readonly type: "reveal"; readonly place: Place }
  | { readonly type: "command"; readonly command: PanelCommand }
  | { readonly type: "setBatch"; readonly batch: number }
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
  /** Pixels from the top. */
  readonly scroll?: number;
}
