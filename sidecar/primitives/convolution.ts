import type { Builder } from "../graph/builder";
import type { Value } from "../graph/graph";
import { formatShape, range, sizeOf, type Shape, type ValueType } from "../graph/types";
import type { ConvAttributes } from "./attributes";
import { batchedAt, batchToFront, bilinearJvp, expectCount, expectSameDType, moveAxisInto, splitAxis } from "./makers";
import * as ops from "./ops";
import type { Primitive, Structure } from "./primitive";

/** Extent of an axis once zeros are put between its elements. */
function dilated(extent: number, dilation: number): number {
  return extent === 0 ? 0 : 1 + (extent - 1) * dilation;
}

/** A spec whose first two axes (examples and features, or output and input features) are exchanged. */
function exchanged([first, second, ...spatial]: readonly number[]): number[] {
  return [second, first, ...spatial];
}

/** Extents of the spatial axes. */
function spatialExtents(x: Value, spec: readonly number[], batchDims: number): number[] {
  return spec.slice(2).map((axis) => x.shape[axis + batchDims]);
}

function shape(inputs: readonly Value[], a: ConvAttributes): ValueType[] {
  expectCount(inputs, 2);
  expectSameDType(inputs);
  const [lhs, rhs] = inputs;
  const rank = a.lhsSpec.length;
  const d = a.batchDims;
  const fail = (what: string): never => {
    throw new Error(`${what} (convolution of ${formatShape(lhs.shape)} with ${formatShape(rhs.shape)})`);
  };
  if (lhs.shape.length !== rank + d || rhs.shape.length !== rank + d || a.rhsSpec.length !== rank) {
    fail("the ranks do not fit");
  }
  const spatial = rank - 2;
  for (const amounts of [a.strides, a.padding, a.lhsDilation, a.rhsDilation]) {
    if (amounts.length !== spatial) fail(`strides, padding and dilations must be given for ${spatial} dimensions`);
  }
  const batch = range(d).map((axis) => {
    const [left, right] = [lhs.shape[axis], rhs.shape[axis]];
    if (left !== right && left !== 1 && right !== 1) fail("the batch axes do not fit");
    return Math.max(left, right);
  });
  const examples = lhs.shape[d + a.lhsSpec[0]];
  const features = lhs.shape[d + a.lhsSpec[1]];
  const outFeatures = rhs.shape[d + a.rhsSpec[0]];
  const inFeatures = rhs.shape[d + a.rhsSpec[1]];
  if (a.featureGroups > 1 && a.batchGroups > 1) fail("only one kind of groups can be used");
  if (inFeatures * a.featureGroups !== features) {
    fail(`the input has ${features} features but the kernel takes ${inFeatures} in each of ${a.featureGroups} groups`);
  }
  if (outFeatures % (a.featureGroups * a.batchGroups) !== 0 || examples % a.batchGroups !== 0) {
    fail("the groups do not divide the features or examples");
  }
  const out = new Array<number>(rank);
  out[a.outSpec[0]] = examples / a.batchGroups;
  out[a.outSpec[1]] = outFeatures;
  const extents = spatialExtents(lhs, a.lhsSpec, d);
  const kernel = spatialExtents(rhs, a.rhsSpec, d);
  for (let axis = 0; axis < spatial; axis++) {
    const padded = dilated(extents[axis], a.lhsDilation[axis]) + a.padding[axis][0] + a.padding[axis][1];
    const window = dilated(kernel[axis], a.rhsDilation[axis]);
    if (window > padded) fail("the kernel is larger than the padded input");
    out[a.outSpec[axis + 2]] = Math.floor((padded - window) / a.strides[axis]) + 1;
  }
  return [{ shape: [...batch, ...out], dtype: lhs.dtype }];
}

/** d/d lhs: the cotangent convolved with the reversed kernel, its features exchanged (JAX's _conv_general_dilated_transpose_lhs). */
function transposeLhs(b: Builder, cotangent: Value, lhs: Value, rhs: Value, a: ConvAttributes): Value {
  const d = a.batchDims;
  const [outAxis, inAxis] = [a.rhsSpec[0] + d, a.rhsSpec[1] + d];
  const groups = Math.max(a.featureGroups, a.batchGroups);
  let kernel = rhs;
  if (groups > 1) {
    // The groups are blocks of output features; transposed, they must be blocks of what were input features
    kernel = splitAxis(b, kernel, outAxis, groups);
    kernel = moveAxisInto(b, kernel, outAxis, inAxis);
  }
  const extents = spatialExtents(lhs, a.lhsSpec, d);
  const window = spatialExtents(rhs, a.rhsSpec, d);
  const outExtents = spatialExtents(cotangent, a.outSpec, d);
  const padding = extents.map((extent, axis): [number, number] => {
    const reach = dilated(window[axis], a.rhsDilation[axis]) - 1;
    const before = reach - a.padding[axis][0];
    const after = dilated(extent, a.lhsDilation[axis]) + reach - dilated(outExtents[axis], a.strides[axis]) - before;
    return [before, after];
  });
  const reversed = ops.reverse(
    b,
    kernel,
    a.rhsSpec.slice(2).map((axis) => axis + d),
  );
  let result = ops.conv(b, cotangent, reversed, {
    strides: a.lhsDilation,
    padding,
    lhsDilation: a.strides,
    rhsDilation: a.rhsDilation,
    featureGroups: groups,
    batchGroups: 1,
    batchDims: d,
    lhsSpec: a.outSpec,
    rhsSpec: exchanged(a.rhsSpec),
    outSpec: a.lhsSpec,
  });
  if (a.batchGroups > 1) {
    const featureAxis = a.lhsSpec[1] + d;
    result = splitAxis(b, result, featureAxis, a.batchGroups);
    result = moveAxisInto(b, result, featureAxis, a.lhsSpec[0] + d);
  }
  return ops.sumTo(b, result, lhs.shape);
}

/** d/d kernel: the input convolved with the cotangent, examples as features (JAX's _conv_general_dilated_transpose_rhs). */
function transposeRhs(b: Builder, cotangent: Value, lhs: Value, rhs: Value, a: ConvAttributes): Value {
  const d = a.batchDims;
  const extents = spatialExtents(lhs, a.lhsSpec, d);
  const window = spatialExtents(rhs, a.rhsSpec, d);
  const outExtents = spatialExtents(cotangent, a.outSpec, d);
  const padding = extents.map((extent, axis): [number, number] => {
    const low = a.padding[axis][0];
    const surplus = dilated(outExtents[axis], a.strides[axis]) - dilated(extent, a.lhsDilation[axis]);
    return [low, surplus + dilated(window[axis], a.rhsDilation[axis]) - low - 1];
  });
  const result = ops.conv(b, lhs, cotangent, {
    strides: a.rhsDilation,
    padding,
    lhsDilation: a.lhsDilation,
    rhsDilation: a.strides,
    featureGroups: a.batchGroups,
    batchGroups: a.featureGroups,
    batchDims: d,
    lhsSpec: exchanged(a.lhsSpec),
    rhsSpec: exchanged(a.outSpec),
    outSpec: exchanged(a.rhsSpec),
  });
  return ops.sumTo(b, result, rhs.shape);
}

/** Groups are g, the elements of a window k, a group's output features c, and examples and positions d. */
function structure(inputs: readonly Value[], weight: number, a: ConvAttributes): Structure | undefined {
  if (weight !== 1 || a.batchDims > 0 || a.batchGroups > 1) return undefined;
  const [lhs, rhs] = inputs;
  const [outAxis, inAxis, ...windowAxes] = a.rhsSpec;
  const groups = a.featureGroups;
  const features = rhs.shape[outAxis] / groups;
  const [output] = shape(inputs, a);
  const positions = sizeOf(output.shape) / rhs.shape[outAxis];
  const extents = { g: groups, k: sizeOf(rhs.shape) / rhs.shape[outAxis], c: features, d: positions };
  return {
    layout: JSON.stringify([groups, outAxis, inAxis, windowAxes]),
    extents,
    factor: (b) => ({ kind: "values", value: patches(b, lhs, rhs, output.shape, a) }),
    cotangent(b, cotangent) {
      const [exampleAxis, featureAxis, ...spatialAxes] = a.outSpec;
      const featuresFirst = ops.transpose(b, cotangent, [featureAxis, exampleAxis, ...spatialAxes]);
      return ops.reshape(b, featuresFirst, [groups, features, positions]);
    },
  };
}

/** What each window sees: [groups, elements of the window x features of a group, examples x positions]. */
function patches(b: Builder, lhs: Value, rhs: Value, output: Shape, a: ConvAttributes): Value {
  const [exampleAxis, featureAxis, ...spatialAxes] = a.lhsSpec;
  const ordered = ops.transpose(b, lhs, [featureAxis, exampleAxis, ...spatialAxes]);
  const amounts = (of: (axis: number) => number): number[] => [0, 0, ...spatialAxes.map((_, axis) => of(axis))];
  const padded = ops.pad(
    b,
    ordered,
    amounts((axis) => a.padding[axis][0]),
    amounts((axis) => a.padding[axis][1]),
    amounts((axis) => a.lhsDilation[axis] - 1),
  );
  const [features, examples] = ordered.shape;
  const outExtents = a.outSpec.slice(2).map((axis) => output[axis]);
  const window = a.rhsSpec.slice(2).map((axis) => rhs.shape[axis]);
  const positions = sizeOf(outExtents) * examples;
  const taps = range(sizeOf(window)).map((tap) => {
    let rest = tap;
    const offset = [...window].reverse().map((extent) => {
      const at = rest % extent;
      rest = Math.floor(rest / extent);
      return at;
    });
    const start = offset.reverse().map((at, axis) => at * a.rhsDilation[axis]);
    const limit = start.map((from, axis) => from + (outExtents[axis] - 1) * a.strides[axis] + 1);
    const seen = ops.slice(b, padded, [0, 0, ...start], [features, examples, ...limit], [1, 1, ...a.strides]);
    return ops.reshape(b, seen, [1, a.featureGroups, features / a.featureGroups, positions]);
  });
  const stacked = ops.transpose(b, ops.concatenate(b, taps, 0), [1, 0, 2, 3]);
  return ops.reshape(b, stacked, [a.featureGroups, (taps.length * features) / a.featureGroups, positions]);
}

export const convolutionPrimitives: { conv_general_dilated: Primitive<ConvAttributes> } = {
  conv_general_dilated: {
    shape,
    jvp: bilinearJvp(ops.conv, ops.add),
    transpose: (b, [t], [lhs, rhs], linear, a) => [
      t && linear[0] ? transposeLhs(b, t, lhs, rhs, a) : null,
      t && linear[1] ? transposeRhs(b, t, lhs, rhs, a) : null,
    ],
    structure,
    batch(b, [lhs, rhs], [lhsAxis, rhsAxis], size, a) {
      if (lhsAxis !== null && rhsAxis === null && a.batchDims === 0 && a.batchGroups === 1) {
        // More examples of the same convolution
        const examples = moveAxisInto(b, lhs, lhsAxis, a.lhsSpec[0]);
        const output = ops.conv(b, examples, rhs, a);
        return batchedAt(splitAxis(b, output, a.outSpec[0], size), a.outSpec[0]);
      }
      const output = ops.conv(b, batchToFront(b, lhs, lhsAxis), batchToFront(b, rhs, rhsAxis), {
        ...a,
        batchDims: a.batchDims + 1,
      });
      return batchedAt(output, 0);
    },
    flops([, rhs], [output], a) {
      const window = sizeOf(spatialExtents(rhs, a.rhsSpec, a.batchDims));
      return 2 * sizeOf(output.shape) * window * rhs.shape[a.rhsSpec[1] + a.batchDims];
    },
    examples(_inputs, [left, right], _outputs, a) {
      const d = a.batchDims;
      if (left && right) {
        return left.axis < d && left.axis === right.axis && left.inner === right.inner ? left : "coupled";
      }
      if (left) {
        if (left.axis < d) return left;
        if (left.axis !== a.lhsSpec[0] + d) return "coupled";
        return a.batchGroups === 1 ? { axis: a.outSpec[0] + d, inner: left.inner } : "lost";
      }
      if (right) {
        if (right.axis < d) return right;
        return right.axis === a.rhsSpec[0] + d ? { axis: a.outSpec[1] + d, inner: right.inner } : "coupled";
      }
      return null;
    },
  },
};

export { dilated };
