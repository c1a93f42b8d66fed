import * as vscode from "vscode";
import type { ModelRef, ModelState } from "../sidecar/protocol/messages";
import { areRequired, faultOfArguments, faultOfShape } from "../sidecar/protocol/options";
import type { App } from "./app";
import { askForText } from "./ask";
import { targetModel, type ModelArgument } from "./models";
import { isPythonFile, titleOf } from "./places";
import { batchOf, modelOptions, readSettings, writeModelOptions, writeSetting } from "./settings";

/** What a model cannot tell of itself, asked of the user and remembered in the workspace's settings. */

const SIZE = /^\s*\d+(\.\d+)?\s*([KMG]i)?B?\s*$/i;

export function activateModelOptions(app: App): vscode.Disposable {
  const register = (command: string, run: (ref?: ModelArgument) => Promise<unknown>): vscode.Disposable =>
    vscode.commands.registerCommand(command, run);
  const of =
    (ask: (model: ModelRef, state: ModelState | undefined) => Promise<unknown>) => async (ref?: ModelArgument) => {
      const model = await targetModel(app, ref);
      if (model !== undefined) await ask(model, app.store.find(model));
    };
  const thenAnalyze = (ask: typeof askForInputs) => async (model: ModelRef, state: ModelState | undefined) => {
    if (await ask(model, state)) await vscode.commands.executeCommand("kernelscope.analyze", model);
  };
  return vscode.Disposable.from(
    register("kernelscope.setInputs", of(thenAnalyze(askForInputs))),
    register("kernelscope.setArguments", of(thenAnalyze(askForArguments))),
    register("kernelscope.setBatchSize", of(askForBatch)),
    register("kernelscope.setTargetMemory", askForMemory),
    register("kernelscope.setTimeLimit", () =>
      askForLimit("timeLimit", "Seconds that a model's code may take", /^\s*\d+(\.\d+)?\s*$/),
    ),
    register("kernelscope.setCodeMemory", () =>
      askForLimit("codeMemory", "Memory that a model's code may take, such as 4GiB", SIZE),
    ),
  );
}

/** The shapes of a model's inputs. False where the user gave up. */
export async function askForInputs(model: ModelRef, state: ModelState | undefined): Promise<boolean> {
  const known = new Map((modelOptions(model).inputs ?? []).map((text) => text.split("=") as [string, string]));
  const names = inputNames(state, [...known.keys()]);
  const inputs: string[] = [];
  for (const name of names) {
    const text = await askForText({
      title: `${titleOf(model)}: shape of ${name}`,
      prompt: `Extents with N for the batch axis, and an element type if it is not float32: ${shapeExample(model)} or N,20:int32`,
      value: known.get(name) ?? "N,",
      valueSelection: [2, 2],
      validateInput: faultOfShape,
    });
    if (text === undefined) return false;
    inputs.push(`${name}=${text.replaceAll(/\s/g, "").replace(/,$/, "")}`);
  }
  await writeModelOptions(model, { inputs });
  return true;
}

/** Images as the framework has them. */
function shapeExample({ uri }: ModelRef): string {
  return isPythonFile(uri) ? "N,3,32,32" : "N,32,32,3";
}

function inputNames(state: ModelState | undefined, known: readonly string[]): readonly string[] {
  if (state !== undefined && areRequired(state.inputs)) {
    // One that may be left out is asked for where it has been given
    const isAsked = (name: string): boolean => !name.endsWith("?") || known.includes(name.slice(0, -1));
    return state.inputs.filter(isAsked).map((name) => name.replace("?", ""));
  }
  // A model that leaves the shape of an input open says which
  const asked = (state?.fault?.message ?? "").matchAll(/input shape (?:of )?(\w+)/g);
  return [...new Set([...known, ...Array.from(asked, ([, name]) => name)])];
}

/** The arguments of a factory or class. False where the user gave up. */
export async function askForArguments(model: ModelRef, state: ModelState | undefined): Promise<boolean> {
  const takes = state?.takes ?? [];
  const isPython = isPythonFile(model.uri);
  const text = await askForText({
    title: `${titleOf(model)}(${takes.join(", ")})`,
    prompt: isPython
      ? "Its arguments as Python literals, separated by commas: 40, width=128, activation='relu'"
      : 'Its arguments as JSON, separated by commas: 40,[128],"relu"',
    value: modelOptions(model).arguments ?? "",
    validateInput: (value) => faultOfArguments(value, isPython ? "python" : "json"),
  });
  if (text === undefined) return false;
  await writeModelOptions(model, { arguments: text.trim() });
  return true;
}

async function askForBatch(model: ModelRef): Promise<void> {
  const text = await askForText({
    title: `${titleOf(model)}: batch size`,
    prompt: "Number of examples that shapes and sizes are told for",
    value: String(batchOf(model)),
    validateInput: (value) => (/^\s*[1-9]\d{0,8}\s*$/.test(value) ? null : "Give a whole number of at least 1"),
  });
  if (text !== undefined) await writeModelOptions(model, { batch: Number(text) });
}

async function askForMemory(): Promise<void> {
  const text = await askForText({
    title: "Target memory",
    prompt: "Memory of the device that predictions are made for, such as 16GiB; empty for the device's own",
    value: readSettings().targetMemory,
    validateInput: (value) => (value.trim() === "" || SIZE.test(value) ? null : "Write a size such as 16GiB"),
  });
  if (text !== undefined) await writeSetting("targetMemory", text.trim());
}

async function askForLimit(key: "timeLimit" | "codeMemory", prompt: string, form: RegExp): Promise<void> {
  const text = await askForText({
    prompt,
    value: String(readSettings()[key]),
    validateInput: (value) => (form.test(value) ? null : "That is no such size"),
  });
  if (text !== undefined) await writeSetting(key, key === "timeLimit" ? Number(text) : text.trim());
}
