import type { Analysis } from "../sidecar/protocol/analysis";
import type { FromPanel, PanelMemory, PanelState, PanelView } from "../sidecar/protocol/panel";
import type { Child } from "./dom";

/** What a view is given: the state, and ways to say what the user does. */
export interface ViewContext {
  readonly state: PanelState;
  readonly memory: PanelMemory;
  /** Says something to the extension. */
  readonly post: (message: FromPanel) => void;
  /** Keeps a choice that is the page's own, across reloads. */
  readonly remember: (change: Partial<PanelMemory>) => void;
}

interface Described {
  readonly id: PanelView;
  readonly title: string;
  /** A number beside the title. */
  readonly badge?: (state: PanelState) => number;
}

/** One page of the panel. */
export type View =
  | (Described & { readonly needsAnalysis: true; readonly render: (analysis: Analysis, context: ViewContext) => Child })
  | (Described & { readonly needsAnalysis: false; readonly render: (context: ViewContext) => Child });
