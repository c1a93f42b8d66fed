import * as vscode from "vscode";
import type { Analysis } from "../sidecar/protocol/analysis";
import type { ModelRef, ModelState, Outcome } from "../sidecar/protocol/messages";
import { areRequired, blamesInterpreter, isCalled } from "../sidecar/protocol/options";
import type { App } from "./app";
import { askForArguments, askForInputs } from "./model-options";
import { targetModel, type ModelArgument } from "./models";
import { isPythonFile, reveal, titleOf } from "./places";
import { modelOptions } from "./settings";

/** Analyze Model: has a model evaluated, asking first for what it cannot be evaluated without. */

export function activateAnalyze(app: App): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.commands.registerCommand("kernelscope.analyze", async (ref?: ModelArgument) => {
      const model = await targetModel(app, ref);
      if (model !== undefined) await analyze(app, model);
    }),
    vscode.commands.registerCommand("kernelscope.cancelAnalysis", ({ uri, export: name }: ModelRef) =>
      app.sidecar.request("kernelscope/cancelAnalysis", { model: { uri, export: name } }),
    ),
    vscode.commands.registerCommand("kernelscope.showProblem", (ref: ModelRef) => showProblem(app.store.find(ref))),
  );
}

/** Evaluates a model at the user's wish. Null where it did not come to an analysis, of which the user has been told. */
export async function analyze(app: App, model: ModelRef): Promise<ModelState | null> {
  const state = app.store.find(model);
  if (!(await prepare(model, state))) return null;
  if (isPythonFile(model.uri)) await app.interpreters.known();
  let outcome: Outcome<ModelState>;
  try {
    outcome = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Window, title: `Evaluating ${titleOf(model)}` },
      () => app.sidecar.request("kernelscope/analyze", { model: { uri: model.uri, export: model.export } }),
    );
  } catch (error) {
    // The sidecar ended, which has been shown
    app.log.warn(`${titleOf(model)} was not evaluated: ${String(error)}`);
    return null;
  }
  if (outcome.kind === "done") return outcome.result;
  if (outcome.kind === "failed") void tell(app, model, outcome.fault.message);
  return null;
}

/** What is known of a model as it is now, which is evaluated first if need be. Null where it did not come to an analysis. */
export async function upToDate(app: App, model: ModelRef): Promise<Analysis | null> {
  const known = app.store.find(model);
  const state = known?.analysis && known.stale === null ? known : await analyze(app, model);
  return state?.analysis ?? null;
}

/** What is evaluated is the file on the disk. */
async function prepare(model: ModelRef, state: ModelState | undefined): Promise<boolean> {
  const uri = vscode.Uri.parse(model.uri);
  const document = vscode.workspace.textDocuments.find(({ uri: { fsPath } }) => fsPath === uri.fsPath);
  if (document?.isDirty && !(await document.save())) return false;
  if (state === undefined || !vscode.workspace.isTrusted) return true;
  const options = modelOptions(model);
  if (isCalled(state.kind) && options.arguments === undefined && areRequired(state.takes)) {
    if (!(await askForArguments(model, state))) return false;
  }
  return options.inputs !== undefined || !areRequired(state.inputs) || askForInputs(model, state);
}

async function tell(app: App, model: ModelRef, message: string): Promise<void> {
  const trusts = vscode.workspace.isTrusted;
  const actions = trusts
    ? [...(blamesInterpreter(message) ? ["Choose Python Interpreter..."] : []), "Show Problem"]
    : ["Manage Trust"];
  const action = await vscode.window.showErrorMessage(`${titleOf(model)}: ${message}`, ...actions);
  if (action === "Choose Python Interpreter...") await vscode.commands.executeCommand("kernelscope.choosePython");
  if (action === "Show Problem") await showProblem(app.store.find(model));
  if (action === "Manage Trust") await vscode.commands.executeCommand("workbench.trust.manage");
}

async function showProblem(state: ModelState | undefined): Promise<void> {
  const source = state?.fault?.source;
  if (source) await reveal(source);
  await vscode.commands.executeCommand("workbench.actions.view.problems");
}
