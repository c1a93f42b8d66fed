import type { Analysis, DeviceInfo, FallbackAnalysis, Place, StrategyAnalysis } from "../../protocol/analysis";
import {
  formatBytes,
  formatChunk,
  formatRuns,
  formatShape,
  formatWay,
  takenBytes,
  formatMany,
} from "../../protocol/text";
import type { Shown } from "./shown";

/** What a computation of the Jacobian would take, in words: for lenses, hovers and diagnostics. */

export type Way = Pick<StrategyAnalysis, "strategy" | "chunk">;

/** `16.00 GiB of Tesla V100 16GB` */
export function memoryText({ name, memoryBytes }: DeviceInfo): string {
  return `${formatBytes(memoryBytes)} of ${name}`;
}

/** How the Jacobian will be computed: as the user has chosen, else as recommended. Null where nothing fits, or is known. */
export function wayOf({ chosen, state: { analysis } }: Shown): StrategyAnalysis | null {
  const strategies = analysis?.strategies ?? [];
  const isChosen = ({ strategy, chunk }: Way): boolean => strategy === chosen?.strategy && chunk === chosen.chunk;
  return strategies.find(isChosen) ?? strategies.find(({ recommended }) => recommended) ?? null;
}

/** Whether the Jacobian fits the device, in a few words; null as long as that is not known. */
export function verdict(shown: Shown): string | null {
  const { analysis } = shown.state;
  if (!analysis || analysis.strategies.length === 0) return null;
  const way = wayOf(shown);
  if (!way?.fits) return `does not fit ${formatBytes(analysis.device.memoryBytes)}`;
  return way.chunk === null ? "fits" : `fits ${formatChunk(way.chunk)}`;
}

/** Something to be said of a line: what a quick fix for it can do is in it. */
export interface Remark {
  readonly severity: "warning" | "information";
  readonly code: "memory-exceeded" | "slow-fallback" | "pytorch-fallback" | "pytorch-error" | "pytorch-memory";
  readonly message: string;
  readonly place: Place | null;
  /** Another way, which is better. */
  readonly use: Way | null;
  /** Trainable parameters of the layer that the line makes. */
  readonly parameters: readonly string[];
}

/** What does not fit, at the lines that allocate the most, and what runs as a slow loop. */
export function remarks(shown: Shown): Remark[] {
  const { analysis } = shown.state;
  return analysis === null ? [] : [...memoryRemarks(shown, analysis), ...fallbackRemarks(shown, analysis)];
}

/** The line of the user's own that led there: a call of a function that makes layers, or the operation itself. */
export function placeOfLargest({ largest }: StrategyAnalysis): Place | null {
  return largest === null ? null : (largest.callers.at(-1) ?? largest.source);
}

/** Other ways than the one that is taken are worth a word where people take them first: PyTorch's and JAX's usual ones. */
const usual: readonly StrategyAnalysis["strategy"][] = ["jacrev", "vmap(jacrev)"];

function memoryRemarks(shown: Shown, analysis: Analysis): Remark[] {
  const { strategies, device, batch } = analysis;
  const way = wayOf(shown);
  const best = strategies.find(({ recommended }) => recommended) ?? null;
  if (best === null) {
    // Where the result alone is too large, that has been said of the model
    if (strategies.length === 0 || analysis.jacobian.bytes > device.memoryBytes) return [];
    const least = strategies.reduce((a, b) => (takenBytes(b) < takenBytes(a) ? b : a));
    const message =
      `No way to compute the Jacobian of ${formatMany(batch, "example")} fits the ${memoryText(device)}: ${formatWay(least)} takes the ` +
      `least, ${formatBytes(takenBytes(least))}${largestText(least)}. Take fewer examples or outputs, or the kernel (NTK) in place of the Jacobian.`;
    return [remark(analysis, least, "warning", message, null)];
  }
  return strategies
    .filter(({ fits, chunk, strategy }) => !fits && chunk === null && usual.includes(strategy))
    .concat(way === null || way.fits || (way.chunk === null && usual.includes(way.strategy)) ? [] : [way])
    .map((each) => {
      const isTaken = each === way;
      const message =
        `${formatWay(each)} ${isTaken ? "takes" : "would take"} ${formatBytes(takenBytes(each))} for ${formatMany(batch, "example")}, more than the ` +
        `${memoryText(device)}${largestText(each)}. ${formatWay(best)} takes ${formatBytes(takenBytes(best))}.`;
      return remark(analysis, each, isTaken ? "warning" : "information", message, best);
    });
}

function largestText({ largest }: StrategyAnalysis): string {
  if (largest === null) return "";
  return `; its largest array, ${formatShape(largest.shape)}, ${formatBytes(largest.bytes)}, is made here`;
}

function remark(
  analysis: Analysis,
  each: StrategyAnalysis,
  severity: Remark["severity"],
  message: string,
  use: Way | null,
): Remark {
  const layer = analysis.layers.find(({ name }) => name === each.largest?.layer);
  const trainable = new Set(analysis.parameters.filter((one) => one.trainable).map(({ name }) => name));
  const parameters = (layer?.parameters ?? []).filter((name) => trainable.has(name));
  return { severity, code: "memory-exceeded", message, place: placeOfLargest(each), use, parameters };
}

/** A loop that costs less than this many times a batched run is no reason to warn. */
const SLOW = 2;

function fallbackRemarks(shown: Shown, { strategies, fallbacks }: Analysis): Remark[] {
  const way = wayOf(shown);
  const groups = new Map<string, FallbackAnalysis[]>();
  for (const fallback of fallbacks) {
    const { operation, source } = fallback;
    const key = `${operation} ${source?.file}:${source?.line}`;
    groups.set(key, [...(groups.get(key) ?? []), fallback]);
  }
  return [...groups.values()].map((group): Remark => {
    // What is going to be run counts, or else the worst
    const taken = group.find(({ strategy }) => strategy === way?.strategy);
    const worst = group.reduce((a, b) => (b.slowdown > a.slowdown ? b : a));
    const fallback = taken ?? worst;
    const { strategy, slowdown, reason, fix, source } = fallback;
    const isSlow = taken !== undefined && slowdown >= SLOW;
    const without = strategies.find(
      (each) => each.fits && !fallbacks.some((fallback) => fallback.strategy === each.strategy),
    );
    const message =
      `${reason}: under ${strategy} it runs as a loop, ${formatRuns(fallback)}, about ${slowdown.toFixed(1)} times as ` +
      `slow as at once${fix === null ? "" : `; ${fix}`}.`;
    return {
      severity: isSlow ? "warning" : "information",
      code: "slow-fallback",
      message,
      place: source,
      use: isSlow && without !== undefined ? without : null,
      parameters: [],
    };
  });
}
