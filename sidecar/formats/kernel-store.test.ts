import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { sizeOf } from "../graph/types";
import { withFile } from "./file";
import { fingerprintOf, KernelStore, newNumbers, type KernelLayout, type KernelType } from "./kernel-store";
import { readNpy } from "./npy";

const root = mkdtempSync(join(tmpdir(), "kernelscope-store-"));
afterAll(() => rmSync(root, { recursive: true }));

/** That the whole type is kept. */
const FIRST = { float32: 0, float64: 2 ** 50 };

/** Entry [n, m, c, p] of a kernel is its place in the whole, counted from there. */
async function filled(folder: string, dtype: KernelType, shape: readonly number[], tile: number): Promise<KernelStore> {
  const store = await KernelStore.create(folder, {
    shape,
    dtype,
    tile,
    parameters: ["a", "b"],
    fingerprint: "of this",
  });
  const entry = sizeOf(shape.slice(2));
  for (let row = 0; row < store.tiles[0]; row++) {
    for (let column = 0; column < store.tiles[1]; column++) {
      const [rows, columns] = [store.span(0, row), store.span(1, column)];
      const data = newNumbers(dtype, rows.count * columns.count * entry);
      let at = 0;
      for (let n = rows.start; n < rows.start + rows.count; n++) {
        for (let m = columns.start; m < columns.start + columns.count; m++) {
          for (let e = 0; e < entry; e++) data[at++] = FIRST[dtype] + (n * shape[1] + m) * entry + e;
        }
      }
      const tileShape = [rows.count, columns.count, ...shape.slice(2)];
      await store.write({ row, column, shape: tileShape, data, norms: Float32Array.of(row, column) });
    }
  }
  return store;
}

describe("kernels on the disk", () => {
  it.each<[string, KernelType, number[], number]>([
    ["trace", "float32", [7, 5], 3],
    ["diagonal", "float32", [4, 6, 2], 4],
    ["full", "float32", [5, 5, 2, 2], 2],
    ["trace", "float64", [7, 5], 3],
    ["full", "float64", [5, 5, 2, 2], 2],
  ])("come back as they were written, in tiles and whole: %s, %s", async (form, dtype, shape, tile) => {
    const store = await filled(join(root, form + dtype), dtype, shape, tile);
    const first = FIRST[dtype];
    const last = await store.read(store.tiles[0] - 1, store.tiles[1] - 1);
    expect(last.data.at(-1)).toBe(first + sizeOf(shape) - 1);
    expect(last.norms).toEqual(Float32Array.of(store.tiles[0] - 1, store.tiles[1] - 1));
    const file = join(root, `${form}.npy`);
    const pieces: Uint8Array[] = [];
    await store.writeNpy((bytes) => pieces.push(bytes));
    writeFileSync(file, Buffer.concat(pieces));
    const { shape: stored, data } = withFile(file, readNpy);
    expect(stored).toEqual(shape);
    expect(Array.from(data, Number)).toEqual(Array.from({ length: sizeOf(shape) }, (_, index) => first + index));
  });

  it("are found again by what they are of, and know which tiles are there", async () => {
    const folder = join(root, "again");
    const store = await KernelStore.create(folder, {
      shape: [6, 6],
      dtype: "float32",
      tile: 3,
      parameters: [],
      fingerprint: "of this",
    });
    await store.write({ row: 0, column: 1, shape: [3, 3], data: new Float32Array(9).fill(2), norms: null });
    const again = (await KernelStore.open(folder, "of this"))!;
    expect([again.has(0, 0), again.has(0, 1)]).toEqual([false, true]);
    expect((await again.read(0, 1)).data).toEqual(new Float32Array(9).fill(2));
    expect(await again.readNorms(0, 1)).toBeNull();
    // What is not there is not a number
    expect((await again.read(0, 0)).data.every(Number.isNaN)).toBe(true);
    expect(await KernelStore.open(folder, "of that")).toBeNull();
    again.remove();
    expect(existsSync(folder)).toBe(false);
    expect(await KernelStore.open(folder)).toBeNull();
  });

  it("are not taken for whole where they were cut off as they were made", async () => {
    const folder = join(root, "cut");
    const layout: KernelLayout = { shape: [2, 2], dtype: "float32", tile: 2, parameters: [], fingerprint: "of this" };
    await KernelStore.create(folder, layout);
    const array = join(folder, "kernel", "zarr.json");
    writeFileSync(array, readFileSync(array).subarray(0, 20));
    expect(await KernelStore.open(folder, "of this")).toBeNull();
    expect((await KernelStore.create(folder, layout)).tiles).toEqual([1, 1]);
  });

  it("have fingerprints that differ where anything does", () => {
    const prints = [["a", "b"], ["ab"], ["a", new Uint8Array([98])], ["b", "a"]].map(fingerprintOf);
    expect(new Set(prints).size).toBe(3);
    expect(prints[0]).toBe(prints[2]);
  });
});
