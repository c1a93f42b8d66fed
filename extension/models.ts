import * as vscode from "vscode";
import type { ModelRef, ModelState } from "../sidecar/protocol/messages";
import type { App } from "./app";
import { askToPick } from "./ask";
import { isBinaryModel, titleOf } from "./places";

/** Which model a command is about. */

/**
 * The types of the editors of model files: of those that are always models, and of `model.json`, which may be something
 * else and is opened as text unless one asks for it.
 */
export const GRAPH_EDITORS = ["kernelscope.graph", "kernelscope.graphOfJson"];

const CODE = /^(type|java)script(react)?$/;

/** A look at a text that takes next to no time: whether the sidecar could find a model in it. */
export function mayHoldModel(document: vscode.TextDocument): boolean {
  const { languageId, uri } = document;
  if (uri.scheme !== "file") return false;
  if (languageId === "python") return /\btorch\b|\bnn\.\w|\bdef\s+forward\b/.test(document.getText());
  if (CODE.test(languageId)) return document.getText().includes("@tensorflow/tfjs");
  if (!/^jsonc?$/.test(languageId)) return false;
  return /"(modelTopology|layers-model|graph-model)"/.test(document.getText());
}

/** What a command is given: a model by lenses, hovers and panels, a node of the side bar's tree by its menus, or nothing. */
export type ModelArgument = ModelRef | { readonly model: ModelRef } | undefined;

/** The model given, else that of the active editor; where it has several the user is asked. Undefined: there is none. */
export async function targetModel({ store, sidecar }: App, argument: ModelArgument): Promise<ModelRef | undefined> {
  if (argument !== undefined) return "model" in argument ? argument.model : argument;
  const active = activeModelFile();
  if (active === undefined) {
    const known = store.all().flatMap(({ models }) => models);
    if (known.length > 0) return known.length === 1 ? known[0] : pick(known);
    void vscode.window
      .showInformationMessage(
        "Open a model first: a TypeScript or JavaScript file with one of TensorFlow.js, a Python file with one of PyTorch, a saved model.json, or an .onnx or .pt2 file.",
        "Open Example",
      )
      .then((action) => action && vscode.commands.executeCommand("kernelscope.openExample"));
    return undefined;
  }
  const uri = active.toString();
  const [found] = await sidecar.request("kernelscope/find", { uris: [uri] });
  const models = found?.models ?? [];
  if (models.length === 0) return { uri, export: null };
  // As on the command line: the one that is no part of another
  const wholes = models.filter(({ isPart }) => !isPart);
  return wholes.length === 1 ? wholes[0] : pick(models);
}

/** The file of the active editor, if there may be a model in it. */
export function activeModelFile(): vscode.Uri | undefined {
  const document = vscode.window.activeTextEditor?.document;
  if (document !== undefined) return mayHoldModel(document) ? document.uri : undefined;
  const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
  if (input instanceof vscode.TabInputCustom) return GRAPH_EDITORS.includes(input.viewType) ? input.uri : undefined;
  // Opened as bytes, by another editor
  return input instanceof vscode.TabInputText && isBinaryModel(input.uri.path) ? input.uri : undefined;
}

async function pick(models: readonly ModelState[]): Promise<ModelRef | undefined> {
  const items = models.map((model) => ({
    label: titleOf(model),
    description: [model.line === null ? "" : `line ${model.line}`, model.isPart ? "part of another" : ""]
      .filter(Boolean)
      .join(", "),
    model,
  }));
  return (await askToPick(items, { placeHolder: "Which model?" }))?.model;
}
