import { describe, expect, it } from "vitest";
import {
  booleans,
  compare,
  compareLowered,
  expectClose,
  given,
  integers,
  opaqueKernels,
  run,
  uniform,
  type Given,
  type TensorFunction,
} from "../../../../test/compare-tfjs";
import type { Graph } from "../../../graph/graph";
import { tf } from "../tensorflow";

type Case = readonly [name: string, compute: TensorFunction, ...inputs: Given[]];

function cases(list: readonly Case[]): void {
  for (const [name, compute, ...inputs] of list) {
    it(name, async () => {
      await compareLowered(compute, inputs);
    });
  }
}

/** A function whose parameters pass for tensors of whatever rank an operation wants. */
const fn = (compute: (...inputs: never[]) => tf.Tensor | tf.Tensor[]): TensorFunction => compute as TensorFunction;

const x23 = uniform([2, 3]);
const specials = given([9], [-7, -3, -1, -0.5, 0, 0.5, 1, 5.5, 30]);
const integersOfBothSigns = given([8], [-7, -6, -1, 0, 1, 5, 6, 7], "int32");
const divisors = given([8], [2, -2, 3, -3, 4, -4, 5, -5], "int32");

describe("elementwise kernels", () => {
  const plain = [
    "abs", "neg", "sign", "floor", "ceil", "round", "exp", "expm1", "sigmoid", "softplus", "square", "relu", "relu6",
    "elu", "selu", "sin", "cos", "tan", "atan", "sinh", "cosh", "tanh", "asinh", "erf", "step", "zerosLike", "onesLike",
    "isNaN", "isFinite", "isInf", "leakyRelu", "logSigmoid",
  ] as const; // prettier-ignore
  for (const name of plain) {
    it(name, async () => {
      const compute = (tf as unknown as Record<string, TensorFunction>)[name];
      await compareLowered((x) => compute(x), [x23]);
      await compareLowered((x) => compute(x), [name === "tan" ? x23 : specials]);
    });
  }
  cases([
    ["log", (x) => tf.log(x), uniform([5], 0.1, 9)],
    ["log1p", (x) => tf.log1p(x), uniform([5], -0.9, 9)],
    ["sqrt", (x) => tf.sqrt(x), uniform([5], 0, 9)],
    ["rsqrt", (x) => tf.rsqrt(x), uniform([5], 0.1, 9)],
    ["reciprocal", (x) => tf.reciprocal(x), uniform([5], 0.1, 9)],
    ["asin", (x) => tf.asin(x), uniform([5], -0.9, 0.9)],
    ["acos", (x) => tf.acos(x), uniform([5], -0.9, 0.9)],
    ["atanh", (x) => tf.atanh(x), uniform([5], -0.9, 0.9)],
    ["acosh", (x) => tf.acosh(x), uniform([5], 1.1, 9)],
    ["step with a slope", (x) => tf.step(x, 0.3), specials],
    ["leakyRelu", (x) => tf.leakyRelu(x, 0.1), specials],
    ["prelu", fn((x, a) => tf.prelu(x, a)), uniform([2, 3, 4]), uniform([4])],
    ["clip", (x) => tf.clipByValue(x, -1, 0.5), specials],
    ["cast to int", (x) => tf.cast(x, "int32"), specials],
    ["cast to bool", (x) => tf.cast(x, "bool"), specials],
    ["cast of bool", (x) => tf.cast(x, "float32"), booleans([7])],
    ["add with broadcast", fn((x, y) => tf.add(x, y)), uniform([2, 1, 4]), uniform([3, 1])],
    ["add of int and float", fn((x, y) => tf.add(x, y)), integers([4], -5, 5), uniform([4])],
    ["sub", fn((x, y) => tf.sub(x, y)), uniform([2, 3]), uniform([])],
    ["mul of booleans", fn((x, y) => tf.mul(x, y)), booleans([8]), booleans([8])],
    ["div", fn((x, y) => tf.div(x, y)), x23, uniform([3], 0.5, 2)],
    ["divNoNan", fn((x, y) => tf.divNoNan(x, y)), given([3], [1, 2, 3]), given([3], [0, 2, 4])],
    ["floorDiv", fn((x, y) => tf.floorDiv(x, y)), integersOfBothSigns, divisors],
    ["floorDiv of floats", fn((x, y) => tf.floorDiv(x, y)), uniform([8], -9, 9), uniform([8], 0.5, 2)],
    ["mod", fn((x, y) => tf.mod(x, y)), integersOfBothSigns, divisors],
    ["mod of floats", fn((x, y) => tf.mod(x, y)), uniform([8], -9, 9), given([8], [2, -2, 3, -3, 0.5, -0.5, 5, -5])],
    ["pow", fn((x, y) => tf.pow(x, y)), uniform([2, 3], 0.1, 3), uniform([3])],
    ["pow 2", (x) => tf.pow(x, 2), x23],
    ["pow 3", (x) => tf.pow(x, tf.scalar(3)), x23],
    ["pow of ints", fn((x, y) => tf.pow(x, y)), integers([4], -3, 3), integers([4], 0, 3)],
    ["atan2", fn((x, y) => tf.atan2(x, y)), uniform([6]), uniform([6])],
    ["maximum", fn((x, y) => tf.maximum(x, y)), x23, uniform([3])],
    ["minimum", fn((x, y) => tf.minimum(x, y)), x23, uniform([3])],
    ["squaredDifference", fn((x, y) => tf.squaredDifference(x, y)), x23, uniform([3])],
    ["addN", fn((x, y, z) => tf.addN([x, y, z])), x23, uniform([2, 3]), uniform([2, 3])],
    ["where", fn((c, x, y) => tf.where(c, x, y)), booleans([2, 3]), x23, uniform([2, 3])],
    ["where with a known condition", (x) => tf.where(tf.tensor1d([1, 0, 1], "bool"), x, tf.zerosLike(x)), x23],
    ["logicalNot", (x) => tf.logicalNot(x), booleans([5])],
    ["logicalXor", fn((x, y) => tf.logicalXor(x, y)), booleans([8]), booleans([8])],
    ["logicalAnd", fn((x, y) => tf.logicalAnd(x, y)), booleans([8]), booleans([8])],
    ["logicalOr", fn((x, y) => tf.logicalOr(x, y)), booleans([8]), booleans([8])],
  ]);
  for (const name of ["equal", "notEqual", "less", "lessEqual", "greater", "greaterEqual"] as const) {
    it(name, async () => {
      await compareLowered(
        fn((x, y) => tf[name](x, y)),
        [integers([9], 0, 2), integers([9], 0, 2)],
      );
      await compareLowered(
        fn((x, y) => tf[name](x, y)),
        [uniform([2, 3]), uniform([3])],
      );
    });
  }
});

describe("reductions", () => {
  for (const name of ["sum", "mean", "max", "min", "prod", "logSumExp"] as const) {
    it(name, async () => {
      const x = uniform([2, 3, 4]);
      await compareLowered((t) => tf[name](t), [x]);
      await compareLowered((t) => tf[name](t, [0, -1]), [x]);
      await compareLowered((t) => tf[name](t, 1, true), [x]);
    });
  }
  cases([
    ["all", (x) => tf.all(x, 1), booleans([4, 3])],
    ["any", (x) => tf.any(x, 1), booleans([4, 3])],
    ["sum of bools", (x) => tf.sum(x), booleans([4, 3])],
    ["mean of ints", (x) => tf.mean(x, 0), integers([4, 3], -5, 5)],
    ["argMax", (x) => tf.argMax(x, 1), uniform([3, 5])],
    ["argMin", (x) => tf.argMin(x, -1), uniform([3, 5])],
    ["cumsum", (x) => tf.cumsum(x, 1), uniform([3, 5])],
    ["cumsum exclusive", (x) => tf.cumsum(x, 0, true), uniform([3, 5])],
    ["cumsum exclusive reverse", (x) => tf.cumsum(x, 1, true, true), uniform([3, 5])],
    ["cumprod", (x) => tf.cumprod(x, 1), uniform([3, 6])],
    ["cumprod exclusive", (x) => tf.cumprod(x, 1, true), uniform([3, 5])],
    ["cumprod reverse", (x) => tf.cumprod(x, 0, false, true), uniform([5, 3])],
    ["moments", (x) => Object.values(tf.moments(x, [0, 2])), uniform([2, 3, 4])],
    ["norm", (x) => tf.norm(x), x23],
    ["softmax", (x) => tf.softmax(x), uniform([2, 5], -30, 30)],
    ["logSoftmax", (x) => tf.logSoftmax(x), uniform([2, 5], -30, 30)],
  ]);
});

describe("shapes", () => {
  const x234 = uniform([2, 3, 4]);
  cases([
    ["reshape", (x) => tf.reshape(x, [4, -1]), x234],
    ["transpose", (x) => tf.transpose(x, [2, 0, 1]), x234],
    ["expandDims and squeeze", (x) => tf.squeeze(tf.expandDims(x, 1)), x234],
    ["concat", fn((x, y) => tf.concat([x, y], -1)), x23, uniform([2, 1])],
    ["stack", fn((x, y) => tf.stack([x, y], 1)), x23, uniform([2, 3])],
    ["unstack", (x) => tf.unstack(x, 1), x234],
    ["split", (x) => tf.split(x, 2, 2), x234],
    ["split in parts", (x) => tf.split(x, [1, -1, 1], 2), x234],
    ["slice", (x) => tf.slice(x, [0, 1, 2], [-1, 2, 1]), x234],
    ["stridedSlice", (x) => tf.stridedSlice(x, [0, 2, 3], [2, 0, 0], [1, -1, -2]), x234],
    ["stridedSlice with masks", (x) => tf.stridedSlice(x, [0, 1], [1, 3], [1, 1], 0, 0, 0, 0, 1), x234],
    ["stridedSlice with a new axis", (x) => tf.stridedSlice(x, [0, 0, 1], [0, 2, 3], [1, 1, 2], 0, 0, 0, 1, 0), x234],
    ["pad", (x) => tf.pad(x, [[1, 2], [0, 3]], 1.5), x23], // prettier-ignore
    ["mirrorPad reflect", (x) => tf.mirrorPad(x, [[1, 0], [2, 1]], "reflect"), x23], // prettier-ignore
    ["mirrorPad symmetric", (x) => tf.mirrorPad(x, [[2, 1], [3, 0]], "symmetric"), x23], // prettier-ignore
    ["tile", (x) => tf.tile(x, [2, 1, 3]), x234],
    ["broadcastTo", (x) => tf.broadcastTo(x, [2, 5, 3]), uniform([1, 3])],
    ["reverse", (x) => tf.reverse(x, [0, -1]), x234],
    ["flipLeftRight", fn((x) => tf.image.flipLeftRight(x)), uniform([1, 2, 3, 2])],
    ["spaceToBatchND", (x) => tf.spaceToBatchND(x, [2, 3], [[1, 1], [0, 2]]), uniform([2, 4, 4, 3])], // prettier-ignore
    ["batchToSpaceND", (x) => tf.batchToSpaceND(x, [2, 3], [[1, 0], [0, 2]]), uniform([12, 3, 2, 2])], // prettier-ignore
    ["depthToSpace", fn((x) => tf.depthToSpace(x, 2, "NHWC")), uniform([2, 3, 2, 8])],
    ["diag", (x) => tf.diag(x), uniform([2, 2])],
    ["rot through fill", (x) => tf.add(x, tf.fill([2, 3], 2)), x23],
    ["eye", (x) => tf.mul(x, tf.eye(3)), uniform([3, 3])],
  ]);
});

describe("products", () => {
  cases([
    ["matMul", fn((x, y) => tf.matMul(x, y)), uniform([2, 3]), uniform([3, 4])],
    ["matMul transposed", fn((x, y) => tf.matMul(x, y, true, true)), uniform([3, 2]), uniform([4, 3])],
    ["matMul of batches", fn((x, y) => tf.matMul(x, y)), uniform([2, 5, 2, 3]), uniform([2, 5, 3, 4])],
    ["matMul with broadcast", fn((x, y) => tf.matMul(x, y)), uniform([5, 2, 3]), uniform([3, 4])],
    ["matMul with broadcast of both", fn((x, y) => tf.matMul(x, y)), uniform([1, 2, 3]), uniform([4, 3, 2])],
    ["matMul transposed with broadcast", fn((x, y) => tf.matMul(x, y, true)), uniform([5, 3, 2]), uniform([1, 3, 4])],
    ["dot", fn((x, y) => tf.dot(x, y)), uniform([3]), uniform([3])],
    ["outerProduct", fn((x, y) => tf.outerProduct(x, y)), uniform([3]), uniform([4])],
    ["einsum", fn((x, y) => tf.einsum("abcd,cde->bae", x, y)), uniform([2, 3, 4, 5]), uniform([4, 5, 2])],
    ["einsum with batch", fn((x, y) => tf.einsum("bij,bkj->bik", x, y)), uniform([2, 3, 4]), uniform([2, 5, 4])],
    ["einsum of one", (x) => tf.einsum("abc->ca", x), uniform([2, 3, 4])],
  ]);
  for (const activation of ["linear", "relu", "relu6", "elu", "sigmoid", "leakyrelu", "prelu"] as const) {
    it(`fused matMul with ${activation}`, async () => {
      const compute = fn((a, b, bias, slope) =>
        tf.fused.matMul({
          a,
          b,
          bias,
          activation,
          ...(activation === "prelu" ? { preluActivationWeights: slope } : {}),
          leakyreluAlpha: 0.3,
        }),
      );
      await compareLowered(compute, [uniform([2, 3]), uniform([3, 4]), uniform([4]), uniform([4])]);
      await compareLowered(compute, [uniform([1, 2, 3]), uniform([1, 3, 4]), uniform([4]), uniform([4])]);
      await compareLowered(compute, [uniform([5, 2, 3]), uniform([5, 3, 4]), uniform([4]), uniform([4])]);
    });
    it(`fused convolution with ${activation}`, async () => {
      const extra = (slope: tf.Tensor): object => (activation === "prelu" ? { preluActivationWeights: slope } : {});
      await compareLowered(
        fn((x, filter, bias, slope) =>
          tf.fused.conv2d({
            x,
            filter,
            bias,
            strides: 2,
            pad: "same",
            activation,
            leakyreluAlpha: 0.3,
            ...extra(slope),
          }),
        ),
        [uniform([2, 5, 6, 3]), uniform([3, 2, 3, 4]), uniform([4]), uniform([4])],
      );
      await compareLowered(
        fn((x, filter, bias, slope) =>
          tf.fused.depthwiseConv2d({
            x,
            filter,
            bias,
            strides: 1,
            pad: 1,
            activation,
            leakyreluAlpha: 0.3,
            ...extra(slope),
          }),
        ),
        [uniform([2, 5, 6, 3]), uniform([3, 2, 3, 2]), uniform([6]), uniform([6])],
      );
    });
  }
});

describe("convolutions", () => {
  const pads = ["valid", "same", 1, [[0, 0], [1, 2], [0, 3], [0, 0]]] as const; // prettier-ignore
  for (const pad of pads) {
    for (const [strides, dilations] of [
      [1, 1],
      [2, 1],
      [[3, 2], 1],
      [1, 2],
      [1, [1, 3]],
    ] as const) {
      // prettier-ignore
      const named = `pad ${JSON.stringify(pad)} strides ${JSON.stringify(strides)} dilations ${JSON.stringify(dilations)}`;
      it(`conv2d, ${named}`, async () => {
        const [s, d, p] = [strides as never, dilations as never, pad as never];
        const x = uniform([2, 7, 8, 3]);
        await compareLowered(
          fn((a, f) => tf.conv2d(a, f, s, p, "NHWC", d)),
          [x, uniform([3, 2, 3, 4])],
        );
        await compareLowered(
          fn((a, f) => tf.depthwiseConv2d(a, f, s, p, "NHWC", d)),
          [x, uniform([3, 2, 3, 2])],
        );
      });
      it(`gradients of conv2d, ${named}`, async () => {
        const [s, d, p] = [strides as never, dilations as never, pad as never];
        const x = uniform([2, 7, 8, 3]);
        const gradients = (f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): TensorFunction =>
          fn((a, b) => tf.grads((u, v) => tf.sum(tf.square(f(u, v))))([a, b]));
        if (dilations === 1) {
          await compareLowered(
            gradients((a, f) => tf.conv2d(a as tf.Tensor4D, f as tf.Tensor4D, s, p)),
            [x, uniform([3, 2, 3, 4])],
          );
        }
        // TensorFlow.js's cpu kernels of the depthwise gradients have neither explicit padding nor dilations
        if (!Array.isArray(pad) && dilations === 1) {
          await compareLowered(
            gradients((a, f) => tf.depthwiseConv2d(a as tf.Tensor4D, f as tf.Tensor4D, s, p, "NHWC", d)),
            [x, uniform([3, 2, 3, 2])],
          );
        }
      });
    }
  }
  cases([
    ["conv1d", fn((x, f) => tf.conv1d(x, f, 2, "same")), uniform([2, 9, 3]), uniform([3, 3, 4])],
    ["conv1d dilated", fn((x, f) => tf.conv1d(x, f, 1, "valid", "NWC", 2)), uniform([2, 9, 3]), uniform([3, 3, 4])],
    ["conv2d rounding up", fn((x, f) => tf.conv2d(x, f, 2, 1, "NHWC", 1, "ceil")), uniform([1, 6, 8, 2]), uniform([3, 3, 2, 2])],
    ["conv2d channels first", fn((x, f) => tf.conv2d(x, f, 1, "same", "NCHW")), uniform([1, 2, 6, 8]), uniform([3, 3, 2, 2])],
    ["conv2dTranspose", fn((x, f) => tf.conv2dTranspose(x, f, [2, 9, 10, 4], 2, "same")), uniform([2, 5, 5, 3]), uniform([3, 2, 4, 3])],
    ["conv2dTranspose valid", fn((x, f) => tf.conv2dTranspose(x, f, [2, 11, 10, 4], 2, "valid")), uniform([2, 5, 5, 3]), uniform([3, 2, 4, 3])],
    ["conv3d", fn((x, f) => tf.conv3d(x, f, [1, 2, 1], "same")), uniform([2, 4, 5, 6, 2]), uniform([2, 3, 2, 2, 3])],
    ["conv3d valid", fn((x, f) => tf.conv3d(x, f, 1, "valid")), uniform([1, 4, 5, 6, 2]), uniform([2, 3, 2, 2, 3])],
    ["gradients of conv3d", fn((x, f) => tf.grads((a, b) => tf.sum(tf.square(tf.conv3d(a as tf.Tensor5D, b as tf.Tensor5D, [1, 2, 1], "same"))))([x, f])), uniform([1, 4, 5, 6, 2]), uniform([2, 3, 2, 2, 3])],
    ["conv3dTranspose", fn((x, f) => tf.conv3dTranspose(x, f, [1, 6, 7, 8, 2], 2, "same")), uniform([1, 3, 4, 4, 3]), uniform([2, 3, 2, 2, 3])],
    ["separableConv2d", fn((x, d, p) => tf.separableConv2d(x, d, p, 1, "same")), uniform([2, 5, 6, 3]), uniform([3, 3, 3, 2]), uniform([1, 1, 6, 4])],
  ]); // prettier-ignore
});

describe("pooling", () => {
  const x = uniform([2, 7, 8, 3]);
  for (const pad of ["valid", "same", 1] as const) {
    for (const [size, strides] of [
      [2, 2],
      [3, 2],
      [
        [3, 2],
        [1, 3],
      ],
      [2, 3],
    ] as const) {
      // prettier-ignore
      it(`2d, ${JSON.stringify([pad, size, strides])}`, async () => {
        const args = [size, strides, pad] as unknown as [number, number, number];
        await compareLowered(fn((a) => tf.maxPool(a, ...args)), [x]);
        await compareLowered(fn((a) => tf.avgPool(a, ...args)), [x]);
        const weighted = (y: tf.Tensor): tf.Tensor => tf.sum(tf.mul(y, tf.cos(y)));
        await compareLowered(fn((a) => tf.grad((u) => weighted(tf.maxPool(u as tf.Tensor4D, ...args)))(a)), [x]);
        await compareLowered(fn((a) => tf.grad((u) => weighted(tf.avgPool(u as tf.Tensor4D, ...args)))(a)), [x]);
      });
    }
  }
  const x3 = uniform([2, 5, 6, 4, 2]);
  for (const pad of ["valid", "same"] as const) {
    it(`3d, ${pad}`, async () => {
      await compareLowered(
        fn((a) => tf.maxPool3d(a, [2, 3, 2], 2, pad)),
        [x3],
      );
      await compareLowered(
        fn((a) => tf.avgPool3d(a, [2, 3, 2], [1, 2, 2], pad)),
        [x3],
      );
      await compareLowered(
        fn((a) => tf.grad((u) => tf.sum(tf.square(tf.maxPool3d(u as tf.Tensor5D, 2, 2, pad))))(a)),
        [x3],
      );
      await compareLowered(
        fn((a) => tf.grad((u) => tf.sum(tf.square(tf.avgPool3d(u as tf.Tensor5D, 3, 2, pad))))(a)),
        [x3],
      );
    });
  }
  cases([
    ["pooling of single elements", fn((a) => tf.maxPool(a, 1, 1, "valid")), x],
    ["dilated pooling", fn((a) => tf.pool(a, [2, 2], "max", "valid", [2, 2])), x],
    ["pooling rounding up", fn((a) => tf.avgPool(a, 2, 2, 0, "ceil")), x],
  ]);
});

describe("normalisation", () => {
  const x = uniform([2, 3, 3, 4]);
  const parts = [uniform([4]), uniform([4], 0.1, 2), uniform([4]), uniform([4])];
  cases([
    ["batchNorm", fn((a, m, v, o, s) => tf.batchNorm(a, m, v, o, s, 0.01)), x, ...parts],
    ["batchNorm without scale", fn((a, m, v) => tf.batchNorm(a, m, v)), x, ...parts.slice(0, 2)],
    ["batchNorm in two dimensions", fn((a, m, v, o, s) => tf.batchNorm(a, m, v, o, s)), uniform([5, 4]), ...parts],
    ["localResponseNormalization", fn((a) => tf.localResponseNormalization(a, 2, 1, 0.5, 0.75)), uniform([1, 2, 2, 7])],
    ["gradients of batchNorm", fn((a, m, v, o, s) => tf.grads((...t) => tf.sum(tf.square(tf.batchNorm(t[0], t[1] as tf.Tensor1D, t[2] as tf.Tensor1D, t[3] as tf.Tensor1D, t[4] as tf.Tensor1D))))([a, m, v, o, s])), x, ...parts],
  ]); // prettier-ignore
});

describe("indexing", () => {
  const table = uniform([5, 3, 2]);
  cases([
    ["gather", fn((x, i) => tf.gather(x, i)), table, integers([2, 4], 0, 4)],
    ["gather along an axis", fn((x, i) => tf.gather(x, i, 1)), table, integers([4], 0, 2)],
    ["gather with batches", fn((x, i) => tf.gather(x, i, 2, 1)), uniform([2, 3, 4]), integers([2, 5], 0, 3)],
    ["gatherND", fn((x, i) => tf.gatherND(x, i)), table, integers([4, 2], 0, 2)],
    ["gatherND whole", fn((x, i) => tf.gatherND(x, i)), table, integers([2, 2, 3], 0, 1)],
    ["scatterND", fn((i, u) => tf.scatterND(i, u, [5, 3, 2])), integers([4, 2], 0, 2), uniform([4, 2])],
    ["scatterND of scalars", fn((i, u) => tf.scatterND(i, u, [8])), given([4, 1], [4, 3, 1, 3], "int32"), uniform([4])],
    ["tensorScatterUpdate", fn((t, u) => tf.tensorScatterUpdate(t, tf.tensor2d([[1], [3]], [2, 1], "int32"), u)), table, uniform([2, 3, 2])],
    ["unsortedSegmentSum", fn((x, i) => tf.unsortedSegmentSum(x, i, 4)), uniform([6, 2]), integers([6], 0, 3)],
    ["oneHot", (i) => tf.oneHot(i, 4), integers([2, 3], 0, 3)],
    ["oneHot with values", (i) => tf.oneHot(i, 4, 2.5, -1, "float32"), integers([5], 0, 3)],
    ["topk", (x) => Object.values(tf.topk(x, 3)), uniform([2, 3, 7])],
    ["gradient of gather", fn((x, i) => tf.grad((t) => tf.sum(tf.square(tf.gather(t, i))))(x)), table, integers([4], 0, 4)],
    ["gradient of a slice", fn((x) => tf.grad((t) => tf.sum(tf.square(tf.slice(t, [1, 0, 1], [2, 3, 1]))))(x)), table],
  ]); // prettier-ignore
});

describe("resizing", () => {
  const x = uniform([2, 5, 4, 3]);
  for (const size of [
    [7, 9],
    [10, 8],
    [3, 2],
    [5, 1],
  ] as [number, number][]) {
    // prettier-ignore
    for (const [align, half] of [[false, false], [true, false], [false, true]] as const) { // prettier-ignore
      it(`to ${size.join("x")}, align corners ${align}, half pixel centres ${half}`, async () => {
        await compareLowered(fn((a) => tf.image.resizeBilinear(a, size, align, half)), [x]);
        await compareLowered(fn((a) => tf.image.resizeNearestNeighbor(a, size, align, half)), [x]);
      });
    }
  }
  for (const method of ["bilinear", "nearest"] as const) {
    it(`cropping, ${method}`, async () => {
      const boxes = tf.tensor2d([0.1, 0.2, 0.8, 0.9, 0.1, 0.2, 0.8, 0.9], [2, 4]);
      const crop = fn((a) => tf.image.cropAndResize(a, boxes, tf.tensor1d([0, 1], "int32"), [4, 3], method));
      await compareLowered(crop, [x]);
    });
  }
  const square = uniform([1, 4, 4, 2]);
  for (const align of [false, true]) {
    it(`gradients, align corners ${align}`, async () => {
      for (const resize of ["resizeBilinear", "resizeNearestNeighbor"] as const) {
        const loss = (t: tf.Tensor): tf.Tensor => tf.sum(tf.square(tf.image[resize](t as tf.Tensor4D, [7, 7], align)));
        await compareLowered((a) => tf.grad(loss)(a), [square]);
      }
    });
  }
});

describe("gradients in user code", () => {
  const functions: Record<string, (x: tf.Tensor) => tf.Tensor> = {
    relu: tf.relu,
    elu: tf.elu,
    selu: tf.selu,
    softmax: (x) => tf.square(tf.softmax(x)),
    logSoftmax: (x) => tf.square(tf.logSoftmax(x)),
    max: (x) => tf.max(x, 1),
    prod: (x) => tf.exp(tf.sum(x, 1)),
    cumsum: (x) => tf.square(tf.cumsum(x, 1)),
    pow: (x) => tf.pow(tf.abs(x), tf.scalar(1.5)),
    concat: (x) => tf.square(tf.concat([x, tf.sin(x)], 0)),
    tile: (x) => tf.square(tf.tile(x, [2, 2])),
    matMul: (x) => tf.matMul(x, x, false, true),
  };
  for (const [name, compute] of Object.entries(functions)) {
    it(name, async () => {
      await compareLowered((x) => tf.grad((t) => tf.sum(compute(t)))(x), [x23]);
    });
  }
});

describe("kernels without a lowering", () => {
  it("run on TensorFlow.js", async () => {
    const x = uniform([1, 6, 7, 2]);
    const graph = await compare(
      fn((a, f) => tf.dilation2d(a, f, 1, "same")),
      [x, uniform([3, 2, 2])],
    );
    expect(opaqueKernels(graph)).toEqual(["Dilation2D"]);

    // Its derivative is TensorFlow.js's own.
    const [input, filter] = [x, uniform([3, 2, 2])];
    const dilation = (a: tf.Tensor, f: tf.Tensor): tf.Tensor =>
      tf.dilation2d(a as tf.Tensor4D, f as tf.Tensor3D, 1, "same");
    const traced = await compare(fn(dilation), [input, filter]);
    const { vjp } = traced.equations[0].attributes as { vjp: Graph };
    const ones = given([1, 6, 7, 2], new Array<number>(84).fill(1));
    const gradients = await run(vjp, [input, filter, ones]);
    const tensors = [input, filter].map(({ shape, data }) => tf.tensor(data as Float32Array, [...shape]));
    const expected = tf.grads((a, f) => tf.sum(dilation(a, f)))(tensors);
    expected.forEach((gradient, index) => {
      expectClose(gradients[index].data, gradient.dataSync());
    });
  });

  it("run on TensorFlow.js with several outputs", async () => {
    const graph = await compare(
      fn((a) => Object.values(tf.maxPoolWithArgmax(a, 2, 2, "valid"))),
      [uniform([1, 6, 6, 2])],
    );
    expect(opaqueKernels(graph)).toEqual(["MaxPoolWithArgmax"]);
  });
});
