import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import type { Operator, OperatorCall, OperatorTable } from "../call";
import { checkConstant, constant } from "./common";

/** Resizing along the last axes: the same fixed mixture of elements for every image. */

/** An axis that is resized. */
interface Axis {
  readonly input: number;
  readonly output: number;
  /** The factor that was asked for, where one was. */
  readonly factor: number | null;
  readonly alignCorners: boolean;
}

/** Which source elements, with which weights, make up an output element. */
type Sampling = readonly (readonly { readonly from: number; readonly weight: number }[])[];
type Sampler = (axis: Axis) => Sampling;

const stepOf = ({ input, output, factor }: Axis): number => (factor === null ? input / output : 1 / factor);

const nearest =
  (offset: number): Sampler =>
  (axis) =>
    range(axis.output).map((position) => {
      const from = Math.min(axis.input - 1, Math.floor((position + offset) * stepOf(axis)));
      return [{ from, weight: 1 }];
    });

/** Where the centre of an output element is in the input. */
function centre(axis: Axis, position: number): number {
  if (axis.alignCorners) return axis.output > 1 ? (position * (axis.input - 1)) / (axis.output - 1) : 0;
  return (position + 0.5) * stepOf(axis) - 0.5;
}

const linear: Sampler = (axis) =>
  range(axis.output).map((position) => {
    const source = Math.max(0, centre(axis, position));
    const from = Math.min(axis.input - 1, Math.floor(source));
    const fraction = source - from;
    return [
      { from, weight: 1 - fraction },
      { from: Math.min(axis.input - 1, from + 1), weight: fraction },
    ];
  });

/** Keys' cubic convolution, whose one parameter is -3/4 in PyTorch. */
const CUBIC = -0.75;

function cubicWeight(distance: number): number {
  const x = Math.abs(distance);
  if (x <= 1) return ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1;
  return x < 2 ? ((CUBIC * x - 5 * CUBIC) * x + 8 * CUBIC) * x - 4 * CUBIC : 0;
}

const cubic: Sampler = (axis) =>
  range(axis.output).map((position) => {
    const source = centre(axis, position);
    return range(4).map((which) => {
      const at = Math.floor(source) - 1 + which;
      return { from: Math.min(axis.input - 1, Math.max(0, at)), weight: cubicWeight(source - at) };
    });
  });

function mixed(b: Builder, call: OperatorCall, x: Value, axis: number, sampling: Sampling): Value {
  const extent = x.shape[axis];
  if (
    sampling.length === extent &&
    sampling.every((parts, at) => parts.every(({ from, weight }) => from === at || weight === 0))
  ) {
    return x;
  }
  checkConstant(call, sampling.length * extent);
  const matrix = new Float64Array(sampling.length * extent);
  sampling.forEach((parts, row) => {
    for (const { from, weight } of parts) matrix[row * extent + from] += weight;
  });
  const value = ops.convert(b, constant(b, matrix, [sampling.length, extent]), x.dtype);
  return ops.moveAxis(b, ops.dotGeneral(b, x, value, [[axis], [1]]), x.shape.length - 1, axis);
}

/** A whole factor, each element repeated, needs no indices. */
function picked(b: Builder, call: OperatorCall, x: Value, axis: number, sampling: Sampling): Value {
  const extent = x.shape[axis];
  const times = sampling.length / extent;
  const places = sampling.map(([{ from }]) => from);
  if (Number.isInteger(times) && places.every((from, at) => from === Math.floor(at / times))) {
    const axes = range(x.shape.length).map((other) => (other > axis ? other + 1 : other));
    const split = [...x.shape.slice(0, axis + 1), times, ...x.shape.slice(axis + 1)];
    const wide = ops.broadcastInDim(b, x, split, axes);
    return ops.reshape(b, wide, [...x.shape.slice(0, axis), sampling.length, ...x.shape.slice(axis + 1)]);
  }
  checkConstant(call, sampling.length);
  return ops.gather(b, x, constant(b, Int32Array.from(places), [places.length]), axis);
}

const resized =
  (n: number, sampler: Sampler, apply: typeof mixed): Operator =>
  (b, call) => {
    const x = call.value(call.has("self") ? "self" : "input");
    const outer = x.shape.length - n;
    const spatial = x.shape.slice(outer);
    const factors = call.has("scale_factors")
      ? call.sizes("scale_factors")
      : ["scales", "scales_d", "scales_h", "scales_w"].flatMap((name) => (call.has(name) ? [call.size(name)] : []));
    const sizes = call.has("output_size")
      ? call.sizes("output_size")
      : spatial.map((extent, axis) => Math.floor(extent * factors[axis]));
    if (sizes.length !== n) throw call.refuse("has an output of another rank; export the model again");
    return sizes.reduce((result, output, axis) => {
      checkConstant(call, output);
      const sampling = sampler({
        input: spatial[axis],
        output,
        factor: factors.length === n ? factors[axis] : null,
        alignCorners: call.flag("align_corners", false),
      });
      return apply(b, call, result, outer + axis, sampling);
    }, x);
  };

const byIndex = (n: number): Operator => resized(n, nearest(0), picked);
const exactly = (n: number): Operator => resized(n, nearest(0.5), picked);
const byMixture = (n: number, sampler: Sampler): Operator => resized(n, sampler, mixed);

export const resizing: OperatorTable = {
  upsample_nearest1d: byIndex(1),
  upsample_nearest2d: byIndex(2),
  upsample_nearest3d: byIndex(3),
  _upsample_nearest_exact1d: exactly(1),
  _upsample_nearest_exact2d: exactly(2),
  _upsample_nearest_exact3d: exactly(3),
  upsample_linear1d: byMixture(1, linear),
  upsample_bilinear2d: byMixture(2, linear),
  upsample_trilinear3d: byMixture(3, linear),
  upsample_bicubic2d: byMixture(2, cubic),
};
