import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { limitAllocations } from "./allocations";

const MIB = 2 ** 20;
const originals = { ArrayBuffer, Float32Array, Uint8Array };
setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

let lift: () => void;
beforeEach(() => {
  const exceeded = (bytes: number): Error => new Error(`too much: ${bytes}`);
  lift = limitAllocations({ bytes: 64 * MIB, exceeded, collectGarbage });
});
afterEach(() => lift());

describe("arrays under a limit", () => {
  const tooLarge: readonly (readonly [string, () => unknown])[] = [
    ["new ArrayBuffer", () => new ArrayBuffer(65 * MIB)],
    ["new SharedArrayBuffer", () => new SharedArrayBuffer(65 * MIB)],
    ["new Float32Array", () => new Float32Array(17 * MIB)],
    ["a typed array of an array", () => new Float64Array({ length: 9 * MIB })],
    ["Float32Array.from", () => Float32Array.from({ length: 17 * MIB })],
    ["a class of its own", () => new (class extends Uint8Array {})(65 * MIB)],
    ["Buffer.alloc", () => Buffer.alloc(65 * MIB)],
    ["slices, together", () => Array.from({ length: 8 }, () => new Uint8Array(8 * MIB).slice())],
  ];
  it.each(tooLarge)("are refused: %s", (_, allocate) => {
    expect(allocate).toThrow(/^too much: \d+$/);
  });

  it("are what they always are", () => {
    const array = new Float32Array([1, 2, 3]);
    expect(array).toBeInstanceOf(Float32Array);
    expect(array).toBeInstanceOf(originals.Float32Array);
    expect(array.constructor).toBe(Float32Array);
    expect(array.map((element) => element + 1)).toEqual(new originals.Float32Array([2, 3, 4]));
    expect(new originals.Uint8Array(2)).toBeInstanceOf(Uint8Array);
    expect(ArrayBuffer.isView(array)).toBe(true);
    expect(Float32Array.BYTES_PER_ELEMENT).toBe(4);
    expect(Object.prototype.toString.call(array)).toBe("[object Float32Array]");
  });

  it("are not counted when they are views, or garbage", () => {
    const buffer = new ArrayBuffer(32 * MIB);
    for (let i = 0; i < 100; i++) new Float32Array(buffer);
    for (let i = 0; i < 100; i++) new Uint8Array(20 * MIB);
    expect(buffer.byteLength).toBe(32 * MIB);
  });

  it("are free again when it is lifted, for code that kept the constructor too", () => {
    const Kept = Float32Array;
    lift();
    expect(Float32Array).toBe(originals.Float32Array);
    expect(new originals.Float32Array(1).constructor).toBe(Float32Array);
    expect(ArrayBuffer).toBe(originals.ArrayBuffer);
    expect(new Kept(17 * MIB)).toHaveLength(17 * MIB);
    expect(Buffer.alloc(65 * MIB)).toHaveLength(65 * MIB);
  });
});
