import type { DiscoveredModel } from "../discover";

/** Tells a saved model, `model.json`, from other JSON, without parsing all of it: it may be large. */

const MARKS = /"modelTopology"|"format"\s*:\s*"(?:layers|graph)-model"/;

export function mayBeSavedModel(text: string): boolean {
  return /^\s*\{/.test(text) && MARKS.test(text);
}

/** Strings (with the colon that makes one a key), and what opens or closes a level. */
const TOKENS = /"(?:[^"\\\n]|\\.)*"(\s*:)?|[{}[\]]/g;

export function discoverSaved(text: string): DiscoveredModel[] | null {
  let depth = 0;
  /** Where the file says that it is a model, before its topology is found. */
  let format: number | null = null;
  let key = "";
  for (const { 0: token, 1: colon, index } of text.matchAll(TOKENS)) {
    if (token === "{" || token === "[") depth++;
    else if (token === "}" || token === "]") depth--;
    else if (depth === 1 && colon !== undefined) {
      key = token.slice(0, token.lastIndexOf('"') + 1);
      if (key === '"modelTopology"') return [savedModel(text, index)];
    } else if (depth === 1 && key === '"format"' && /^"(?:layers|graph)-model"$/.test(token)) format = index;
  }
  if (depth !== 0) return null;
  return format === null ? [] : [savedModel(text, format)];
}

function savedModel(text: string, index: number): DiscoveredModel {
  const before = text.slice(0, index);
  const line = before.split("\n").length;
  return { export: null, kind: "saved", takes: [], line, column: index - before.lastIndexOf("\n") };
}
