import type { Analysis } from "../sidecar/protocol/analysis";
import type { FromPanel, PanelMemory, PanelState, PanelView } from "../sidecar/protocol/panel";
import type { Child } from "./dom";
import type { Kernels } from "./kernels";
import type { Outlines } from "./outlines";
import type { Plans } from "./plans";
import type { Pointed } from "./timeline";

/** What a view is given: the state, and ways to say what the user does. */
export interface ViewContext {
  readonly state: PanelState;
  readonly memory: PanelMemory;
  /** Says something to the extension. */
  readonly post: (message: FromPanel) => void;
  /** Keeps a choice that is the page's own, across reloads. */
  readonly remember: (change: Partial<PanelMemory>) => void;
  /** What is known of the plan that the memory view asks for. */
  readonly plans: Plans;
  readonly outlines: Outlines;
  readonly kernels: Kernels;
  /** What the pointer is on in that view. */
  readonly pointed: Pointed;
  /** Draws the page anew, where something has changed that is neither state nor memory. */
  readonly update: () => void;
}

interface Described {
  readonly id: PanelView;
  readonly title: string;
  /** A number beside the title. */
  readonly badge?: (context: ViewContext) => number;
}

/** One page of the panel. */
export type View =
  | (Described & { readonly needsAnalysis: true; readonly render: (analysis: Analysis, context: ViewContext) => Child })
  | (Described & { readonly needsAnalysis: false; readonly render: (context: ViewContext) => Child });
