import type { WindowAttributes } from "../../primitives/attributes";
import type { Tensor } from "../../graph/tensor";
import { range, stridesOf, type Shape } from "../../graph/types";
import { broadcastStrides, offsets, offsetsAlong } from "./offsets";
import { slidingOffsets } from "./sliding";
import { zeros, type Kernel } from "./kernel";

/**
 * An operand seen through its windows: window w of line l has its elements at lines[l] + table[w * size + k] of the
 * operand's data (in the padding where the table says -1) and its result at outputLines[l] + outputs[w].
 */
interface Windows {
  readonly lines: Int32Array;
  readonly table: Int32Array;
  readonly size: number;
  readonly outputLines: Int32Array;
  readonly outputs: Int32Array;
}

function windowedAxes({ window, strides, padding }: WindowAttributes): number[] {
  return range(window.length).filter(
    (axis) => window[axis] !== 1 || strides[axis] !== 1 || padding[axis][0] !== 0 || padding[axis][1] !== 0,
  );
}

/** `windowed` is the shape of the array with one element for each window; along other axes the operand is broadcast to it. */
function windowsOf(operand: Shape, windowed: Shape, attributes: WindowAttributes): Windows {
  const axes = windowedAxes(attributes);
  const others = range(operand.length).filter((axis) => !axes.includes(axis));
  const strides = stridesOf(operand);
  const broadcast = broadcastStrides(operand);
  const table = slidingOffsets(
    axes.map((axis) => ({
      input: operand[axis],
      inputStride: strides[axis],
      output: windowed[axis],
      window: attributes.window[axis],
      stride: attributes.strides[axis],
      dilation: attributes.dilation[axis],
      inputDilation: 1,
      padding: attributes.padding[axis][0],
    })),
  );
  return {
    lines: offsets(
      others.map((axis) => windowed[axis]),
      others.map((axis) => broadcast[axis]),
    ),
    table,
    size: axes.reduce((size, axis) => size * attributes.window[axis], 1),
    outputLines: offsetsAlong(windowed, others),
    outputs: offsetsAlong(windowed, axes),
  };
}

export function reduceWindow(initial: number, join: (sum: number, x: number) => number): Kernel<WindowAttributes> {
  return ([operand], attributes, output) => {
    const result = zeros(output);
    const { lines, table, size, outputLines, outputs } = windowsOf(operand.shape, output.shape, attributes);
    for (let line = 0; line < lines.length; line++) {
      for (let window = 0; window < outputs.length; window++) {
        let sum = initial;
        for (let k = window * size; k < (window + 1) * size; k++) {
          if (table[k] >= 0) sum = join(sum, operand.data[lines[line] + table[k]]);
        }
        result[outputLines[line] + outputs[window]] = sum;
      }
    }
    return result;
  };
}

/** Calls `visit` with each window's number, its place in the windowed array, and its first maximum as an entry of the table. */
function forEachMaximum(
  operand: Tensor,
  { lines, table, size, outputLines, outputs }: Windows,
  visit: (line: number, output: number, maximum: number) => void,
): void {
  for (let line = 0; line < lines.length; line++) {
    for (let window = 0; window < outputs.length; window++) {
      let best = -1;
      for (let k = window * size; k < (window + 1) * size; k++) {
        if (table[k] < 0) continue;
        if (best < 0 || operand.data[lines[line] + table[k]] > operand.data[lines[line] + table[best]]) best = k;
      }
      if (best >= 0) visit(line, outputLines[line] + outputs[window], best);
    }
  }
}

export const selectAndGatherAdd: Kernel<WindowAttributes> = ([tangent, operand], attributes, output) => {
  const result = zeros(output);
  const windows = windowsOf(operand.shape, output.shape, attributes);
  // The tangent is walked by the same windows; it may have lines of its own where the operand is broadcast.
  const own = windowsOf(tangent.shape, output.shape, attributes);
  forEachMaximum(operand, windows, (line, place, maximum) => {
    result[place] = tangent.data[own.lines[line] + own.table[maximum]];
  });
  return result;
};

export const selectAndScatterAdd: Kernel<WindowAttributes> = ([cotangent, operand], attributes, output) => {
  const result = zeros(output);
  const windows = windowsOf(operand.shape, cotangent.shape, attributes);
  const own = windowsOf(output.shape, cotangent.shape, attributes);
  forEachMaximum(operand, windows, (line, place, maximum) => {
    result[own.lines[line] + own.table[maximum]] += cotangent.data[place];
  });
  return result;
};
