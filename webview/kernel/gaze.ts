import type { KernelRange } from "../../sidecar/protocol/ntk";
import type { Region, Viewport } from "./viewport";

/** A place in a picture: a row and a column, counted from 0 in the picture's order. */
export interface Place {
  readonly row: number;
  readonly column: number;
}

interface Looked {
  /** Null before there is a picture: all of it. */
  readonly viewport: Viewport | null;
  /** Under the pointer, or where the arrow keys have led. */
  readonly place: Place | null;
  /** What stays shown when the pointer has left. */
  readonly pinned: Place | null;
  /** Whole pairs, in the picture's order. */
  readonly selection: Region | null;
  /** By the kernel: of the pictures that have one scale of colours. */
  readonly ranges: ReadonlyMap<string, KernelRange>;
}

type Watcher = (change: Partial<Looked>) => void;

/** What is looked at. Pictures that share it move together. */
export class Gaze {
  #now: Looked = { viewport: null, place: null, pinned: null, selection: null, ranges: new Map() };
  readonly #watchers = new Set<Watcher>();

  get now(): Looked {
    return this.#now;
  }

  change(change: Partial<Looked>): void {
    this.#now = { ...this.#now, ...change };
    for (const watcher of this.#watchers) watcher(change);
  }

  /** @returns what ends it */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}

/** What all of them are within; null where there are none. */
export function commonRange(ranges: ReadonlyMap<string, KernelRange>): KernelRange | null {
  const all = [...ranges.values()];
  if (all.length === 0) return null;
  const magnitudes = all.flatMap(({ smallest }) => smallest ?? []);
  return {
    min: Math.min(...all.map(({ min }) => min)),
    max: Math.max(...all.map(({ max }) => max)),
    smallest: magnitudes.length > 0 ? Math.min(...magnitudes) : null,
  };
}

export function samePlace(a: Place | null, b: Place | null): boolean {
  return a === b || (a !== null && b !== null && a.row === b.row && a.column === b.column);
}
