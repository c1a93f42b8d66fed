import type { BufferAnalysis, StrategyAnalysis } from "../sidecar/protocol/analysis";

/**
 * Memory over execution, as a stack: inputs and parameters at the bottom, the largest arrays above them, and what is left.
 * Where it is drawn, 0 is the top and `height` the bottom; a moment is a step as wide as others.
 */

export const height = 1000;
/** Steps that are drawn at most: about one to a pixel. */
export const width = 1000;

/** What a part of the stack is: an array by its place among `buffers`. */
export type BandName = "arguments" | "smaller" | number;

/** What the pointer is on. */
export interface Pointed {
  /** In the chart, from its upper left corner, from 0 to 1. */
  at: { readonly x: number; readonly y: number } | null;
  /** There, or in the table below. */
  band: BandName | null;
}

export interface Band {
  readonly name: BandName;
  readonly path: string;
}

export interface Drawing {
  /** In the order in which they are stacked. */
  readonly bands: readonly Band[];
  /** What is above the limit; empty where nothing is. */
  readonly over: string;
  /** The edge of the whole stack. */
  readonly outline: string;
  /** The number of steps that are drawn. */
  readonly width: number;
  readonly axis: Axis;
}

export interface Axis {
  /** Bytes at the top. */
  readonly end: number;
  readonly ticks: readonly number[];
  /** Whether the device's limit is on it. */
  readonly hasLimit: boolean;
}

/** Moments that are drawn as one: the fullest of them stands for all, so that no peak is lost. */
export interface Step {
  readonly from: number;
  /** The first moment of the next step. */
  readonly to: number;
  readonly fullest: number;
}

export function steps(timeline: readonly { readonly liveBytes: number }[], most = width): Step[] {
  const count = Math.min(most, timeline.length);
  return Array.from({ length: count }, (_, index) => {
    const from = Math.floor((index * timeline.length) / count);
    const to = Math.floor(((index + 1) * timeline.length) / count);
    let fullest = from;
    for (let moment = from + 1; moment < to; moment++) {
      if (timeline[moment].liveBytes > timeline[fullest].liveBytes) fullest = moment;
    }
    return { from, to, fullest };
  });
}

/** Arrays as they are stacked: what is there longest lies lowest, so that as few as possible are moved by others. */
export function stackOrder(buffers: readonly BufferAnalysis[]): number[] {
  return buffers
    .map((_, index) => index)
    .sort((a, b) => {
      const [first, second] = [buffers[a], buffers[b]];
      return second.to - second.from - (first.to - first.from) || first.from - second.from || a - b;
    });
}

/** The stack at a moment, from the bottom: where each part ends, in bytes. Those that are not there have no height. */
export function stackAt(
  { argumentBytes, buffers, timeline }: StrategyAnalysis,
  moment: number,
  order: readonly number[],
): { readonly name: BandName; readonly to: number }[] {
  const { liveBytes } = timeline[moment];
  let to = Math.min(argumentBytes, liveBytes);
  const stack: { name: BandName; to: number }[] = [{ name: "arguments", to }];
  for (const index of order) {
    const { bytes, from, to: last } = buffers[index];
    if (from <= moment && moment <= last) to = Math.min(liveBytes, to + bytes);
    stack.push({ name: index, to });
  }
  stack.push({ name: "smaller", to: liveBytes });
  return stack;
}

/** What is drawn at so many bytes of a moment; null above everything. */
export function bandAt(strategy: StrategyAnalysis, moment: number, bytes: number): BandName | null {
  const stack = stackAt(strategy, moment, stackOrder(strategy.buffers));
  return stack.find(({ to }) => bytes < to)?.name ?? null;
}

/** How much a part of the stack takes at a moment. */
export function bandBytes(strategy: StrategyAnalysis, moment: number, name: BandName): number {
  const stack = stackAt(strategy, moment, stackOrder(strategy.buffers));
  const at = stack.findIndex((part) => part.name === name);
  return stack[at].to - (at > 0 ? stack[at - 1].to : 0);
}

export function draw(strategy: StrategyAnalysis, limit: number): Drawing {
  const { timeline, buffers, peakBytes, workspaceBytes } = strategy;
  const columns = steps(timeline);
  const order = stackOrder(buffers);
  const axis = axisOf(peakBytes + workspaceBytes, limit);
  const stacks = columns.map(({ fullest }) => stackAt(strategy, fullest, order));
  const total = columns.map(({ fullest }) => timeline[fullest].liveBytes);
  const names: BandName[] = ["arguments", ...order, "smaller"];
  const y = (bytes: number): number => Math.round(10 * height * (1 - bytes / axis.end)) / 10;
  const edge = (bytes: readonly number[]): number[] => bytes.map(y);
  const bands = names.map((name, at) => {
    const lower = stacks.map((stack) => (at > 0 ? stack[at - 1].to : 0));
    return { name, path: areaPath(edge(lower), edge(stacks.map((stack) => stack[at].to))) };
  });
  return {
    bands: bands.filter(({ path }) => path !== ""),
    over: areaPath(edge(total.map((bytes) => Math.min(bytes, limit))), edge(total)),
    outline: areaPath(edge(total.map(() => 0)), edge(total)),
    width: columns.length,
    axis,
  };
}

/** Between two edges, each a height for every step: a shape for each run of steps at which they are apart. */
export function areaPath(lower: readonly number[], upper: readonly number[]): string {
  let path = "";
  for (let from = 0; from < upper.length; from++) {
    if (lower[from] === upper[from]) continue;
    let to = from;
    while (to < upper.length && lower[to] !== upper[to]) to++;
    path += `M${from} ${lower[from]}V${upper[from]}`;
    for (let at = from + 1; at < to; at++) if (upper[at] !== upper[at - 1]) path += `H${at}V${upper[at]}`;
    path += `H${to}V${lower[to - 1]}`;
    for (let at = to - 1; at > from; at--) if (lower[at] !== lower[at - 1]) path += `H${at}V${lower[at - 1]}`;
    path += "Z";
    from = to;
  }
  return path;
}

/** Up to what is taken at most, and up to the limit where that is near. Ticks are powers of two or multiples of one. */
export function axisOf(top: number, limit: number): Axis {
  const hasLimit = limit <= 1.6 * top;
  const end = 1.06 * Math.max(1, top, hasLimit ? limit : 0);
  const between = 2 ** Math.ceil(Math.log2(end / 5));
  const ticks: number[] = [];
  for (let tick = 0; tick <= end; tick += between) ticks.push(tick);
  return { end, ticks, hasLimit };
}

/** `0`, `512 MiB`, `1.5 GiB` */
export function formatTick(bytes: number): string {
  if (bytes === 0) return "0";
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${Math.round((100 * bytes) / 2 ** (10 * power)) / 100} ${units[power]}`;
}
