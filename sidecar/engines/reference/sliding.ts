import { sizeOf, type Shape } from "../../graph/types";

/** One axis along which a window slides: window element k of output o lies at (o stride + k dilation - padding) / inputDilation. */
export interface SlidingAxis {
  readonly input: number;
  /** How far apart neighbours along this axis are in the input's data. */
  readonly inputStride: number;
  readonly output: number;
  readonly window: number;
  readonly stride: number;
  readonly dilation: number;
  readonly inputDilation: number;
  readonly padding: number;
}

/** Row o, column k: where in the input's data window element k of output o lies, or -1 where it lies in the padding. */
export function slidingOffsets(axes: readonly SlidingAxis[]): Int32Array {
  const outputs: Shape = axes.map((axis) => axis.output);
  const windows: Shape = axes.map((axis) => axis.window);
  const table = new Int32Array(sizeOf(outputs) * sizeOf(windows));
  const position = new Array<number>(2 * axes.length).fill(0);
  const extents = [...outputs, ...windows];
  for (let entry = 0; entry < table.length; entry++) {
    table[entry] = offsetAt(axes, position);
    for (let axis = extents.length - 1; axis >= 0; axis--) {
      if (++position[axis] < extents[axis]) break;
      position[axis] = 0;
    }
  }
  return table;
}

function offsetAt(axes: readonly SlidingAxis[], position: readonly number[]): number {
  let offset = 0;
  for (let axis = 0; axis < axes.length; axis++) {
    const { stride, dilation, padding, inputDilation, input, inputStride } = axes[axis];
    const dilated = position[axis] * stride + position[axes.length + axis] * dilation - padding;
    const index = dilated / inputDilation;
    if (!Number.isInteger(index) || index < 0 || index >= input) return -1;
    offset += index * inputStride;
  }
  return offset;
}
