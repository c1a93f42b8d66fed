import { join } from "node:path";
import * as vscode from "vscode";
import type { Analysis, StrategyAnalysis } from "../sidecar/protocol/analysis";
import type { JacobianInputs, ModelRef } from "../sidecar/protocol/messages";
import { formatBytes, formatShortShape, formatWay, takenBytes, formatMany } from "../sidecar/protocol/text";
import type { RunState } from "../sidecar/protocol/panel";
import { upToDate } from "./analyze";
import type { App } from "./app";
import { askForText, askToPick } from "./ask";
import { targetModel, type ModelArgument } from "./models";
import { folderOf, titleOf } from "./places";
import { runOutcome } from "./runs";
import { batchOf, modelOptions } from "./settings";
import { explanations, takes } from "./strategy";

/** Compute Jacobian...: asks for inputs, a strategy and a file, and computes in the background. */

type Strategy = StrategyAnalysis["strategy"];

interface StrategyItem extends vscode.QuickPickItem {
  /** Null for what is chosen for the model, or else is best. */
  readonly strategy: Strategy | null;
}

/** What a chunk is a number of; null where there are none. */
const chunkOf: Readonly<Record<Strategy, string | null>> = {
  "vmap(jacrev)": "examples",
  "vmap(jacfwd)": "tangents",
  jacrev: "cotangents",
  "grad-loop": null,
};

export function activateComputeJacobian(app: App): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.commands.registerCommand("kernelscope.computeJacobian", async (ref?: ModelArgument) => {
      const model = await targetModel(app, ref);
      if (model !== undefined) await computeJacobian(app, model);
    }),
    vscode.commands.registerCommand("kernelscope.cancelRun", (run: string) => app.runs.cancel(run)),
  );
}

async function computeJacobian(app: App, model: ModelRef): Promise<void> {
  const analysis = await upToDate(app, model);
  if (analysis === null) return;
  const inputs = await askForInputs(model);
  if (inputs === undefined) return;
  const picked = await askToPick(strategyItems(analysis, model), {
    title: "Compute Jacobian",
    placeHolder: "Strategy",
    matchOnDescription: true,
  });
  if (picked === undefined) return;
  const unit = picked.strategy && chunkOf[picked.strategy];
  const chunk = unit === null ? null : await askForChunk(unit, analysis, picked.strategy!);
  if (chunk === undefined) return;
  const wish = { strategy: picked.strategy, chunk };
  const way = inputs.kind === "random" ? await whatFits(analysis, wish) : wish;
  if (way === undefined) return;
  const out = await vscode.window.showSaveDialog({
    title: "Write the Jacobian to",
    defaultUri: vscode.Uri.file(join(folderOf(model), `jacobian-${model.export ?? "model"}.npz`)),
    filters: { "NumPy arrays": ["npz"] },
  });
  if (out === undefined) return;
  const examples = inputs.kind === "random" ? `, ${formatMany(inputs.batch, "example")}` : "";
  const title = `Jacobian of ${titleOf(model)}${examples}`;
  const request = { model: { uri: model.uri, export: model.export }, inputs, ...way, out: out.fsPath };
  const run = await app.runs.start({
    title,
    model: request.model,
    out: request.out,
    ask: async (run, token) =>
      runOutcome("jacobian", await app.sidecar.request("kernelscope/jacobian", { ...request, run }, token)),
  });
  void report(app, run);
}

async function askForInputs(model: ModelRef): Promise<JacobianInputs | undefined> {
  const batch = batchOf(model);
  const items = [
    {
      label: "Random Inputs",
      description: `${formatMany(batch, "example")} of standard normal numbers`,
      kind: "random" as const,
    },
    { label: "From a File...", description: ".npy, or .npz with an array for each input", kind: "file" as const },
  ].map(({ kind, ...item }) => ({ ...item, inputs: kind }));
  const picked = await askToPick(items, {
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

/** What is planned for the examples that shapes are told for; of a file with others, the order is the same. */
function strategyItems({ strategies }: Analysis, model: ModelRef): StrategyItem[] {
  const { strategy: chosen, chunk = null } = modelOptions(model);
  const best = strategies.find(({ recommended }) => recommended);
  const taken = chosen === undefined ? best && formatWay(best) : formatWay({ strategy: chosen, chunk });
  const names = Object.keys(explanations) as Strategy[];
  return [
    {
      label: "Automatic",
      description: `${taken ?? "whatever fits"}${chosen === undefined ? "" : ", as chosen"}`,
      strategy: null,
    },
    ...names.map((strategy): StrategyItem => {
      const whole = strategies.find((each) => each.strategy === strategy && each.chunk === null);
      return { label: strategy, description: whole && takes(whole), detail: explanations[strategy], strategy };
    }),
  ];
}

interface Way {
  readonly strategy: Strategy | null;
  readonly chunk: number | null;
}

/** Nothing that does not fit should be started by accident: the user may choose what does. Undefined: the user gave up. */
async function whatFits({ jacobian, device, strategies }: Analysis, wish: Way): Promise<Way | undefined> {
  const tooLarge = strategies.find(
    ({ strategy, chunk, fits }) => strategy === wish.strategy && chunk === wish.chunk && !fits,
  );
  const best = strategies.find(({ recommended }) => recommended);
  const needed =
    jacobian.bytes > device.memoryBytes
      ? `The result alone takes ${formatBytes(jacobian.bytes)}`
      : tooLarge
        ? `${formatWay(tooLarge)} takes ${formatBytes(takenBytes(tooLarge))}`
        : null;
  if (needed === null) return wish;
  const detail = `${needed}, and ${device.name} has ${formatBytes(device.memoryBytes)}. A smaller batch size helps.`;
  const go = "Compute Anyway";
  const instead = best === undefined ? [] : [`Use ${formatWay(best)}`];
  const answer = await vscode.window.showWarningMessage(
    "This Jacobian does not fit the device.",
    { modal: true, detail },
    ...instead,
    go,
  );
  if (answer === undefined || answer === go) return answer && wish;
  return best && { strategy: best.strategy, chunk: best.chunk };
}

/** Null: everything at once. Undefined: the user gave up. */
async function askForChunk(
  what: string,
  { strategies }: Analysis,
  strategy: Strategy,
): Promise<number | null | undefined> {
  const whole = strategies.find((each) => each.strategy === strategy && each.chunk === null);
  const largest = whole?.fits === false ? whole.largestChunkThatFits : null;
  const text = await askForText({
    title: "Compute Jacobian",
    prompt: `Number of ${what} at once, to save memory; empty for all of them`,
    // The largest that fits, where not all do
    value: largest === null ? "" : String(largest),
    validateInput: (value) =>
      /^\s*([1-9]\d{0,8})?\s*$/.test(value) ? null : "Give a whole number of at least 1, or nothing",
  });
  if (text === undefined) return undefined;
  return text.trim() === "" ? null : Number(text);
}

async function report(app: App, { id, title, status, message, result, out, model }: RunState): Promise<void> {
  if (status === "done" && result?.kind === "jacobian") {
    const { summary } = result;
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
