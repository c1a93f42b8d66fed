import { sizeOf, type Shape } from "../../../graph/types";
import type { Tf, TfTensor } from "./lowering";

/**
 * Changes of layout. Kernels take arrays of few axes only (six for a pad, eight for a slice), and derivatives of
 * derivatives have many, so neighbouring axes are merged before a kernel is called.
 */

/** A transposition, as a reshape where no two axes that have elements change places. */
export function transpose(tf: Tf, x: TfTensor, permutation: readonly number[]): TfTensor {
  const shape = permutation.map((axis) => x.shape[axis]);
  // Runs of input axes that stay together, without the axes of extent 1
  const runs: number[][] = [];
  for (const axis of permutation) {
    if (x.shape[axis] === 1) continue;
    const run = runs.at(-1);
    if (run && follows(x.shape, run[run.length - 1], axis)) run.push(axis);
    else runs.push([axis]);
  }
  const inOrder = [...runs].sort(([a], [b]) => a - b);
  const merged = tf.reshape(
    x,
    inOrder.map((run) => sizeOf(run.map((axis) => x.shape[axis]))),
  );
  if (runs.length <= 1) return tf.reshape(merged, shape);
  return tf.reshape(
    tf.transpose(
      merged,
      runs.map((run) => inOrder.indexOf(run)),
    ),
    shape,
  );
}

/** Whether only axes of extent 1 are between two axes. */
function follows(shape: Shape, axis: number, next: number): boolean {
  return axis < next && shape.slice(axis + 1, next).every((extent) => extent === 1);
}

/** Whether a transposition moves nothing in memory. */
export function isFree(shape: Shape, permutation: readonly number[]): boolean {
  const moved = permutation.filter((axis) => shape[axis] !== 1);
  return moved.every((axis, index) => index === 0 || axis > moved[index - 1]);
}

export interface NamedAxis {
  readonly name: string;
  readonly extent: number;
}

/**
 * Looks at `x` as an array with the given axes, brings these into another order, and merges each group of them into one
 * axis: arrange(tf, x, [a, b, c], [["c"], ["a", "b"]]) has the axes c and ab. Every axis is in one group.
 */
export function arrange(
  tf: Tf,
  x: TfTensor,
  axes: readonly NamedAxis[],
  groups: readonly (readonly string[])[],
): TfTensor {
  const extents = axes.map(({ extent }) => extent);
  const order = orderOf(axes, groups);
  const shape = groups.map((group) => sizeOf(group.map((name) => extents[position(axes, name)])));
  return tf.reshape(transpose(tf, tf.reshape(x, extents), order), shape);
}

/** Whether `arrange` with these groups moves nothing in memory. */
export function isArranged(axes: readonly NamedAxis[], groups: readonly (readonly string[])[]): boolean {
  return isFree(
    axes.map(({ extent }) => extent),
    orderOf(axes, groups),
  );
}

function orderOf(axes: readonly NamedAxis[], groups: readonly (readonly string[])[]): number[] {
  return groups.flat().map((name) => position(axes, name));
}

function position(axes: readonly NamedAxis[], name: string): number {
  const found = axes.findIndex((axis) => axis.name === name);
  if (found < 0) throw new Error(`there is no axis ${name}`);
  return found;
}

/** Repeats axes of extent 1 until the shape, of the same rank, is reached. */
export function broadcast(tf: Tf, x: TfTensor, shape: Shape): TfTensor {
  // Neighbours that are all repeated, or all kept, are one axis
  const from: number[] = [];
  const times: number[] = [];
  let previous: boolean | null = null;
  shape.forEach((extent, axis) => {
    if (extent === 1) return;
    const repeated = x.shape[axis] === 1;
    if (repeated !== previous) {
      from.push(1);
      times.push(1);
    }
    if (repeated) times[times.length - 1] *= extent;
    else from[from.length - 1] *= extent;
    previous = repeated;
  });
  const merged = tf.reshape(x, from);
  const repeats = times.some((count) => count !== 1);
  return tf.reshape(repeats ? tf.tile(merged, times) : merged, [...shape]);
}

/** How many axes are left of operands that are broadcast against each other, neighbours that are repeated alike being one. */
export function broadcastRank(shapes: readonly Shape[]): number {
  const patterns = shapes[0]
    .map((_, axis) => shapes.map((shape) => (shape[axis] === 1 ? "1" : "n")).join(""))
    .filter((pattern) => pattern.includes("n"));
  return patterns.filter((pattern, index) => index === 0 || pattern !== patterns[index - 1]).length;
}

/** Pads (or crops, with negative amounts) one axis with a value. */
function padAxis(tf: Tf, x: TfTensor, axis: number, low: number, high: number, value: number): TfTensor {
  const extent = x.shape[axis];
  const outer = sizeOf(x.shape.slice(0, axis));
  const inner = sizeOf(x.shape.slice(axis + 1));
  const shape = [...x.shape.slice(0, axis), extent + low + high, ...x.shape.slice(axis + 1)];
  const start = Math.max(0, -low);
  const end = Math.min(extent, extent + high);
  if (end <= start) return tf.cast(tf.fill(shape, value), x.dtype);
  let result: TfTensor = tf.reshape(x, [outer, extent, inner]);
  if (end - start < extent) result = tf.slice(result, [0, start, 0], [outer, end - start, inner]);
  const amounts: [number, number] = [Math.max(0, low), Math.max(0, high)];
  if (amounts[0] > 0 || amounts[1] > 0) result = tf.pad(result, [[0, 0], amounts, [0, 0]], value);
  return tf.reshape(result, shape);
}

/** Puts `count` elements of a value between neighbours along an axis. */
function spreadAxis(tf: Tf, x: TfTensor, axis: number, count: number, value: number): TfTensor {
  const extent = x.shape[axis];
  const outer = sizeOf(x.shape.slice(0, axis));
  const inner = sizeOf(x.shape.slice(axis + 1));
  const rows = tf.pad(tf.reshape(x, [outer * extent, inner]), [[0, 0], [0, count * inner]], value); // prettier-ignore
  const long = tf.reshape(rows, [outer, extent * (count + 1), inner]);
  const spread = extent + (extent - 1) * count;
  return tf.reshape(tf.slice(long, [0, 0, 0], [outer, spread, inner]), [
    ...x.shape.slice(0, axis),
    spread,
    ...x.shape.slice(axis + 1),
  ]);
}

/** The pad of JAX: elements between neighbours first, then before and after, where negative amounts crop. */
export function pad(
  tf: Tf,
  x: TfTensor,
  low: readonly number[],
  high: readonly number[],
  interior: readonly number[],
  value: number,
): TfTensor {
  // The kernel of pads does not take booleans
  let result = x.dtype === "bool" ? tf.cast(x, "int32") : x;
  interior.forEach((count, axis) => {
    if (count > 0 && x.shape[axis] > 1) result = spreadAxis(tf, result, axis, count, value);
  });
  low.forEach((amount, axis) => {
    if (amount !== 0 || high[axis] !== 0) result = padAxis(tf, result, axis, amount, high[axis], value);
  });
  return x.dtype === "bool" ? tf.cast(result, "bool") : result;
}

/** Elements start, start + stride, ... before limit of every axis. */
export function slice(
  tf: Tf,
  x: TfTensor,
  start: readonly number[],
  limit: readonly number[],
  strides: readonly number[],
): TfTensor {
  // Axes that are taken whole are merged with their neighbours
  const whole = (axis: number): boolean => start[axis] === 0 && limit[axis] === x.shape[axis] && strides[axis] === 1;
  const merged: { extent: number; start: number; limit: number; stride: number; whole: boolean }[] = [];
  x.shape.forEach((extent, axis) => {
    const last = merged.at(-1);
    if (last?.whole && whole(axis)) {
      last.extent *= extent;
      last.limit *= extent;
    } else {
      merged.push({ extent, start: start[axis], limit: limit[axis], stride: strides[axis], whole: whole(axis) });
    }
  });
  const shape = x.shape.map((_, axis) => Math.ceil((limit[axis] - start[axis]) / strides[axis]));
  if (merged.every((axis) => axis.whole)) return tf.reshape(x, shape);
  const view = tf.reshape(
    x,
    merged.map((axis) => axis.extent),
  );
  const begin = merged.map((axis) => axis.start);
  const result = merged.every((axis) => axis.stride === 1)
    ? tf.slice(
        view,
        begin,
        merged.map((axis) => axis.limit - axis.start),
      )
    : tf.stridedSlice(
        view,
        begin,
        merged.map((axis) => axis.limit),
        merged.map((axis) => axis.stride),
      );
  return tf.reshape(result, shape);
}
