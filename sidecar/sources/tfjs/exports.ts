import { basename } from "node:path";
import { messageOf, ModelError } from "../../graph/errors";
import type { Source } from "../../graph/graph";
import type { Binding } from "./bindings";
import type { Evaluated } from "./bundle";
import type { Callable } from "./function";
import { placeOfLayer } from "./layers";
import { placeOfError } from "./places";
import { tf } from "./tensorflow";

/** Which of a code file's values is the model: the one that EXPORT names, or the only one there is. */
export interface Chosen {
  /** The binding's name, as EXPORT would give it. */
  readonly name: string;
  readonly value: tf.LayersModel | tf.GraphModel | Callable;
  readonly source: Source | null;
}

interface Candidate {
  readonly name: string;
  readonly value: unknown;
  readonly source: Source | null;
  readonly isExported: boolean;
}

type AnyFunction = (...args: unknown[]) => unknown;

export function isModel(value: unknown): value is tf.LayersModel | tf.GraphModel {
  return value instanceof tf.LayersModel || value instanceof tf.GraphModel;
}

function isFunction(value: unknown): value is AnyFunction {
  return typeof value === "function" && !/^class\b/.test(Function.prototype.toString.call(value));
}

/** `name`, `name.member`, or `name(JSON, ...)`. */
interface ExportText {
  readonly path: readonly string[];
  readonly args: readonly unknown[] | null;
}

function parseExport(text: string, file: string): ExportText {
  const match = /^\s*([A-Za-z_$][\w$]*(?:\.[\w$]+)*)\s*(?:\((.*)\))?\s*$/s.exec(text);
  if (!match) {
    throw new ModelError(
      `${text} names no binding; write a name, or a factory with JSON arguments such as createModel(40,[128])`,
      start(file),
    );
  }
  const [, path, args] = match as unknown as [string, string, string | undefined];
  if (args === undefined) return { path: path.split("."), args: null };
  try {
    return { path: path.split("."), args: JSON.parse(`[${args}]`) as unknown[] };
  } catch {
    throw new ModelError(`the arguments in ${text} are not JSON; quote strings with double quotes`, start(file));
  }
}

/** The model that EXPORT names. A factory is called; promises are awaited. */
export async function namedExport(
  file: string,
  text: string,
  evaluated: Evaluated,
  bindings: readonly Binding[],
): Promise<Chosen> {
  const { path, args } = parseExport(text, file);
  const candidates = await candidatesOf(file, evaluated, bindings);
  const { value, source } = await valueAt(file, path, candidates, listOf);
  if (args !== null) {
    const made = await calledWith(value, path, args, source);
    if (isModel(made)) return { name: text, value: made, source: placeOf(made) ?? source };
    if (isFunction(made)) return { name: text, value: made as Callable, source };
    throw new ModelError(`${text} returns no model and no function on tensors; return one`, source);
  }
  return usable({ name: text, value, source, isExported: true }, file, candidates);
}

/** Whatever EXPORT names, of any type. A function is called, with the arguments if there are any. */
export async function namedValue(
  file: string,
  text: string,
  evaluated: Evaluated,
  bindings: readonly Binding[],
): Promise<{ readonly value: unknown; readonly source: Source | null }> {
  const { path, args } = parseExport(text, file);
  const candidates = await candidatesOf(file, evaluated, bindings);
  const names = (): string =>
    `it has ${candidates.map(({ name, source }) => `${name} (line ${source?.line ?? 1})`).join(", ") || "none"}`;
  const { value, source } = await valueAt(file, path, candidates, names);
  try {
    const isCalled = args !== null || isFunction(value);
    return { value: isCalled ? await calledWith(value, path, args ?? [], source) : value, source };
  } catch (error) {
    throw error instanceof ModelError ? error : new ModelError(messageOf(error), placeOfError(error) ?? source);
  }
}

async function valueAt(
  file: string,
  path: readonly string[],
  candidates: readonly Candidate[],
  list: (candidates: readonly Candidate[]) => string,
): Promise<{ readonly value: unknown; readonly source: Source | null }> {
  const root = candidates.find(({ name }) => name === path[0]);
  if (!root) {
    throw new ModelError(`the file has no top-level binding ${path[0]}; ${list(candidates)}`, start(file));
  }
  let value = await root.value;
  for (const member of path.slice(1)) value = await (value as Record<string, unknown> | null)?.[member];
  return { value, source: root.source };
}

function calledWith(value: unknown, path: readonly string[], args: readonly unknown[], source: Source | null): unknown {
  if (!isFunction(value)) throw new ModelError(`${path.join(".")} is no function; leave out the arguments`, source);
  return value(...args);
}

/**
 * The only model in the file that is not a part of another. Where there is no model, the only function: an exported one if any is exported. A function
 * without parameters is called, as a factory.
 */
export async function onlyExport(file: string, evaluated: Evaluated, bindings: readonly Binding[]): Promise<Chosen> {
  const candidates = await candidatesOf(file, evaluated, bindings);
  const models = outermost(distinct(candidates.filter(({ value }) => isModel(value))));
  if (models.length === 1) return usable(models[0], file, candidates);
  if (models.length > 1) throw several(file, models);
  const functions = distinct(candidates.filter(({ value }) => isFunction(value)));
  const exported = functions.filter(({ isExported }) => isExported);
  const chosen = exported.length > 0 ? exported : functions;
  if (chosen.length === 1) return usable(chosen[0], file, candidates);
  if (chosen.length > 1) throw several(file, chosen);
  throw new ModelError(
    `there is no model in ${basename(file)}: bind a LayersModel, a GraphModel or a function on tensors at the top level`,
    start(file),
  );
}

async function usable(candidate: Candidate, file: string, all: readonly Candidate[]): Promise<Chosen> {
  const { name, value, source } = candidate;
  if (isModel(value)) return { name, value, source: placeOf(value) ?? source };
  if (isFunction(value)) {
    if (value.length > 0) return { name, value: value as Callable, source };
    const made = await value();
    if (isModel(made)) return { name, value: made, source: placeOf(made) ?? source };
    if (isFunction(made)) return { name, value: made as Callable, source };
    throw new ModelError(
      `the function ${name} returns no model; return one, or name another binding: ${listOf(all)}`,
      source,
    );
  }
  throw new ModelError(`${name} is no model and no function; ${listOf(all)}`, source ?? start(file));
}

function placeOf(model: tf.LayersModel | tf.GraphModel): Source | null {
  return model instanceof tf.LayersModel ? placeOfLayer(model) : null;
}

/** Top-level bindings, and what is exported under another name. */
async function candidatesOf(file: string, evaluated: Evaluated, bindings: readonly Binding[]): Promise<Candidate[]> {
  const candidates = new Map<string, Candidate>();
  /** The first name that each value is bound to. */
  const bound = new Map<unknown, string>();
  for (const { name, isExported, source } of bindings) {
    const value = await settled(evaluated.bindings[name]);
    if (value === undefined) continue;
    candidates.set(name, { name, value, source, isExported });
    if (!bound.has(value)) bound.set(value, name);
  }
  const markExported = (value: unknown): Candidate | undefined => {
    const candidate = candidates.get(bound.get(value) ?? "");
    if (candidate) candidates.set(candidate.name, { ...candidate, isExported: true });
    return candidate;
  };
  const { exports } = evaluated;
  const exported = typeof exports === "object" && exports !== null ? Object.keys(exports) : [];
  for (const name of exported) {
    const value = await settled(() => (exports as Record<string, unknown>)[name]);
    if (value === undefined) continue;
    const source = markExported(value)?.source ?? start(file);
    if (!candidates.has(name)) candidates.set(name, { name, value, source, isExported: true });
  }
  // `module.exports = model`
  if (isModel(exports) || isFunction(exports)) {
    const source = markExported(exports)?.source ?? start(file);
    candidates.set("default", { name: "default", value: exports, source, isExported: true });
  }
  return [...candidates.values()];
}

/** A promise's value; `undefined` for a binding that was never reached. */
async function settled(read: (() => unknown) | undefined): Promise<unknown> {
  let value: unknown;
  try {
    value = read?.();
  } catch {
    return undefined;
  }
  return value instanceof Promise ? await (value as Promise<unknown>) : value;
}

/** A model that is a part of another one is not what the file is about. */
function outermost(candidates: readonly Candidate[]): Candidate[] {
  const parts = new Set<unknown>();
  const visit = (model: unknown): void => {
    if (!(model instanceof tf.LayersModel)) return;
    for (const layer of model.layers) {
      parts.add(layer);
      visit(layer);
    }
  };
  for (const { value } of candidates) visit(value);
  return candidates.filter(({ value }) => !parts.has(value));
}

/** One candidate for each value: a model that is bound and exported is one model. */
function distinct(candidates: readonly Candidate[]): Candidate[] {
  return candidates.filter(({ value }, index) => candidates.findIndex((other) => other.value === value) === index);
}

function several(file: string, candidates: readonly Candidate[]): ModelError {
  const names = candidates.map(({ name, source }) => `${name} (line ${source?.line ?? 1})`).join(", ");
  return new ModelError(
    `there are several models in ${basename(file)}: ${names}; name one, as in ${basename(file)}#${candidates[0].name}`,
    candidates[0].source ?? start(file),
  );
}

function listOf(candidates: readonly Candidate[]): string {
  const usableOnes = distinct(candidates.filter(({ value }) => isModel(value) || isFunction(value)));
  if (usableOnes.length === 0) return "it has no models and no functions";
  return `it has ${usableOnes.map(({ name, source }) => `${name} (line ${source?.line ?? 1})`).join(", ")}`;
}

function start(file: string): Source {
  return { file, line: 1, column: 1 };
}
