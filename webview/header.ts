import type { Analysis, DeviceInfo } from "../sidecar/protocol/analysis";
import type { PanelCommand, PanelState } from "../sidecar/protocol/panel";
import { formatBytes, formatCount, formatShape, formatMany } from "../sidecar/protocol/text";
import { batchField, type BatchDraft } from "./batch-field";
import { h, type Child, type Node_ } from "./dom";
import { fitOf, wayThatFits } from "./fit";
import { statusOf } from "./status";
import type { ViewContext } from "./view";
import { button, fitMeter, icon, link, placeLink } from "./widgets";

/** What stands above every view: the model, whether it is up to date, its main numbers, and what can be done. */
export function header(context: ViewContext, draft: BatchDraft): Node_ {
  const { state, post, update } = context;
  const { analysis } = state.model;
  const device = state.device ?? analysis?.device ?? null;
  const figures = h(
    "dl",
    { key: "figures", class: "figures" },
    analysis ? jacobianFigure(analysis) : null,
    analysis ? parametersFigure(analysis) : null,
    deviceFigure(device, state),
    figure(
      "examples",
      "Examples (N)",
      batchField(state.batch, draft, (batch) => post({ type: "setBatch", batch }), update),
    ),
  );
  return h(
    "header",
    { class: "header" },
    state.model.activity !== "idle"
      ? h("vscode-progress-bar", {
          key: "progress",
          class: "evaluating",
          indeterminate: true,
          "aria-label": state.model.activity === "evaluating" ? "Evaluating" : "Asking PyTorch",
        })
      : null,
    h(
      "div",
      { key: "top", class: "top" },
      h("div", { class: "titles" }, h("h1", {}, state.title), subtitle(context)),
      h("div", { class: "actions", role: "group", "aria-label": "Actions" }, ...actions(context)),
    ),
    statusLine(context),
    showsResults(context) ? null : figures,
  );
}

/** Predictions are not of what was computed, which takes its room. */
function showsResults({ state, memory, kernels }: ViewContext): boolean {
  return memory.view === "runs" || (memory.view === "ntk" && kernels.of(state.model).length > 0);
}

function subtitle({ state: { model, place: page }, post }: ViewContext): Node_ {
  const { analysis } = model;
  if (analysis === null) return h("div", { class: "subtitle" }, kindNames[model.kind]);
  const place = model.line === null ? null : { file: analysis.model.file, line: model.line, column: 1 };
  return h(
    "div",
    { class: "subtitle" },
    h("span", {}, analysis.model.framework),
    h("span", {}, kindNames[model.kind]),
    page === "panel" &&
      place &&
      link("Go to code", `Go to ${place.file}, line ${place.line}`, () => post({ type: "reveal", place })),
  );
}

const kindNames: Record<PanelState["model"]["kind"], string> = {
  model: "model",
  class: "class",
  factory: "factory function",
  function: "plain function",
  saved: "saved model",
  unknown: "model file",
};

function statusLine({ state, post }: ViewContext): Node_ {
  const { tone, icon: name, text, place, action } = statusOf(state);
  return h(
    "div",
    { key: "status", class: `status ${tone}` },
    icon(name),
    h(
      "div",
      {},
      h("span", { role: "status" }, text),
      place && [" ", placeLink(place, post)],
      action && [" ", link(action.label, action.label, () => post({ type: "command", command: action.command }))],
    ),
  );
}

function actions({ state, post }: ViewContext): Node_[] {
  const { model, running, trusted } = state;
  const canRun = running && (trusted || model.kind === "saved");
  const fresh = model.analysis !== null && model.stale === null && model.fault === null;
  const command = (name: PanelCommand) => () => post({ type: "command", command: name });
  return [
    button("Analyze", {
      icon: "play",
      primary: model.analysis !== null && !fresh,
      disabled: !canRun || model.activity !== "idle",
      onPress: command("analyze"),
    }),
    button("Compute Jacobian…", {
      icon: "symbol-operator",
      primary: fresh,
      disabled: !canRun || model.analysis === null,
      onPress: command("computeJacobian"),
    }),
    button("Choose Device", { icon: "chip", disabled: !running, onPress: command("chooseDevice") }),
    button("Export…", { icon: "export", disabled: model.analysis === null, onPress: command("exportResults") }),
  ];
}

function figure(name: string, term: string, ...children: readonly Child[]): Node_ {
  return h("div", { key: name, class: `figure ${name}` }, h("dt", {}, term), h("dd", {}, ...children));
}

function jacobianFigure({ jacobian }: Analysis): Node_ {
  return figure(
    "jacobian",
    "Jacobian [N, …output, P]",
    h("div", { class: "value shape" }, formatShape(jacobian.shape)),
    h("div", { class: "note" }, formatBytes(jacobian.bytes)),
  );
}

function parametersFigure({ parameters, jacobian }: Analysis): Node_ {
  const frozen = parameters.filter(({ trainable }) => !trainable).length;
  const tensors = formatMany(parameters.length - frozen, "tensor");
  return figure(
    "parameters",
    "Trainable parameters (P)",
    h("div", { class: "value" }, formatCount(jacobian.shape.at(-1)!)),
    h("div", { class: "note" }, frozen > 0 ? `${tensors}, and ${formatCount(frozen)} frozen` : tensors),
  );
}

/** Whether it can be computed there, as soon as that is known; until then the comparison is of the result alone. */
function deviceFigure(device: DeviceInfo | null, { model, chosen }: PanelState): Node_ {
  if (device === null) return figure("device", "Device", h("div", { class: "value" }, "Not known yet"));
  const memory = `${formatBytes(device.memoryBytes)}${device.detected ? "" : ", as sold"}`;
  const { analysis, planning } = model;
  const way = analysis === null || planning ? null : wayThatFits(analysis, device, chosen);
  const result = analysis && fitOf(analysis.jacobian.bytes, device);
  const fit = way ?? result;
  const text =
    way?.text ??
    (result &&
      (result.fits ? `The result alone takes ${result.text}` : `Does not fit: the result alone is ${result.text}`));
  return figure(
    "device",
    "Device",
    h("div", { class: "value" }, device.name),
    h("div", { class: "note" }, memory),
    fit && fitMeter(fit, `${way === null ? "The Jacobian's" : "The computation's"} part of the device's memory`),
    fit && h("div", { class: fit.fits ? "fit" : "fit over" }, icon(fit.fits ? "pass" : "error"), text),
  );
}
