import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import { formatSource, type Source } from "../../graph/graph";

/**
 * Where user code is: finds, in V8's call stack, the frames of bundled user code and maps them back to the user's own
 * files.
 */

/** Deep enough for a model of nested models inside a training helper; frames beyond it are not looked at. */
const STACK_DEPTH = 250;

interface Bundle {
  readonly map: TraceMap;
  /** What the map's sources are relative to. */
  readonly folder: string;
}

const bundles = new Map<string, Bundle>();
const places = new Map<string, Source | null>();

type BundleListener = (file: string, sourceMap: string, name: string) => void;
let onBundle: BundleListener | null = null;

/** Tells another thread, which watches this one, what it needs to place user code too. */
export function observeBundles(listener: BundleListener): void {
  onBundle = listener;
}

/** From now on, frames in `file` are user code. It was written to be `name`, which its source map is relative to. */
export function registerBundle(file: string, sourceMap: string, name = file): void {
  bundles.set(file, { map: new TraceMap(sourceMap, undefined), folder: dirname(name) });
  places.clear();
  onBundle?.(file, sourceMap, name);
}

export function forgetBundle(file: string): void {
  bundles.delete(file);
  places.clear();
}

/** The user's frames of the present call stack, innermost first. */
export interface UserFrames {
  /** How many frames are in user code, for telling apart what was called from where. */
  readonly count: number;
  /** The innermost place in a file of the user's own, else in a package of theirs. */
  readonly innermost: Source | null;
}

const NO_FRAMES: UserFrames = { count: 0, innermost: null };

/** `isSkipped` takes frames away at the innermost end, for as long as it is true. */
export function userFrames(isSkipped?: (site: NodeJS.CallSite) => boolean): UserFrames {
  if (bundles.size === 0) return NO_FRAMES;
  let count = 0;
  let innermost: Source | null = null;
  let inPackage: Source | null = null;
  for (const { bundle, site } of userSites(isSkipped)) {
    count++;
    if (innermost !== null) continue;
    const place = placeIn(bundle, site.getLineNumber() ?? 1, site.getColumnNumber() ?? 1);
    if (place === null) continue;
    if (isInPackage(place)) inPackage ??= place;
    else innermost = place;
  }
  return { count, innermost: innermost ?? inPackage };
}

/** All places of the present call stack in files of the user's own, innermost first, each line once. */
export function userStack(isSkipped?: (site: NodeJS.CallSite) => boolean): Source[] {
  const stack = new Map<string, Source>();
  for (const { bundle, site } of userSites(isSkipped)) {
    const place = placeIn(bundle, site.getLineNumber() ?? 1, site.getColumnNumber() ?? 1);
    if (place === null || isInPackage(place)) continue;
    const line = formatSource(place);
    if (!stack.has(line)) stack.set(line, place);
  }
  return [...stack.values()];
}

function* userSites(
  isSkipped?: (site: NodeJS.CallSite) => boolean,
): Generator<{ readonly bundle: string; readonly site: NodeJS.CallSite }> {
  let isFirst = true;
  for (const site of callSites()) {
    const file = site.getFileName();
    const bundle = typeof file === "string" ? bundleOf(file) : null;
    if (bundle === null || (isFirst && isSkipped?.(site))) continue;
    isFirst = false;
    yield { bundle, site };
  }
}

function isInPackage({ file }: Source): boolean {
  return /[\\/]node_modules[\\/]/.test(file);
}

/** The innermost user frame of an error that user code threw. */
export function placeOfError(error: unknown): Source | null {
  if (!(error instanceof Error) || typeof error.stack !== "string") return null;
  const frames: Frame[] = [];
  for (const line of error.stack.split("\n")) {
    const match = /^\s+at .*?\(?((?:file:\/\/)?[^()]*):(\d+):(\d+)\)?$/.exec(line);
    if (!match) continue;
    frames.push({
      file: match[1].replace(/^async /, "").trim(),
      line: Number(match[2]),
      column: Number(match[3]),
    });
  }
  return innermostPlace(frames);
}

/** One call of a stack, as V8 tells it: in the bundle, with line and column counted from 1. */
export interface Frame {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** The innermost place of these frames (innermost first) in a file of the user's own, else in a package of theirs. */
export function innermostPlace(frames: readonly Frame[]): Source | null {
  let inPackage: Source | null = null;
  for (const { file, line, column } of frames) {
    const bundle = bundleOf(file);
    const place = bundle === null ? null : placeIn(bundle, line, column);
    if (place === null) continue;
    if (!isInPackage(place)) return place;
    inPackage ??= place;
  }
  return inPackage;
}

/** Modules are named by their URL, scripts by their path. */
function bundleOf(file: string): string | null {
  const path = file.startsWith("file://") ? fileURLToPath(file) : file;
  return bundles.has(path) ? path : null;
}

/** `line` and `column` count from 1, as in V8. */
function placeIn(bundle: string, line: number, column: number): Source | null {
  const key = `${line}:${column}:${bundle}`;
  const known = places.get(key);
  if (known !== undefined) return known;
  const { map, folder } = bundles.get(bundle)!;
  const { source, line: original, column: position } = originalPositionFor(map, { line, column: column - 1 });
  const place = source === null ? null : { file: resolve(folder, source), line: original, column: position + 1 };
  places.set(key, place);
  return place;
}

function callSites(): NodeJS.CallSite[] {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- only put back
  const { stackTraceLimit, prepareStackTrace } = Error;
  Error.stackTraceLimit = STACK_DEPTH;
  Error.prepareStackTrace = (_error, sites) => sites;
  try {
    const holder: { stack?: unknown } = {};
    Error.captureStackTrace(holder, callSites);
    return holder.stack as NodeJS.CallSite[];
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    Error.prepareStackTrace = prepareStackTrace;
  }
}
