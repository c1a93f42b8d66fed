import { closeSync, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { ModelError } from "../../graph/errors";
import type { Tensor } from "../../graph/tensor";
import { formatShape, newArray, sizeOf, type TypedArray } from "../../graph/types";
import { dtypeOfElements, elementTypeOf, type ElementType } from "./element-types";
import type { SparseTensorMessage, TensorMessage } from "./messages";

/** An array of an ONNX file, in the element type that a graph has for it. */
export interface TypedTensor extends Tensor {
  readonly type: ElementType;
}

/** No array may have more elements; sizes beyond are a damaged file's. */
const MOST_ELEMENTS = 2 ** 40;

/** A shape of a file, which may say anything. Throws a ModelError where it is none. */
export function checkedShape(dims: readonly number[], what: string): number[] {
  if (dims.some((extent) => !Number.isSafeInteger(extent) || extent < 0) || sizeOf(dims) > MOST_ELEMENTS) {
    throw new ModelError(`${what} has the impossible shape ${formatShape(dims)}; export the model again`);
  }
  return [...dims];
}

/** The arrays of a file, each read once, however often the model is traced. */
export class FileTensors {
  private readonly known = new WeakMap<object, Tensor>();

  constructor(readonly file: string) {}

  initializer(message: TensorMessage): TypedTensor {
    return this.once(message, () => readTensor(message, this.file));
  }

  sparse(message: SparseTensorMessage): TypedTensor {
    return this.once(message, () => readSparse(message, this.file));
  }

  /** What is made once of some part of the file. */
  once<T extends Tensor>(part: object, make: () => T): T {
    let tensor = this.known.get(part);
    if (tensor === undefined) this.known.set(part, (tensor = make()));
    return tensor as T;
  }
}

const bits: Partial<Record<ElementType, number>> = {
  float: 32,
  uint8: 8,
  int8: 8,
  uint16: 16,
  int16: 16,
  int32: 32,
  int64: 64,
  bool: 8,
  float16: 16,
  double: 64,
  uint32: 32,
  uint64: 64,
  bfloat16: 16,
  float8e4m3fn: 8,
  float8e4m3fnuz: 8,
  float8e5m2: 8,
  float8e5m2fnuz: 8,
  uint4: 4,
  int4: 4,
  float4e2m1: 4,
  float8e8m0: 8,
  uint2: 2,
  int2: 2,
};

/**
 * The elements of a tensor of the file, from wherever they are kept.
 *
 * @param file the model's, beside which external data are
 */
export function readTensor(message: TensorMessage, file: string): TypedTensor {
  const what = message.name ? `the tensor ${message.name}` : "a constant tensor";
  const type = elementTypeOf(message.dataType);
  const dtype = dtypeOfElements(type);
  if (dtype === null) {
    throw new ModelError(`${what} holds elements of the type ${type}, which cannot be computed with; take it out`);
  }
  const shape = checkedShape(message.dims, what);
  const size = sizeOf(shape);
  const expected = Math.ceil((size * bits[type]!) / 8);
  const fits = (length: number, wanted: number, unit: string): void => {
    if (length === wanted) return;
    throw new ModelError(
      `${what} has the shape ${formatShape(shape)}, which takes ${wanted} ${unit}, but holds ${length}; export the model again`,
    );
  };
  let raw = message.rawData;
  if (message.dataLocation === 1) raw = readExternal(message, expected, what, file);
  if (raw !== undefined && (raw.length > 0 || numbersOf(message, type).length === 0)) {
    fits(raw.length, expected, "bytes");
    return { type, dtype, shape, data: decode(raw, type, size, dtype) };
  }
  const numbers = numbersOf(message, type);
  const perNumber = bits[type]! < 8 ? 8 / bits[type]! : 1;
  fits(numbers.length, Math.ceil(size / perNumber), "numbers");
  if (type === "float" || type === "double" || type === "bool" || type === "int32" || isWide(type)) {
    return { type, dtype, shape, data: saturated(numbers, size, dtype) };
  }
  // Smaller types stand as bit patterns in int32_data
  const width = Math.max(8, bits[type]!);
  const bytes = new Uint8Array((size * Math.min(width, bits[type]!)) / 8 + 1);
  const view = new DataView(bytes.buffer);
  numbers.forEach((number, index) => {
    if (width === 16) view.setUint16(2 * index, number & 0xffff, true);
    else bytes[index] = number & 0xff;
  });
  return { type, dtype, shape, data: decode(bytes, type, size, dtype) };
}

const isWide = (type: ElementType): boolean => type === "int64" || type === "uint64" || type === "uint32";

function numbersOf(message: TensorMessage, type: ElementType): readonly number[] {
  switch (type) {
    case "float":
      return message.floatData;
    case "double":
      return message.doubleData;
    case "int64":
      return message.int64Data;
    case "uint32":
    case "uint64":
      return message.uint64Data;
    default:
      return message.int32Data;
  }
}

/** Integers beyond int32 are brought to its ends: they stand for "as far as there is". */
function saturated(numbers: ArrayLike<number>, size: number, dtype: Tensor["dtype"]): TypedArray {
  const data = newArray(dtype, size);
  for (let index = 0; index < size; index++) {
    const number = numbers[index];
    data[index] = dtype === "int32" ? Math.min(2 ** 31 - 1, Math.max(-(2 ** 31), number)) : number;
  }
  return data;
}

function decode(raw: Uint8Array, type: ElementType, size: number, dtype: Tensor["dtype"]): TypedArray {
  const data = newArray(dtype, size);
  if (type === "float" || type === "double" || type === "int32" || type === "bool") {
    // Native order is little endian, as the file's
    new Uint8Array(data.buffer).set(raw.subarray(0, data.byteLength));
    return data;
  }
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const read = readers[type];
  if (read === undefined) throw new ModelError(`elements of the type ${type} cannot be read`);
  for (let index = 0; index < size; index++) data[index] = read(view, index);
  return data;
}

const clampedNumber = (wide: bigint): number =>
  Number(wide < -(2n ** 31n) ? -(2n ** 31n) : wide > 2n ** 31n - 1n ? 2n ** 31n - 1n : wide);

const nibble = (view: DataView, index: number): number => (view.getUint8(index >> 1) >> (4 * (index & 1))) & 15;
const pairOfBits = (view: DataView, index: number): number => (view.getUint8(index >> 2) >> (2 * (index & 3))) & 3;

/** A float of few bits: sign, exponent, mantissa. */
function smallFloat(pattern: number, width: number, mantissa: number, bias: number): number {
  const sign = pattern >> (width - 1) ? -1 : 1;
  const exponent = (pattern >> mantissa) & ((1 << (width - 1 - mantissa)) - 1);
  const fraction = pattern & ((1 << mantissa) - 1);
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias - mantissa);
  return sign * (1 + fraction / 2 ** mantissa) * 2 ** (exponent - bias);
}

function half(pattern: number): number {
  if (((pattern >> 10) & 31) === 31) return pattern & 1023 ? NaN : pattern >> 15 ? -Infinity : Infinity;
  return smallFloat(pattern, 16, 10, 15);
}

const word = new DataView(new ArrayBuffer(4));

const readers: Partial<Record<ElementType, (view: DataView, index: number) => number>> = {
  uint8: (view, index) => view.getUint8(index),
  int8: (view, index) => view.getInt8(index),
  uint16: (view, index) => view.getUint16(2 * index, true),
  int16: (view, index) => view.getInt16(2 * index, true),
  uint32: (view, index) => Math.min(2 ** 31 - 1, view.getUint32(4 * index, true)),
  int64: (view, index) => clampedNumber(view.getBigInt64(8 * index, true)),
  uint64: (view, index) => clampedNumber(view.getBigUint64(8 * index, true)),
  float16: (view, index) => half(view.getUint16(2 * index, true)),
  bfloat16(view, index) {
    word.setUint32(0, view.getUint16(2 * index, true) << 16, true);
    return word.getFloat32(0, true);
  },
  float8e4m3fn(view, index) {
    const pattern = view.getUint8(index);
    return (pattern & 127) === 127 ? NaN : smallFloat(pattern, 8, 3, 7);
  },
  float8e4m3fnuz(view, index) {
    const pattern = view.getUint8(index);
    return pattern === 128 ? NaN : smallFloat(pattern, 8, 3, 8);
  },
  float8e5m2(view, index) {
    // The upper half of a float16
    return half(view.getUint8(index) << 8);
  },
  float8e5m2fnuz(view, index) {
    const pattern = view.getUint8(index);
    return pattern === 128 ? NaN : smallFloat(pattern, 8, 2, 16);
  },
  float8e8m0(view, index) {
    const pattern = view.getUint8(index);
    return pattern === 255 ? NaN : 2 ** (pattern - 127);
  },
  uint4: nibble,
  int4: (view, index) => (nibble(view, index) << 28) >> 28,
  float4e2m1: (view, index) => smallFloat(nibble(view, index), 4, 1, 1),
  uint2: pairOfBits,
  int2: (view, index) => (pairOfBits(view, index) << 30) >> 30,
};

/** The file that external data are in. Throws a ModelError where that is outside of the model's folder. */
export function externalFile(message: TensorMessage, file: string): string {
  const what = `the tensor ${message.name ?? ""}`;
  const location = message.externalData.find(({ key }) => key === "location")?.value ?? "";
  const folder = realpathSync(dirname(resolve(file)));
  const outside = (path: string): boolean => {
    const inner = relative(folder, path);
    return inner === "" || inner.startsWith("..") || isAbsolute(inner);
  };
  const refusal = (): ModelError =>
    new ModelError(
      `${what} is kept in ${JSON.stringify(location)}, which is not in the model's folder; put its data beside the model`,
    );
  if (location === "" || location.includes("\0") || isAbsolute(location) || outside(resolve(folder, location))) {
    throw refusal();
  }
  let real: string;
  try {
    real = realpathSync(resolve(folder, location));
  } catch {
    throw new ModelError(
      `${what} is kept in the file ${location}, which is not there; put it beside the model, in ${folder}`,
    );
  }
  // A link may lead anywhere
  if (outside(real)) throw refusal();
  return real;
}

function readExternal(message: TensorMessage, expected: number, what: string, file: string): Uint8Array {
  const path = externalFile(message, file);
  const entry = (key: string, otherwise: number): number => {
    const text = message.externalData.find((each) => each.key === key)?.value;
    const number = text === undefined ? otherwise : Number(text);
    if (!Number.isSafeInteger(number) || number < 0) {
      throw new ModelError(
        `${what} has the impossible ${key} ${String(text)} in its external data; export the model again`,
      );
    }
    return number;
  };
  const descriptor = openSync(path, "r");
  try {
    const status = fstatSync(descriptor);
    const offset = entry("offset", 0);
    const length = entry("length", expected);
    if (!status.isFile() || length !== expected || offset + length > status.size) {
      throw new ModelError(
        `${what} needs ${expected} bytes from byte ${offset} of ${path} on, but ` +
          (length === expected ? `that file has ${status.size}` : `its length is given as ${length}`) +
          "; export the model again, with its data",
      );
    }
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const count = readSync(descriptor, bytes, done, Math.min(length - done, 1 << 30), offset + done);
      if (count === 0) throw new ModelError(`${path}: ended while ${what} was read`);
      done += count;
    }
    return bytes;
  } finally {
    closeSync(descriptor);
  }
}

/** A sparse tensor with its zeros: indices are positions, [NNZ], or coordinates, [NNZ, rank]. */
export function readSparse({ values, indices, dims }: SparseTensorMessage, file: string): TypedTensor {
  if (values === undefined || indices === undefined)
    throw new ModelError("a sparse tensor has no values or no indices");
  const what = `the sparse tensor ${values.name ?? ""}`;
  const shape = checkedShape(dims, what);
  if (sizeOf(shape) > 2 ** 28)
    throw new ModelError(`${what} has the shape ${formatShape(shape)}, too large to be made dense`);
  const held = readTensor(values, file);
  const places = readTensor(indices, file);
  const rank = places.shape.length === 2 ? places.shape[1] : 1;
  const data = newArray(held.dtype, sizeOf(shape));
  for (let entry = 0; entry < held.data.length; entry++) {
    let position = 0;
    for (let axis = 0; axis < rank; axis++) {
      position = position * (rank === 1 ? 1 : shape[axis]) + places.data[entry * rank + axis];
    }
    if (!(position >= 0 && position < data.length)) throw new ModelError(`${what} has an index outside of its shape`);
    data[position] = held.data[entry];
  }
  return { type: held.type, dtype: held.dtype, shape, data };
}
