import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as zarr from "zarrita";
import { newArray, sizeOf, type Shape } from "../graph/types";
import { npyHeader } from "./npy";

/**
 * A kernel on the disk, tile by tile, as a Zarr group (version 3) that other programs can read: the array `kernel`
 * [N1, N2, ...] with a chunk for each tile, and the array `norms` with sums of each parameter's squared Jacobians for
 * each tile, which add up to those of all examples. Chunks are written beside their place and renamed: one that is there is whole.
 */
export interface KernelLayout {
  /** [N1, N2, ...] */
  readonly shape: Shape;
  /** As the model's outputs. */
  readonly dtype: KernelType;
  /** Examples of a tile's side: the last tiles of a row and column may have fewer. */
  readonly tile: number;
  /** Names of the parameters whose parts are measured; empty where none is. */
  readonly parameters: readonly string[];
  /** What the kernel is of: an interrupted one goes on only if this is the same. */
  readonly fingerprint: string;
}

export type KernelType = "float32" | "float64";

export type KernelData = Float32Array | Float64Array;

export interface KernelTileData {
  readonly row: number;
  readonly column: number;
  /** [rows, columns, ...] */
  readonly shape: Shape;
  readonly data: KernelData;
  readonly norms: Float32Array | null;
}

type Store = zarr.AsyncMutable;

export class KernelStore {
  private constructor(
    readonly folder: string,
    readonly layout: KernelLayout,
    private readonly kernel: zarr.Array<KernelType, Store>,
    private readonly norms: zarr.Array<"float32", Store> | null,
  ) {}

  /** Makes an empty one in place of whatever was there. */
  static async create(folder: string, layout: KernelLayout): Promise<KernelStore> {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const store = storeIn(folder);
    const { shape, dtype, tile, parameters } = layout;
    const [rows, columns] = tilesOf(layout);
    if (parameters.length > 0) {
      await zarr.create(zarr.root(store).resolve("/norms"), {
        shape: [rows, columns, parameters.length],
        chunkShape: [1, 1, parameters.length],
        dtype: "float32",
        fillValue: NaN,
        dimensionNames: ["tile row", "tile column", "parameter"],
      });
    }
    await zarr.create(zarr.root(store).resolve("/kernel"), {
      shape: [...shape],
      chunkShape: [tile, tile, ...shape.slice(2)],
      dtype,
      fillValue: NaN,
      dimensionNames: ["x1", "x2", "output", "output'"].slice(0, shape.length),
    });
    // Last, so that a group with attributes is whole
    await zarr.create(zarr.root(store), { attributes: { kernelscope: layout } });
    return KernelStore.open(folder, layout.fingerprint) as Promise<KernelStore>;
  }

  /** Null where there is none, or one of something else. */
  static async open(folder: string, fingerprint: string | null = null): Promise<KernelStore | null> {
    if (!existsSync(join(folder, "zarr.json"))) return null;
    const root = zarr.root(storeIn(folder));
    try {
      const group = await zarr.open(root, { kind: "group" });
      const layout = group.attrs.kernelscope as KernelLayout;
      if (fingerprint !== null && layout.fingerprint !== fingerprint) return null;
      const kernel = await zarr.open(root.resolve("/kernel"), { kind: "array" });
      const norms = layout.parameters.length === 0 ? null : await zarr.open(root.resolve("/norms"), { kind: "array" });
      const isKernel = kernel.is("float32") || kernel.is("float64");
      if (!isKernel || kernel.dtype !== layout.dtype || (norms !== null && !norms.is("float32"))) return null;
      return new KernelStore(folder, layout, kernel, norms);
    } catch {
      // Cut off while it was made, or not of our making: it is made anew
      return null;
    }
  }

  /** Rows and columns of tiles. */
  get tiles(): readonly [number, number] {
    return tilesOf(this.layout);
  }

  has(row: number, column: number): boolean {
    const rest = this.layout.shape.slice(2).map(() => "0");
    return existsSync(join(this.folder, "kernel", "c", String(row), String(column), ...rest));
  }

  /** Whether there is no tile yet. */
  isEmpty(): boolean {
    return !existsSync(join(this.folder, "kernel", "c"));
  }

  /** The first and the number of examples of a row or column of tiles. */
  span(axis: 0 | 1, index: number): { readonly start: number; readonly count: number } {
    const { shape, tile } = this.layout;
    const start = index * tile;
    return { start, count: Math.min(tile, shape[axis] - start) };
  }

  async write({ row, column, shape, data, norms }: KernelTileData): Promise<void> {
    if (norms !== null && this.norms !== null) {
      const value = { data: norms, shape: [1, 1, norms.length], stride: [norms.length, norms.length, 1] };
      await zarr.set(this.norms, [zarr.slice(row, row + 1), zarr.slice(column, column + 1), null], value);
    }
    // After the norms: a tile that is there has all that belongs to it
    await zarr.set(this.kernel, this.selection(row, column), { data, shape: [...shape], stride: stridesOf(shape) });
  }

  async read(row: number, column: number): Promise<KernelTileData> {
    // A tile is a chunk, which at the edge of the kernel is filled up
    const rest = this.layout.shape.slice(2);
    const chunk = await this.kernel.getChunk([row, column, ...rest.map(() => 0)]);
    const [rows, columns] = [this.span(0, row).count, this.span(1, column).count];
    const entry = sizeOf(rest);
    const norms = await this.readNorms(row, column);
    return {
      row,
      column,
      shape: [rows, columns, ...rest],
      data: firstOf(chunk.data, {
        dtype: this.layout.dtype,
        rows,
        length: columns * entry,
        stride: this.layout.tile * entry,
      }),
      norms,
    };
  }

  /** What one tile adds to the sums of each parameter's squared Jacobians. */
  async readNorms(row: number, column: number): Promise<Float32Array | null> {
    if (this.norms === null) return null;
    const { data } = await zarr.get(this.norms, [zarr.slice(row, row + 1), zarr.slice(column, column + 1), null]);
    return data;
  }

  private selection(row: number, column: number): (zarr.Slice | null)[] {
    const [rows, columns] = [this.span(0, row), this.span(1, column)];
    return [
      zarr.slice(rows.start, rows.start + rows.count),
      zarr.slice(columns.start, columns.start + columns.count),
      ...this.layout.shape.slice(2).map(() => null),
    ];
  }

  /** The whole kernel as a .npy file, a row of tiles at a time. */
  async writeNpy(write: (bytes: Uint8Array) => void): Promise<void> {
    const { shape, dtype } = this.layout;
    write(npyHeader({ shape, dtype }));
    const [rows, columns] = this.tiles;
    const entry = sizeOf(shape.slice(2));
    for (let row = 0; row < rows; row++) {
      const { count } = this.span(0, row);
      const band = newNumbers(dtype, count * shape[1] * entry);
      for (let column = 0; column < columns; column++) {
        const span = this.span(1, column);
        const { data } = await this.read(row, column);
        const length = span.count * entry;
        for (let line = 0; line < count; line++) {
          band.set(data.subarray(line * length, (line + 1) * length), (line * shape[1] + span.start) * entry);
        }
      }
      write(new Uint8Array(band.buffer));
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function tilesOf({ shape, tile }: KernelLayout): [number, number] {
  return [Math.ceil(shape[0] / tile), Math.ceil(shape[1] / tile)];
}

export function newNumbers(dtype: KernelType, size: number): KernelData {
  return newArray(dtype, size) as KernelData;
}

/** The beginnings of some rows of numbers, side by side; of whole rows without a copy. */
function firstOf(
  data: KernelData,
  { dtype, rows, length, stride }: Pick<KernelLayout, "dtype"> & Readonly<Record<"rows" | "length" | "stride", number>>,
): KernelData {
  if (length === stride) return data.subarray(0, rows * length);
  const first = newNumbers(dtype, rows * length);
  for (let row = 0; row < rows; row++) first.set(data.subarray(row * stride, row * stride + length), row * length);
  return first;
}

function stridesOf(shape: Shape): number[] {
  return shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
}

/** Files below a folder. */
function storeIn(folder: string): Store {
  return {
    async get(key) {
      try {
        return await readFile(join(folder, key));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
    },
    async set(key, value) {
      const path = join(folder, key);
      const partial = `${path}.${process.pid}.partial`;
      await mkdir(dirname(path), { recursive: true });
      await writeFile(partial, value);
      await rename(partial, path);
    },
  };
}

/** Of what a kernel is made from: texts, and the bytes of arrays. */
export function fingerprintOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex");
}
