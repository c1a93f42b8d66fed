import { bytesOf, range, type Shape } from "../graph/types";
import type { Graph } from "../graph/graph";
import { ntkGraph, type NtkForm, type NtkGraph, type NtkMethod } from "../quantities/ntk";
import { plan, type Plan } from "./plan";
import { secondsOf, type Place } from "./strategies";

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
  const norms = method !== "vector-products";
  const made = ntkGraph(subject.graph, { ...subject, method, norms });
  const planned = plan(made.graph);
  const peak = Math.max(planned.peakBytes, place.enginePeakBytes?.(made.graph) ?? 0);
  return {
    method,
    made,
    plan: planned,
    workspaceBytes: peak - planned.peakBytes,
    fits: peak <= place.memoryBytes - place.reservedBytes,
    seconds: secondsOf(made.graph, planned, place.speed),
  };
}

/** By how much another method has to be quicker than `structured`, which alone tells the parts of parameters. */
const ADVANTAGE = 0.8;
/** Seconds that nobody notices. */
const UNNOTICED = 0.05;

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
  if (structured === null || products === null) return structured ?? products;
  return products.seconds < ADVANTAGE * structured.seconds ? products : structured;
}

function tilesBy(subject: NtkSubject, method: NtkMethod, place: Place): TiledPlan | null {
  const { rows, columns } = subject;
  const longest = Math.max(rows, columns ?? 0);
  for (const parts of divisions(longest)) {
    const tile = Math.ceil(longest / parts);
    const [tileRows, tileColumns] = [Math.min(tile, rows), columns === null ? tile : Math.min(tile, columns)];
    const isWhole = columns === null && tile >= rows;
    const largest = planNtk({ ...subject, rows: tileRows, columns: isWhole ? null : tileColumns }, method, place);
    const isSmallest = tile === 1;
    const isSmall = largest.seconds <= LONGEST_TILE_S && resultBytes(largest.made.shape) <= LARGEST_TILE;
    if (!largest.fits || !(isSmall || isSmallest)) continue;
    const down = Math.ceil(rows / tile);
    const across = columns === null ? (down + 1) / 2 : Math.ceil(columns / tile);
    const tiles = down * across;
    return { method, tile, largest, tiles, seconds: tiles * largest.seconds };
  }
  return null;
}

/**
 * Into how many parts a number of examples is divided, fewer first, each time about a quarter more: those that divide it
 * evenly where there are such, for tiles of one size share their compiled graphs.
 */
function divisions(count: number): number[] {
  const found: number[] = [];
  for (let parts = 1; parts < count; parts = Math.max(parts + 1, Math.floor(parts * 1.3))) {
    const even = range(Math.floor(parts * 0.3) + 1).find((more) => count % (parts + more) === 0);
    found.push(parts + (even ?? 0));
  }
  return [...new Set([...found, count])];
}

function resultBytes(shape: Shape): number {
  return bytesOf({ shape, dtype: "float32" });
}
