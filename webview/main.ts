import type { FromPanel, PanelMemory, PanelState, PanelView, ToPanel } from "../sidecar/protocol/panel";
import type { BatchDraft } from "./batch-field";
import { render } from "./dom";
import { page } from "./page";
import { Plans, wantedPlan } from "./plans";
import type { Pointed } from "./timeline";
import { remainingTrial } from "./trial";

/** The panel's page: shows the state that the extension sends, and tells it what the user does. */

const vscode = acquireVsCodeApi<PanelMemory>();
const root = document.getElementById("page")!;
const draft: BatchDraft = { text: null, taken: null, timer: null };
const plans = new Plans(post);
const pointed: Pointed = { at: null, band: null };
let memory = vscode.getState() ?? null;
let state: PanelState | null = null;
/** A view that was asked for before there was a state to show. */
let wanted: PanelView | null = null;

function post(message: FromPanel): void {
  vscode.postMessage(message);
}

function remember(change: Partial<PanelMemory>): void {
  if (memory === null) return;
  memory = { ...memory, ...change };
  vscode.setState(memory);
}

function update(): void {
  if (state === null || memory === null) return;
  const change = (next: Partial<PanelMemory>): void => {
    remember(next);
    update();
  };
  plans.about(JSON.stringify([state.model.uri, state.model.export]));
  if (memory.view === "memory") {
    const plan = wantedPlan(state, memory);
    if (plan === null) plans.halt();
    else plans.want(plan);
  }
  render(root, page({ state, memory, post, remember: change, plans, pointed, update }, draft));
}

function show(next: PanelState): void {
  const { uri, export: name } = next.model;
  state = next;
  if (memory?.model.uri !== uri || memory.model.export !== name) {
    memory = { model: { uri, export: name }, view: memory?.view ?? "overview" };
    vscode.setState(memory);
  }
  if (wanted !== null) remember({ view: wanted });
  wanted = null;
  const trial = remainingTrial(memory.trial, state);
  if (memory.trial !== undefined) remember({ trial });
  const isFirst = root.childElementCount === 0;
  update();
  if (isFirst) restoreScroll(memory.scroll ?? 0);
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
  if (data.type === "state") {
    show(data.state);
  } else if (data.type === "plan") {
    plans.answered(data.id, data.plan);
    update();
  } else if (data.type === "noPlan") {
    plans.refused(data.id, data.message);
    update();
  } else if (state === null) {
    wanted = data.view;
  } else {
    remember({ view: data.view });
    update();
  }
});

post({ type: "ready" });
