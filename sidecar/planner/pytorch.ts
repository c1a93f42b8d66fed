import type { Equation, Graph, Value } from "../graph/graph";
import { sizeOf } from "../graph/types";
import type { ConvAttributes, DotAttributes, MapAttributes } from "../primitives/attributes";
import { allocatedBytes, plan } from "./plan";

/**
 * The most bytes that PyTorch would hold for what a graph computes: the graph's own arrays, and the copies that
 * `torch.func` makes where it turns an axis that vmap has put in front into one of the channels (docs/planner.md).
 *
 * - A convolution whose filter has such an axis, which the gradient with respect to a filter is, runs in groups: every
 *   operand that has the axis is copied, with the axis beside the channels. The gradients with respect to the filter and to
 *   the image are one operation: the copies are there while both are made.
 * - The gradient of a batch normalisation does the same with its cotangent, scaled and then copied, and with its
 *   image, which is repeated for every row: three more arrays of the cotangent's size.
 * - A product of many matrices with as many others, for every row, is one of rows times matrices: an operand that is the same
 *   for all rows is repeated for each.
 */
export function pytorchPeakBytes(graph: Graph): number {
  const { timeline, peakBytes } = plan(graph);
  let most = peakBytes;
  let moment = 0;
  const follow = (within: Graph, known: Known): void => {
    const copies = copiesIn(within, known);
    for (const equation of within.equations) {
      if (equation.primitive === "map")
        follow((equation.attributes as MapAttributes).body, knownInBody(equation, known));
      most = Math.max(most, timeline[moment++].liveBytes + (copies.get(equation) ?? 0));
    }
  };
  const valuesOf = (members: readonly { readonly value: Value }[]): Value[] => members.map(({ value }) => value);
  follow(graph, {
    fixed: new Set(valuesOf([...graph.parameters, ...graph.buffers])),
    statistics: new Set(valuesOf(graph.buffers)),
  });
  return most;
}

/** Values that do not depend on the model's inputs, and of them those that depend on buffers: running means and variances. */
interface Known {
  readonly fixed: ReadonlySet<Value>;
  readonly statistics: ReadonlySet<Value>;
}

function knownInBody({ inputs, attributes }: Equation, { fixed, statistics }: Known): Known {
  const { body, mapped } = attributes as MapAttributes;
  const among = (values: ReadonlySet<Value>): Set<Value> =>
    new Set(body.inputs.filter((_, index) => !mapped[index] && values.has(inputs[index])).map(({ value }) => value));
  return { fixed: among(fixed), statistics: among(statistics) };
}

/** What is copied while an equation runs. */
function copiesIn(graph: Graph, known: Known): Map<Equation, number> {
  const owners = new Map<Value, Value>();
  const ownerOf = (value: Value): Value => owners.get(value) ?? value;
  const lastConvolution = new Map<Value, Equation>();
  for (const equation of graph.equations) {
    const { primitive, inputs, outputs } = equation;
    if (primitive === "reshape") owners.set(outputs[0], ownerOf(inputs[0]));
    if (primitive === "conv_general_dilated") for (const input of inputs) lastConvolution.set(ownerOf(input), equation);
  }

  const scales = scalesOf(graph, known);
  const copies = new Map<Equation, number>();
  const add = (equation: Equation, bytes: number): void => {
    copies.set(equation, Math.max(copies.get(equation) ?? 0, bytes));
  };
  for (const equation of graph.equations) {
    const { primitive, inputs, outputs } = equation;
    if (primitive === "conv_general_dilated") {
      const { batchDims } = equation.attributes as ConvAttributes;
      const [image, filter] = inputs;
      const isBatched = ({ shape }: Value): boolean => sizeOf(shape.slice(0, batchDims)) > 1;
      if (!isBatched(filter)) continue;
      const bytes = [image, filter].filter(isBatched).reduce((sum, value) => sum + allocatedBytes(value), 0);
      add(equation, bytes);
      // The image's gradient is made of the same cotangent
      add(lastConvolution.get(ownerOf(filter))!, bytes);
    } else if (primitive === "dot_general") {
      add(equation, repeatedBytes(equation));
    } else if (primitive === "mul" && inputs.some((input) => scales.has(input))) {
      if (!scales.has(outputs[0])) add(equation, 3 * allocatedBytes(outputs[0]));
    }
  }
  return copies;
}

/** An operand of a batched product that lacks some of its batch axes, but not all, repeated along those. */
function repeatedBytes({ inputs, attributes }: Equation): number {
  const { batch } = attributes as DotAttributes;
  const extents = inputs.map(({ shape }, side) => batch[side].map((axis) => shape[axis]));
  let bytes = 0;
  for (const side of [0, 1]) {
    const [own, other] = [extents[side], extents[1 - side]];
    const rows = own.reduce((product, extent, axis) => (extent === 1 ? product * other[axis] : product), 1);
    if (rows > 1 && own.some((extent) => extent > 1)) bytes += rows * allocatedBytes(inputs[side]);
  }
  return bytes;
}

/** What is made of variances by a square root, and of parameters alone: the scales of batch normalisations. */
function scalesOf(graph: Graph, known: Known): Set<Value> {
  const fixed = new Set<Value>([...known.fixed, ...graph.constants.map(({ value }) => value)]);
  const statistics = new Set<Value>(known.statistics);
  const scales = new Set<Value>();
  for (const { primitive, inputs, outputs } of graph.equations) {
    if (!inputs.every((input) => fixed.has(input))) continue;
    for (const output of outputs) {
      fixed.add(output);
      if (!inputs.some((input) => statistics.has(input))) continue;
      statistics.add(output);
      const isRoot = primitive === "sqrt" || primitive === "rsqrt";
      if (isRoot || inputs.some((input) => scales.has(input))) scales.add(output);
    }
  }
  return scales;
}
