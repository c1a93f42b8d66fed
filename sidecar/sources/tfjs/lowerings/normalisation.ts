import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import * as ops from "../../../primitives/ops";
import { positiveAxis, type Lowering, type LoweringTable } from "./kernel";

/** (x - mean) * scale / sqrt(variance + epsilon) + offset; the small arrays are combined first. */
const fusedBatchNorm: Lowering = (b, { inputs, attributes }) => {
  const { varianceEpsilon } = attributes as { varianceEpsilon: number };
  const { x, mean, variance, offset, scale } = inputs;
  const aligned = (value: Value): Value => ops.padRank(b, value, x.shape.length);
  const shifted = ops.add(b, variance, ops.scalarLike(b, variance, varianceEpsilon));
  const inverse = aligned(ops.rsqrt(b, shifted));
  const factor = scale ? ops.mul(b, inverse, aligned(scale)) : inverse;
  const scaled = ops.mul(b, ops.sub(b, x, aligned(mean)), factor);
  return offset ? ops.add(b, scaled, aligned(offset)) : scaled;
};

function keepAxis(b: Builder, reduced: Value, axis: number): Value {
  return ops.expandDims(b, reduced, axis);
}

/** x minus its maximum, which keeps exponentials in range; no derivative passes through the maximum, as it cancels. */
function stabilised(b: Builder, x: Value, axis: number): Value {
  const largest = ops.stopGradient(b, ops.reduceMax(b, x, [axis]));
  return ops.sub(b, x, keepAxis(b, largest, axis));
}

const softmax: Lowering = (b, { inputs: { logits }, attributes }) => {
  const axis = positiveAxis((attributes as { dim: number }).dim, logits.shape.length);
  const exponentials = ops.exp(b, stabilised(b, logits, axis));
  return ops.div(b, exponentials, keepAxis(b, ops.reduceSum(b, exponentials, [axis]), axis));
};

const logSoftmax: Lowering = (b, { inputs: { logits }, attributes }) => {
  const axis = positiveAxis((attributes as { axis: number }).axis, logits.shape.length);
  const x = stabilised(b, logits, axis);
  const logSum = ops.log(b, ops.reduceSum(b, ops.exp(b, x), [axis]));
  return ops.sub(b, x, keepAxis(b, logSum, axis));
};

/** x / (bias + alpha * sum of squares of neighbouring channels) ^ beta */
const localResponseNorm: Lowering = (b, { inputs: { x }, attributes }) => {
  const { depthRadius, bias, alpha, beta } = attributes as Record<"depthRadius" | "bias" | "alpha" | "beta", number>;
  const last = x.shape.length - 1;
  const onLast = (amount: number, otherwise: number): number[] =>
    x.shape.map((_, axis) => (axis === last ? amount : otherwise));
  const squares = ops.reduceWindowSum(b, ops.mul(b, x, x), {
    window: onLast(2 * depthRadius + 1, 1),
    strides: onLast(1, 1),
    dilation: onLast(1, 1),
    padding: x.shape.map((_, axis) => (axis === last ? ([depthRadius, depthRadius] as const) : ([0, 0] as const))),
  });
  const scaled = ops.mul(b, squares, ops.scalarLike(b, squares, alpha));
  const base = ops.add(b, scaled, ops.scalarLike(b, scaled, bias));
  return ops.mul(b, x, ops.pow(b, base, ops.scalarLike(b, base, -beta)));
};

export const normalisation: LoweringTable = {
  FusedBatchNorm: fusedBatchNorm,
  Softmax: softmax,
  LogSoftmax: logSoftmax,
  LRN: localResponseNorm,
};
