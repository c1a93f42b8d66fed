import type { ByteSource } from "../../formats/file";
import { ModelError } from "../../graph/errors";
import type { Tensor } from "../../graph/tensor";
import { newArray, sameShape, sizeOf, stridesOf, type DType } from "../../graph/types";

/** Element types of PyTorch (the numbers of its serialisation), and reading arrays of them. */

export interface ElementType {
  readonly bytes: number;
  /** What the graph computes with instead. */
  readonly dtype: DType;
  readonly at: (view: DataView, position: number) => number;
}

const LITTLE = true;
const FLOAT = 7;

const elementTypes: Readonly<Record<number, ElementType>> = {
  1: { bytes: 1, dtype: "int32", at: (view, position) => view.getUint8(position) },
  2: { bytes: 1, dtype: "int32", at: (view, position) => view.getInt8(position) },
  3: { bytes: 2, dtype: "int32", at: (view, position) => view.getInt16(position, LITTLE) },
  4: { bytes: 4, dtype: "int32", at: (view, position) => view.getInt32(position, LITTLE) },
  5: { bytes: 8, dtype: "int32", at: (view, position) => Number(view.getBigInt64(position, LITTLE)) },
  6: { bytes: 2, dtype: "float32", at: (view, position) => half(view.getUint16(position, LITTLE)) },
  7: { bytes: 4, dtype: "float32", at: (view, position) => view.getFloat32(position, LITTLE) },
  8: { bytes: 8, dtype: "float64", at: (view, position) => view.getFloat64(position, LITTLE) },
  12: { bytes: 1, dtype: "bool", at: (view, position) => Number(view.getUint8(position) !== 0) },
  13: { bytes: 2, dtype: "float32", at: (view, position) => brain(view, position) },
};

/** Null for complex, quantised and 8-bit floating-point numbers. */
export function elementTypeOf(scalarType: number): ElementType | null {
  return elementTypes[scalarType] ?? null;
}

/** IEEE 754 binary16. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * 2 ** -24 * fraction : sign * 2 ** (exponent - 25) * (1024 + fraction);
}

const scratch = new DataView(new ArrayBuffer(4));

/** bfloat16: the upper half of a float32. */
function brain(view: DataView, position: number): number {
  scratch.setUint16(2, view.getUint16(position, LITTLE), LITTLE);
  return scratch.getFloat32(0, LITTLE);
}

/** Which elements of a file an array has, in elements. */
export interface Layout {
  readonly name: string;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** The array in row-major order. Its layout has been checked against the size of its file. */
export function readElements(stored: ByteSource, type: ElementType, layout: Layout): Tensor {
  const { name, shape, strides, offset } = layout;
  const data = newArray(type.dtype, sizeOf(shape));
  const reach = data.length === 0 ? 0 : shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis], 1);
  const bytes = new Uint8Array(reach * type.bytes);
  if (stored.read(bytes, offset * type.bytes) < bytes.length) {
    throw new ModelError(`${stored.name}: is cut off; export the model again with torch.export.save`);
  }
  if (type === elementTypes[FLOAT] && sameShape(strides, stridesOf(shape))) {
    return { shape, dtype: type.dtype, data: new Float32Array(bytes.buffer) };
  }
  const view = new DataView(bytes.buffer);
  const index = new Array<number>(shape.length).fill(0);
  let position = 0;
  for (let i = 0; i < data.length; i++) {
    const element = type.at(view, position * type.bytes);
    if (type.dtype === "int32" && element !== (element | 0)) {
      throw new ModelError(
        `${stored.name}: the array ${name} holds ${element}, which has more than 32 bits; keep integers in 32 bits`,
      );
    }
    data[i] = element;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position += strides[axis];
      if (++index[axis] < shape[axis]) break;
      position -= shape[axis] * strides[axis];
      index[axis] = 0;
    }
  }
  return { shape, dtype: type.dtype, data };
}
