import { ModelError } from "../graph/errors";
import type { Tensor } from "../graph/tensor";
import { formatShape, sizeOf, stridesOf, type DType, type Shape } from "../graph/types";
import type { ByteSource } from "./file";

/**
 * NumPy's .npy format: a magic string, a version, a header that is a Python dictionary, and the elements.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59); // \x93NUMPY
/** The elements begin at a multiple of this, so that they can be mapped into memory. */
const ALIGNMENT = 64;
/** A header says three things; one that is longer than this is damage. */
const LONGEST_HEADER = 1 << 20;

/** Element types that are read, by NumPy's own names. */
export type ElementType = "float16" | "float32" | "float64" | "int32" | "int64" | "uint8" | "bool";

type Elements = Uint16Array | Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;

const byCode: Record<string, ElementType> = {
  f2: "float16",
  f4: "float32",
  f8: "float64",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  b1: "bool",
};

const bytesPer: Record<ElementType, number> = {
  float16: 2,
  float32: 4,
  float64: 8,
  int32: 4,
  int64: 8,
  uint8: 1,
  bool: 1,
};

export interface NpyHeader {
  readonly shape: Shape;
  readonly type: ElementType;
  readonly bigEndian: boolean;
  readonly fortranOrder: boolean;
  /** Where the elements begin. */
  readonly offset: number;
}

/** An array as it stands in a file, in C order and the machine's byte order. */
export interface NpyArray {
  /** What messages call it. */
  readonly name: string;
  readonly shape: Shape;
  readonly type: ElementType;
  readonly data: Elements;
}

/** Reads and checks all that stands before the elements, and that the elements are all there. */
export function readNpyHeader(source: ByteSource): NpyHeader {
  const fail = (what: string): ModelError => new ModelError(`${source.name}: ${what}`);
  const start = new Uint8Array(12);
  const got = source.read(start, 0);
  if (got < MAGIC.length || MAGIC.some((byte, index) => start[index] !== byte)) {
    throw fail("is not a .npy file (its first bytes are not NumPy's); save the array with numpy.save.");
  }
  const truncated = "is truncated: it ends within the .npy header.";
  if (got < start.length) throw fail(truncated);
  const version = start[6];
  if (version < 1 || version > 3)
    throw fail(`has version ${version}.${start[7]} of the .npy format, which is unknown.`);
  const view = new DataView(start.buffer);
  const lengthBytes = version === 1 ? 2 : 4;
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const offset = 8 + lengthBytes + length;
  if (length > LONGEST_HEADER) throw fail("has a damaged .npy header.");
  const header = new Uint8Array(length);
  if (source.read(header, offset - length) < length) throw fail(truncated);
  const text = Buffer.from(header.buffer).toString(version === 3 ? "utf8" : "latin1");

  const { descr, fortranOrder, shape } = parseHeader(text, fail);
  const { type, bigEndian } = parseType(descr, fail);
  const expected = sizeOf(shape) * bytesPer[type];
  const present = source.size - offset;
  if (!Number.isSafeInteger(expected)) throw fail(`claims the impossible shape ${formatShape(shape)}.`);
  if (present !== expected) {
    const complaint = present < expected ? "is truncated" : "holds more than one array";
    throw fail(
      `${complaint}: shape ${formatShape(shape)} of ${type} takes ${expected} bytes, but ${present} follow the header.`,
    );
  }
  return { shape, type, bigEndian, fortranOrder, offset };
}

type Fail = (what: string) => ModelError;

/** The header is a Python dictionary, always with these three keys. */
function parseHeader(text: string, fail: Fail): { descr: string; fortranOrder: boolean; shape: number[] } {
  const damaged = fail("has a .npy header that cannot be read.");
  const order = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(text);
  const tuple = /['"]shape['"]\s*:\s*\(([^()]*)\)/.exec(text);
  if (!text.trimStart().startsWith("{") || !text.trimEnd().endsWith("}") || !order || !tuple) throw damaged;
  const shape = tuple[1]
    .split(",")
    .map((extent) => extent.trim().replace(/L$/, ""))
    .filter((extent) => extent !== "")
    .map((extent) => (/^\d+$/.test(extent) ? Number(extent) : NaN));
  if (shape.some(Number.isNaN)) throw damaged;
  if (/['"]descr['"]\s*:\s*\[/.test(text)) {
    throw fail("holds an array of records (a structured dtype); save one plain array of numbers.");
  }
  const descr = /['"]descr['"]\s*:\s*['"]([^'"]*)['"]/.exec(text);
  if (!descr) throw damaged;
  return { descr: descr[1], fortranOrder: order[1] === "True", shape };
}

function parseType(descr: string, fail: Fail): { type: ElementType; bigEndian: boolean } {
  const type = byCode[descr.slice(1)];
  if (type !== undefined && "<>|=".includes(descr[0])) return { type, bigEndian: descr.startsWith(">") };
  if (descr.includes("O")) throw fail("holds Python objects (dtype object); save an array of numbers.");
  throw fail(`has dtype '${descr}', which is not supported; use ${Object.values(byCode).join(", ")}.`);
}

/** Reads the array, turning it into C order and the machine's (little-endian) byte order. */
export function readNpy(source: ByteSource): NpyArray {
  const header = readNpyHeader(source);
  const { shape, type, offset } = header;
  const bytes = new Uint8Array(source.size - offset);
  if (source.read(bytes, offset) < bytes.length) throw new ModelError(`${source.name}: is truncated.`);
  if (header.bigEndian) swapBytes(bytes, bytesPer[type]);
  const stored = elementsOver(bytes, type);
  const data = header.fortranOrder && shape.length > 1 ? fromFortranOrder(stored, shape) : stored;
  return { name: source.name, shape, type, data };
}

function elementsOver({ buffer }: Uint8Array<ArrayBuffer>, type: ElementType): Elements {
  switch (type) {
    case "float16":
      return new Uint16Array(buffer);
    case "float32":
      return new Float32Array(buffer);
    case "float64":
      return new Float64Array(buffer);
    case "int32":
      return new Int32Array(buffer);
    case "int64":
      return new BigInt64Array(buffer);
    case "uint8":
    case "bool":
      return new Uint8Array(buffer);
  }
}

function swapBytes(bytes: Uint8Array, width: number): void {
  const buffer = Buffer.from(bytes.buffer);
  if (width === 2) buffer.swap16();
  else if (width === 4) buffer.swap32();
  else if (width === 8) buffer.swap64();
}

function fromFortranOrder(stored: Elements, shape: Shape): Elements {
  const data = stored.slice();
  const strides = stridesOf([...shape].reverse()).reverse();
  const index = new Array<number>(shape.length).fill(0);
  for (let element = 0, from = 0; element < data.length; element++) {
    data[element] = stored[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return data;
}

/**
 * The array as a tensor of `dtype`. Only conversions that lose nothing are made (float16 to float32, int64 that fits
 * in int32, and so on), so that nobody's numbers change silently; null where the types do not fit.
 */
export function tensorOf(array: NpyArray, dtype: DType): Tensor | null {
  const { shape, type, data, name } = array;
  if (type === dtype) return { shape, dtype, data: data as Tensor["data"] };
  switch (dtype) {
    case "float32":
      return type === "float16" ? { shape, dtype, data: Float32Array.from(data as Uint16Array, fromHalf) } : null;
    case "float64":
      if (type === "float32") return { shape, dtype, data: Float64Array.from(data as Float32Array) };
      return type === "float16" ? { shape, dtype, data: Float64Array.from(data as Uint16Array, fromHalf) } : null;
    case "int32":
      if (type === "uint8") return { shape, dtype, data: Int32Array.from(data as Uint8Array) };
      return type === "int64" ? { shape, dtype, data: narrowed(data as BigInt64Array, name) } : null;
    case "bool":
      return null;
  }
}

function narrowed(data: BigInt64Array, name: string): Int32Array {
  const narrow = new Int32Array(data.length);
  for (let index = 0; index < data.length; index++) {
    const element = Number(data[index]);
    if ((element | 0) !== element) {
      throw new ModelError(`${name}: element ${index} is ${data[index].toString()}, which does not fit in int32.`);
    }
    narrow[index] = element;
  }
  return narrow;
}

/** The value of an IEEE half-precision number given by its bits. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const codes: Record<DType, string> = { float32: "<f4", float64: "<f8", int32: "<i4", bool: "|b1" };

/** Everything that stands before a tensor's elements. */
export function npyHeader({ shape, dtype }: Pick<Tensor, "shape" | "dtype">): Uint8Array {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${codes[dtype]}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // Version 1 has two bytes for the header's length, and version 2 four; a shape would need thousands of axes for that.
  const before = MAGIC.length + 4;
  const length = Math.ceil((before + text.length + 1) / ALIGNMENT) * ALIGNMENT - before;
  const header = Buffer.alloc(before + length, " ");
  header.set(MAGIC, 0);
  header.set([1, 0], MAGIC.length);
  header.writeUInt16LE(length, MAGIC.length + 2);
  header.write(text, before, "latin1");
  header.write("\n", before + length - 1);
  return header;
}

/** A tensor's elements as bytes, without a copy. */
export function bytesOfTensor({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
