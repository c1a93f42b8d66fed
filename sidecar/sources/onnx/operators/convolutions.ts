import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range } from "../../../graph/types";
import type { ConvAttributes } from "../../../primitives/attributes";
import * as ops from "../../../primitives/ops";
import { floating, type Call, type Operator, type OperatorTable } from "../call";
import { swish } from "./elementwise";
import { checkedAmounts, geometryOf, span } from "./windows";

/** [example, feature, ...spatial] and [output feature, input feature, ...spatial]. */
export function general(b: Builder, x: Value, kernel: Value, parts: Partial<ConvAttributes>): Value {
  const axes = range(x.shape.length);
  const ones = axes.slice(2).map(() => 1);
  return ops.conv(b, x, kernel, {
    strides: ones,
    padding: ones.map(() => [0, 0] as const),
    lhsDilation: ones,
    rhsDilation: ones,
    featureGroups: 1,
    batchGroups: 1,
    batchDims: 0,
    lhsSpec: axes,
    rhsSpec: axes,
    outSpec: axes,
    ...parts,
  });
}

export function withBias(b: Builder, x: Value, bias: Value | null): Value {
  return bias ? ops.add(b, x, ops.reshape(b, bias, [1, bias.shape[0], ...x.shape.slice(2).map(() => 1)])) : x;
}

export function convolve(call: Call, x: Value, kernel: Value): Value {
  if (x.shape.length < 3 || kernel.shape.length !== x.shape.length) {
    throw new Error(`it convolves [${x.shape.join(",")}] with [${kernel.shape.join(",")}]`);
  }
  const { strides, dilations, low, high } = geometryOf(call, x.shape.slice(2), kernel.shape.slice(2));
  return general(call.b, x, kernel, {
    strides,
    padding: low.map((amount, i) => [amount, high[i]] as const),
    rhsDilation: dilations,
    featureGroups: call.int("group", 1),
  });
}

const conv: Operator = (call) => withBias(call.b, convolve(call, call.input(0), call.input(1)), call.optional(2));

/** The transpose of a convolution: the input, spread by the strides, with the kernel turned around. */
const convTranspose: Operator = (call) => {
  const { b } = call;
  const [x, kernel] = [call.input(0), call.input(1)];
  const n = x.shape.length - 2;
  const groups = call.int("group", 1);
  const window = kernel.shape.slice(2);
  const ones = window.map(() => 1);
  const strides = checkedAmounts(call.ints("strides") ?? ones, n, 1, "strides");
  const dilations = checkedAmounts(call.ints("dilations") ?? ones, n, 1, "dilations");
  const extra = checkedAmounts(call.ints("output_padding") ?? ones.map(() => 0), n, 0, "output_padding");
  const reach = window.map((extent, i) => span(extent, dilations[i]));
  const whole = range(n).map((i) => strides[i] * (x.shape[i + 2] - 1) + extra[i] + reach[i]);
  const auto = call.string("auto_pad", "NOTSET");
  const wanted =
    call.ints("output_shape")?.slice(-n) ??
    (auto.startsWith("SAME") ? range(n).map((i) => x.shape[i + 2] * strides[i]) : null);
  let low: number[];
  let output: number[];
  if (wanted) {
    output = checkedAmounts(wanted, n, 1, "output_shape");
    const total = whole.map((extent, i) => extent - output[i]);
    low = total.map((amount) => (auto === "SAME_UPPER" ? Math.floor(amount / 2) : amount - Math.floor(amount / 2)));
  } else {
    const pads = checkedAmounts(call.ints("pads") ?? new Array<number>(2 * n).fill(0), 2 * n, -(2 ** 24), "pads");
    low = pads.slice(0, n);
    output = whole.map((extent, i) => extent - low[i] - pads[n + i]);
  }
  // [input, output / groups, ...] as [output, input / groups, ...], a block for each group
  const [inputs, outputs] = kernel.shape;
  const split = ops.reshape(b, kernel, [groups, inputs / groups, outputs, ...window]);
  const turned = ops.transpose(b, split, [0, 2, 1, ...range(n).map((i) => i + 3)]);
  const blocks = ops.reshape(b, turned, [groups * outputs, inputs / groups, ...window]);
  const reversed = ops.reverse(
    b,
    blocks,
    range(n).map((i) => i + 2),
  );
  const padding = range(n).map((i) => {
    const before = reach[i] - 1 - low[i];
    return [before, output[i] + reach[i] - 1 - span(x.shape[i + 2], strides[i]) - before] as const;
  });
  const result = general(b, x, reversed, {
    padding,
    lhsDilation: strides,
    rhsDilation: dilations,
    featureGroups: groups,
  });
  return withBias(b, result, call.optional(2));
};

/** Windows [example, features * window, positions], added into the image that they were cut from. */
const col2im: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const image = call.elements(1);
  const block = call.elements(2);
  const n = image.length;
  const { strides, dilations, low, output } = geometryOf(call, image, block);
  const features = x.shape[1] / block.reduce((product, extent) => product * extent, 1);
  const windows = ops.reshape(b, x, [x.shape[0], features, ...block, ...output]);
  let sum: Value | null = null;
  const offsets = block.reduce<number[][]>(
    (all, extent) => all.flatMap((offset) => range(extent).map((i) => [...offset, i])),
    [[]],
  );
  for (const offset of offsets) {
    const starts = [0, 0, ...offset, ...output.map(() => 0)];
    const limits = [x.shape[0], features, ...offset.map((i) => i + 1), ...output];
    const part = ops.reshape(b, ops.slice(b, windows, starts, limits), [x.shape[0], features, ...output]);
    const first = range(n).map((i) => offset[i] * dilations[i] - low[i]);
    const last = range(n).map((i) => image[i] - (first[i] + span(output[i], strides[i])));
    const zero = [0, 0];
    const spread = ops.pad(b, part, [...zero, ...first], [...zero, ...last], [...zero, ...strides.map((s) => s - 1)]);
    sum = sum === null ? spread : ops.add(b, sum, spread);
  }
  return sum;
};

const convInteger: Operator = (call) => {
  const { b } = call;
  const shifted = (index: number, zero: number): Value => {
    const x = floating(b, call.input(index));
    const point = call.optional(zero);
    if (point === null) return x;
    const perOutput = index === 1 && point.shape.length === 1 && point.shape[0] > 1;
    const place = x.shape.map((_, axis) => (perOutput && axis === 0 ? point.shape[0] : 1));
    return ops.sub(b, x, ops.reshape(b, floating(b, point), place));
  };
  const result = convolve(call, shifted(0, 2), shifted(1, 3));
  return call.typed(ops.convert(b, ops.round(b, result), "int32"), "int32");
};

/** Each feature convolved by itself with what came before it, of which the last elements are kept for the next call. */
const causalConv: Operator = (call) => {
  const { b } = call;
  const [x, weight] = [call.input(0), call.input(1)];
  const [n, features] = x.shape;
  const before = weight.shape[2] - 1;
  const past = call.optional(3) ?? ops.full(b, [n, features, before], x.dtype, 0);
  const whole = before === 0 ? x : ops.concatenate(b, [past, x], 2);
  const y = withBias(b, general(b, whole, weight, { featureGroups: features }), call.optional(2));
  const activation = call.string("activation", "none");
  const length = whole.shape[2];
  return [activation === "none" ? y : swish(b, y, 1), ops.sliceAxis(b, whole, 2, length - before, length)];
};

export const convolutions: OperatorTable = {
  CausalConvWithState: causalConv,
  Conv: conv,
  ConvTranspose: convTranspose,
  ConvInteger: convInteger,
  Col2Im: col2im,
};
