import type { ConvAttributes } from "../../../primitives/attributes";
import { range, sizeOf } from "../../../graph/types";
import { convolve, type Convolution, type Result } from "./convolve";
import { arrange, type NamedAxis } from "./layout";
import type { Lowering } from "./lowering";

/**
 * What every convolution comes down to: G of them side by side, each of N examples with C features and of a kernel with O
 * output features. Batch axes that both operands have, and groups of either kind, are part of G; batch axes along which
 * the kernel is repeated are examples, those along which the input is repeated are output features.
 */
export const convGeneralDilated: Lowering<ConvAttributes> = (tf, [lhs, rhs], attributes, output) => {
  const { batchDims, featureGroups, batchGroups } = attributes;
  const batch = range(batchDims).map((axis) => ({
    name: `batch${axis}`,
    lhs: lhs.shape[axis],
    rhs: rhs.shape[axis],
  }));
  const ofExamples = batch.filter((axis) => axis.rhs === 1).map(({ name }) => name);
  const ofFeatures = batch.filter((axis) => axis.rhs !== 1 && axis.lhs === 1).map(({ name }) => name);
  const ofBoth = batch.filter((axis) => axis.rhs !== 1 && axis.lhs !== 1).map(({ name }) => name);
  const spatial = range(attributes.strides.length).map((dimension) => `spatial${dimension}`);
  const extents = (spec: readonly number[], shape: readonly number[]): number[] =>
    spec.map((axis) => shape[axis + batchDims]);

  const [examples, features, ...inputExtents] = extents(attributes.lhsSpec, lhs.shape);
  const lhsAxes = layoutOf(batch.map(({ name, lhs: extent }) => ({ name, extent })), attributes.lhsSpec, [
    [{ name: "batch group", extent: batchGroups }, { name: "example", extent: examples / batchGroups }],
    [{ name: "feature group", extent: featureGroups }, { name: "feature", extent: features / featureGroups }],
    ...spatial.map((name, dimension) => [{ name, extent: inputExtents[dimension] }]),
  ]); // prettier-ignore

  const groups = featureGroups * batchGroups;
  const [outFeatures, inFeatures, ...kernelExtents] = extents(attributes.rhsSpec, rhs.shape);
  const rhsAxes = layoutOf(batch.map(({ name, rhs: extent }) => ({ name, extent })), attributes.rhsSpec, [
    [{ name: "group", extent: groups }, { name: "out feature", extent: outFeatures / groups }],
    [{ name: "feature", extent: inFeatures }],
    ...spatial.map((name, dimension) => [{ name, extent: kernelExtents[dimension] }]),
  ]); // prettier-ignore

  // Batch axes that an operand does not have, being repeated, have extent 1 in it and may stand anywhere
  const lhsNames = {
    group: [...ofBoth, ...ofFeatures, "batch group", "feature group"],
    example: [...ofExamples, "example"],
    feature: ["feature"],
  };
  const rhsNames = {
    group: [...ofBoth, ...ofExamples, "group"],
    outFeature: [...ofFeatures, "out feature"],
    feature: ["feature"],
  };
  const size = (axes: readonly NamedAxis[], names: readonly string[]): number =>
    sizeOf(names.map((name) => axes.find((axis) => axis.name === name)?.extent ?? 1));

  const convolution: Convolution = {
    groups: size(lhsAxes, lhsNames.group),
    examples: size(lhsAxes, lhsNames.example),
    features: inFeatures,
    outFeatures: size(rhsAxes, rhsNames.outFeature),
    input: inputExtents,
    kernel: kernelExtents,
    output: extents(attributes.outSpec, output.shape).slice(2),
    strides: attributes.strides,
    padding: attributes.padding,
    inputDilation: attributes.lhsDilation,
    kernelDilation: attributes.rhsDilation,
    takeInput: (order) => arrange(tf, lhs, lhsAxes, order.flatMap((role) => (role === "spatial" ? spatial.map((name) => [name]) : [lhsNames[role]]))),
    takeKernel: (order) => arrange(tf, rhs, rhsAxes, order.flatMap((role) => (role === "spatial" ? spatial.map((name) => [name]) : [rhsNames[role]]))),
  }; // prettier-ignore

  const { tensor, order }: Result = convolve(tf, convolution);
  // A kernel that does not know groups was given one
  const roles = order.includes("group") ? order : (["group", ...order] as const);

  const outExtents = new Map(batch.map(({ name, lhs: left, rhs: right }) => [name, Math.max(left, right)]));
  outExtents.set("group", groups);
  outExtents.set("example", examples / batchGroups);
  outExtents.set("out feature", outFeatures / groups);
  spatial.forEach((name, dimension) => outExtents.set(name, convolution.output[dimension]));
  const names = {
    group: [...ofBoth, "group"],
    example: lhsNames.example,
    outFeature: rhsNames.outFeature,
    spatial,
  };
  const stands = roles.flatMap((role) => names[role]).map((name) => ({ name, extent: outExtents.get(name) ?? 1 }));
  const wanted = new Array<string[]>(output.shape.length);
  batch.forEach(({ name }, axis) => (wanted[axis] = [name]));
  [["example"], ["group", "out feature"], ...spatial.map((name) => [name])].forEach((group, position) => {
    wanted[batchDims + attributes.outSpec[position]] = group;
  });
  return arrange(tf, tensor, stands, wanted);
};

/** The axes of an operand as they stand: batch axes, then what the spec says is where, each split into its parts. */
function layoutOf(batch: NamedAxis[], spec: readonly number[], parts: readonly NamedAxis[][]): NamedAxis[] {
  const stands = new Array<NamedAxis[]>(spec.length);
  spec.forEach((axis, position) => (stands[axis] = parts[position]));
  return [...batch, ...stands.flat()];
}
