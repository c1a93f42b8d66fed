import type { Outline } from "../sidecar/protocol/outline";
import type { FromPanel, PanelState } from "../sidecar/protocol/panel";
import { OutlineTree } from "./outline-tree";

/** Of which evaluation the outline is wanted; null where there is nothing to ask for, or nobody to answer. */
export function wantedOutline({ model, running }: PanelState): string | null {
  const { analysis } = model;
  // Results of an earlier session have no graph behind them
  if (analysis === null || !running || model.stale === "restored") return null;
  // A state is sent whole, as a copy, whenever anything has changed
  return JSON.stringify([model.digests, model.milliseconds, analysis.batch, analysis.jacobian.shape]);
}

/** Asks for the outline of the model, once for each evaluation. An older one is shown until there is a newer one. */
export class Outlines {
  tree: OutlineTree | null = null;
  /** Why there is none. */
  message: string | null = null;
  private wanted: string | null = null;
  private id: string | null = null;
  private count = 0;
  /** Answers to a page that was there before this one are not for this one. */
  private readonly page = Date.now().toString(36);

  constructor(private readonly post: (message: FromPanel) => void) {}

  want(wanted: string | null): void {
    if (wanted === this.wanted) return;
    this.wanted = wanted;
    this.message = null;
    this.id = null;
    if (wanted === null) return;
    this.id = `${this.page}-${++this.count}`;
    this.post({ type: "outline", id: this.id });
  }

  answered(id: string, outline: Outline): void {
    if (id !== this.id) return;
    this.tree = new OutlineTree(outline.rows);
  }

  refused(id: string, message: string): void {
    if (id === this.id) this.message = message;
  }
}
