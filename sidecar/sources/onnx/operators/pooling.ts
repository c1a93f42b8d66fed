import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { isFloat, range, sizeOf, stridesOf } from "../../../graph/types";
import type { WindowAttributes } from "../../../primitives/attributes";
import * as ops from "../../../primitives/ops";
import { listed, type Call, type Operator, type OperatorTable, type Result } from "../call";
import { geometryOf, type Geometry } from "./windows";

const at = ops.scalarLike;

function geometryOfPool(call: Call): Geometry {
  const { shape } = call.input(0);
  if (shape.length < 3) throw new Error(`it pools [${shape.join(",")}], which has no spatial axis`);
  return geometryOf(call, shape.slice(2), call.ints("kernel_shape") ?? []);
}

/** The window over all axes, and the image without what no window reaches: a window's padding is never negative. */
function windowOf(b: Builder, x: Value, geometry: Geometry): { x: Value; window: WindowAttributes } {
  const { kernel, strides, dilations, low, high } = geometry;
  const around = <T>(outer: T, inner: readonly T[]): T[] => [outer, outer, ...inner];
  const cut = (amounts: readonly number[]): number[] => amounts.map((amount) => Math.min(0, amount));
  const padding = low.map((amount, i) => [Math.max(0, amount), Math.max(0, high[i])] as const);
  return {
    x: ops.pad(b, x, around(0, cut(low)), around(0, cut(high))),
    window: {
      window: around(1, kernel),
      strides: around(1, strides),
      dilation: around(1, dilations),
      padding: around([0, 0] as const, padding),
    },
  };
}

const maxPool: Operator = (call) => {
  const { b } = call;
  const input = call.input(0);
  const geometry = geometryOfPool(call);
  if (!isFloat(input.dtype)) {
    // A window's maximum is for floats, which hold integers of few bits exactly
    const { x, window } = windowOf(b, ops.convert(b, input, "float32"), geometry);
    return [call.typed(ops.convert(b, ops.reduceWindowMax(b, x, window), input.dtype), call.type(0))];
  }
  const { x, window } = windowOf(b, input, geometry);
  const largest = ops.reduceWindowMax(b, x, window);
  if ((call.node.output[1] ?? "") === "") return largest;
  return [largest, call.typed(indicesOf(call, input, geometry), "int64")];
};

/** Where in the flattened input the maxima are: its own numbers, picked by the same windows. */
function indicesOf(call: Call, input: Value, geometry: Geometry): Value {
  const { b } = call;
  const spatial = input.shape.slice(2);
  const strides = stridesOf(input.shape);
  if (call.int("storage_order", 0) === 1) {
    let stride = 1;
    spatial.forEach((extent, i) => {
      strides[i + 2] = stride;
      stride *= extent;
    });
  }
  let numbers: Value | null = null;
  input.shape.forEach((_, axis) => {
    const along = ops.iota(b, input.shape, axis, "float32");
    const part = ops.mul(b, along, at(b, along, strides[axis]));
    numbers = numbers === null ? part : ops.add(b, numbers, part);
  });
  const positions = windowOf(b, numbers as unknown as Value, geometry);
  const operand = windowOf(b, ops.stopGradient(b, input), geometry);
  return ops.convert(
    b,
    ops.round(b, ops.selectAndGatherAdd(b, positions.x, ops.convert(b, operand.x, "float32"), positions.window)),
    "int32",
  );
}

/** The mean over a window: of the elements that are no padding, or with `count_include_pad` of all within the model's padding. */
const averagePool: Operator = (call) => {
  const { b } = call;
  const input = call.input(0);
  const geometry = geometryOfPool(call);
  const { x, window } = windowOf(b, input, geometry);
  const includes = call.int("count_include_pad", 0) === 1;
  const sum = ops.reduceWindowSum(b, x, window);
  return ops.mul(b, sum, reciprocalCounts(b, input, geometry, includes));
};

function reciprocalCounts(b: Builder, { shape, dtype }: Value, geometry: Geometry, includes: boolean): Value {
  const { kernel, strides, dilations, low, declaredHigh, output } = geometry;
  const counts = output.map((extent, i) => {
    const [first, last] = includes ? [-low[i], shape[i + 2] + declaredHigh[i]] : [0, shape[i + 2]];
    return listed(extent).map((position) => {
      const start = position * strides[i] - low[i];
      return listed(kernel[i]).filter((offset) => {
        const place = start + offset * dilations[i];
        return place >= first && place < last;
      }).length;
    });
  });
  // A product of one count for each dimension
  return counts
    .map((along, i) => {
      const reciprocals = along.map((count) => 1 / Math.max(1, count));
      const place = shape.map((_, axis) => (axis === i + 2 ? along.length : 1));
      const uniform = reciprocals.every((element) => element === reciprocals[0]);
      if (uniform) return b.scalar(reciprocals[0], dtype, shape.length);
      return b.constant(
        dtype === "float64" ? Float64Array.from(reciprocals) : Float32Array.from(reciprocals),
        place,
        dtype,
      );
    })
    .reduce((product, factor) => ops.mul(b, product, factor));
}

/** (sum |x|^p)^(1/p) */
function norm(b: Builder, x: Value, p: number, sum: (powers: Value) => Value): Value {
  if (p === 1) return sum(ops.abs(b, x));
  if (p === 2) return ops.sqrt(b, sum(ops.mul(b, x, x)));
  const total = sum(ops.pow(b, ops.abs(b, x), at(b, x, p)));
  return ops.pow(b, total, at(b, total, 1 / p));
}

const lpPool: Operator = (call) => {
  const { b } = call;
  const geometry = geometryOfPool(call);
  const { x, window } = windowOf(b, call.input(0), geometry);
  return norm(b, x, call.int("p", 2), (powers) => ops.reduceWindowSum(b, powers, window));
};

const overImage =
  (reduce: (call: Call, x: Value, axes: readonly number[]) => Value): Operator =>
  (call) => {
    const x = call.input(0);
    const axes = range(x.shape.length).slice(2);
    return ops.reshape(call.b, reduce(call, x, axes), [...x.shape.slice(0, 2), ...axes.map(() => 1)]);
  };

/** Puts each element where its maximum was, given as positions in the flattened output. */
const maxUnpool: Operator = (call): Result => {
  const { b } = call;
  const [x, places] = [call.input(0), call.input(1)];
  const n = x.shape.length - 2;
  const kernel = call.ints("kernel_shape") ?? [];
  const strides = call.ints("strides") ?? kernel.map(() => 1);
  const pads = call.ints("pads") ?? new Array<number>(2 * n).fill(0);
  const usual = range(n).map((i) => (x.shape[i + 2] - 1) * strides[i] - pads[i] - pads[n + i] + kernel[i]);
  const inferred = [...x.shape.slice(0, 2), ...usual];
  const shape = call.has(2) ? call.elements(2) : inferred;
  const flat = (value: Value): Value => ops.reshape(b, value, [sizeOf(value.shape)]);
  // Positions count in the output that the pool's attributes give; a larger one has the same coordinates
  let positions = flat(places);
  if (call.has(2)) {
    const [from, to] = [stridesOf(inferred), stridesOf(shape)];
    let rest = positions;
    let sum: Value | null = null;
    from.forEach((stride, axis) => {
      const coordinate = ops.div(b, rest, at(b, rest, stride));
      rest = ops.sub(b, rest, ops.mul(b, coordinate, at(b, rest, stride)));
      const part = ops.mul(b, coordinate, at(b, rest, to[axis]));
      sum = sum === null ? part : ops.add(b, sum, part);
    });
    positions = sum as unknown as Value;
  }
  return ops.reshape(b, ops.scatterAdd(b, flat(x), positions, 0, sizeOf(shape)), shape);
};

export const pooling: OperatorTable = {
  MaxPool: maxPool,
  AveragePool: averagePool,
  LpPool: lpPool,
  MaxUnpool: maxUnpool,
  GlobalMaxPool: overImage(({ b }, x, axes) => ops.reduceMax(b, x, axes)),
  GlobalAveragePool: overImage(({ b }, x, axes) => {
    const sum = ops.reduceSum(b, x, axes);
    return ops.mul(b, sum, at(b, sum, 1 / sizeOf(axes.map((axis) => x.shape[axis]))));
  }),
  GlobalLpPool: overImage((call, x, axes) =>
    norm(call.b, x, call.int("p", 2), (powers) => ops.reduceSum(call.b, powers, axes)),
  ),
};
