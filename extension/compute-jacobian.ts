import { dirname, join } from "node:path";
import * as vscode from "vscode";
import type { JacobianInputs, ModelRef, ModelState } from "../sidecar/protocol/messages";
import { formatBytes, formatShortShape } from "../sidecar/protocol/text";
import type { RunState } from "../sidecar/protocol/panel";
import { analyze } from "./analyze";
import type { App } from "./app";
import { targetModel, type ModelArgument } from "./models";
import { titleOf } from "./places";
import { batchOf } from "./settings";

/** Compute Jacobian...: asks for inputs, a strategy and a file, and computes in the background. */

interface StrategyItem extends vscode.QuickPickItem {
  readonly strategy: string | null;
  /** What a chunk is a number of; null where there are none. */
  readonly chunkOf: string | null;
}

const strategies: readonly StrategyItem[] = [
  {
    label: "Automatic",
    description: "vmap(jacrev), or jacrev where examples depend on one another",
    strategy: null,
    chunkOf: null,
  },
  {
    label: "vmap(jacrev)",
    description: "every output of all examples at once, backwards",
    strategy: "vmap(jacrev)",
    chunkOf: "examples",
  },
  {
    label: "vmap(jacfwd)",
    description: "every parameter of all examples at once, forwards: for few parameters",
    strategy: "vmap(jacfwd)",
    chunkOf: "tangents",
  },
  { label: "jacrev", description: "the batch as a whole, backwards", strategy: "jacrev", chunkOf: "cotangents" },
  {
    label: "grad-loop",
    description: "one output of one example after the other: least memory",
    strategy: "grad-loop",
    chunkOf: null,
  },
];

export function activateComputeJacobian(app: App): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.commands.registerCommand("kernelscope.computeJacobian", async (ref?: ModelArgument) => {
      const model = await targetModel(app, ref);
      if (model !== undefined) await computeJacobian(app, model);
    }),
    vscode.commands.registerCommand("kernelscope.cancelRun", (run: RunState | string) =>
      app.runs.cancel(typeof run === "string" ? run : run.id),
    ),
  );
}

async function computeJacobian(app: App, model: ModelRef): Promise<void> {
  const known = app.store.find(model);
  const state = known?.analysis && known.stale === null ? known : await analyze(app, model);
  if (!state?.analysis) return;
  const inputs = await askForInputs(model);
  if (inputs === undefined) return;
  if (inputs.kind === "random" && !(await mayBeTooLarge(state))) return;
  const picked = await vscode.window.showQuickPick(strategies, { title: "Compute Jacobian", placeHolder: "Strategy" });
  if (picked === undefined) return;
  const chunk = picked.chunkOf === null ? null : await askForChunk(picked.chunkOf);
  if (chunk === undefined) return;
  const out = await vscode.window.showSaveDialog({
    title: "Write the Jacobian to",
    defaultUri: vscode.Uri.file(join(folderOf(model), `jacobian-${model.export ?? "model"}.npz`)),
    filters: { "NumPy arrays": ["npz"] },
  });
  if (out === undefined) return;
  const examples = inputs.kind === "random" ? `, ${inputs.batch} examples` : "";
  const title = `Jacobian of ${titleOf(model)}${examples}`;
  const run = await app.runs.start(title, {
    model: { uri: model.uri, export: model.export },
    inputs,
    strategy: picked.strategy,
    chunk,
    out: out.fsPath,
  });
  void report(app, run);
}

async function askForInputs(model: ModelRef): Promise<JacobianInputs | undefined> {
  const batch = batchOf(model);
  const items = [
    { label: "Random Inputs", description: `${batch} examples of standard normal numbers`, kind: "random" as const },
    { label: "From a File...", description: ".npy, or .npz with an array for each input", kind: "file" as const },
  ].map(({ kind, ...item }) => ({ ...item, inputs: kind }));
  const picked = await vscode.window.showQuickPick(items, {
    title: "Compute Jacobian",
    placeHolder: "At which inputs?",
  });
  if (picked === undefined) return undefined;
  if (picked.inputs === "random") return { kind: "random", batch, seed: 1 };
  const [file] =
    (await vscode.window.showOpenDialog({
      title: "Inputs: the first axis is the batch",
      filters: { "NumPy arrays": ["npy", "npz"] },
      defaultUri: vscode.Uri.file(folderOf(model)),
    })) ?? [];
  return file && { kind: "file", file: file.fsPath };
}

/** Nothing of this size should be started by accident. */
async function mayBeTooLarge({ analysis }: ModelState): Promise<boolean> {
  const { jacobian, device } = analysis!;
  if (jacobian.bytes <= device.memoryBytes) return true;
  const detail = `The result alone takes ${formatBytes(jacobian.bytes)}, and ${device.name} has ${formatBytes(device.memoryBytes)}. A smaller batch size helps.`;
  const go = "Compute Anyway";
  return (
    (await vscode.window.showWarningMessage("This Jacobian does not fit the device.", { modal: true, detail }, go)) ===
    go
  );
}

/** Null: everything at once. Undefined: the user gave up. */
async function askForChunk(what: string): Promise<number | null | undefined> {
  const text = await vscode.window.showInputBox({
    title: "Compute Jacobian",
    prompt: `Number of ${what} at once, to save memory; empty for all of them`,
    validateInput: (value) =>
      /^\s*([1-9]\d{0,8})?\s*$/.test(value) ? null : "Give a whole number of at least 1, or nothing",
  });
  if (text === undefined) return undefined;
  return text.trim() === "" ? null : Number(text);
}

async function report(app: App, { id, title, status, message, summary, out, model }: RunState): Promise<void> {
  if (status === "done" && summary) {
    const bytes = summary.blocks.reduce(
      (sum, { shape, dtype }) => sum + shape.reduce((a, b) => a * b, dtype === "float64" ? 8 : 4),
      0,
    );
    const text = `${title}: ${formatShortShape(summary.shape)}, ${formatBytes(bytes)}, in ${summary.seconds.toFixed(2)} s. Written to ${out}.`;
    const action = await vscode.window.showInformationMessage(text, "Open Result");
    if (action) await vscode.commands.executeCommand("kernelscope.openResult", id);
  } else if (status === "failed") {
    const action = await vscode.window.showErrorMessage(`${title}: ${message ?? "failed"}`, "Try Again", "Show Log");
    if (action === "Try Again") await computeJacobian(app, model);
    if (action === "Show Log") app.log.show();
  }
}

function folderOf(model: ModelRef): string {
  return dirname(vscode.Uri.parse(model.uri).fsPath);
}
