import { HUGE_PAGE, mappedBytes } from "./pages";

/**
 * onnxruntime's arena on paper (its BFCArena, with the defaults of a session on the CPU): memory is taken from the system
 * in regions that double, cut into chunks, and given to the smallest free chunk that is large enough. What counts is how
 * much of it has ever been written to: the system gives no memory before.
 */
const ALIGNMENT = 256;
const FIRST_REGION = 1 << 20;
/** Beyond this, regions are as large as what they are made for. */
const LARGEST_DOUBLING = 2 ** 30;
/** A larger rest of a chunk is cut off; a smaller one only if it is as large as what is needed. */
const MOST_WASTED = 128 * 2 ** 20;
/** Each region has a table with a handle for every place at which a chunk could begin. It is written when it is made. */
const HANDLE = 8;

interface Chunk {
  readonly region: Region;
  start: number;
  size: number;
  free: boolean;
}

/** Its chunks, in order of their places, and which parts have been written to: sorted, disjoint. */
interface Region {
  readonly size: number;
  readonly chunks: Chunk[];
  touched: { start: number; end: number }[];
}

export class Arena {
  private readonly regions: Region[] = [];
  private next = FIRST_REGION;
  private inUse = 0;
  /** The most bytes of chunks that were given out at once. */
  peakBytes = 0;

  /** Memory for so many bytes. */
  allocate(bytes: number): Chunk {
    const size = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
    let best: Chunk | null = null;
    for (const { chunks } of this.regions) {
      for (const chunk of chunks) {
        if (chunk.free && chunk.size >= size && (best === null || chunk.size < best.size)) best = chunk;
      }
    }
    const chunk = best ?? this.extend(size);
    if (chunk.size >= 2 * size || chunk.size - size >= MOST_WASTED) {
      const { region, start } = chunk;
      const rest = { region, start: start + size, size: chunk.size - size, free: true };
      chunk.size = size;
      region.chunks.splice(region.chunks.indexOf(chunk) + 1, 0, rest);
    }
    chunk.free = false;
    this.inUse += chunk.size;
    this.peakBytes = Math.max(this.peakBytes, this.inUse);
    touch(chunk.region, chunk.start, chunk.start + bytes);
    return chunk;
  }

  /** Gives a chunk back; it becomes one with the free ones beside it. */
  release(chunk: Chunk): void {
    const { chunks } = chunk.region;
    chunk.free = true;
    this.inUse -= chunk.size;
    const index = chunks.indexOf(chunk);
    const after = chunks[index + 1] as Chunk | undefined;
    if (after?.free) {
      chunk.size += after.size;
      chunks.splice(index + 1, 1);
    }
    const before = chunks[index - 1] as Chunk | undefined;
    if (before?.free) {
      before.size += chunk.size;
      chunks.splice(index, 1);
    }
  }

  /** What the system has given: what has ever been written to, the tables of regions included. */
  get residentBytes(): number {
    let bytes = 0;
    for (const { touched, size } of this.regions) {
      // What malloc writes behind a region is in a page of its own, and the table too if it is small
      bytes += size < HUGE_PAGE ? 0 : HUGE_PAGE;
      bytes += mappedBytes((size / ALIGNMENT) * HANDLE);
      let pages = 0;
      let next = 0;
      for (const { start, end } of touched) {
        const [from, to] = [Math.max(next, Math.floor(start / HUGE_PAGE)), Math.ceil(end / HUGE_PAGE)];
        pages += Math.max(0, to - from);
        next = Math.max(next, to);
      }
      bytes += Math.min(size, pages * HUGE_PAGE);
    }
    return bytes;
  }

  private extend(size: number): Chunk {
    let grown = false;
    while (this.next < size && this.next < LARGEST_DOUBLING) {
      this.next *= 2;
      grown = true;
    }
    const region: Region = { size: Math.max(size, this.next), chunks: [], touched: [] };
    const chunk = { region, start: 0, size: region.size, free: true };
    region.chunks.push(chunk);
    this.regions.push(region);
    if (!grown && this.next < LARGEST_DOUBLING) this.next *= 2;
    return chunk;
  }
}

function touch(region: Region, start: number, end: number): void {
  const apart = region.touched.filter((part) => part.end < start || part.start > end);
  const joined = region.touched.filter((part) => part.end >= start && part.start <= end);
  apart.push({
    start: joined.reduce((least, part) => Math.min(least, part.start), start),
    end: joined.reduce((most, part) => Math.max(most, part.end), end),
  });
  region.touched = apart.sort((a, b) => a.start - b.start);
}

export type { Chunk };
