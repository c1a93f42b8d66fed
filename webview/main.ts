import type { FromPanel, PanelMemory, PanelState, ToPanel } from "../sidecar/protocol/panel";
import type { BatchDraft } from "./batch-field";
import { render } from "./dom";
import { firstChoice } from "./kernel/view-state";
import { Kernels } from "./kernels";
import { Outlines, wantedOutline } from "./outlines";
import { page } from "./page";
import { Plans, wantedPlan } from "./plans";
import type { Pointed } from "./timeline";
import { remainingTrial } from "./trial";

/** The panel's page: shows the state that the extension sends, and tells it what the user does. */

const vscode = acquireVsCodeApi<PanelMemory>();
const root = document.getElementById("page")!;
const draft: BatchDraft = { text: null, taken: null, timer: null };
const plans = new Plans(post);
const outlines = new Outlines(post);
const kernels = new Kernels(
  post,
  (choice) => change({ kernelChoice: { ...(memory?.kernelChoice ?? firstChoice), ...choice } }),
  update,
);
const pointed: Pointed = { at: null, band: null };
let memory = vscode.getState() ?? null;
let state: PanelState | null = null;
/** Whether the page is where it was scrolled to before a reload. */
let isRestored = false;
/** A view that was asked for before there was a state to show. */
let wanted: Extract<ToPanel, { type: "show" }> | null = null;

function post(message: FromPanel): void {
  vscode.postMessage(message);
}

function remember(change: Partial<PanelMemory>): void {
  if (memory === null) return;
  memory = { ...memory, ...change };
  vscode.setState(memory);
}

/** A choice of the user's, which is seen at once. */
function change(next: Partial<PanelMemory>): void {
  remember(next);
  update();
}

function update(): void {
  if (state === null || memory === null) return;
  plans.about(JSON.stringify([state.model.uri, state.model.export]));
  if (memory.view === "memory") {
    const plan = wantedPlan(state, memory);
    if (plan === null) plans.halt();
    else plans.want(plan);
  }
  if (memory.view === "graph") outlines.want(wantedOutline(state));
  render(root, page({ state, memory, post, remember: change, plans, outlines, kernels, pointed, update }, draft));
  // The graph has its height when its outline is there
  const isWhole = memory.view !== "graph" || outlines.tree !== null || outlines.message !== null;
  if (isWhole && !isRestored) restoreScroll(memory.scroll ?? 0);
  isRestored ||= isWhole;
}

function show(next: PanelState): void {
  const { uri, export: name } = next.model;
  state = next;
  if (memory?.model.uri !== uri || memory.model.export !== name) {
    memory = { model: { uri, export: name }, view: memory?.view ?? (next.place === "editor" ? "graph" : "overview") };
    vscode.setState(memory);
  }
  if (wanted !== null) turnTo(wanted);
  wanted = null;
  const trial = remainingTrial(memory.trial, state);
  if (memory.trial !== undefined) remember({ trial });
  update();
}

/** A kernel that is shown is the whole one, by itself. */
function turnTo({ view, kernel }: Extract<ToPanel, { type: "show" }>): void {
  remember(kernel === undefined ? { view } : { view, kernel, part: null, beside: null });
}

function restoreScroll(top: number): void {
  const watch = (): void => {
    window.addEventListener("scroll", () => remember({ scroll: Math.round(window.scrollY) }), { passive: true });
  };
  if (top === 0) {
    watch();
    return;
  }
  // The page has its height once its elements have drawn themselves; until then there is no place to remember
  requestAnimationFrame(() => {
    window.scrollTo({ top });
    watch();
  });
}

window.addEventListener("message", ({ data }: MessageEvent<ToPanel>) => {
  switch (data.type) {
    case "state":
      show(data.state);
      return;
    case "answer":
      // Whoever has asked draws what is new
      kernels.answered(data.id, data.answer);
      return;
    case "noAnswer":
      kernels.refused(data.id, data.message);
      return;
    case "plan":
      plans.answered(data.id, data.plan);
      break;
    case "noPlan":
      plans.refused(data.id, data.message);
      break;
    case "outline":
      outlines.answered(data.id, data.outline);
      break;
    case "noOutline":
      outlines.refused(data.id, data.message);
      break;
    case "kernels":
      kernels.set(data.kernels);
      break;
    case "kernel":
      kernels.change(data.id, data.info);
      break;
    case "show":
      if (state === null) wanted = data;
      else turnTo(data);
  }
  update();
});

/** Rows of the graph that come into sight are drawn, at most once a frame. */
let isDrawing = false;
function drawRows(): void {
  if (memory?.view !== "graph" || isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    update();
  });
}
window.addEventListener("scroll", drawRows, { passive: true });
window.addEventListener("resize", drawRows);

post({ type: "ready" });
