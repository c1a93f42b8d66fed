import { range, type Shape } from "../../../sidecar/graph/types";
import type { ConvAttributes } from "../../../sidecar/primitives/attributes";
import { argumentsOf, type Graph } from "../../../sidecar/graph/graph";
import { vjp, vmap } from "../../../sidecar/transforms/index";
import { singleGraph } from "../single";
import { graphCase, type PrimitiveCase } from "./case";

interface Layout {
  readonly what: string;
  readonly lhs: Shape;
  readonly rhs: Shape;
  readonly attributes?: Partial<ConvAttributes>;
}

const nhwc = { lhsSpec: [0, 3, 1, 2], rhsSpec: [3, 2, 0, 1], outSpec: [0, 3, 1, 2] };

/** Convolutions as models have them. Left out: strides and dilations of 1, no padding, axes in the order N, C, spatial. */
const layouts: Layout[] = [
  { what: "1d", lhs: [2, 3, 8], rhs: [4, 3, 3] },
  { what: "1d strided, padded", lhs: [2, 3, 8], rhs: [4, 3, 3], attributes: { strides: [2], padding: [[1, 2]] } },
  { what: "1d dilated kernel", lhs: [2, 3, 9], rhs: [2, 3, 3], attributes: { rhsDilation: [2], padding: [[0, 3]] } },
  { what: "1d dilated input", lhs: [2, 3, 5], rhs: [2, 3, 3], attributes: { lhsDilation: [2], padding: [[2, 1]] } },
  { what: "1d causal", lhs: [2, 6, 3], rhs: [2, 3, 4], attributes: { lhsSpec: [0, 2, 1], rhsSpec: [2, 1, 0], outSpec: [0, 2, 1], rhsDilation: [2], padding: [[2, 0]] } },
  { what: "2d", lhs: [2, 3, 6, 5], rhs: [4, 3, 3, 2] },
  { what: "2d pointwise", lhs: [2, 3, 4, 5], rhs: [4, 3, 1, 1] },
  { what: "2d pointwise, strided", lhs: [2, 3, 5, 5], rhs: [4, 3, 1, 1], attributes: { strides: [2, 2] } },
  { what: "2d pointwise, stride leaves a rest", lhs: [2, 3, 6, 6], rhs: [4, 3, 1, 1], attributes: { strides: [2, 2] } },
  { what: "2d NHWC", lhs: [2, 6, 5, 3], rhs: [3, 2, 3, 4], attributes: nhwc },
  { what: "2d NHWC same", lhs: [2, 5, 5, 3], rhs: [3, 3, 3, 4], attributes: { ...nhwc, padding: [[1, 1], [1, 1]] } },
  { what: "2d strided, asymmetric padding", lhs: [2, 3, 7, 6], rhs: [4, 3, 3, 3], attributes: { strides: [2, 2], padding: [[0, 1], [1, 2]] } },
  { what: "2d unequal strides", lhs: [2, 3, 7, 6], rhs: [4, 3, 3, 3], attributes: { strides: [1, 3], padding: [[1, 1], [1, 1]] } },
  { what: "2d stride leaves a rest", lhs: [1, 2, 8, 8], rhs: [2, 2, 3, 3], attributes: { strides: [2, 3] } },
  { what: "2d negative padding", lhs: [2, 3, 7, 6], rhs: [2, 3, 3, 2], attributes: { padding: [[-1, 0], [1, -2]] } },
  { what: "2d dilated kernel", lhs: [2, 3, 8, 7], rhs: [2, 3, 3, 2], attributes: { rhsDilation: [2, 3], padding: [[1, 1], [0, 1]] } },
  { what: "2d dilated kernel, strided", lhs: [2, 3, 8, 7], rhs: [2, 3, 2, 2], attributes: { rhsDilation: [2, 2], strides: [2, 1] } },
  { what: "2d dilated input", lhs: [2, 3, 4, 3], rhs: [2, 3, 3, 2], attributes: { lhsDilation: [2, 3], padding: [[1, 2], [1, 0]] } },
  { what: "2d dilated input, cropped", lhs: [2, 3, 4, 4], rhs: [2, 3, 2, 2], attributes: { lhsDilation: [2, 2], padding: [[-1, 0], [0, -1]] } },
  { what: "2d everything dilated, strided", lhs: [2, 3, 5, 4], rhs: [2, 3, 2, 3], attributes: { lhsDilation: [2, 3], rhsDilation: [3, 2], strides: [2, 2], padding: [[1, 0], [0, 2]] } },
  { what: "2d feature groups", lhs: [2, 4, 5, 5], rhs: [6, 2, 3, 3], attributes: { featureGroups: 2, padding: [[1, 1], [1, 1]] } },
  { what: "2d feature groups, NHWC strided", lhs: [2, 5, 6, 4], rhs: [3, 2, 2, 6], attributes: { ...nhwc, featureGroups: 2, strides: [2, 1] } },
  { what: "2d depthwise", lhs: [2, 3, 5, 6], rhs: [3, 1, 3, 3], attributes: { featureGroups: 3, padding: [[1, 1], [1, 1]] } },
  { what: "2d depthwise, multiplier 2, NHWC strided", lhs: [2, 5, 6, 3], rhs: [3, 3, 1, 6], attributes: { ...nhwc, featureGroups: 3, strides: [2, 2], padding: [[0, 1], [0, 1]] } },
  { what: "2d depthwise, dilated", lhs: [2, 3, 7, 7], rhs: [3, 1, 3, 3], attributes: { featureGroups: 3, rhsDilation: [2, 2] } },
  { what: "2d depthwise, unequal strides", lhs: [2, 3, 7, 7], rhs: [3, 1, 3, 3], attributes: { featureGroups: 3, strides: [1, 2] } },
  { what: "2d batch groups", lhs: [4, 3, 5, 5], rhs: [6, 3, 2, 3], attributes: { batchGroups: 2 } },
  { what: "2d batch groups, padded and strided", lhs: [6, 2, 5, 5], rhs: [3, 2, 3, 3], attributes: { batchGroups: 3, strides: [2, 1], padding: [[1, 1], [1, 0]] } },
  { what: "2d large kernel, small output", lhs: [3, 2, 6, 6], rhs: [4, 2, 5, 6], attributes: { padding: [[1, 1], [1, 1]] } },
  { what: "2d kernel as large as the input", lhs: [3, 2, 4, 4], rhs: [5, 2, 4, 4] },
  { what: "2d kernel as large as the input, padded behind", lhs: [3, 2, 3, 3], rhs: [5, 2, 3, 3], attributes: { padding: [[0, 2], [0, 2]] } },
  { what: "2d odd order of axes", lhs: [5, 3, 2, 6], rhs: [3, 2, 3, 4], attributes: { lhsSpec: [2, 1, 3, 0], rhsSpec: [3, 2, 1, 0], outSpec: [3, 0, 2, 1] } },
  { what: "2d one example, one feature", lhs: [1, 1, 5, 5], rhs: [1, 1, 3, 3] },
  { what: "3d", lhs: [2, 2, 4, 5, 4], rhs: [3, 2, 2, 3, 2] },
  { what: "3d strided, padded, NDHWC", lhs: [2, 5, 4, 5, 2], rhs: [2, 3, 2, 2, 3], attributes: { lhsSpec: [0, 4, 1, 2, 3], rhsSpec: [4, 3, 0, 1, 2], outSpec: [0, 4, 1, 2, 3], strides: [2, 1, 2], padding: [[0, 1], [1, 1], [1, 0]] } },
  { what: "3d dilated both ways, groups", lhs: [1, 4, 3, 4, 3], rhs: [2, 2, 2, 2, 2], attributes: { featureGroups: 2, lhsDilation: [2, 1, 1], rhsDilation: [1, 2, 1], padding: [[0, 0], [1, 0], [0, 1]] } },
  { what: "0d", lhs: [3, 4], rhs: [5, 4] },
]; // prettier-ignore

function complete({ lhs, attributes }: Layout): ConvAttributes {
  const axes = range(lhs.length);
  const ones = axes.slice(2).map(() => 1);
  return {
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
    ...attributes,
  };
}

function convolution(lhs: Shape, rhs: Shape, attributes: ConvAttributes): Graph {
  const types = [lhs, rhs].map((shape) => ({ shape, dtype: "float32" as const }));
  return singleGraph("conv_general_dilated", types, attributes);
}

/** A convolution and its derivatives, which are convolutions with strange attributes. */
function withDerivatives(name: string, graph: Graph): PrimitiveCase[] {
  const [lhs, rhs] = argumentsOf(graph).map(({ value }) => value);
  return [
    graphCase(name, graph),
    graphCase(`${name}, derivative to the input`, vjp(graph, [lhs])),
    graphCase(`${name}, derivative to the kernel`, vjp(graph, [rhs])),
  ];
}

/** Kernels of native libraries work on blocks of 8, 16, 32 or more features: what is left over has code of its own. */
function wideCases(): PrimitiveCase[] {
  return [8, 24, 48, 64, 80].flatMap((features) => {
    const layout: Layout = {
      what: `2d strided, ${features} features`,
      lhs: [1, 6, 6, features],
      rhs: [3, 3, features, 8],
      attributes: { ...nhwc, strides: [2, 2], padding: [[0, 1], [0, 1]] },
    }; // prettier-ignore
    const plain = convolution(layout.lhs, layout.rhs, complete(layout));
    return withDerivatives(`conv_general_dilated: ${layout.what}`, plain);
  });
}

export function convolutionCases(): PrimitiveCase[] {
  const small = layouts.flatMap((layout) => {
    const { what, lhs, rhs } = layout;
    const name = `conv_general_dilated: ${what}`;
    const attributes = complete(layout);
    const batched = (left: Shape, right: Shape): Graph =>
      convolution([...left, ...lhs], [...right, ...rhs], { ...attributes, batchDims: left.length });
    const plain = convolution(lhs, rhs, attributes);
    const [input, kernel] = argumentsOf(plain).map(({ value }) => value);
    return [
      ...withDerivatives(name, plain),
      ...withDerivatives(`${name}, a kernel for each`, batched([2], [2])),
      ...withDerivatives(`${name}, batch broadcast to the input`, batched([1], [2])),
      ...withDerivatives(`${name}, batch broadcast to the kernel`, batched([2], [1])),
      ...withDerivatives(`${name}, two batch axes, each broadcast once`, batched([2, 1], [1, 3])),
      graphCase(`${name}, two batch axes of both`, batched([2, 3], [2, 3])),
      graphCase(`${name}, two batch axes, one of both`, batched([2, 3], [2, 1])),
      // As vmap of reverse mode makes them
      graphCase(`${name}, vmap of the derivative to the kernel`, vmap(vjp(plain, [kernel]), new Map([[input, 0]]), 2)),
    ];
  });
  return [...small, ...wideCases()];
}
