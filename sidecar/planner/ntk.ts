import { bytesOf } from "../graph/types";
import type { Graph } from "../graph/graph";
import { ntkGraph, type NtkForm, type NtkGraph, type NtkMethod } from "../quantities/ntk";
import { plan, type Plan } from "./plan";
import { finish, secondsOf, type Place } from "./strategies";

/** What kernels take, and into which tiles they are divided so that memory stays within bounds. */

export interface NtkSubject {
  /** Of one example. */
  readonly graph: Graph;
  readonly wrt: readonly string[];
  readonly form: NtkForm;
  readonly trace: "sum" | "mean";
  /** N1. */
  readonly rows: number;
  /** N2; null for the rows' examples themselves: of a pair of tiles that mirror each other one is computed. */
  readonly columns: number | null;
}

/** A kernel, or one tile of it, as it would be computed. */
export interface NtkPlan {
  readonly method: NtkMethod;
  readonly made: NtkGraph;
  readonly plan: Plan;
  /** What the engine holds at most beyond the graph's own arrays. */
  readonly workspaceBytes: number;
  readonly fits: boolean;
  readonly seconds: number;
}

export interface TiledPlan {
  readonly method: NtkMethod;
  /** Examples of a tile's side. */
  readonly tile: number;
  /** Of the largest tile. */
  readonly largest: NtkPlan;
  /** Tiles that are computed. */
  readonly tiles: number;
  /** Of all of them. */
  readonly seconds: number;
}

/** A tile that takes longer would keep its user waiting for the next, and would be lost if the run is broken off. */
const LONGEST_TILE_S = 2;
/** Tiles are held, written and read whole. */
const LARGEST_TILE = 64 << 20;

/** One method for all examples at once. */
export function planNtk(subject: NtkSubject, method: NtkMethod, place: Place): NtkPlan {
  return withEngine(planGraph(subject, method, place), place);
}

/** The graph's own arrays alone. */
function planGraph(subject: NtkSubject, method: NtkMethod, place: Place): NtkPlan {
  const norms = method !== "vector-products";
  const made = ntkGraph(subject.graph, { ...subject, method, norms });
  const planned = plan(made.graph);
  const seconds = secondsOf(made.graph, planned, place.speed);
  return { method, made, plan: planned, workspaceBytes: 0, fits: planned.peakBytes <= roomOf(place), seconds };
}

/** With what the engine holds beyond them; what does not fit by itself need not be known more exactly. */
function withEngine(alone: NtkPlan, place: Place): NtkPlan {
  if (!alone.fits || place.enginePeakBytes === null) return alone;
  const { peakBytes } = alone.plan;
  const peak = Math.max(peakBytes, place.enginePeakBytes(alone.made.graph));
  return { ...alone, workspaceBytes: peak - peakBytes, fits: peak <= roomOf(place) };
}

/** By how much another method has to be quicker than `structured`, which alone tells the parts of parameters. */
const ADVANTAGE = 0.8;
/** Seconds that nobody notices. */
const UNNOTICED = 0.05;

/** The quickest by estimate, or `structured` where that is hardly slower; null of none. */
export function quickestOf<T extends Pick<NtkPlan, "method" | "seconds">>(plans: readonly T[]): T | null {
  const structured = plans.find(({ method }) => method === "structured");
  if (structured !== undefined && structured.seconds < UNNOTICED) return structured;
  const quickest = plans.reduce<T | null>((best, each) => (best && best.seconds <= each.seconds ? best : each), null);
  if (structured === undefined || quickest === null) return quickest;
  return quickest.seconds < ADVANTAGE * structured.seconds ? quickest : structured;
}

/**
 * The largest square tiles that stay within the place's memory, a time and a size: by one method, or (null) by that which
 * is quickest by estimate. `contraction` is not among those: it is what `structured` does where that is quicker. Null where
 * not even one pair of examples fits.
 */
export function planTiles(subject: NtkSubject, method: NtkMethod | null, place: Place): TiledPlan | null {
  if (method !== null) return tilesBy(subject, method, place);
  const structured = tilesBy(subject, "structured", place);
  if (structured !== null && structured.seconds < UNNOTICED) return structured;
  const products = tilesBy(subject, "vector-products", place);
  return quickestOf([structured, products].filter((each) => each !== null));
}

function tilesBy(subject: NtkSubject, method: NtkMethod, place: Place): TiledPlan | null {
  return finish(planningTiles(subject, planNtk(subject, method, place), place));
}

/**
 * The same by the method of the whole, with a turn after each graph that is tried. Time, memory and size grow at most with
 * the square of a tile's side: so much smaller is the next one that is tried.
 */
export function* planningTiles(
  subject: NtkSubject,
  whole: NtkPlan,
  place: Place,
): Generator<NtkPlan, TiledPlan | null> {
  const { rows, columns } = subject;
  const longest = Math.max(rows, columns ?? 0);
  let [parts, tile, largest] = [1, longest, whole];
  for (;;) {
    const excess = excessOf(largest, place);
    if (excess <= 1 || (tile === 1 && largest.fits)) break;
    if (tile === 1) return null;
    const least = Math.max(parts + 1, Math.floor(1.3 * parts), Math.ceil((longest * Math.sqrt(excess)) / tile));
    parts = evenParts(longest, Math.min(least, longest));
    tile = Math.ceil(longest / parts);
    const [tileRows, tileColumns] = [Math.min(tile, rows), columns === null ? tile : Math.min(tile, columns)];
    largest = planGraph({ ...subject, rows: tileRows, columns: tileColumns }, whole.method, place);
    // What exceeds something already is not looked at more closely
    if (tile === 1 || excessOf(largest, place) <= 1) largest = withEngine(largest, place);
    yield largest;
  }
  const down = Math.ceil(rows / tile);
  const across = columns === null ? (down + 1) / 2 : Math.ceil(columns / tile);
  const tiles = down * across;
  return { method: whole.method, tile, largest, tiles, seconds: tiles * largest.seconds };
}

/** How many times as much as it may a tile takes of what it exceeds the most. */
function excessOf({ plan: own, workspaceBytes, seconds, made }: NtkPlan, place: Place): number {
  const taken = own.peakBytes + workspaceBytes;
  const memory = taken <= roomOf(place) ? 0 : taken / Math.max(0, roomOf(place));
  return Math.max(memory, seconds / LONGEST_TILE_S, resultBytes(made) / LARGEST_TILE);
}

/**
 * Into how many parts a number of examples is divided, at least so many: up to three tenths more, where these divide it evenly,
 * for tiles of one size share their compiled graphs.
 */
function evenParts(count: number, least: number): number {
  for (let parts = least; parts <= 1.3 * least; parts++) if (count % parts === 0) return parts;
  return least;
}

function roomOf({ memoryBytes, reservedBytes }: Place): number {
  return memoryBytes - reservedBytes;
}

function resultBytes({ graph, shape }: Pick<NtkGraph, "graph" | "shape">): number {
  return bytesOf({ shape, dtype: graph.outputs[0].dtype });
}
