import type { KernelPicture, KernelRange, KernelTile } from "../../sidecar/protocol/ntk";
import { pictureKey, type Extent, type KernelSource } from "./source";
import type { Region } from "./viewport";

/** Which tiles a picture needs, and those that are there. */

/** Entries along the side of a tile. */
export const tileSize = 256;

export interface TileAddress {
  readonly level: number;
  readonly row: number;
  readonly column: number;
}

/** The level at which one tile holds the whole kernel. */
export function topLevel({ rows, columns }: Extent): number {
  return Math.max(0, Math.ceil(Math.log2(Math.max(rows, columns) / tileSize)));
}

/** The finest level at which an entry is no smaller than a pixel, where a pair of examples is so many pixels wide. */
export function levelFor(pixels: number, extent: Extent): number {
  // A hair's breadth below a pixel is not worth four times the tiles
  const level = Math.ceil(Math.log2(1 / pixels) - 0.01);
  return Math.min(topLevel(extent), Math.max(0, level));
}

/** The tiles of a level that cover a region, from its middle outwards. */
export function tilesOver({ top, left, bottom, right }: Region, level: number): TileAddress[] {
  const side = tileSize * 2 ** level;
  const addresses: TileAddress[] = [];
  for (let row = Math.floor(top / side); row * side < bottom; row++) {
    for (let column = Math.floor(left / side); column * side < right; column++) addresses.push({ level, row, column });
  }
  const away = ({ row, column }: TileAddress): number =>
    ((row + 0.5) * side - (top + bottom) / 2) ** 2 + ((column + 0.5) * side - (left + right) / 2) ** 2;
  return addresses.sort((a, b) => away(a) - away(b));
}

/** The pairs of examples that a tile covers. */
export function regionOf({ level, row, column, rows, columns }: KernelTile): Region {
  const side = 2 ** level;
  const top = row * tileSize * side;
  const left = column * tileSize * side;
  return { top, left, bottom: top + rows * side, right: left + columns * side };
}

export function meets(a: Region, b: Region): boolean {
  return a.top < b.bottom && b.top < a.bottom && a.left < b.right && b.left < a.right;
}

/** The number of a tile for a pair; for a coarser level, the mean that the pair is part of. */
export function valueAt(tile: KernelTile, row: number, column: number): number {
  const side = 2 ** tile.level;
  const inRow = Math.floor(row / side) - tile.row * tileSize;
  const inColumn = Math.floor(column / side) - tile.column * tileSize;
  return tile.values[inRow * tile.columns + inColumn];
}

interface Held {
  readonly tile: KernelTile;
  /** Whether every entry is known: such a tile does not change any more. */
  readonly complete: boolean;
  /** Of the kernel when it was asked for. */
  readonly version: number;
  readonly picture: string;
}

interface Loading {
  readonly picture: string;
  readonly abort: AbortController;
}

interface StoreOptions {
  /** Something can be drawn that could not before. */
  readonly changed: () => void;
  /** A tile has been let go. */
  readonly dropped?: (tile: KernelTile) => void;
  /** Of the values that are kept. */
  readonly bytes?: number;
  /** How many are asked for at a time. */
  readonly atOnce?: number;
}

/**
 * The tiles of a kernel's pictures: asked for when they are in view, given up when they no longer are, and kept for as long
 * as there is room, those that were in view last the longest. While a kernel is computed, tiles that have gaps are asked for
 * again, and the older one is shown until the newer has come.
 */
export class TileStore {
  readonly #options: StoreOptions & { readonly bytes: number; readonly atOnce: number };
  /** In the order in which they were last in view. */
  readonly #held = new Map<string, Held>();
  readonly #loading = new Map<string, Loading>();
  /** By the tile: the version at which it could not be had. */
  readonly #failed = new Map<string, number>();
  #bytes = 0;
  #source: KernelSource | null = null;
  #picture: KernelPicture | null = null;
  #pictureKey = "";
  #wanted: readonly TileAddress[] = [];
  /** A sentence: why a tile of this picture could not be had. */
  failure: string | null = null;
  range: KernelRange | null = null;
  #rangeVersion = -1;

  constructor(options: StoreOptions) {
    this.#options = { bytes: 96 * 2 ** 20, atOnce: 6, ...options };
  }

  get bytes(): number {
    return this.#bytes;
  }

  get loading(): number {
    return this.#loading.size;
  }

  show(source: KernelSource, picture: KernelPicture): void {
    const key = pictureKey(picture);
    this.#source = source;
    this.#picture = picture;
    if (key === this.#pictureKey) return;
    this.#pictureKey = key;
    this.failure = null;
    this.range = null;
    this.#rangeVersion = -1;
    for (const { tile, picture: of } of this.#held.values()) if (of === key) this.#learnRange(tile);
  }

  /**
   * Says what is in view, the most urgent first. The tile of the whole kernel is always wanted: it is what is shown where
   * nothing finer has come, and it tells the range.
   */
  want(inView: readonly TileAddress[], extent: Extent): void {
    const top = { level: topLevel(extent), row: 0, column: 0 };
    this.#wanted = [top, ...inView.filter(({ level }) => level !== top.level)];
    const keys = new Set(this.#wanted.map((address) => this.#key(address)));
    for (const [key, { abort }] of this.#loading) {
      if (keys.has(key)) continue;
      abort.abort();
      this.#loading.delete(key);
    }
    for (const key of keys) {
      const held = this.#held.get(key);
      if (!held) continue;
      this.#held.delete(key);
      this.#held.set(key, held);
    }
    this.#load();
  }

  /** All of this picture that there is of a region, from coarse to fine. */
  over(region: Region, finest: number): KernelTile[] {
    return [...this.#held.values()]
      .filter(({ picture, tile }) => picture === this.#pictureKey && tile.level >= finest)
      .map(({ tile }) => tile)
      .filter((tile) => meets(regionOf(tile), region))
      .sort((a, b) => b.level - a.level);
  }

  /** The finest number that is there for a pair. */
  at(row: number, column: number): { readonly value: number; readonly level: number } | null {
    let found: KernelTile | null = null;
    for (const { tile, picture } of this.#held.values()) {
      if (picture !== this.#pictureKey || (found !== null && tile.level >= found.level)) continue;
      const { top, left, bottom, right } = regionOf(tile);
      if (row >= top && row < bottom && column >= left && column < right) found = tile;
    }
    return found && { value: valueAt(found, row, column), level: found.level };
  }

  /** Asks again for what could not be had. */
  retry(): void {
    this.#failed.clear();
    this.failure = null;
    this.#load();
  }

  close(): void {
    for (const { abort } of this.#loading.values()) abort.abort();
    for (const { tile } of this.#held.values()) this.#options.dropped?.(tile);
    this.#loading.clear();
    this.#held.clear();
    this.#bytes = 0;
  }

  #key({ level, row, column }: TileAddress): string {
    return `${this.#pictureKey} ${level} ${row} ${column}`;
  }

  #load(): void {
    const version = this.#source!.info.version;
    const isOld = (key: string): boolean => {
      const held = this.#held.get(key);
      return held !== undefined && !held.complete && held.version < version;
    };
    const waiting = this.#wanted
      .map((address) => ({ address, key: this.#key(address) }))
      .filter(({ key }) => !this.#loading.has(key) && (this.#failed.get(key) ?? -1) < version)
      .filter(({ key }) => !this.#held.has(key) || isOld(key))
      // What is missing comes before what has gaps
      .sort((a, b) => Number(this.#held.has(a.key)) - Number(this.#held.has(b.key)));
    for (const { address, key } of waiting.slice(0, this.#options.atOnce - this.#loading.size)) {
      void this.#fetch(address, key, version);
    }
  }

  async #fetch(address: TileAddress, key: string, version: number): Promise<void> {
    const loading = { picture: this.#pictureKey, abort: new AbortController() };
    this.#loading.set(key, loading);
    try {
      const tile = await this.#source!.tile({ ...this.#picture!, ...address }, loading.abort.signal);
      if (!loading.abort.signal.aborted)
        this.#keep(key, { tile, version, picture: loading.picture, complete: !tile.values.some(Number.isNaN) });
    } catch (error) {
      if (loading.abort.signal.aborted) return;
      this.#failed.set(key, version);
      if (loading.picture === this.#pictureKey) this.failure = error instanceof Error ? error.message : String(error);
    }
    if (this.#loading.get(key) === loading) this.#loading.delete(key);
    this.#options.changed();
    if (!loading.abort.signal.aborted) this.#load();
  }

  #keep(key: string, held: Held): void {
    const { tile, picture } = held;
    this.#drop(key);
    this.#held.set(key, held);
    this.#bytes += tile.values.byteLength;
    if (picture === this.#pictureKey) {
      this.#learnRange(tile);
      this.failure = null;
    }
    const inView = new Set(this.#wanted.map((address) => this.#key(address)));
    for (const old of this.#held.keys()) {
      if (this.#bytes <= this.#options.bytes) break;
      if (!inView.has(old)) this.#drop(old);
    }
  }

  #drop(key: string): void {
    const held = this.#held.get(key);
    if (!held) return;
    this.#held.delete(key);
    this.#bytes -= held.tile.values.byteLength;
    this.#options.dropped?.(held.tile);
  }

  #learnRange({ range, version }: KernelTile): void {
    if (range === null || version < this.#rangeVersion) return;
    this.range = range;
    this.#rangeVersion = version;
  }
}
