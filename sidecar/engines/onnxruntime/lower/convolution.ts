import { range } from "../../../graph/types";
import type { ConvAttributes } from "../../../primitives/attributes";
import { contract } from "./contract";
import { arrangeGroups, extentOf, sizeAlong, splitGroups, splitLabel, withoutUnits, type Labelled } from "./labels";
import type { Lower } from "./lowering";
import { patches } from "./patches";
import type { Ref, Writer } from "./writer";

/**
 * Convolutions. Axes are named: b0.. batch axes, g groups, n examples, c input features, o output features, s0.. spatial
 * axes, k0.. those of the kernel. A batch axis that only one operand has is folded into the examples or into the output
 * features. What then has no batch axes is ONNX's Conv, unless its kernel is so large that patches and a matrix
 * product are faster (the gradient with respect to a kernel is such a one; facts/engines.md). With batch axes in both
 * operands (that gradient per example) patches and a batched product are the way.
 */
const conv: Lower<ConvAttributes> = (w, x, attributes, output) => {
  // Only batch axes may stay thin.
  const own = range(attributes.lhsSpec.length).map((axis) => axis + attributes.batchDims);
  const problem = label(w, x.fullAlong(0, own), x.fullAlong(1, own), attributes, output.shape);
  const ref = chooseDirect(w, problem) ? direct(w, problem) : byPatches(w, problem);
  return w.reshape(ref, problem.outShape);
};

export interface Convolution {
  /** b.., g, n, c, s.. in the order of memory. Padded where padding is negative or the operand dilated. */
  readonly lhs: Labelled;
  /** b.., g, o, c, k.. */
  readonly rhs: Labelled;
  /** The order of the result's axes: b.., n, g, o, s.. */
  readonly out: readonly string[];
  /** With thin batch axes, if any. */
  readonly outShape: readonly number[];
  readonly extents: ReadonlyMap<string, number>;
  readonly spatial: number;
  readonly strides: readonly number[];
  readonly dilation: readonly number[];
  /** Never negative. */
  readonly padding: readonly (readonly [number, number])[];
}

export const spatialLabels = (count: number, letter: "s" | "k"): string[] =>
  range(count).map((index) => `${letter}${index}`);

function label(w: Writer, lhs: Ref, rhs: Ref, attributes: ConvAttributes, outShape: readonly number[]): Convolution {
  const { batchDims, featureGroups, batchGroups } = attributes;
  const spatial = attributes.strides.length;
  const batch = range(batchDims).map((index) => `b${index}`);
  const place = (spec: readonly number[], names: readonly string[]): string[] => {
    const labels = [...batch, ...names.map(() => "")];
    spec.forEach((axis, index) => (labels[batchDims + axis] = names[index]));
    return labels;
  };
  let left: Labelled = { ref: lhs, labels: place(attributes.lhsSpec, ["n", "c", ...spatialLabels(spatial, "s")]) };
  let right: Labelled = { ref: rhs, labels: place(attributes.rhsSpec, ["o", "c", ...spatialLabels(spatial, "k")]) };
  const outLabels = place(attributes.outSpec, ["n", "o", ...spatialLabels(spatial, "s")]);

  const groups = Math.max(featureGroups, batchGroups);
  const divided = featureGroups > 1 ? "c" : "n";
  const of = (x: Labelled, name: string): number => extentOf(x, name) / groups;
  left = splitLabel(w, left, divided, [["g", groups], [divided, of(left, divided)]]); // prettier-ignore
  right = splitLabel(w, right, "o", [["g", groups], ["o", of(right, "o")]]); // prettier-ignore
  const out = outLabels.flatMap((name) => (name === "o" ? ["g", "o"] : [name]));

  const extents = new Map<string, number>();
  for (const name of batch) extents.set(name, Math.max(extentOf(left, name), extentOf(right, name)));
  for (const name of ["g", "n", "c"]) extents.set(name, extentOf(left, name));
  for (const name of ["o", ...spatialLabels(spatial, "k")]) extents.set(name, extentOf(right, name));
  outLabels.forEach((name, axis) => {
    if (name.startsWith("s")) extents.set(name, outShape[axis]);
  });
  const prepared = dilateAndCrop(w, left, attributes);
  return {
    lhs: dropUnits(w, prepared.lhs, batch),
    rhs: dropUnits(w, right, batch),
    out,
    outShape: outLabels.map((name, axis) => (batch.includes(name) ? extents.get(name)! : outShape[axis])),
    extents,
    spatial,
    strides: attributes.strides,
    dilation: attributes.rhsDilation,
    padding: prepared.padding,
  };
}

/** Without those of the given axes that have extent 1. */
function dropUnits(w: Writer, x: Labelled, names: readonly string[]): Labelled {
  const keep = range(x.labels.length).filter((axis) => !names.includes(x.labels[axis]) || x.ref.shape[axis] !== 1);
  return {
    ref: w.reshape(
      x.ref,
      keep.map((axis) => x.ref.shape[axis]),
    ),
    labels: keep.map((axis) => x.labels[axis]),
  };
}

/** Zeros between the operand's elements, and negative padding as a crop; ordinary padding is left to do. */
function dilateAndCrop(
  w: Writer,
  lhs: Labelled,
  { lhsDilation, padding }: ConvAttributes,
): { lhs: Labelled; padding: [number, number][] } {
  const at = (amounts: readonly number[], otherwise: number): number[] =>
    lhs.labels.map((name) => (name.startsWith("s") ? amounts[Number(name.slice(1))] : otherwise));
  const dilated = w.dilate(lhs.ref, at(lhsDilation, 1), 0);
  const crops = padding.map((pair) => pair.map((amount) => Math.min(0, amount)));
  const cropped = w.pad(
    dilated,
    at(
      crops.map(([low]) => low),
      0,
    ),
    at(
      crops.map(([, high]) => high),
      0,
    ),
    0,
  );
  return {
    lhs: { ref: cropped, labels: lhs.labels },
    padding: padding.map(([low, high]) => [Math.max(0, low), Math.max(0, high)]),
  };
}

const batchOf = (x: Labelled): string[] => x.labels.filter((name) => name.startsWith("b"));

/** Whether ONNX's Conv can do it, and is the faster way. */
function chooseDirect(w: Writer, { lhs, rhs, extents, spatial }: Convolution): boolean {
  if (lhs.ref.type !== "float32" || spatial < 1 || spatial > 3) return false;
  if (batchOf(lhs).some((name) => rhs.labels.includes(name))) return false;
  const size = (labels: readonly string[]): number => sizeAlong(extents, labels);
  // On WebGPU (1.30) a grouped convolution may be wrong where a group has several output features, and has no 3d kernel.
  if (w.provider === "webgpu" && size(["g"]) > 1 && (spatial === 3 || size(["o", ...batchOf(rhs)]) > 1)) return false;
  const kernel = size(spatialLabels(spatial, "k"));
  const output = size(spatialLabels(spatial, "s"));
  return kernel <= output || output > 1024;
}

/** ONNX's Conv on [examples, groups and features, spatial], with batch axes folded in. */
function direct(w: Writer, problem: Convolution): Ref {
  const { rhs, out, extents, spatial, strides, dilation } = problem;
  const { lhs, padding } = w.provider === "webgpu" ? paddedForWebgpu(w, problem) : problem;
  const examples = [...batchOf(lhs), "n"];
  const features = ["g", ...batchOf(rhs), "o"];
  const s = spatialLabels(spatial, "s");
  const k = spatialLabels(spatial, "k");
  const size = (labels: readonly string[]): number => sizeAlong(extents, labels);
  const one = (labels: readonly string[]): string[][] => labels.map((name) => [name]);
  const input = arrangeGroups(w, lhs, [examples, ["g", "c"], ...one(s)]);
  const kernel = arrangeGroups(w, rhs, [features, ["c"], ...one(k)]);
  const kernelShape = k.map((name) => extents.get(name)!);
  const shape = [size(examples), size(features), ...s.map((name) => extents.get(name)!)];
  const result = w.node("Conv", [input, kernel], shape, input.type, {
    group: size(["g"]),
    kernel_shape: kernelShape,
    strides,
    dilations: dilation,
    pads: [...padding.map(([low]) => low), ...padding.map(([, high]) => high)],
  });
  return splitGroups(w, result, [examples, features, ...one(s)], extents, out);
}

/**
 * Where there is no padding in front, WebGPU's Conv (1.30) takes a product of matrices for a kernel of one position, or of
 * as many as the operand has, and forgets the padding behind.
 */
function paddedForWebgpu(w: Writer, problem: Convolution): Pick<Convolution, "lhs" | "padding"> {
  const { lhs, extents, padding, spatial } = problem;
  const kernel = spatialLabels(spatial, "k").map((name) => extents.get(name)!);
  const operand = spatialLabels(spatial, "s").map((name) => extentOf(lhs, name));
  const isProduct = kernel.every((extent) => extent === 1) || kernel.every((extent, at) => extent === operand[at]);
  if (!isProduct || padding.some(([low]) => low > 0)) return problem;
  const behind = lhs.labels.map((name) => (name.startsWith("s") ? padding[Number(name.slice(1))][1] : 0));
  const none = behind.map(() => 0);
  return { lhs: { ...lhs, ref: w.pad(lhs.ref, none, behind, 0) }, padding: padding.map(() => [0, 0]) };
}

/** Patches of the operand, for each position in the kernel or in the output, whichever are fewer, and a matrix product. */
function byPatches(w: Writer, problem: Convolution): Ref {
  const s = spatialLabels(problem.spatial, "s");
  const k = spatialLabels(problem.spatial, "k");
  const kernel = sizeAlong(problem.extents, k);
  const output = sizeAlong(problem.extents, s);
  const lhs = patches(w, problem, kernel <= output ? "k" : "s");
  return contract(w, lhs, withoutUnits(w, problem.rhs), ["c", ...k], problem.out);
}

export const convolutions = { conv_general_dilated: conv };
