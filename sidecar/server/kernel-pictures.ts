import { setImmediate as nextTurn } from "node:timers/promises";
import type { KernelData, KernelStore } from "../formats/kernel-store";
import { ModelError } from "../graph/errors";
import { sizeOf } from "../graph/types";
import type { KernelRange, KernelView, NtkForm, TraceKind } from "../protocol/ntk";
import { Recent } from "./recent";

/** Entries along the side of a picture's tile. */
const tileSide = 256;

/** Bytes of numbers that are kept of one kernel, so that they need not be read again. */
const keptBytes = 128 * 2 ** 20;

/**
 * Up to this level a tile is made of the pairs themselves: in between there would be 64 tiles for each of them, which take longer
 * than the pairs.
 */
const directLevel = 3;

export interface KernelKind {
  readonly form: NtkForm;
  /** Of the form `trace`. */
  readonly trace: TraceKind | null;
  /** C */
  readonly outputs: number;
}

/** Which example stands at which place of a picture. */
export interface Places {
  /** The same for the same order, and different for different ones. */
  readonly key: string;
  readonly rows: Uint32Array;
  readonly columns: Uint32Array;
}

export interface PictureTile {
  readonly rows: number;
  readonly columns: number;
  /** Row by row; NaN where nothing is known yet. */
  readonly values: Float32Array;
}

interface TileAt {
  readonly level: number;
  readonly row: number;
  readonly column: number;
}

/** A tile, with the number of pairs that each of its means is of. */
interface Means extends PictureTile {
  readonly counts: Uint32Array;
  /** How many chunks were known when it was made; null where all that it is of were. */
  readonly version: number | null;
}

type Made = Omit<Means, "version"> & { readonly isWhole: boolean };

/** A chunk of the store, which is a square of pairs, by its row and column among them. */
type Chunk = readonly [number, number];

/**
 * Pictures of a kernel on the disk, one number for each pair of examples, at any resolution: a tile of a coarse level is made of
 * the four of the level below that it covers. While the kernel is computed, only tiles with gaps are made again.
 */
export class KernelPictures {
  /** By view and chunk: the numbers of its pairs. */
  private readonly chunks = new Recent<Float32Array>(keptBytes);
  private readonly reading = new Map<string, Promise<Float32Array>>();
  private readonly means = new Recent<Means>(keptBytes);
  /** By view, and then by chunk: few numbers for each, which are kept. */
  private readonly ranges = new Map<string, Map<number, KernelRange | null>>();
  private readonly known = new Set<number>();

  constructor(
    private readonly store: KernelStore,
    private readonly kind: KernelKind,
  ) {
    this.look();
  }

  /** Looks for what has been computed since. Returns the number of chunks that are there. */
  look(): number {
    const [rows, columns] = this.store.tiles;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const number = this.numberOf([row, column]);
        if (!this.known.has(number) && this.store.has(row, column)) this.known.add(number);
      }
    }
    return this.known.size;
  }

  /** Of all pairs, the part that is known. */
  get fraction(): number {
    const [rows, columns] = this.store.layout.shape;
    let pairs = 0;
    for (const number of this.known) {
      const [row, column] = this.chunkOf(number);
      pairs += this.store.span(0, row).count * this.store.span(1, column).count;
    }
    return pairs / (rows * columns);
  }

  /** Throws a ModelError where the kernel has no such tile or view. Gives up where `signal` says so. */
  async tile(view: KernelView, places: Places, at: TileAt, signal: AbortSignal): Promise<PictureTile> {
    this.checkView(view);
    checkTile(at, places);
    const means = await this.meansOf(view, places, at, signal);
    if (means !== null) return { rows: means.rows, columns: means.columns, values: means.values };
    const [rows, columns] = sizeOfTile(places, at);
    return { rows, columns, values: new Float32Array(rows * columns).fill(NaN) };
  }

  /** Of all pairs that are known; null where none is. */
  async range(view: KernelView, signal: AbortSignal): Promise<KernelRange | null> {
    const key = keyOf(view);
    let whole: KernelRange | null = null;
    for (const number of [...this.known]) {
      if (!this.ranges.get(key)?.has(number)) await this.read(view, this.chunkOf(number));
      signal.throwIfAborted();
      const range = this.ranges.get(key)!.get(number)!;
      whole = whole === null || range === null ? (whole ?? range) : joined(whole, range);
    }
    return whole;
  }

  /** What a picture shows of one pair, and all that is kept of it; null where it is not known yet. */
  async entry(
    view: KernelView,
    row: number,
    column: number,
  ): Promise<{ readonly value: number; readonly block: KernelData } | null> {
    this.checkView(view);
    const { tile, shape } = this.store.layout;
    if (!isIndex(row, shape[0]) || !isIndex(column, shape[1])) {
      throw new ModelError(
        `There is no pair of the examples ${row} and ${column}: there are ${shape[0]} x ${shape[1]}.`,
      );
    }
    const chunk: Chunk = [Math.floor(row / tile), Math.floor(column / tile)];
    if (!this.known.has(this.numberOf(chunk))) return null;
    const { data } = await this.store.read(...chunk);
    const size = sizeOf(shape.slice(2));
    const width = this.store.span(1, chunk[1]).count;
    const at = ((row - chunk[0] * tile) * width + (column - chunk[1] * tile)) * size;
    const block = data.slice(at, at + size);
    return { value: this.reduced(block, view)[0], block };
  }

  /** The numbers of some pairs, row by row; NaN where one is not known. */
  async gather(view: KernelView, rows: Uint32Array, columns: Uint32Array, signal?: AbortSignal): Promise<Float32Array> {
    this.checkView(view);
    const values = new Float32Array(rows.length * columns.length).fill(NaN);
    await this.each(view, rows, columns, signal, (place, other, value) => {
      values[place * columns.length + other] = value;
    });
    return values;
  }

  /** Tells the known ones of some pairs, by their places in `rows` and `columns`, chunk by chunk. */
  private async each(
    view: KernelView,
    rows: Uint32Array,
    columns: Uint32Array,
    signal: AbortSignal | undefined,
    tell: (place: number, other: number, value: number) => void,
  ): Promise<void> {
    const { tile } = this.store.layout;
    const [down, across] = [grouped(rows, tile), grouped(columns, tile)];
    for (const [chunkRow, inRow] of down) {
      for (const [chunkColumn, inColumn] of across) {
        if (!this.known.has(this.numberOf([chunkRow, chunkColumn]))) continue;
        // Whoever else asks is answered in between
        await nextTurn();
        const numbers = await this.read(view, [chunkRow, chunkColumn]);
        signal?.throwIfAborted();
        const width = this.store.span(1, chunkColumn).count;
        for (const place of inRow) {
          const from = (rows[place] - chunkRow * tile) * width - chunkColumn * tile;
          for (const other of inColumn) tell(place, other, numbers[from + columns[other]]);
        }
      }
    }
  }

  /** Null where nothing is known. */
  private async meansOf(view: KernelView, places: Places, at: TileAt, signal: AbortSignal): Promise<Means | null> {
    const key = JSON.stringify([keyOf(view), places.key, at.level, at.row, at.column]);
    const version = this.known.size;
    const kept = this.means.get(key);
    if (kept !== undefined && (kept.version === null || kept.version === version)) return kept;
    signal.throwIfAborted();
    const made =
      at.level <= directLevel
        ? await this.direct(view, places, at, signal)
        : await this.coarser(view, places, at, signal);
    if (made === null) return null;
    const means = { ...made, version: made.isWhole ? null : version };
    this.means.set(key, means, means.values.byteLength + means.counts.byteLength);
    return means;
  }

  /** From the pairs themselves, each of which is looked at once. */
  private async direct(view: KernelView, places: Places, at: TileAt, signal: AbortSignal): Promise<Made | null> {
    const { level, row, column } = at;
    const side = tileSide * 2 ** level;
    const rows = places.rows.subarray(row * side, (row + 1) * side);
    const columns = places.columns.subarray(column * side, (column + 1) * side);
    if (!this.isAnyKnown(rows, columns)) return null;
    const [height, width] = sizeOfTile(places, at);
    const sums = new Float64Array(height * width);
    const counts = new Uint32Array(height * width);
    await this.each(view, rows, columns, signal, (place, other, value) => {
      // NaN is not known
      if (value !== value) return;
      const entry = (place >> level) * width + (other >> level);
      sums[entry] += value;
      counts[entry]++;
    });
    const pairs = counts.reduce((sum, count) => sum + count, 0);
    return { ...meansFrom(height, width, sums, counts), isWhole: pairs === rows.length * columns.length };
  }

  private isAnyKnown(rows: Uint32Array, columns: Uint32Array): boolean {
    const { tile } = this.store.layout;
    const chunksOf = (examples: Uint32Array): Set<number> => {
      const chunks = new Set<number>();
      for (const example of examples) chunks.add(Math.floor(example / tile));
      return chunks;
    };
    const across = chunksOf(columns);
    for (const row of chunksOf(rows)) {
      for (const column of across) if (this.known.has(this.numberOf([row, column]))) return true;
    }
    return false;
  }

  private async coarser(view: KernelView, places: Places, at: TileAt, signal: AbortSignal): Promise<Made | null> {
    const { level, row, column } = at;
    const [height, width] = sizeOfTile(places, at);
    const sums = new Float64Array(height * width);
    const counts = new Uint32Array(height * width);
    let isWhole = true;
    let isKnown = false;
    for (const [down, across] of quarters) {
      const finer = { level: level - 1, row: 2 * row + down, column: 2 * column + across };
      if (!isThere(finer, places)) continue;
      const part = await this.meansOf(view, places, finer, signal);
      isWhole &&= part?.version === null;
      if (part === null) continue;
      isKnown = true;
      for (let y = 0; y < part.rows; y++) {
        const line = (down * (tileSide / 2) + (y >> 1)) * width + across * (tileSide / 2);
        for (let x = 0; x < part.columns; x++) {
          const count = part.counts[y * part.columns + x];
          if (count === 0) continue;
          sums[line + (x >> 1)] += count * part.values[y * part.columns + x];
          counts[line + (x >> 1)] += count;
        }
      }
    }
    if (!isKnown) return null;
    return { ...meansFrom(height, width, sums, counts), isWhole };
  }

  /** The numbers of a chunk that is there. Asked for twice at a time, it is read once. */
  private async read(view: KernelView, chunk: Chunk): Promise<Float32Array> {
    const number = this.numberOf(chunk);
    const key = `${keyOf(view)} ${number}`;
    const kept = this.chunks.get(key);
    if (kept !== undefined) return kept;
    const begun = this.reading.get(key);
    if (begun !== undefined) return begun;
    const reading = this.readNumbers(view, chunk, key).finally(() => this.reading.delete(key));
    this.reading.set(key, reading);
    return reading;
  }

  private async readNumbers(view: KernelView, chunk: Chunk, key: string): Promise<Float32Array> {
    const { data } = await this.store.read(...chunk);
    const numbers = this.reduced(data, view);
    this.chunks.set(key, numbers, numbers.byteLength);
    const ranges = this.ranges.get(keyOf(view)) ?? new Map<number, KernelRange | null>();
    this.ranges.set(keyOf(view), ranges.set(this.numberOf(chunk), rangeOf(numbers)));
    return numbers;
  }

  /** One number for each pair. */
  private reduced(data: KernelData, view: KernelView): Float32Array {
    const { form, trace, outputs } = this.kind;
    if (form === "trace") {
      const numbers = data instanceof Float32Array ? data : Float32Array.from(data);
      return trace === "sum" ? numbers.map((value) => value / outputs) : numbers;
    }
    const size = form === "full" ? outputs * outputs : outputs;
    const step = form === "full" ? outputs + 1 : 1;
    const numbers = new Float32Array(data.length / size);
    for (let pair = 0; pair < numbers.length; pair++) {
      const block = pair * size;
      if (view !== "trace") {
        numbers[pair] = data[block + (form === "full" ? view.row * outputs + view.column : view.row)];
        continue;
      }
      let sum = 0;
      for (let output = 0; output < outputs; output++) sum += data[block + output * step];
      numbers[pair] = sum / outputs;
    }
    return numbers;
  }

  private checkView(view: KernelView): void {
    if (view === "trace") return;
    const { form, outputs } = this.kind;
    const { row, column } = view;
    if (form !== "trace" && isIndex(row, outputs) && isIndex(column, outputs) && (form === "full" || row === column)) {
      return;
    }
    throw new ModelError(
      `The kernel of the form ${form} with ${outputs} outputs has no entry of the outputs ${row} and ${column}; look at its trace.`,
    );
  }

  private numberOf([row, column]: Chunk): number {
    return row * this.store.tiles[1] + column;
  }

  private chunkOf(number: number): Chunk {
    const [, across] = this.store.tiles;
    return [Math.floor(number / across), number % across];
  }
}

const quarters = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
] as const;

function keyOf(view: KernelView): string {
  return view === "trace" ? view : `${view.row} ${view.column}`;
}

/** Places by the chunk in which their examples are. */
function grouped(examples: Uint32Array, tile: number): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  examples.forEach((example, place) => {
    const chunk = Math.floor(example / tile);
    const group = groups.get(chunk);
    if (group === undefined) groups.set(chunk, [place]);
    else group.push(place);
  });
  return groups;
}

function meansFrom(
  rows: number,
  columns: number,
  sums: Float64Array,
  counts: Uint32Array,
): Pick<Means, "rows" | "columns" | "values" | "counts"> {
  // 0 / 0 is NaN: nothing is known
  return { rows, columns, values: Float32Array.from(sums, (sum, entry) => sum / counts[entry]), counts };
}

/** Rows and columns. */
function sizeOfTile({ rows, columns }: Places, { level, row, column }: TileAt): [number, number] {
  const extent = (count: number, tile: number): number =>
    Math.min(tileSide, Math.ceil(count / 2 ** level) - tile * tileSide);
  return [extent(rows.length, row), extent(columns.length, column)];
}

function isThere({ level, row, column }: TileAt, { rows, columns }: Places): boolean {
  const side = tileSide * 2 ** level;
  return row * side < rows.length && column * side < columns.length;
}

function checkTile(at: TileAt, places: Places): void {
  const { level, row, column } = at;
  const whole = Math.max(0, Math.ceil(Math.log2(Math.max(places.rows.length, places.columns.length) / tileSide)));
  if (isIndex(level, whole + 1) && isIndex(row, 2 ** 31) && isIndex(column, 2 ** 31) && isThere(at, places)) return;
  throw new ModelError(
    `There is no tile at level ${level}, row ${row} and column ${column} of ${places.rows.length} x ${places.columns.length} pairs.`,
  );
}

function isIndex(value: number, below: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < below;
}

function rangeOf(values: Float32Array): KernelRange | null {
  let [min, max, smallest] = [Infinity, -Infinity, Infinity];
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
    const magnitude = Math.abs(value);
    if (magnitude > 0 && magnitude < smallest) smallest = magnitude;
  }
  return min > max ? null : { min, max, smallest: smallest === Infinity ? null : smallest };
}

function joined(a: KernelRange, b: KernelRange): KernelRange {
  const smallest = Math.min(a.smallest ?? Infinity, b.smallest ?? Infinity);
  return {
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    smallest: smallest === Infinity ? null : smallest,
  };
}
