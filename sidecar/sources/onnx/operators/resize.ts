import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { isFloat, range } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { checkedCount, constantOf, listed, positiveAxis, type Call, type Operator, type OperatorTable } from "../call";

/** Resizing is the same fixed mixture of elements along each axis. */

/** Which source elements, with which weights, make up an output element; null takes the extrapolation value. */
type Sampling = readonly (readonly { readonly from: number; readonly weight: number }[] | null)[];

interface Along {
  readonly input: number;
  readonly output: number;
  readonly scale: number;
  /** Of the region that is resized, where one is given. */
  readonly region: readonly [number, number];
}

/** Where in the input an element of the output is. Scales that are no ratio of extents count as they are given. */
function coordinate(mode: string, { input, output, scale, region }: Along, position: number): number {
  const length = scale * input;
  switch (mode) {
    case "align_corners":
      return length === 1 ? 0 : (position * (input - 1)) / (length - 1);
    case "asymmetric":
      return position / scale;
    case "pytorch_half_pixel":
      return length === 1 ? -0.5 : (position + 0.5) / scale - 0.5;
    case "tf_half_pixel_for_nn":
      return (position + 0.5) / scale;
    case "tf_crop_and_resize": {
      const width = (region[1] - region[0]) * (input - 1);
      return region[0] * (input - 1) + (length === 1 ? width / 2 : (position * width) / (length - 1));
    }
    case "half_pixel_symmetric":
      // What rounding the output's extent took away is left out on both sides
      return (input / 2) * (1 - output / length) + (position + 0.5) / scale - 0.5;
    case "half_pixel":
      return (position + 0.5) / scale - 0.5;
    default:
      throw new Error(`the coordinate_transformation_mode ${mode} is not known`);
  }
}

function nearestPlace(mode: string, at: number): number {
  switch (mode) {
    case "floor":
      return Math.floor(at);
    case "ceil":
      return Math.ceil(at);
    case "round_prefer_ceil":
      return Math.floor(at + 0.5);
    default:
      return Math.ceil(at - 0.5);
  }
}

/** Keys' cubic with the given coefficient; the weight of an element at a distance. */
function cubic(distance: number, a: number): number {
  const x = Math.abs(distance);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

interface Manner {
  readonly mode: string;
  readonly transformation: string;
  readonly nearest: string;
  readonly coefficient: number;
  readonly excludeOutside: boolean;
  readonly antialias: boolean;
}

function samplingOf(along: Along, manner: Manner): Sampling {
  const { input, output, scale } = along;
  const last = input - 1;
  return listed(output).map((position) => {
    const at = coordinate(manner.transformation, along, position);
    if (manner.transformation === "tf_crop_and_resize" && (at < 0 || at > last)) return null;
    const held = (place: number): number => Math.min(last, Math.max(0, place));
    if (manner.mode === "nearest") return [{ from: held(nearestPlace(manner.nearest, at)), weight: 1 }];
    // Shrinking with antialias widens the filter by the factor
    const stretch = manner.antialias && scale < 1 ? scale : 1;
    const isCubic = manner.mode === "cubic";
    const support = (isCubic ? 2 : 1) / stretch;
    const weightAt = (distance: number): number =>
      isCubic ? cubic(distance * stretch, manner.coefficient) : Math.max(0, 1 - Math.abs(distance * stretch));
    const first = Math.ceil(at - support);
    const places = listed(Math.floor(at + support) - first + 1).map((offset) => first + offset);
    const parts = places.map((place) => ({ place, weight: weightAt(place - at) }));
    const outside = ({ place }: { place: number }): boolean => place < 0 || place > last;
    const used = manner.excludeOutside ? parts.filter((part) => !outside(part)) : parts;
    const total = manner.excludeOutside || stretch < 1 ? used.reduce((sum, { weight }) => sum + weight, 0) : 1;
    return used.map(({ place, weight }) => ({ from: held(place), weight: weight / total }));
  });
}

/** Mixes along one axis: by a product with a matrix, or where single elements are taken, by taking them. */
function sample(b: Builder, x: Value, axis: number, sampling: Sampling, outside: number): Value {
  const input = x.shape[axis];
  if (sampling.every((parts) => parts?.length === 1 && parts[0].weight === 1)) {
    const places = Int32Array.from(sampling, (parts) => parts![0].from);
    if (places.length === input && places.every((place, index) => place === index)) return x;
    return ops.gather(b, x, b.constant(places, [places.length], "int32"), axis);
  }
  const elements = new Float64Array(checkedCount(sampling.length * input));
  const extra = new Float64Array(sampling.length);
  sampling.forEach((parts, row) => {
    if (parts === null) extra[row] = outside;
    for (const { from, weight } of parts ?? []) elements[row * input + from] += weight;
  });
  const matrix = constantOf(b, elements, [sampling.length, input], x.dtype);
  const mixed = ops.moveAxis(b, ops.dotGeneral(b, x, matrix, [[axis], [1]]), x.shape.length - 1, axis);
  if (outside === 0 || sampling.every((parts) => parts !== null)) return mixed;
  const place = x.shape.map((_, other) => (other === axis ? sampling.length : 1));
  const isOutside = b.constant(
    Uint8Array.from(sampling, (parts) => Number(parts === null)),
    place,
    "bool",
  );
  return ops.select(b, isOutside, ops.scalarLike(b, mixed, outside), mixed);
}

function resizeWith(
  call: Call,
  manner: Manner,
  sizes: readonly number[] | null,
  scales: readonly number[] | null,
  region: readonly number[] | null,
): Value {
  const { b } = call;
  const x = call.input(0);
  const rank = x.shape.length;
  const axes = (call.ints("axes") ?? range(rank)).map((axis) => positiveAxis(axis, rank));
  const policy = call.string("keep_aspect_ratio_policy", "stretch");
  let factors = axes.map((axis, i) => scales?.[i] ?? (sizes ? sizes[i] / x.shape[axis] : 1));
  let outputs = axes.map((axis, i) => (sizes ? sizes[i] : Math.floor(x.shape[axis] * factors[i])));
  if (sizes && policy !== "stretch") {
    const common = policy === "not_larger" ? Math.min(...factors) : Math.max(...factors);
    factors = factors.map(() => common);
    outputs = axes.map((axis) => Math.floor(common * x.shape[axis] + 0.5));
  }
  const outside = call.float("extrapolation_value", 0);
  const start = isFloat(x.dtype) ? x : ops.convert(b, x, "float32");
  const resized = axes.reduce((value, axis, i) => {
    const isWhole = !region && outputs[i] === x.shape[axis] && factors[i] === 1;
    if (isWhole) return value;
    const along: Along = {
      input: x.shape[axis],
      output: outputs[i],
      scale: factors[i],
      region: [region?.[i] ?? 0, region?.[axes.length + i] ?? 1],
    };
    return sample(b, value, axis, samplingOf(along, manner), outside);
  }, start);
  return ops.convert(b, isFloat(x.dtype) ? resized : ops.round(b, resized), x.dtype);
}

const resize: Operator = (call) => {
  const mode = call.string("mode", "nearest");
  const isOld = call.opset < 11;
  const transformation = isOld ? "asymmetric" : call.string("coordinate_transformation_mode", "half_pixel");
  const manner: Manner = {
    mode,
    transformation,
    nearest: isOld ? "floor" : call.string("nearest_mode", "round_prefer_floor"),
    coefficient: call.float("cubic_coeff_a", -0.75),
    excludeOutside: call.int("exclude_outside", 0) === 1,
    antialias: call.int("antialias", 0) === 1,
  };
  const filled = (index: number): number[] | null => {
    if (!call.has(index) || call.input(index).shape[0] === 0) return null;
    return call.elements(index);
  };
  if (isOld) return resizeWith(call, manner, null, filled(1), null);
  const region = transformation === "tf_crop_and_resize" ? filled(1) : null;
  return resizeWith(call, manner, filled(3), filled(2), region);
};

const upsample: Operator = (call) => {
  const manner: Manner = {
    mode: call.string("mode", "nearest"),
    transformation: "asymmetric",
    nearest: "floor",
    coefficient: -0.75,
    excludeOutside: false,
    antialias: false,
  };
  return resizeWith(call, manner, null, call.floats("scales") ?? call.elements(1), null);
};

export const resizing: OperatorTable = {
  Resize: resize,
  Upsample: upsample,
};
