import type { FromPanel, PanelMemory, PanelState, PanelView, ToPanel } from "../sidecar/protocol/panel";
import type { BatchDraft } from "./batch-field";
import { render } from "./dom";
import { page } from "./page";

/** The panel's page: shows the state that the extension sends, and tells it what the user does. */

const vscode = acquireVsCodeApi<PanelMemory>();
const root = document.getElementById("page")!;
const draft: BatchDraft = { text: null, timer: null };
let memory = vscode.getState() ?? null;
let state: PanelState | null = null;
/** A view that was asked for before there was a state to show. */
let wanted: PanelView | null = null;
/** Until it is reached: where the page was scrolled to before it was loaded anew. */
let scroll = memory?.scroll ?? 0;

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
  render(root, page({ state, memory, post, remember: change }, draft, update));
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
  update();
  if (scroll > 0) window.scrollTo({ top: scroll });
  scroll = 0;
}

window.addEventListener("message", ({ data }: MessageEvent<ToPanel>) => {
  if (data.type === "state") {
    show(data.state);
  } else if (state === null) {
    wanted = data.view;
  } else {
    remember({ view: data.view });
    update();
  }
});
window.addEventListener("scroll", () => remember({ scroll: Math.round(window.scrollY) }), { passive: true });

post({ type: "ready" });
