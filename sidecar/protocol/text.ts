import type { FallbackAnalysis, FallbackLoop, NtkAnalysis, StrategyAnalysis } from "./analysis";

/**
 * How sizes and shapes are written for people, the same on every surface: command line, hovers, hints, side bar, panels.
 * With options.ts and pytorch.ts, what is not types only here.
 */

/** `1.50 GiB`: powers of two. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return `${power === 0 ? bytes : (bytes / 2 ** (10 * power)).toFixed(2)} ${units[power]}`;
}

/** `402,314` */
export function formatCount(count: number): string {
  return count.toLocaleString("en");
}

/** `1 tensor`, `2 tensors` */
export function formatMany(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** `[100, 10, 3, 3, 16]` */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/** `[100, 10, 402k]`: for where there is little room. */
export function formatShortShape(shape: readonly number[]): string {
  return `[${shape.map(formatShortCount).join(", ")}]`;
}

/** `9,999`, `402k`, `1.2M` */
export function formatShortCount(count: number): string {
  if (count < 10_000) return formatCount(count);
  const units = ["k", "M", "G", "T", "P"];
  const power = Math.min(units.length, Math.floor(Math.log10(count) / 3 + 1e-9));
  const scaled = count / 1000 ** power;
  const rounded = scaled < 10 ? Math.round(scaled * 10) / 10 : Math.round(scaled);
  // 999,999 is 1M, not 1000k
  if (rounded === 1000 && power < units.length) return `1${units[power]}`;
  return `${rounded}${units[power - 1]}`;
}

/** `vmap(jacrev)`, `jacrev in chunks of 64` */
export function formatWay({ strategy, chunk }: Pick<StrategyAnalysis, "strategy" | "chunk">): string {
  return chunk === null ? strategy : `${strategy} ${formatChunk(chunk)}`;
}

/** `in chunks of 64` */
export function formatChunk(chunk: number): string {
  return `in chunks of ${formatCount(chunk)}`;
}

/**
 * How often an operation runs that has no batching rule, and what its loops run over:
 * `1,000 times, once for each example and output (N·O = 100 · 10)`
 */
export function formatRuns({ iterations, loops = [] }: Pick<FallbackAnalysis, "iterations" | "loops">): string {
  const known = loops.filter(({ over }) => over.length > 0);
  const texts = known.map((loop) => formatLoop(loop, loops.length > 1));
  return [formatRepeats(iterations), texts.join(" and ")].filter(Boolean).join(", ");
}

const axisNames = { examples: "example", outputs: "output", parameters: "parameter" } as const;
const axisLetters = { examples: "N", outputs: "O", parameters: "P" } as const;

/** `once for each example and output (N·O = 100 · 10)` */
function formatLoop({ over, iterations }: FallbackLoop, isOneOfMany: boolean): string {
  const names = over.map(({ axis }) => axisNames[axis]);
  const each = [names.slice(0, -1).join(", "), names[names.length - 1]].filter(Boolean).join(" and ");
  const letters = over.map(({ axis }) => axisLetters[axis]).join("·");
  const extents = over.map(({ extent }) => formatCount(extent)).join(" · ");
  const times = iterations / over.reduce((product, { extent }) => product * extent, 1);
  if (Number.isInteger(times)) return `${formatRepeats(times)} for each ${each} (${letters} = ${extents})`;
  // Only a part of the outputs, or of the parameters, has to do with the operation
  const often = isOneOfMany ? `${formatRepeats(iterations)} ` : "";
  const some = over.length === 1 ? `${each}s` : `combinations of ${each}`;
  return `${often}for some ${some} (${letters} = ${extents})`;
}

function formatRepeats(times: number): string {
  return times === 1 ? "once" : `${formatCount(times)} times`;
}

/** All that a strategy or a kernel takes: its arrays, and what the engine holds beside them. */
export function takenBytes({
  peakBytes,
  workspaceBytes,
}: Pick<StrategyAnalysis, "peakBytes" | "workspaceBytes">): number {
  return peakBytes + workspaceBytes;
}

/** Of each form of a kernel the method to take or, where none fits, the one that takes the least. */
export function kernelsToTake(ntk: readonly NtkAnalysis[]): NtkAnalysis[] {
  const forms = [...new Set(ntk.map(({ form }) => form))];
  return forms.map((form) => {
    const all = ntk.filter((each) => each.form === form);
    const least = all.reduce((best, each) => (takenBytes(each) < takenBytes(best) ? each : best));
    return all.find(({ recommended }) => recommended) ?? least;
  });
}

/** `fits`, `in tiles of 250`, `too large` */
export function formatKernelFit({ fits, tile }: Pick<NtkAnalysis, "fits" | "tile">): string {
  if (fits) return "fits";
  return tile === null ? "too large" : `in tiles of ${formatCount(tile)}`;
}
