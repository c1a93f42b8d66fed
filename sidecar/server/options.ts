import { sep } from "node:path";
import { namedDevice, parseMemory } from "../devices/detect";
import type { DeviceInfo } from "../protocol/analysis";
import type { ModelOptions, Settings } from "../protocol/messages";
import type { Limits } from "../worker/messages";
import { parseInputOption, type InputOption } from "../sources";

/** What the settings say, in the terms of those who act on it. Settings that make no sense are errors with a sentence. */

export function limitsOf({ timeLimit, codeMemory }: Settings): Limits {
  if (!(timeLimit > 0 && timeLimit <= 2_000_000)) {
    throw new Error(`kernelscope.timeLimit is ${timeLimit}: give a number of seconds`);
  }
  return { timeLimit, codeMemory: parseMemory("kernelscope.codeMemory", codeMemory) };
}

/** The device that predictions are made for. `detected` is what this machine has. */
export function deviceOf({ device, targetMemory }: Settings, detected: DeviceInfo): DeviceInfo {
  const chosen = device === "auto" || device === detected.name ? detected : namedDevice("kernelscope.device:", device);
  if (targetMemory.trim() === "") return chosen;
  const memoryBytes = parseMemory("kernelscope.targetMemory", targetMemory);
  return { ...chosen, name: `${chosen.name}, limited to ${targetMemory.trim()}`, memoryBytes, detected: false };
}

export function optionsOf({ models }: Settings, path: string, exportName: string | null): ModelOptions {
  return models[modelKey(path, exportName)] ?? {};
}

export function inputsOf({ inputs = [] }: ModelOptions): InputOption[] {
  return inputs.map(parseInputOption);
}

/** Files of batching rules, which are code: none where that may not be run. */
export function batchingRulesOf({ trusted, batchingRules }: Settings): readonly string[] {
  return trusted ? batchingRules : [];
}

export function modelKey(path: string, exportName: string | null): string {
  return `${path}#${exportName ?? ""}`;
}

/** The Python that runs a file: as it is set, else that of the innermost workspace folder; null for that of the environment. */
export function pythonOf({ python, pythons }: Settings, path: string): string | null {
  if (python.trim() !== "") return python.trim();
  const isAround = (folder: string): boolean => path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
  const around = Object.keys(pythons).filter(isAround);
  return around.length === 0 ? null : pythons[around.reduce((a, b) => (b.length > a.length ? b : a))];
}

/** `createModel(40,[128])` for a factory with arguments. */
export function exportText(exportName: string | null, options: ModelOptions): string | null {
  if (exportName === null || options.arguments === undefined) return exportName;
  return `${exportName}(${options.arguments})`;
}
