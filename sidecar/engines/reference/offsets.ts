import { sizeOf, stridesOf, type Shape } from "../../graph/types";

/**
 * Positions in a flat array of the elements that a walk over `shape` in row-major order visits, if a step along axis i
 * moves by strides[i]. With the right strides this one function is a transposition, a broadcast (stride 0), a slice, a
 * reversal (negative stride) or the place of each element in a reduction.
 */
export function offsets(shape: Shape, strides: readonly number[], start = 0): Int32Array {
  const result = new Int32Array(sizeOf(shape));
  if (result.length === 0) return result;
  // The walk over the inner axes is repeated, shifted, for each further element of an outer axis.
  result[0] = start;
  let filled = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    for (let step = 1; step < shape[axis]; step++) {
      const shift = step * strides[axis];
      for (let index = 0; index < filled; index++) result[step * filled + index] = result[index] + shift;
    }
    filled *= shape[axis];
  }
  return result;
}

/** `offsets` of a walk over some axes of an array of the given shape. */
export function offsetsAlong(shape: Shape, axes: readonly number[]): Int32Array {
  const strides = stridesOf(shape);
  return offsets(
    axes.map((axis) => shape[axis]),
    axes.map((axis) => strides[axis]),
  );
}

/** Strides with which an array is walked as if its extents of 1 were repeated. */
export function broadcastStrides(shape: Shape): number[] {
  return stridesOf(shape).map((stride, axis) => (shape[axis] === 1 ? 0 : stride));
}
