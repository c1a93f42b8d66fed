import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range, sizeOf, type Shape } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { tf } from "../tensorflow";
import { view } from "../../view";
import { positiveAxis, rearrange, type Lowering, type LoweringTable } from "./kernel";

/** Kernels that move elements without computing. */

/** A shape in which one extent may be -1: as many as are left. */
function completeShape(shape: Shape, size: number): number[] {
  const known = shape.reduce((product, extent) => (extent === -1 ? product : product * extent), 1);
  return shape.map((extent) => (extent === -1 ? size / known : extent));
}

const stridedSlice: Lowering = (b, { inputs: { x }, attributes }) => {
  const a = attributes as Record<"begin" | "end" | "strides", number[]> &
    Record<"beginMask" | "endMask" | "ellipsisMask" | "newAxisMask" | "shrinkAxisMask", number>;
  const { begin, end, strides, finalShape } = tf.slice_util.sliceInfo(
    [...x.shape],
    a.begin,
    a.end,
    a.strides,
    a.beginMask,
    a.endMask,
    a.ellipsisMask,
    a.newAxisMask,
    a.shrinkAxisMask,
  );
  const size = sizeOf(finalShape);
  if (size === 0) return ops.full(b, finalShape, x.dtype, 0);
  // A slice that goes backwards is one that goes forwards, reversed: begin, begin + s, ... down to the last element.
  const counts = begin.map((from, axis) => Math.max(0, Math.ceil((end[axis] - from) / strides[axis])));
  const lasts = begin.map((from, axis) => from + (counts[axis] - 1) * strides[axis]);
  const sliced = ops.slice(
    b,
    x,
    begin.map((from, axis) => Math.min(from, lasts[axis])),
    begin.map((from, axis) => Math.max(from, lasts[axis]) + 1),
    strides.map(Math.abs),
  );
  const backwards = range(begin.length).filter((axis) => strides[axis] < 0 && counts[axis] > 1);
  return ops.reshape(b, ops.reverse(b, sliced, backwards), finalShape);
};

const mirrorPad: Lowering = (b, { inputs, attributes }) => {
  const { paddings, mode } = attributes as { paddings: [number, number][]; mode: "reflect" | "symmetric" };
  const skip = mode === "reflect" ? 1 : 0;
  return paddings.reduce((x, [low, high], axis) => {
    const extent = x.shape[axis];
    const parts = [x];
    if (low > 0) parts.unshift(ops.reverse(b, ops.sliceAxis(b, x, axis, skip, skip + low), [axis]));
    if (high > 0) {
      parts.push(ops.reverse(b, ops.sliceAxis(b, x, axis, extent - skip - high, extent - skip), [axis]));
    }
    return ops.concatenate(b, parts, axis);
  }, inputs.x);
};

/** Each axis becomes (repetition, extent), broadcast, and joined again. */
export function tile(b: Builder, x: Value, repetitions: readonly number[]): Value {
  const padded = ops.padRank(b, x, repetitions.length);
  const split = padded.shape.flatMap((extent, axis) => [repetitions[axis], extent]);
  const axes = range(padded.shape.length).map((axis) => 2 * axis + 1);
  const joined = padded.shape.map((extent, axis) => repetitions[axis] * extent);
  if (sizeOf(joined) === sizeOf(padded.shape)) return padded;
  return ops.reshape(b, ops.broadcastInDim(b, padded, split, axes), joined);
}

const split: Lowering = (b, { inputs: { x }, attributes }) => {
  const { numOrSizeSplits, axis } = attributes as { numOrSizeSplits: number | number[]; axis: number };
  const along = positiveAxis(axis, x.shape.length);
  const extent = x.shape[along];
  const given =
    typeof numOrSizeSplits === "number"
      ? new Array<number>(numOrSizeSplits).fill(extent / numOrSizeSplits)
      : numOrSizeSplits;
  const sizes = completeSizes(given, extent);
  let start = 0;
  return sizes.map((size) => ops.sliceAxis(b, x, along, start, (start += size)));
};

function completeSizes(sizes: readonly number[], extent: number): number[] {
  const known = sizes.reduce((sum, size) => (size === -1 ? sum : sum + size), 0);
  return sizes.map((size) => (size === -1 ? extent - known : size));
}

/** [b, h, w] -> pad -> [b, h/s, s, w/t, t] -> [s, t, b, h/s, w/t] -> [s t b, h/s, w/t] */
const spaceToBatch: Lowering = (b, { inputs, attributes }) => {
  const { blockShape, paddings } = attributes as { blockShape: number[]; paddings: number[][] };
  const blocks = blockShape.length;
  const rank = inputs.x.shape.length;
  const amount = (side: 0 | 1): number[] =>
    range(rank).map((axis) => (axis >= 1 && axis <= blocks ? paddings[axis - 1][side] : 0));
  const x = ops.pad(b, inputs.x, amount(0), amount(1));
  const rest = x.shape.slice(blocks + 1);
  const spatial = x.shape.slice(1, blocks + 1);
  const splitShape = [x.shape[0], ...spatial.flatMap((extent, i) => [extent / blockShape[i], blockShape[i]]), ...rest];
  const permutation = [
    ...range(blocks).map((i) => 2 + 2 * i),
    0,
    ...range(blocks).map((i) => 1 + 2 * i),
    ...range(rest.length).map((i) => 1 + 2 * blocks + i),
  ];
  const joined = [x.shape[0] * sizeOf(blockShape), ...spatial.map((extent, i) => extent / blockShape[i]), ...rest];
  return rearrange(b, x, splitShape, permutation, joined);
};

/** [s t b, h, w] -> [s, t, b, h, w] -> [b, h, s, w, t] -> [b, h s, w t] -> crop */
const batchToSpace: Lowering = (b, { inputs: { x }, attributes }) => {
  const { blockShape, crops } = attributes as { blockShape: number[]; crops: number[][] };
  const blocks = blockShape.length;
  const batch = x.shape[0] / sizeOf(blockShape);
  const spatial = x.shape.slice(1, blocks + 1);
  const rest = x.shape.slice(blocks + 1);
  const permutation = [
    blocks,
    ...range(blocks).flatMap((i) => [blocks + 1 + i, i]),
    ...range(rest.length).map((i) => 2 * blocks + 1 + i),
  ];
  const joined = [batch, ...spatial.map((extent, i) => extent * blockShape[i]), ...rest];
  const whole = rearrange(b, x, [...blockShape, batch, ...spatial, ...rest], permutation, joined);
  const isCropped = (axis: number): boolean => axis >= 1 && axis <= blocks;
  return ops.slice(
    b,
    whole,
    joined.map((_, axis) => (isCropped(axis) ? crops[axis - 1][0] : 0)),
    joined.map((extent, axis) => (isCropped(axis) ? extent - crops[axis - 1][1] : extent)),
  );
};

const depthToSpace: Lowering = (b, { inputs: { x }, attributes }) => {
  const { blockSize: s, dataFormat } = attributes as { blockSize: number; dataFormat: string };
  if (dataFormat !== "NHWC") return null;
  const [n, h, w, c] = x.shape;
  const depth = c / (s * s);
  return rearrange(b, x, [n, h, w, s, s, depth], [0, 1, 3, 2, 4, 5], [n, h * s, w * s, depth]);
};

export const shapes: LoweringTable = {
  Reshape: (b, { inputs: { x }, attributes }) =>
    view(b, x, completeShape((attributes as { shape: number[] }).shape, sizeOf(x.shape))),
  ExpandDims: (b, { inputs, attributes }) => {
    const { dim } = attributes as { dim: number };
    const { shape } = inputs.input;
    const axis = positiveAxis(dim, shape.length + 1);
    return view(b, inputs.input, [...shape.slice(0, axis), 1, ...shape.slice(axis)]);
  },
  Transpose: (b, { inputs, attributes }) => ops.transpose(b, inputs.x, (attributes as { perm: number[] }).perm),
  Concat: (b, { inputs, attributes }) => {
    const parts = Object.values(inputs);
    const axis = positiveAxis((attributes as { axis: number }).axis, parts[0].shape.length);
    const filled = parts.filter((part) => sizeOf(part.shape) > 0);
    return filled.length === 0 ? null : ops.concatenate(b, filled, axis);
  },
  Pack: (b, { inputs, attributes }) => {
    const parts = Object.values(inputs);
    const axis = positiveAxis((attributes as { axis: number }).axis, parts[0].shape.length + 1);
    return ops.concatenate(
      b,
      parts.map((part) => ops.expandDims(b, part, axis)),
      axis,
    );
  },
  Unpack: (b, { inputs: { value }, attributes }) => {
    const axis = positiveAxis((attributes as { axis: number }).axis, value.shape.length);
    const rest = value.shape.filter((_, other) => other !== axis);
    return range(value.shape[axis]).map((i) => ops.reshape(b, ops.sliceAxis(b, value, axis, i, i + 1), rest));
  },
  SplitV: split,
  Slice: (b, { inputs: { x }, attributes }) => {
    const { begin, size } = attributes as { begin: number | number[]; size: number | number[] };
    // The parser reads nothing of its tensor but the shape.
    const operand = { shape: [...x.shape], rank: x.shape.length } as unknown as Parameters<
      typeof tf.slice_util.parseSliceParams
    >[0];
    const [starts, sizes] = tf.slice_util.parseSliceParams(operand, begin, size);
    return ops.slice(
      b,
      x,
      starts,
      starts.map((start, axis) => start + sizes[axis]),
    );
  },
  StridedSlice: stridedSlice,
  PadV2: (b, { inputs: { x }, attributes }) => {
    const { paddings, constantValue } = attributes as { paddings: [number, number][]; constantValue: number };
    const [low, high] = [paddings.map((amounts) => amounts[0]), paddings.map((amounts) => amounts[1])];
    return ops.pad(b, x, low, high, undefined, constantValue);
  },
  MirrorPad: mirrorPad,
  Tile: (b, { inputs, attributes }) => tile(b, inputs.x, (attributes as { reps: number[] }).reps),
  BroadcastTo: (b, { inputs, attributes }) => ops.broadcastTo(b, inputs.x, (attributes as { shape: number[] }).shape),
  Reverse: (b, { inputs: { x }, attributes }) => {
    const { dims } = attributes as { dims: number | number[] };
    const axes = (typeof dims === "number" ? [dims] : dims).map((axis) => positiveAxis(axis, x.shape.length));
    return ops.reverse(
      b,
      x,
      [...new Set(axes)].sort((p, q) => p - q),
    );
  },
  FlipLeftRight: (b, { inputs }) => ops.reverse(b, inputs.image, [2]),
  SpaceToBatchND: spaceToBatch,
  BatchToSpaceND: batchToSpace,
  DepthToSpace: depthToSpace,
  Diag: (b, { inputs: { x } }) => {
    const size = sizeOf(x.shape);
    const diagonal = ops.mul(b, ops.eye(b, size, x.dtype), ops.reshape(b, x, [1, size]));
    return ops.reshape(b, diagonal, [...x.shape, ...x.shape]);
  },
};
