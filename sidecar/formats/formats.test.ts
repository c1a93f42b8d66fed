import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { python } from "../../test/tools";
import { ModelError } from "../graph/errors";
import { tensor, type Tensor } from "../graph/tensor";
import type { DType } from "../graph/types";
import { withFile } from "./file";
import { npyHeader, readNpy, readNpyHeader, tensorOf, type NpyArray } from "./npy";
import { NpzWriter, readNpz, writeNpy } from "./npz";
import { isZip, readZip, ZipWriter } from "./zip";

const folder = mkdtempSync(join(tmpdir(), "kernelscope-formats-"));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (name: string): string => join(folder, name);

const examples: Record<string, Tensor> = {
  "dense_1/kernel": tensor([2, 3], "float32", Float32Array.of(1, -2.5, 3e-20, Infinity, -0, 1 / 3)),
  doubles: tensor([3], "float64", Float64Array.of(Math.PI, -1, 1e300)),
  counts: tensor([2, 1, 2], "int32", Int32Array.of(-1, 2 ** 31 - 1, 0, 7)),
  scalar: tensor([], "float32", Float32Array.of(42)),
  empty: tensor([0, 5], "float32"),
  flags: tensor([2, 2], "bool", Uint8Array.of(1, 0, 0, 1)),
};

const readFile = (file: string): NpyArray => withFile(file, readNpy);
const toTensor = (array: NpyArray, dtype: DType): Tensor => tensorOf(array, dtype)!;

function written(bytes: Uint8Array | string): string {
  const file = path("written.npy");
  writeFileSync(file, bytes);
  return file;
}

function npyBytes(dictionary: string, data = new Uint8Array(0), version = 1): Buffer {
  const length = Buffer.alloc(version === 1 ? 2 : 4);
  length.writeUIntLE(dictionary.length, 0, length.length);
  return Buffer.concat([
    Buffer.from([0x93]),
    Buffer.from(`NUMPY`),
    Buffer.from([version, 0]),
    length,
    Buffer.from(dictionary),
    data,
  ]);
}

describe("a .npy file", () => {
  test.each(Object.entries(examples))("reads back as it was written: %s", (_, example) => {
    writeNpy(path("a.npy"), example);
    const array = readFile(path("a.npy"));
    expect(array.shape).toEqual(example.shape);
    expect(toTensor(array, example.dtype)).toEqual(example);
  });

  test("its elements begin at a multiple of 64", () => {
    expect(npyHeader(tensor([100, 10, 3, 3, 3, 16], "float32")).length % 64).toBe(0);
  });

  test("of versions 2 and 3 is read", () => {
    const header = "{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }\n";
    for (const version of [2, 3]) {
      expect(readFile(written(npyBytes(header, new Uint8Array(4), version))).data).toEqual(Int32Array.of(0));
    }
  });

  const good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  test.each([
    ["text", Buffer.from("1,2,3,4,5,6,7"), /is not a \.npy file/],
    ["nothing", Buffer.alloc(0), /is not a \.npy file/],
    ["a file that ends after the magic string", npyBytes(good).subarray(0, 8), /truncated.*header/],
    ["a file that ends within the header", npyBytes(good).subarray(0, 30), /truncated.*header/],
    ["an unknown version", npyBytes(good, new Uint8Array(8), 9), /version 9\.0/],
    ["a header that is no dictionary", npyBytes("import os"), /header that cannot be read/],
    ["a header without a shape", npyBytes("{'descr': '<f4', 'fortran_order': False}"), /header that cannot be read/],
    ["a negative extent", npyBytes(good.replace("2", "-2")), /header that cannot be read/],
    ["missing elements", npyBytes(good, new Uint8Array(4)), /truncated: shape \[2\] of float32 takes 8 bytes, but 4/],
    ["too many elements", npyBytes(good, new Uint8Array(12)), /more than one array/],
    ["an impossible shape", npyBytes(good.replace("2", "9999999999, 9999999999")), /impossible shape/],
    ["Python objects", npyBytes(good.replace("<f4", "|O")), /Python objects/],
    ["records", npyBytes(good.replace("'<f4'", "[('a', '<f4')]")), /records/],
    ["complex numbers", npyBytes(good.replace("<f4", "<c8")), /dtype '<c8'.*not supported/],
    ["text elements", npyBytes(good.replace("<f4", "<U5")), /dtype '<U5'.*not supported/],
  ])("is refused with one sentence that names it: %s", (_, bytes, message) => {
    const file = written(bytes);
    const read = (): unknown => readFile(file);
    expect(read).toThrow(ModelError);
    expect(read).toThrow(message);
    expect(read).toThrow(file);
  });

  test("that does not exist, or is a folder, is refused", () => {
    expect(() => readFile(path("none.npy"))).toThrow(/none\.npy: cannot be opened \(there is no such file/);
    expect(() => readFile(folder)).toThrow(/is not a file/);
  });
});

describe("conversion to the dtype that a model wants", () => {
  const array = (type: NpyArray["type"], data: NpyArray["data"]): NpyArray => ({
    name: "x",
    shape: [data.length],
    type,
    data,
  });

  test("is made where it loses nothing", () => {
    const halves = array("float16", Uint16Array.of(0x3c00, 0xc500, 0x0001, 0x7c00, 0x7e00));
    expect(tensorOf(halves, "float32")?.data).toEqual(Float32Array.of(1, -5, 2 ** -24, Infinity, NaN));
    expect(tensorOf(array("int64", BigInt64Array.of(-5n, 7n)), "int32")?.data).toEqual(Int32Array.of(-5, 7));
    expect(tensorOf(array("uint8", Uint8Array.of(255)), "int32")?.data).toEqual(Int32Array.of(255));
    expect(tensorOf(array("float32", Float32Array.of(0.5)), "float64")?.data).toEqual(Float64Array.of(0.5));
  });

  test("is refused where it would", () => {
    expect(tensorOf(array("float64", Float64Array.of(1)), "float32")).toBeNull();
    expect(tensorOf(array("int32", Int32Array.of(1)), "float32")).toBeNull();
    expect(() => tensorOf(array("int64", BigInt64Array.of(1n << 40n)), "int32")).toThrow(/element 0 is 1099511627776/);
  });
});

function writeArchive(file: string, zip64From?: number): void {
  const writer = new NpzWriter(file, zip64From);
  for (const [name, example] of Object.entries(examples)) writer.add(name, example);
  writer.finish();
  writer.close();
}

/** What a zip64 archive is, without four gigabytes: every size and offset is in the zip64 records. */
const forceZip64 = 1;

describe("an .npz archive", () => {
  test.each([undefined, forceZip64])("reads back as it was written (zip64 from %s)", (zip64From) => {
    writeArchive(path("a.npz"), zip64From);
    withFile(path("a.npz"), (source) => {
      expect(isZip(source)).toBe(true);
      const arrays = readNpz(source);
      expect([...arrays.keys()]).toEqual(Object.keys(examples));
      for (const [name, example] of Object.entries(examples)) {
        expect(toTensor(readNpy(arrays.get(name)!), example.dtype)).toEqual(example);
      }
    });
  });

  test("equal arrays make equal files", () => {
    writeArchive(path("a.npz"));
    writeArchive(path("b.npz"));
    expect(readFileSync(path("a.npz"))).toEqual(readFileSync(path("b.npz")));
  });

  test.each([1, 22, 60, 200])("is refused when its last %i bytes are missing", (missing) => {
    writeArchive(path("a.npz"));
    const bytes = readFileSync(path("a.npz"));
    writeFileSync(path("cut.npz"), bytes.subarray(0, bytes.length - missing));
    expect(() => withFile(path("cut.npz"), readNpz)).toThrow(/cut\.npz: is truncated or damaged/);
  });

  test("without arrays is refused", () => {
    const descriptor = openSync(path("none.npz"), "w");
    const zip = new ZipWriter(descriptor);
    zip.add("readme.txt", [Buffer.from("hello")]);
    zip.finish();
    closeSync(descriptor);
    withFile(path("none.npz"), (source) => {
      expect([...readZip(source).keys()]).toEqual(["readme.txt"]);
      expect(() => readNpz(source)).toThrow(/holds no arrays/);
    });
  });

  test("in a folder that does not exist is refused", () => {
    expect(() => new NpzWriter(path("none/a.npz"))).toThrow(/cannot be written \(there is no such file or folder\)/);
  });
});

describe.skipIf(python === undefined)("NumPy", () => {
  const numpy = (script: string): string =>
    execFileSync(python!, ["-c", `import numpy as np\n${script}`], { cwd: folder, encoding: "utf8" });

  test.each([undefined, forceZip64])("loads what we write (zip64 from %s)", (zip64From) => {
    writeArchive(path("ours.npz"), zip64From);
    const printed = numpy(`
a = np.load("ours.npz")
import json, zipfile
assert zipfile.ZipFile("ours.npz").testzip() is None
print(json.dumps({k: [str(a[k].dtype), list(a[k].shape), [repr(float(x)) for x in a[k].ravel()]] for k in a.files}))`);
    const loaded = JSON.parse(printed) as Record<string, [string, number[], string[]]>;
    expect(Object.keys(loaded)).toEqual(Object.keys(examples));
    for (const [name, { shape, dtype, data }] of Object.entries(examples)) {
      const elements = loaded[name][2].map((text) => Number(text.replace("inf", "Infinity")));
      expect([loaded[name][0], loaded[name][1], elements]).toEqual([dtype, shape, Array.from(data)]);
    }
  });

  test("writes what we read: byte orders, Fortran order, compression, every dtype", () => {
    numpy(`
x = np.arange(24).reshape(2, 3, 4)
arrays = {f"{t}{o}": np.array(x, dtype=t, order=o) for t in ["<f4", ">f4", "<f8", ">f8", "<f2", ">f2", "<i4", ">i4", "<i8", ">i8", "u1"] for o in "CF"}
np.savez("theirs.npz", **arrays)
np.savez_compressed("packed.npz", **arrays)
np.save("theirs.npy", arrays[">f4F"])
np.lib.format.write_array(open("v2.npy", "wb"), arrays["<f4C"], version=(2, 0))
np.lib.format.write_array(open("v3.npy", "wb"), arrays["<f4C"], version=(3, 0))`);
    const expected = Array.from({ length: 24 }, (_, index) => index);
    for (const archive of ["theirs.npz", "packed.npz"]) {
      withFile(path(archive), (source) => {
        const arrays = readNpz(source);
        expect(arrays.size).toBe(22);
        for (const [name, member] of arrays) {
          const array = readNpy(member);
          const dtype = name.includes("f8") ? "float64" : name.includes("f") ? "float32" : "int32";
          expect(array.shape).toEqual([2, 3, 4]);
          expect(Array.from(toTensor(array, dtype).data), name).toEqual(expected);
        }
      });
    }
    for (const file of ["theirs.npy", "v2.npy", "v3.npy"]) {
      expect(Array.from(readFile(path(file)).data, Number)).toEqual(expected);
    }
    expect(withFile(path("theirs.npy"), readNpyHeader)).toMatchObject({ bigEndian: true, fortranOrder: true });
  });
});
