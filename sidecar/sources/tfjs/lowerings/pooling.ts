import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range, sizeOf, sameShape } from "../../../graph/types";
import type { WindowAttributes } from "../../../primitives/attributes";
import * as ops from "../../../primitives/ops";
import { tf } from "../tensorflow";
import { perDimension, type KernelCall, type Lowering, type LoweringTable } from "./kernel";

/** Pooling in two and three dimensions, channels last, and its gradients. */

interface PoolAttributes {
  readonly filterSize: number | number[];
  readonly strides: number | number[];
  readonly pad: Parameters<typeof tf.backend_util.computePool2DInfo>[4];
  readonly dilations?: number | number[];
  readonly dimRoundingMode?: "floor" | "round" | "ceil";
}

/** A pooling window over all axes of an image, and what it makes of the image's shape. */
interface Pool {
  readonly window: WindowAttributes;
  /** Spatial elements that no window reaches, to be taken away at the end: a window's padding is never negative. */
  readonly crop: readonly number[];
  readonly inputShape: readonly number[];
  readonly outputShape: readonly number[];
}

function poolOf(inputShape: readonly number[], attributes: PoolAttributes): Pool {
  const n = inputShape.length - 2;
  const { pad, dimRoundingMode } = attributes;
  const size = perDimension(attributes.filterSize, n);
  const strides = perDimension(attributes.strides, n);
  const dilations = perDimension(attributes.dilations, n);
  let low: number[];
  let output: number[];
  if (n === 2) {
    const info = tf.backend_util.computePool2DInfo(
      inputShape as [number, number, number, number],
      size as [number, number],
      strides as [number, number],
      dilations as [number, number],
      pad,
      dimRoundingMode,
    );
    low = [info.padInfo.top, info.padInfo.left];
    output = [info.outHeight, info.outWidth];
  } else {
    const info = tf.backend_util.computePool3DInfo(
      inputShape as [number, number, number, number, number],
      size as [number, number, number],
      strides as [number, number, number],
      dilations as [number, number, number],
      pad as "same" | "valid" | number,
      dimRoundingMode,
    );
    low = [info.padInfo.front, info.padInfo.top, info.padInfo.left];
    output = [info.outDepth, info.outHeight, info.outWidth];
  }
  const high = range(n).map((i) => {
    const needed = (output[i] - 1) * strides[i] + (size[i] - 1) * dilations[i] + 1;
    return needed - inputShape[i + 1] - low[i];
  });
  const around = <T>(inner: readonly T[], outer: T): T[] => [outer, ...inner, outer];
  return {
    window: {
      window: around(size, 1),
      strides: around(strides, 1),
      dilation: around(dilations, 1),
      padding: around(
        range(n).map((i) => [low[i], Math.max(0, high[i])] as const),
        [0, 0] as const,
      ),
    },
    crop: around(
      high.map((amount) => Math.max(0, -amount)),
      0,
    ),
    inputShape,
    outputShape: [inputShape[0], ...output, inputShape[n + 1]],
  };
}

/** Whether the windows are single elements, each its own result. */
function isIdentity(pool: Pool): boolean {
  return sizeOf(pool.window.window) === 1 && sameShape(pool.inputShape, pool.outputShape);
}

function cropped(b: Builder, x: Value, pool: Pool): Value {
  return ops.slice(
    b,
    x,
    x.shape.map(() => 0),
    x.shape.map((extent, axis) => extent - pool.crop[axis]),
  );
}

const maxPool = (b: Builder, { inputs: { x }, attributes }: KernelCall): Value => {
  const pool = poolOf(x.shape, attributes as PoolAttributes);
  return isIdentity(pool) ? x : ops.reduceWindowMax(b, cropped(b, x, pool), pool.window);
};

/** The mean over the elements of a window that are not padding. */
const avgPool: Lowering = (b, { inputs: { x }, attributes }) => {
  const pool = poolOf(x.shape, attributes as PoolAttributes);
  if (isIdentity(pool)) return x;
  const sum = ops.reduceWindowSum(b, cropped(b, x, pool), pool.window);
  return ops.mul(b, sum, reciprocalCounts(b, pool));
};

/** 1 / (elements of the image in each window), with extents of 1 for examples and features. */
function reciprocalCounts(b: Builder, pool: Pool): Value {
  const { window, strides, padding, dilation } = pool.window;
  const axes = range(pool.inputShape.length);
  const counts = axes.map((axis) => {
    const isSpatial = axis > 0 && axis < axes.length - 1;
    return range(isSpatial ? pool.outputShape[axis] : 1).map((position) => {
      if (!isSpatial) return 1;
      const start = position * strides[axis] - padding[axis][0];
      return range(window[axis]).filter((offset) => {
        const at = start + offset * dilation[axis];
        return at >= 0 && at < pool.inputShape[axis];
      }).length;
    });
  });
  let reciprocals = [1];
  for (const along of counts) reciprocals = reciprocals.flatMap((outer) => along.map((count) => outer / count));
  if (reciprocals.every((element) => element === reciprocals[0])) {
    return b.scalar(reciprocals[0], "float32", axes.length);
  }
  const shape = counts.map((along) => along.length);
  return b.constant(Float32Array.from(reciprocals), shape, "float32");
}

const maxPoolGrad: Lowering = (b, { inputs: { dy, input }, attributes }) => {
  const pool = poolOf(input.shape, attributes as PoolAttributes);
  if (isIdentity(pool)) return dy;
  const gradient = ops.selectAndScatterAdd(b, dy, cropped(b, input, pool), pool.window);
  return ops.pad(
    b,
    gradient,
    pool.crop.map(() => 0),
    pool.crop,
  );
};

/**
 * Each input element gets its share of every window it is in. TensorFlow.js divides by the window's whole size here,
 * padding included.
 */
const avgPoolGrad: Lowering = (b, { inputs: { dy, input }, attributes }) => {
  const pool = poolOf(input.shape, attributes as PoolAttributes);
  if (isIdentity(pool)) return dy;
  const { window, strides, padding, dilation } = pool.window;
  const axes = range(input.shape.length);
  const reach = axes.map((axis) => (window[axis] - 1) * dilation[axis]);
  const low = axes.map((axis) => reach[axis] - padding[axis][0]);
  const spread = axes.map((axis) => (dy.shape[axis] - 1) * strides[axis] + 1);
  const padded = ops.pad(
    b,
    dy,
    low,
    axes.map((axis) => input.shape[axis] + reach[axis] - spread[axis] - low[axis]),
    strides.map((stride) => stride - 1),
  );
  const sum = ops.reduceWindowSum(b, padded, {
    window,
    strides: axes.map(() => 1),
    padding: axes.map(() => [0, 0] as const),
    dilation,
  });
  return ops.mul(b, sum, ops.scalarLike(b, sum, 1 / sizeOf(window)));
};

export const pooling: LoweringTable = {
  MaxPool: maxPool,
  MaxPool3D: maxPool,
  AvgPool: avgPool,
  AvgPool3D: avgPool,
  MaxPoolGrad: maxPoolGrad,
  MaxPool3DGrad: maxPoolGrad,
  AvgPoolGrad: avgPoolGrad,
  AvgPool3DGrad: avgPoolGrad,
};
