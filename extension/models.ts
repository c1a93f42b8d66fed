import * as vscode from "vscode";
import type { ModelRef, ModelState } from "../sidecar/protocol/messages";
import type { App } from "./app";
import { titleOf } from "./places";

/** Which model a command is about. */

const CODE = /^(type|java)script(react)?$/;

/** A look at a text that takes next to no time: whether the sidecar could find a model in it. */
export function mayHoldModel(document: vscode.TextDocument): boolean {
  const { languageId, uri } = document;
  if (uri.scheme !== "file") return false;
  if (CODE.test(languageId)) return document.getText().includes("@tensorflow/tfjs");
  if (!/^jsonc?$/.test(languageId)) return false;
  return /"(modelTopology|layers-model|graph-model)"/.test(document.getText());
}

/** What a command is given: a model by lenses, hovers and panels, a node of the side bar's tree by its menus, or nothing. */
export type ModelArgument = ModelRef | { readonly model: ModelRef } | undefined;

/** The model given, else that of the active editor; where it has several the user is asked. Undefined: there is none. */
export async function targetModel({ store, sidecar }: App, argument: ModelArgument): Promise<ModelRef | undefined> {
  if (argument !== undefined) return "model" in argument ? argument.model : argument;
  const document = vscode.window.activeTextEditor?.document;
  if (document === undefined || !mayHoldModel(document)) {
    const known = store.all().flatMap(({ models }) => models);
    if (known.length > 0) return known.length === 1 ? known[0] : pick(known);
    void vscode.window
      .showInformationMessage(
        "Open a file with a TensorFlow.js model first: a TypeScript or JavaScript file, or a saved model.json.",
        "Open Example",
      )
      .then((action) => action && vscode.commands.executeCommand("kernelscope.openExample"));
    return undefined;
  }
  const uri = document.uri.toString();
  const [found] = await sidecar.request("kernelscope/find", { uris: [uri] });
  const models = found?.models ?? [];
  if (models.length === 0) return { uri, export: null };
  return models.length === 1 ? models[0] : pick(models);
}

async function pick(models: readonly ModelState[]): Promise<ModelRef | undefined> {
  const items = models.map((model) => ({
    label: titleOf(model),
    description: model.line === null ? "" : `line ${model.line}`,
    model,
  }));
  return (await vscode.window.showQuickPick(items, { placeHolder: "Which model?" }))?.model;
}
