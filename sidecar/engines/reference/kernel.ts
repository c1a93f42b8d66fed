import type { Source } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { isFloat, newArray, sizeOf, type DType, type TypedArray, type ValueType } from "../../graph/types";

/** Computes the elements of a primitive's one output. Floats come and go as Float64Array, whatever their dtype. */
export type Kernel<A> = (
  inputs: readonly Tensor[],
  attributes: A,
  output: ValueType,
  source: Source | null,
) => TypedArray;

/** The element type in which the engine computes values of a dtype. */
export function workingType(dtype: DType): DType {
  return isFloat(dtype) ? "float64" : dtype;
}

/** Zeros for the elements of an output. */
export function zeros(type: ValueType): TypedArray {
  return newArray(workingType(type.dtype), sizeOf(type.shape));
}

/** An output whose element i is the input's element positions[i]. */
export function pick({ data }: Tensor, positions: Int32Array, output: ValueType): TypedArray {
  const result = zeros(output);
  for (let index = 0; index < result.length; index++) result[index] = data[positions[index]];
  return result;
}
