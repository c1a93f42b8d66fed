import type { Value } from "../../../graph/graph";
import { range, sizeOf } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { type Call, type Operator, type OperatorTable } from "../call";
import { logSoftmax } from "./normalisation";

const at = ops.scalarLike;

/** -weight[target] * scores[target], for scores [N, C, ...] and targets [N, ...]; ignored targets count nothing. */
function likelihoodLoss(call: Call, scores: Value): Value {
  const { b } = call;
  const classes = scores.shape[1];
  const targets = call.input(1);
  const numbers = ops.iota(b, scores.shape, 1, "int32");
  const spread = ops.broadcastTo(b, ops.expandDims(b, targets, 1), scores.shape);
  const hit = ops.eq(b, numbers, spread);
  const zero = at(b, scores, 0);
  const picked = ops.neg(b, ops.reduceSum(b, ops.select(b, hit, scores, zero), [1]));
  const given = call.optional(2);
  const ignored = call.attribute("ignore_index") ? call.int("ignore_index", 0) : null;
  let weights: Value | null = null;
  if (given) {
    const place = scores.shape.map((_, axis) => (axis === 1 ? classes : 1));
    weights = ops.reduceSum(b, ops.select(b, hit, ops.reshape(b, given, place), zero), [1]);
  }
  if (ignored !== null) {
    const counted = ops.convert(b, ops.ne(b, targets, at(b, targets, ignored)), scores.dtype);
    weights = weights ? ops.mul(b, weights, counted) : counted;
  }
  const loss = weights ? ops.mul(b, picked, weights) : picked;
  const reduction = call.string("reduction", "mean");
  const axes = range(loss.shape.length);
  if (reduction === "none") return loss;
  const total = ops.reduceSum(b, loss, axes);
  if (reduction === "sum") return total;
  return weights
    ? ops.div(b, total, ops.reduceSum(b, weights, axes))
    : ops.mul(b, total, at(b, total, 1 / sizeOf(loss.shape)));
}

const crossEntropy: Operator = (call) => {
  const scores = logSoftmax(call.b, call.input(0), [1]);
  return [likelihoodLoss(call, scores), scores];
};

export const losses: OperatorTable = {
  NegativeLogLikelihoodLoss: (call) => likelihoodLoss(call, call.input(0)),
  SoftmaxCrossEntropyLoss: crossEntropy,
};
