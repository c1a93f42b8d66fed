import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import * as ops from "../../../primitives/ops";
import { aligned, listed, type Call, type Operator, type OperatorTable } from "../call";
import { kept } from "./normalisation";

const at = ops.scalarLike;

/** [batch, steps, heads * size] as [batch, heads, steps, size]. */
function split(b: Builder, x: Value, heads: number): Value {
  const [batch, steps, hidden] = x.shape;
  return ops.transpose(b, ops.reshape(b, x, [batch, steps, heads, hidden / heads]), [0, 2, 1, 3]);
}

/** Each head of keys and values serves several heads of queries that follow one another. */
function repeated(b: Builder, x: Value, times: number): Value {
  const [batch, heads, steps, size] = x.shape;
  const spread = ops.broadcastInDim(b, x, [batch, heads, times, steps, size], [0, 1, 3, 4]);
  return ops.reshape(b, spread, [batch, heads * times, steps, size]);
}

/** Scores that may be attended to as 0, all others as minus infinity; null where everything may. */
function biasOf(call: Call, queries: number, keys: number, dtype: Value["dtype"]): Value | null {
  const { b } = call;
  const biases: Value[] = [];
  const where = (allowed: Value): Value =>
    ops.select(b, allowed, b.scalar(0, dtype, allowed.shape.length), b.scalar(-Infinity, dtype, allowed.shape.length));
  const mask = call.optional(3);
  if (mask) {
    const bias = mask.dtype === "bool" ? where(mask) : ops.convert(b, mask, dtype);
    const last = bias.shape.length - 1;
    const none = bias.shape.map(() => 0);
    const missing = none.map((_, axis) => (axis === last ? Math.max(0, keys - bias.shape[last]) : 0));
    biases.push(ops.pad(b, bias, none, missing, undefined, -Infinity));
  }
  const lengths = call.optional(6);
  const column = lengths && ops.reshape(b, ops.convert(b, lengths, "int32"), [lengths.shape[0], 1, 1, 1]);
  const [rows, columns] = [2, 3].map((axis) => ops.iota(b, [1, 1, queries, keys], axis, "int32"));
  // How many keys come before the first query
  const offset = call.has(4)
    ? at(b, rows, call.input(4).shape[2])
    : column
      ? ops.sub(b, column, at(b, column, queries))
      : at(b, rows, 0);
  const distance = ops.sub(b, ops.add(b, rows, offset), columns);
  const [left, right] = [call.int("left_window_size", -1), call.int("right_window_size", -1)];
  if (call.int("is_causal", 0) === 1) biases.push(where(ops.ge(b, distance, at(b, distance, 0))));
  if (left >= 0) biases.push(where(ops.le(b, distance, at(b, distance, left))));
  if (right >= 0) biases.push(where(ops.ge(b, distance, at(b, distance, -right))));
  if (column) biases.push(where(ops.lt(b, columns, column)));
  if (biases.length === 0) return null;
  const all = aligned(b, biases);
  return all.slice(1).reduce((sum, bias) => ops.add(b, sum, bias), all[0]);
}

/** Scaled dot-product attention of queries, keys and values, with what was seen before in front of the latter two. */
const attention: Operator = (call) => {
  const { b } = call;
  const isFlat = call.input(0).shape.length === 3;
  const heads = (index: number, name: string): Value => {
    const x = call.input(index);
    return isFlat ? split(b, x, call.int(name, 1)) : x;
  };
  const query = heads(0, "q_num_heads");
  let [key, value] = [heads(1, "kv_num_heads"), heads(2, "kv_num_heads")];
  const [pastKey, pastValue] = [call.optional(4), call.optional(5)];
  if (pastKey && pastValue) {
    key = ops.concatenate(b, [pastKey, key], 2);
    value = ops.concatenate(b, [pastValue, value], 2);
  }
  const [presentKey, presentValue] = [key, value];
  const times = query.shape[1] / key.shape[1];
  if (times > 1) [key, value] = [repeated(b, key, times), repeated(b, value, times)];
  const scale = call.optionalFloat("scale") ?? 1 / Math.sqrt(query.shape[3]);
  const products = ops.dotGeneral(
    b,
    query,
    key,
    [[3], [3]],
    [
      [0, 1],
      [0, 1],
    ],
  );
  const scores = ops.mul(b, products, at(b, products, scale));
  const cap = call.float("softcap", 0);
  const capped =
    cap > 0 ? ops.mul(b, ops.tanh(b, ops.mul(b, scores, at(b, scores, 1 / cap))), at(b, scores, cap)) : scores;
  const bias = biasOf(call, query.shape[2], key.shape[2], scores.dtype);
  const biased = bias ? ops.add(b, capped, ops.padRank(b, bias, 4)) : capped;
  const weights = maskedSoftmax(b, biased, bias !== null);
  const product = ops.dotGeneral(
    b,
    weights,
    value,
    [[3], [2]],
    [
      [0, 1],
      [0, 1],
    ],
  );
  const joined = (x: Value): Value => {
    const [batch, count, steps, size] = x.shape;
    return ops.reshape(b, ops.transpose(b, x, [0, 2, 1, 3]), [batch, steps, count * size]);
  };
  const mode = call.int("qk_matmul_output_mode", 0);
  const shown = [scores, capped, biased, weights][mode];
  return [isFlat ? joined(product) : product, presentKey, presentValue, shown];
};

/** Rows in which nothing may be attended to are zeros. */
function maskedSoftmax(b: Builder, x: Value, isMasked: boolean): Value {
  const last = [x.shape.length - 1];
  const largest = ops.stopGradient(b, kept(b, ops.reduceMax, x, last));
  if (!isMasked) {
    const exponentials = ops.exp(b, ops.sub(b, x, largest));
    return ops.div(b, exponentials, kept(b, ops.reduceSum, exponentials, last));
  }
  const empty = ops.eq(b, largest, at(b, largest, -Infinity));
  const exponentials = ops.exp(b, ops.sub(b, x, ops.select(b, empty, at(b, largest, 0), largest)));
  const total = kept(b, ops.reduceSum, exponentials, last);
  return ops.div(b, exponentials, ops.select(b, empty, at(b, total, 1), total));
}

/** Turns pairs of elements by angles that grow with their position. */
const rotaryEmbedding: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const isFlat = x.shape.length === 3;
  // [batch, heads, steps, size]
  const heads = isFlat ? split(b, x, call.int("num_heads", 1)) : x;
  const size = heads.shape[3];
  const rotated = call.int("rotary_embedding_dim", 0) || size;
  const positions = call.optional(3);
  const angles = (index: number): Value => {
    const cache = call.input(index);
    const picked = positions ? ops.gather(b, cache, ops.convert(b, positions, "int32"), 0) : cache;
    return ops.expandDims(b, picked, 1);
  };
  const [cos, sin] = [angles(1), angles(2)];
  const part = (from: number, to: number, step = 1): Value =>
    ops.slice(b, heads, [0, 0, 0, from], [...heads.shape.slice(0, 3), to], [1, 1, 1, step]);
  const interleaved = call.int("interleaved", 0) === 1;
  const [first, second] = interleaved
    ? [part(0, rotated, 2), part(1, rotated, 2)]
    : [part(0, rotated / 2), part(rotated / 2, rotated)];
  const real = ops.sub(b, ops.mul(b, cos, first), ops.mul(b, sin, second));
  const imaginary = ops.add(b, ops.mul(b, sin, first), ops.mul(b, cos, second));
  const turned = interleaved
    ? ops.reshape(
        b,
        ops.concatenate(
          b,
          [real, imaginary].map((each) => ops.expandDims(b, each, 4)),
          4,
        ),
        [...heads.shape.slice(0, 3), rotated],
      )
    : ops.concatenate(b, [real, imaginary], 3);
  const whole = rotated < size ? ops.concatenate(b, [turned, part(rotated, size)], 3) : turned;
  return isFlat ? ops.reshape(b, ops.transpose(b, whole, [0, 2, 1, 3]), x.shape) : whole;
};

/**
 * Attention without a softmax, as a recurrence of a matrix S [batch, heads, key, value] over the steps: S decays, takes up
 * the step's key and value (less what S has for the key already, where the rule says "delta"), and answers the query.
 */
const linearAttention: Operator = (call) => {
  const { b } = call;
  const [queryHeads, heads] = [call.int("q_num_heads", 1), call.int("kv_num_heads", 1)];
  const query = split(b, call.input(0), queryHeads);
  const [key, value] = [split(b, call.input(1), heads), split(b, call.input(2), heads)];
  const rule = call.string("update_rule", "gated_delta");
  const [batch, , steps, keySize] = key.shape;
  const valueSize = value.shape[3];
  const scale = call.float("scale", 0) || 1 / Math.sqrt(keySize);
  // [batch, heads, steps, 1 or key]
  const decay = rule.startsWith("gated") ? split(b, call.input(4), heads) : null;
  const beta = rule.endsWith("delta") ? ops.transpose(b, ops.expandDims(b, call.input(5), 3), [0, 2, 1, 3]) : null;
  const step = (x: Value, t: number): Value => ops.sliceAxis(b, x, 2, t, t + 1);
  const column = (x: Value): Value => ops.transpose(b, x, [0, 1, 3, 2]);
  const times = (x: Value, y: Value): Value =>
    ops.dotGeneral(
      b,
      x,
      y,
      [[3], [2]],
      [
        [0, 1],
        [0, 1],
      ],
    );
  let state = call.optional(3) ?? ops.full(b, [batch, heads, keySize, valueSize], query.dtype, 0);
  const outputs = listed(steps).map((t) => {
    const k = step(key, t);
    if (decay) state = ops.mul(b, state, column(ops.exp(b, step(decay, t))));
    const v = beta ? ops.mul(b, step(beta, t), ops.sub(b, step(value, t), times(k, state))) : step(value, t);
    state = ops.add(b, state, ops.mul(b, column(k), v));
    return times(step(query, t), queryHeads > heads ? repeated(b, state, queryHeads / heads) : state);
  });
  const joined = ops.transpose(b, ops.concatenate(b, outputs, 2), [0, 2, 1, 3]);
  const y = ops.reshape(b, joined, [batch, steps, queryHeads * valueSize]);
  return [ops.mul(b, y, at(b, y, scale)), state];
};

export const attentions: OperatorTable = {
  LinearAttention: linearAttention,
  Attention: attention,
  RotaryEmbedding: rotaryEmbedding,
};
