import { newArray, sizeOf, type DType, type Shape, type TypedArray } from "./types";

/** An array with its elements in row-major order; booleans are bytes 0 and 1. */
export interface Tensor {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly data: TypedArray;
}

export function tensor(shape: Shape, dtype: DType, data?: TypedArray): Tensor {
  return { shape, dtype, data: data ?? newArray(dtype, sizeOf(shape)) };
}
