import { isAbsolute, join, relative } from "node:path";
import * as vscode from "vscode";
import type { ModelOptions, ModelRef, Settings } from "../sidecar/protocol/messages";

/** The user's settings, read for the sidecar and written by commands. */

const SECTION = "kernelscope";

/** @param pythons the Python that has been chosen for each workspace folder elsewhere */
export function readSettings(pythons: Settings["pythons"] = {}): Settings {
  const config = vscode.workspace.getConfiguration(SECTION);
  return {
    trusted: vscode.workspace.isTrusted,
    // The manifest has a default for each
    evaluate: config.get<Settings["evaluate"]>("evaluate")!,
    inlayHints: config.get<boolean>("inlayHints.enabled")!,
    codeLens: config.get<boolean>("codeLens.enabled")!,
    batch: config.get<number>("batchSize")!,
    device: config.get<string>("device")!,
    targetMemory: config.get<string>("targetMemory")!,
    engine: config.get<string>("engine")!,
    timeLimit: config.get<number>("timeLimit")!,
    codeMemory: config.get<string>("codeMemory")!,
    tensorflow: config.get<string>("tensorflowPath")!,
    python: programPath(config.get<string>("python")!.trim()),
    pythons,
    // Copied, as the models' options are
    batchingRules: [...config.get<string[]>("batchingRules")!].map(absolute),
    models: modelsByPath(allModelOptions()),
  };
}

/** The program that runs the sidecar: VS Code's own Node, unless a setting names another. */
export function nodePath(): string {
  const set = vscode.workspace.getConfiguration(SECTION).get<string>("nodePath", "");
  return set === "" ? process.execPath : set;
}

/** Calls back when any setting, or the trust in the workspace, has changed. */
export function onSettings(changed: () => void): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration(SECTION)) changed();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(changed),
  );
}

type Key =
  "batchSize" | "device" | "targetMemory" | "engine" | "timeLimit" | "codeMemory" | "tensorflowPath" | "python";

/** Written for the workspace where there is one, else for the user. */
export async function writeSetting(key: Key, value: string | number): Promise<void> {
  await vscode.workspace.getConfiguration(SECTION).update(key, value, target());
}

/** What is set for one model, with what it had before. */
export async function writeModelOptions(model: ModelRef, options: ModelOptions): Promise<void> {
  const all = allModelOptions();
  const key = settingsKey(model);
  await vscode.workspace
    .getConfiguration(SECTION)
    .update("models", { ...all, [key]: { ...all[key], ...options } }, target());
}

export function modelOptions(model: ModelRef): ModelOptions {
  return allModelOptions()[settingsKey(model)] ?? {};
}

/**
 * What is set for all models, by the settings' names for them. Copied: VS Code's own objects, which it hands out to be read
 * only, lose what stands under a key with a dot in it when they are sent to another process.
 */
function allModelOptions(): Record<string, ModelOptions> {
  const models = vscode.workspace.getConfiguration(SECTION).get<Record<string, ModelOptions>>("models", {});
  return Object.fromEntries(Object.entries(models).map(([key, options]) => [key, { ...options }]));
}

/** The number of examples that a model is analysed for. */
export function batchOf(model: ModelRef): number {
  return modelOptions(model).batch ?? readSettings().batch;
}

function target(): vscode.ConfigurationTarget {
  const hasWorkspace = vscode.workspace.workspaceFolders !== undefined;
  return hasWorkspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global;
}

/** As the settings name a model: `examples/mobilenet.ts#mobileNet`, relative to the workspace's first folder. */
function settingsKey(model: ModelRef): string {
  const { fsPath } = vscode.Uri.parse(model.uri);
  const root = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  const path = root === undefined ? fsPath : relative(root, fsPath);
  const isInside = !path.startsWith("..") && !isAbsolute(path);
  return `${(isInside ? path : fsPath).replaceAll("\\", "/")}#${model.export ?? ""}`;
}

/** A program in the settings: a path, or a name that the system looks for. */
export function programPath(text: string): string {
  return /[\\/]/.test(text) ? absolute(text.replace(/^\$\{workspaceFolder\}[\\/]/, "")) : text;
}

/** A path in the settings, relative to the workspace's first folder. */
function absolute(path: string): string {
  const root = vscode.workspace.workspaceFolders?.[0]?.uri.fsPath;
  return isAbsolute(path) || root === undefined ? path : join(root, path);
}

function modelsByPath(models: Record<string, ModelOptions>): Record<string, ModelOptions> {
  return Object.fromEntries(
    Object.entries(models).map(([key, options]) => {
      const hash = key.lastIndexOf("#");
      const [file, name] = hash < 0 ? [key, ""] : [key.slice(0, hash), key.slice(hash + 1)];
      return [`${absolute(file)}#${name}`, options];
    }),
  );
}
