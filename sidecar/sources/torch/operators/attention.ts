import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import * as ops from "../../../primitives/ops";
import { matMul } from "../../products";
import type { Operator, OperatorCall, OperatorTable } from "../call";
import { safeSoftmax, softmax } from "./normalisation";

/** Attention: softmax(query key^T scale + mask) value, of [..., time, feature]. */

/** Key and value of fewer heads, each repeated for the queries' heads that share it. */
function shared(b: Builder, x: Value, heads: number): Value {
  const axis = x.shape.length - 3;
  const times = heads / x.shape[axis];
  if (times === 1) return x;
  const [before, after] = [x.shape.slice(0, axis + 1), x.shape.slice(axis + 1)];
  const axes = x.shape.map((_, other) => (other > axis ? other + 1 : other));
  const wide = ops.broadcastInDim(b, x, [...before, times, ...after], axes);
  return ops.reshape(b, wide, [...x.shape.slice(0, axis), heads, ...after]);
}

function attention(b: Builder, call: OperatorCall, maskName: string): Value {
  if (call.number("dropout_p", 0) > 0) {
    throw call.refuse("has a random dropout; call model.eval() before the export");
  }
  const query = call.value("query");
  const heads = query.shape[query.shape.length - 3];
  const grouped = call.flag("enable_gqa", false);
  const [key, value] = [call.value("key"), call.value("value")].map((x) => (grouped ? shared(b, x, heads) : x));
  const scale = call.optionalNumber("scale") ?? 1 / Math.sqrt(query.shape[query.shape.length - 1]);
  const products = matMul(b, ops.mul(b, query, ops.scalarLike(b, query, scale)), key, false, true);
  const rank = products.shape.length;
  const lowest = ops.scalarLike(b, products, -Infinity);
  const mask = call.optional(maskName);
  let scores = products;
  if (call.flag("is_causal", false)) {
    const shape = products.shape.map((extent, axis) => (axis < rank - 2 ? 1 : extent));
    const isPast = ops.ge(b, ops.iota(b, shape, rank - 2, "int32"), ops.iota(b, shape, rank - 1, "int32"));
    scores = ops.select(b, isPast, scores, lowest);
  }
  if (mask !== null) {
    const aligned = ops.padRank(b, mask, rank);
    scores =
      mask.dtype === "bool"
        ? ops.select(b, aligned, scores, lowest)
        : ops.add(b, scores, ops.convert(b, aligned, scores.dtype));
  }
  const weights = mask === null ? softmax(b, scores, rank - 1) : safeSoftmax(b, scores, rank - 1);
  return matMul(b, weights, value, false, false);
}

/** What the kernels of single devices give beside the result serves their own derivatives only. */
const withNothing =
  (maskName: string, others: number): Operator =>
  (b, call) => [attention(b, call, maskName), ...new Array<null>(others).fill(null)];

export const attentions: OperatorTable = {
  scaled_dot_product_attention: (b, call) => attention(b, call, "attn_mask"),
  _scaled_dot_product_flash_attention_for_cpu: withNothing("attn_mask", 1),
  _scaled_dot_product_flash_attention: withNothing("attn_mask", 8),
  _scaled_dot_product_efficient_attention: withNothing("attn_bias", 3),
};
