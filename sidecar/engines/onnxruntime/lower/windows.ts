import { range, sizeOf, type Shape } from "../../../graph/types";
import type { WindowAttributes } from "../../../primitives/attributes";
import type { Lower, Operands } from "./lowering";
import type { Ref, Writer } from "./writer";

/** Windows that slide over arrays: pooling, and its derivatives. */

const lowest = { float32: -Infinity, float64: -Infinity, int32: -(2 ** 31) } as Record<string, number>;

/** Axes that the window touches. */
function windowed({ window, strides, padding, dilation }: WindowAttributes): number[] {
  return range(window.length).filter(
    (axis) =>
      window[axis] !== 1 || strides[axis] !== 1 || dilation[axis] !== 1 || padding[axis].some((amount) => amount !== 0),
  );
}

const padAll = (w: Writer, x: Ref, { padding }: WindowAttributes, value: number): Ref =>
  w.pad(
    x,
    padding.map(([low]) => low),
    padding.map(([, high]) => high),
    value,
  );

/** Number of windows along an axis. */
function windowCount(extent: number, axis: number, { window, strides, padding, dilation }: WindowAttributes): number {
  const padded = extent + padding[axis][0] + padding[axis][1];
  return Math.floor((padded - (window[axis] - 1) * dilation[axis] - 1) / strides[axis]) + 1;
}

/**
 * Reduces windows one axis after the other: an axis of k positions takes k slices, each as long as there are windows,
 * and k - 1 elementwise operations.
 */
function bySlices(w: Writer, x: Ref, attributes: WindowAttributes, opType: string, identity: number): Ref {
  const counts = x.shape.map((extent, axis) => windowCount(extent, axis, attributes));
  let result = padAll(w, x, attributes, identity);
  for (const axis of windowed(attributes)) {
    const { window, strides, dilation } = attributes;
    const slices = range(window[axis]).map((position) => {
      const start = position * dilation[axis];
      return w.sliceAxis(result, axis, start, start + (counts[axis] - 1) * strides[axis] + 1, strides[axis]);
    });
    result = slices.reduce((total, slice) => w.binary(opType, total, slice));
  }
  return result;
}

/** ONNX's pooling on [rest, 1, windowed axes], if they are the last axes and the operator can do it. */
function byPooling(w: Writer, x: Ref, attributes: WindowAttributes, kind: "max" | "sum", output: Shape): Ref | null {
  const axes = windowed(attributes);
  const trailing = axes.every((axis, index) => axis === x.shape.length - axes.length + index);
  const { window, strides, padding, dilation } = attributes;
  // Padding may not reach the window's extent.
  const slight = axes.every((axis) => padding[axis].every((amount) => amount < window[axis]));
  const typed = x.type === "float32" || (x.type === "float64" && kind === "max");
  if (!trailing || !slight || !typed || axes.length > 3) return null;
  const pick = (numbers: readonly number[]): number[] => axes.map((axis) => numbers[axis]);
  const rest = x.shape.slice(0, x.shape.length - axes.length);
  const images = w.reshape(x, [sizeOf(rest), 1, ...pick(x.shape)]);
  const pooled = w.node(
    kind === "max" ? "MaxPool" : "AveragePool",
    [images],
    [sizeOf(rest), 1, ...pick(output)],
    x.type,
    {
      kernel_shape: pick(window),
      strides: pick(strides),
      dilations: pick(dilation),
      pads: [...axes.map((axis) => padding[axis][0]), ...axes.map((axis) => padding[axis][1])],
      ...(kind === "sum" ? { count_include_pad: 1 } : {}),
    },
  );
  const result = kind === "sum" ? w.with("Mul", pooled, sizeOf(pick(window))) : infinite(w, pooled);
  return w.reshape(result, [...rest, ...pick(output)]);
}

/** MaxPool starts from the lowest finite number, and yields it where a window has only minus infinities. */
function infinite(w: Writer, pooled: Ref): Ref {
  const start = pooled.type === "float32" ? -3.4028234663852886e38 : -Number.MAX_VALUE;
  const untouched = w.with("LessOrEqual", pooled, start, "bool");
  return w.where(untouched, w.scalar(-Infinity, pooled.type), pooled);
}

const reduceWindow =
  (kind: "max" | "sum"): Lower<WindowAttributes> =>
  (w, x, attributes, output) => {
    const axes = windowed(attributes);
    const operand = x.fullAlong(0, axes);
    if (axes.length === 0) return operand;
    const whole = axes.every(
      (axis) =>
        attributes.window[axis] === operand.shape[axis] && attributes.padding[axis].every((amount) => amount === 0),
    );
    if (whole) return w.reduce(kind === "max" ? "ReduceMax" : "ReduceSum", operand, axes, true);
    return (
      byPooling(w, operand, attributes, kind, output.shape) ??
      (kind === "max"
        ? bySlices(w, operand, attributes, "Max", lowest[operand.type])
        : bySlices(w, operand, attributes, "Add", 0))
    );
  };

/** Offsets within a window, in row-major order, along the touched axes (0 along others). */
function offsets(attributes: WindowAttributes): number[][] {
  let all: number[][] = [[]];
  for (const extent of attributes.window) {
    all = all.flatMap((offset) => range(extent).map((position) => [...offset, position]));
  }
  return all;
}

/** The element at an offset of each window. `x` is padded; along untouched axes it is taken as it is. */
function atOffset(w: Writer, x: Ref, offset: readonly number[], counts: Shape, attributes: WindowAttributes): Ref {
  const { strides, dilation } = attributes;
  const axes = windowed(attributes);
  const on = (axis: number, wanted: number, otherwise: number): number => (axes.includes(axis) ? wanted : otherwise);
  return w.slice(
    x,
    offset.map((position, axis) => on(axis, position * dilation[axis], 0)),
    offset.map((position, axis) =>
      on(axis, position * dilation[axis] + (counts[axis] - 1) * strides[axis] + 1, x.shape[axis]),
    ),
    strides.map((stride, axis) => on(axis, stride, 1)),
  );
}

/** For each offset, where (among the windows) the first maximum is there. */
function firstMaxima(w: Writer, x: Operands, attributes: WindowAttributes): { offset: number[]; mask: Ref }[] {
  const operand = x.fullAlong(1, windowed(attributes));
  const counts = operand.shape.map((extent, axis) => windowCount(extent, axis, attributes));
  const padded = padAll(w, operand, attributes, lowest[operand.type]);
  const elements = offsets(attributes).map((offset) => ({
    offset,
    element: atOffset(w, padded, offset, counts, attributes),
  }));
  const largest = elements.map(({ element }) => element).reduce((a, b) => w.binary("Max", a, b));
  let found: Ref | null = null;
  return elements.map(({ offset, element }) => {
    const equal = w.compare("Equal", element, largest);
    const mask: Ref = found ? w.compare("And", equal, w.unary("Not", found)) : equal;
    found = found ? w.compare("Or", found, equal) : equal;
    return { offset, mask };
  });
}

/** For each window, the tangent's element where the operand's first maximum is. */
const selectAndGather: Lower<WindowAttributes> = (w, x, attributes) => {
  const tangent = x.fullAlong(0, windowed(attributes));
  const counts = tangent.shape.map((extent, axis) => windowCount(extent, axis, attributes));
  const padded = padAll(w, tangent, attributes, 0);
  let result: Ref | null = null;
  for (const { offset, mask } of firstMaxima(w, x, attributes)) {
    const element = atOffset(w, padded, offset, counts, attributes);
    result = w.where(mask, element, result ?? w.scalar(0, tangent.type));
  }
  return result!;
};

/**
 * Adds the cotangent's elements where the first maxima are. An offset k = r + stride * j is the place r of the window that
 * lies j windows further: contributions with the same r are added as arrays of windows, each shifted by its j, and the
 * arrays of the places r are then interleaved. Windows that do not overlap have only j = 0.
 */
const selectAndScatter: Lower<WindowAttributes> = (w, x, attributes, output) => {
  const axes = windowed(attributes);
  const cotangent = x.fullAlong(0, axes);
  const { strides, dilation, padding, window } = attributes;
  const shifts = window.map((extent, axis) => Math.floor(((extent - 1) * dilation[axis]) / strides[axis]));
  const zero = w.scalar(0, cotangent.type);

  const places = new Map<string, Ref>();
  for (const { offset, mask } of firstMaxima(w, x, attributes)) {
    const reach = offset.map((position, axis) => position * dilation[axis]);
    const shift = reach.map((distance, axis) => Math.floor(distance / strides[axis]));
    const place = reach.map((distance, axis) => distance % strides[axis]).join();
    const contribution = w.pad(
      w.where(mask, cotangent, zero),
      shift,
      shifts.map((most, axis) => most - shift[axis]),
      0,
    );
    const sum = places.get(place);
    places.set(place, sum ? w.add(sum, contribution) : contribution);
  }

  const sums = [...places.values()];
  const shape = sums[0].shape;
  const interleave = (prefix: readonly number[]): Ref => {
    const axis = prefix.length;
    if (axis === strides.length) {
      const known = places.get(prefix.join());
      return known ?? w.expand(w.scalar(0, cotangent.type, shape.length), shape);
    }
    if (strides[axis] === 1) return interleave([...prefix, 0]);
    // The inner axes are interleaved already; along this one, place r of window q becomes element q * stride + r.
    const parts = range(strides[axis]).map((place) => {
      const part = interleave([...prefix, place]);
      return w.reshape(part, [...part.shape.slice(0, axis + 1), 1, ...part.shape.slice(axis + 1)]);
    });
    const joined = w.concat(parts, axis + 1);
    const merged = [...parts[0].shape];
    merged.splice(axis, 2, merged[axis] * strides[axis]);
    return w.reshape(joined, merged);
  };
  const scattered = interleave([]);
  // Element 0 lies in the padding; the last windows may end before or after the operand does.
  const low = scattered.shape.map((_, axis) => (axes.includes(axis) ? -padding[axis][0] : 0));
  const high = scattered.shape.map((extent, axis) =>
    axes.includes(axis) ? output.shape[axis] + padding[axis][0] - extent : 0,
  );
  return w.pad(scattered, low, high, 0);
};

export const windows = {
  reduce_window_max: reduceWindow("max"),
  reduce_window_sum: reduceWindow("sum"),
  select_and_gather_add: selectAndGather,
  select_and_scatter_add: selectAndScatter,
};
