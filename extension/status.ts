import * as vscode from "vscode";
import { formatBytes } from "../sidecar/protocol/text";
import type { App } from "./app";
import { activeModelFile } from "./models";
import { batchOf, onSettings, readSettings } from "./settings";

/** The status bar item: the device, and what is going on. Shown where there is something to tell of. */
export function activateStatus(app: App): vscode.Disposable {
  const { sidecar, store, runs, devices } = app;
  const item = vscode.window.createStatusBarItem("status", vscode.StatusBarAlignment.Right, 90);
  item.name = "Kernelscope";
  item.command = "kernelscope.chooseDevice";
  const update = (): void => {
    draw(item, app);
    const isWanted = sidecar.state !== "stopped" || activeModelFile() !== undefined;
    if (isWanted) item.show();
    else item.hide();
  };
  update();
  return vscode.Disposable.from(
    item,
    sidecar.onDidChangeState(update),
    store.onDidChange(update),
    runs.onDidChange(update),
    devices.onDidChange(update),
    onSettings(update),
    vscode.window.onDidChangeActiveTextEditor(update),
    vscode.window.tabGroups.onDidChangeTabs(update),
  );
}

function draw(item: vscode.StatusBarItem, { sidecar, store, runs, devices }: App): void {
  const busy = store.all().flatMap(({ models }) => models.filter(({ activity }) => activity !== "idle"));
  const running = runs.all().filter(({ status }) => status === "running");
  const { device: chosen, engine, targetMemory } = readSettings();
  const device = devices.current;
  const name = device
    ? `${shortName(device.name)} · ${formatBytes(device.memoryBytes)}`
    : chosen === "auto"
      ? "Kernelscope"
      : chosen;
  item.backgroundColor = undefined;
  let state: string;
  if (sidecar.state === "failed") {
    item.text = "$(error) Kernelscope";
    item.backgroundColor = new vscode.ThemeColor("statusBarItem.errorBackground");
    state = "the sidecar does not run";
  } else if (sidecar.state === "starting") {
    item.text = `$(loading~spin) ${name}`;
    state = "starting";
  } else if (running.length > 0) {
    item.text = `$(loading~spin) ${name} · ${Math.floor(100 * running[0].fraction)} %`;
    state = running.map(({ title }) => title).join(", ");
  } else if (busy.length > 0) {
    item.text = `$(loading~spin) ${name}`;
    const isEvaluating = busy.some(({ activity }) => activity === "evaluating");
    const which = busy.length === 1 ? "a model" : `${busy.length} models`;
    state = isEvaluating ? `evaluating ${which}` : `asking PyTorch about ${which}`;
  } else {
    item.text = `$(circuit-board) ${name}`;
    state = sidecar.state === "running" ? "ready" : "not started yet";
  }
  item.accessibilityInformation = { label: `Kernelscope: ${name}, ${state}` };
  const tooltip = new vscode.MarkdownString(
    [
      `**Kernelscope** — ${state}`,
      device
        ? `Predicts for ${device.name}, ${formatBytes(device.memoryBytes)}${targetMemory ? " (target memory)" : ""}`
        : "The device is not known before a model has been looked at",
      `Engine: ${engine === "auto" ? "automatic" : engine} · batch size: ${defaultBatch()}`,
      "---",
      [
        "[Choose Device](command:kernelscope.chooseDevice)",
        "[Batch Size](command:kernelscope.setBatchSize)",
        "[Target Memory](command:kernelscope.setTargetMemory)",
      ].join(" · "),
      "[Restart Sidecar](command:kernelscope.restartSidecar) · [Show Log](command:kernelscope.showLog)",
    ].join("\n\n"),
  );
  tooltip.isTrusted = true;
  item.tooltip = tooltip;

  function defaultBatch(): number {
    const uri = activeModelFile();
    const models = uri ? store.modelsOf(uri) : [];
    return models.length === 1 ? batchOf(models[0]) : readSettings().batch;
  }
}

/** There is little room in a status bar. */
function shortName(name: string): string {
  return name.length <= 24 ? name : `${name.slice(0, 23)}…`;
}
