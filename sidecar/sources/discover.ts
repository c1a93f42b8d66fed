import { extname } from "node:path";
import { isCodeFile } from "./tfjs/bindings";
import { discoverInPython, mayHoldPythonModels, wholesOf } from "./python/discover";
import { discoverInCode, mayHoldCodeModels } from "./tfjs/discover";
import { discoverSaved, mayBeSavedModel } from "./tfjs/discover-saved";

/** Which models a file has, from its text alone: nothing of it is run. */

export interface DiscoveredModel {
  /** As EXPORT names it; null for a saved model. */
  readonly export: string | null;
  readonly kind: "model" | "class" | "factory" | "function" | "saved" | "unknown";
  /** Names of the parameters of a class, factory or function; a `?` follows the name of one that may be left out. */
  readonly takes: readonly string[];
  /** Names of inputs whose shapes have to be given, likewise; of a function they are what it takes. */
  readonly inputs?: readonly string[];
  /** Whether it is part of another model of the file, or makes it. */
  readonly isPart?: boolean;
  /** 1-based: where the model is bound. */
  readonly line: number;
  readonly column: number;
}

/** Models that are no texts: what stands for the text of one is a mark of its bytes. */
const BINARY = [".onnx", ".pt2"];

export function isBinaryModel(file: string): boolean {
  return BINARY.includes(extname(file).toLowerCase());
}

/** Whether a file's models are made by the user's own Python. */
export function isPythonFile(file: string): boolean {
  return extname(file).toLowerCase() === ".py";
}

/** Whether a file is no code: it is read, and nothing of it is run. */
export function isDataFile(file: string): boolean {
  return isBinaryModel(file) || extname(file).toLowerCase() === ".json";
}

/** A look at the text that takes next to no time, and tells most files that have no model. */
export function mayHoldModels(file: string, text: string): boolean {
  if (isBinaryModel(file)) return true;
  if (isCodeFile(file)) return mayHoldCodeModels(text);
  if (isPythonFile(file)) return mayHoldPythonModels(text);
  return extname(file).toLowerCase() === ".json" && mayBeSavedModel(text);
}

/** The models of a file, in the order of their lines; null while its text cannot be parsed. */
export async function discoverModels(file: string, text: string): Promise<readonly DiscoveredModel[] | null> {
  if (!mayHoldModels(file, text)) return [];
  if (isBinaryModel(file)) return [{ export: null, kind: "saved", takes: [], line: 1, column: 1 }];
  if (isPythonFile(file)) return discoverPython(text);
  return isCodeFile(file) ? discoverInCode(file, text) : discoverSaved(text);
}

function discoverPython(text: string): DiscoveredModel[] {
  const models = discoverInPython(text);
  const wholes = wholesOf(models);
  return models.map((model) => ({
    export: model.name,
    kind: model.kind === "instance" ? "model" : model.kind,
    takes: model.takes,
    inputs: model.inputs,
    isPart: !wholes.includes(model),
    line: model.line,
    column: model.column,
  }));
}
