/** Shapes and element types of values. */

export type Shape = readonly number[];

/** Element types. `float64` appears only where a user's model has it; the reference engine computes every float in 64 bits. */
export type DType = "float32" | "float64" | "int32" | "bool";

export interface ValueType {
  readonly shape: Shape;
  readonly dtype: DType;
}

export type TypedArray = Float32Array | Float64Array | Int32Array | Uint8Array;

export const bytesPerElement: Record<DType, number> = { float32: 4, float64: 8, int32: 4, bool: 1 };

export function isFloat(dtype: DType): boolean {
  return dtype === "float32" || dtype === "float64";
}

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

/** Bytes that the elements of a value take, without rounding. */
export function bytesOf(type: ValueType): number {
  return sizeOf(type.shape) * bytesPerElement[type.dtype];
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

/** `[2,3]`. What a file calls a shape may have any number of extents: of many, the first are named. */
export function formatShape(shape: Shape): string {
  const most = 16;
  const more = shape.length > most ? `,... ${shape.length} extents` : "";
  return `[${shape.slice(0, most).join(",")}${more}]`;
}

/** A zero-filled array that holds `size` elements of `dtype` (booleans as bytes 0 and 1). */
export function newArray(dtype: DType, size: number): TypedArray {
  switch (dtype) {
    case "float32":
      return new Float32Array(size);
    case "float64":
      return new Float64Array(size);
    case "int32":
      return new Int32Array(size);
    case "bool":
      return new Uint8Array(size);
  }
}

/** `0, 1, ..., count - 1` */
export function range(count: number): number[] {
  const numbers: number[] = [];
  for (let index = 0; index < count; index++) numbers.push(index);
  return numbers;
}
