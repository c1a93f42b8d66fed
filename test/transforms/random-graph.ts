import type { Builder } from "../../sidecar/graph/builder";
import type { Argument, Graph, Value } from "../../sidecar/graph/graph";
import { range } from "../../sidecar/graph/types";
import { newBuilder } from "../../sidecar/primitives";
import * as ops from "../../sidecar/primitives/ops";

/**
 * A random graph of differentiable operations on arrays of shape [2,3,4] and what they reduce to: smooth ones only, so
 * that finite differences can be trusted.
 */
export function randomGraph(random: () => number, length: number): Graph {
  const builder = newBuilder();
  const inputs: Argument[] = [
    { name: "x", value: { shape: [2, 3, 4], dtype: "float64" } },
    { name: "y", value: { shape: [2, 1, 4], dtype: "float64" } },
  ];
  const parameters: Argument[] = [{ name: "w", value: { shape: [4, 4], dtype: "float64" } }];
  const pick = <T>(choices: readonly T[]): T => choices[Math.floor(random() * choices.length)];

  // Every value of the pool has shape [2,3,4]
  const pool: Value[] = [inputs[0].value, ops.broadcastTo(builder, inputs[1].value, [2, 3, 4])];
  for (let step = 0; step < length; step++)
    pool.push(pick(operations)(builder, pick(pool), pick(pool), parameters[0].value, random));
  const last = pool[pool.length - 1];
  return builder.build({
    inputs,
    parameters,
    outputs: [last, ops.reduceSum(builder, ops.mul(builder, last, pick(pool)), [1])],
  });
}

type Operation = (b: Builder, x: Value, y: Value, w: Value, random: () => number) => Value;

const half = (b: Builder, x: Value): Value => ops.mul(b, x, ops.scalarLike(b, x, 0.5));

const operations: Operation[] = [
  (b, x, y) => ops.add(b, x, y),
  (b, x, y) => ops.sub(b, x, y),
  (b, x, y) => half(b, ops.mul(b, x, y)),
  (b, x, y) => ops.div(b, x, ops.add(b, ops.scalarLike(b, y, 2), ops.mul(b, y, y))),
  (b, x) => ops.tanh(b, x),
  (b, x) => ops.sin(b, x),
  (b, x) => ops.logistic(b, x),
  (b, x) => ops.erf(b, x),
  (b, x) => ops.exp(b, ops.neg(b, ops.mul(b, x, x))),
  // Dense layer
  (b, x, _y, w) => half(b, ops.dotGeneral(b, x, w, [[2], [0]])),
  (b, x, _y, w) => half(b, ops.transpose(b, ops.dotGeneral(b, w, x, [[1], [2]]), [1, 2, 0])),
  // Attention: softmax(x y^T) y
  (b, x, y) => {
    const scores = ops.dotGeneral(b, x, y, [[2], [2]], [[0], [0]]);
    const weights = ops.exp(b, ops.tanh(b, scores));
    const total = ops.expandDims(b, ops.reduceSum(b, weights, [2]), 2);
    return ops.dotGeneral(b, ops.div(b, weights, total), y, [[2], [1]], [[0], [0]]);
  },
  // Layer normalisation
  (b, x) => {
    const count = ops.scalarLike(b, x, 1 / 4);
    const mean = ops.mul(b, ops.expandDims(b, ops.reduceSum(b, x, [2]), 2), count);
    const centred = ops.sub(b, x, mean);
    const variance = ops.mul(b, ops.expandDims(b, ops.reduceSum(b, ops.mul(b, centred, centred), [2]), 2), count);
    return ops.mul(b, centred, ops.rsqrt(b, ops.add(b, variance, ops.scalarLike(b, x, 0.3))));
  },
  // Convolution along the middle axis, the parameter's rows as its kernel
  (b, x, _y, w) => {
    const kernel = ops.reshape(b, ops.slice(b, w, [0, 0], [3, 4]), [3, 4, 1]);
    const full = ops.broadcastInDim(b, kernel, [3, 4, 4], [0, 1, 2]);
    return half(
      b,
      ops.conv(b, x, full, {
        strides: [1],
        padding: [[1, 1]],
        lhsDilation: [1],
        rhsDilation: [1],
        featureGroups: 1,
        batchGroups: 1,
        batchDims: 0,
        lhsSpec: [0, 2, 1],
        rhsSpec: [2, 1, 0],
        outSpec: [0, 2, 1],
      }),
    );
  },
  (b, x) => ops.cumsum(b, half(b, x), 1, true),
  (b, x) => ops.reverse(b, x, [0, 2]),
  (b, x) => ops.transpose(b, ops.reshape(b, ops.transpose(b, x, [2, 0, 1]), [4, 3, 2]), [2, 1, 0]),
  (b, x, y) => ops.concatenate(b, [ops.sliceAxis(b, x, 1, 1, 3), ops.sliceAxis(b, y, 1, 0, 1)], 1),
  (b, x) => ops.pad(b, ops.slice(b, x, [0, 0, 0], [2, 3, 4], [1, 2, 1]), [0, 0, 0], [0, 0, 0], [0, 1, 0]),
  (b, x) => ops.gather(b, x, b.constant(Int32Array.of(2, 0, 2), [3], "int32"), 1),
  (b, x) => ops.scatterAdd(b, x, b.constant(Int32Array.of(1, 1, 0, 3), [4], "int32"), 2, 4),
  (b, x) => {
    const axes = range(3).map((axis) => (axis === 2 ? 2 : 1));
    return half(
      b,
      ops.reduceWindowSum(b, x, {
        window: axes,
        strides: [1, 1, 1],
        padding: [
          [0, 0],
          [0, 0],
          [1, 0],
        ],
        dilation: [1, 1, 1],
      }),
    );
  },
  (b, x) => ops.add(b, x, ops.expandDims(b, ops.reduceProd(b, half(b, x), [1]), 1)),
];
