import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import type { Operator, OperatorCall, OperatorTable } from "../call";
import { aligned } from "./common";

/** Convolutions and transposed convolutions in any number of dimensions: features on axis 1, filters [out, in, ...]. */

interface Geometry {
  readonly strides: readonly number[];
  readonly padding: readonly (readonly [number, number])[];
  readonly dilation: readonly number[];
  readonly groups: number;
}

const span = (window: number, dilation: number): number => (window - 1) * dilation + 1;

function general(b: Builder, x: Value, filter: Value, g: Geometry & { readonly spread: readonly number[] }): Value {
  const axes = range(x.shape.length);
  return ops.conv(b, x, filter, {
    strides: g.strides,
    padding: g.padding,
    lhsDilation: g.spread,
    rhsDilation: g.dilation,
    featureGroups: g.groups,
    batchGroups: 1,
    batchDims: 0,
    lhsSpec: axes,
    rhsSpec: axes,
    outSpec: axes,
  });
}

function convolve(b: Builder, x: Value, filter: Value, geometry: Geometry): Value {
  return general(b, x, filter, { ...geometry, spread: geometry.strides.map(() => 1) });
}

/** The gradient of a convolution: the input spread by the strides, with the filter turned around, group by group. */
function transposed(
  b: Builder,
  x: Value,
  filter: Value,
  { strides, padding, dilation, groups }: Geometry,
  extra: readonly number[],
): Value {
  const n = strides.length;
  const [inputs, outputs, ...window] = filter.shape;
  const spatial = range(n).map((axis) => axis + 2);
  // [in, out / groups, ...] -> [groups, in / groups, out / groups, ...] -> [out, in / groups, ...]
  const split = ops.reshape(b, ops.reverse(b, filter, spatial), [groups, inputs / groups, outputs, ...window]);
  const swapped = ops.transpose(b, split, [0, 2, 1, ...spatial.map((axis) => axis + 1)]);
  const turned = ops.reshape(b, swapped, [groups * outputs, inputs / groups, ...window]);
  const around = range(n).map((axis) => {
    const reach = span(window[axis], dilation[axis]) - 1;
    return [reach - padding[axis][0], reach - padding[axis][1] + extra[axis]] as const;
  });
  const ones = strides.map(() => 1);
  return general(b, x, turned, { strides: ones, padding: around, dilation, groups, spread: strides });
}

/** Padding by name: "valid" is none, "same" keeps the extent, with what is odd at the end. */
function paddingOf(
  call: OperatorCall,
  n: number,
  window: readonly number[],
  dilation: readonly number[],
): [number, number][] {
  const named = call.text("padding", "");
  if (named === "valid") return range(n).map(() => [0, 0]);
  if (named === "same") {
    return range(n).map((axis) => {
      const total = span(window[axis], dilation[axis]) - 1;
      return [Math.floor(total / 2), total - Math.floor(total / 2)];
    });
  }
  return call.perAxis("padding", n, 0).map((amount) => [amount, amount]);
}

function convolution(b: Builder, call: OperatorCall, isTransposed: boolean): Value {
  const given = call.value("input");
  const filter = call.value("weight");
  const n = filter.shape.length - 2;
  const isOne = given.shape.length === n + 1;
  if (!isOne && given.shape.length !== n + 2) {
    throw call.refuse(`has an input with ${given.shape.length} axes for ${n} spatial axes; export the model again`);
  }
  const [x, weight] = aligned(b, [isOne ? ops.expandDims(b, given, 0) : given, filter]);
  const dilation = call.perAxis("dilation", n, 1);
  const geometry: Geometry = {
    strides: call.perAxis("stride", n, 1),
    padding: paddingOf(call, n, filter.shape.slice(2), dilation),
    dilation,
    groups: call.size("groups", 1),
  };
  const result = isTransposed
    ? transposed(b, x, weight, geometry, call.perAxis("output_padding", n, 0))
    : convolve(b, x, weight, geometry);
  const bias = call.optional("bias");
  const shape = result.shape.map((extent, axis) => (axis === 1 ? extent : 1));
  const finished = bias === null ? result : ops.add(b, result, ops.reshape(b, bias, shape));
  return isOne ? ops.reshape(b, finished, finished.shape.slice(1)) : finished;
}

const forward: Operator = (b, call) => convolution(b, call, false);
const backward: Operator = (b, call) => convolution(b, call, true);
const either: Operator = (b, call) => convolution(b, call, call.flag("transposed", false));

export const convolutions: OperatorTable = {
  conv1d: forward,
  conv2d: forward,
  conv3d: forward,
  conv_transpose1d: backward,
  conv_transpose2d: backward,
  conv_transpose3d: backward,
  convolution: either,
  _convolution: either,
};
