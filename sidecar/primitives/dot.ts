import type { Builder } from "../graph/builder";
import type { Value } from "../graph/graph";
import { formatShape, range, sameShape, sizeOf, type Shape } from "../graph/types";
import type { DotAttributes, TransposeAttributes } from "./attributes";
import { batchedAt, batchToFront, bilinearJvp, expectAxis, expectCount, expectSameDType, shifted } from "./makers";
import * as ops from "./ops";
import type { ExampleAxis, Examples, Primitive, Structure } from "./primitive";
import { invert } from "./structural";

/** Axes of an operand that are neither contracted nor batch axes, in order. */
export function freeAxes(shape: Shape, contract: readonly number[], batch: readonly number[]): number[] {
  return range(shape.length).filter((axis) => !contract.includes(axis) && !batch.includes(axis));
}

function apply(b: Builder, lhs: Value, rhs: Value, { contract, batch }: DotAttributes): Value {
  return ops.dotGeneral(b, lhs, rhs, contract, batch);
}

/**
 * The cotangent of one operand: the output's cotangent contracted with the other operand's free axes (as JAX's
 * _dot_general_transpose_lhs does), in the order of the operands that needs no transposition afterwards, if one does.
 */
function transposeOperand(
  b: Builder,
  cotangent: Value,
  operand: Value,
  other: Value,
  side: 0 | 1,
  a: DotAttributes,
): Value {
  const otherSide = side === 0 ? 1 : 0;
  const otherContract = a.contract[otherSide];
  const ownFree = freeAxes(operand.shape, a.contract[side], a.batch[side]);
  const otherFree = freeAxes(other.shape, otherContract, a.batch[otherSide]);
  const batchCount = a.batch[0].length;
  // The output's axes: batch, then lhs free, then rhs free
  const otherStart = batchCount + (side === 0 ? ownFree.length : 0);
  const cotangentContract = otherFree.map((_, index) => otherStart + index);
  const cotangentBatch = range(batchCount);
  const otherBatch = [...a.batch[otherSide]];
  // The other operand's contracted axes stand in the result in its own order; these are the operand's axes they stand for
  const ownContract = [...otherContract]
    .sort((p, q) => p - q)
    .map((axis) => a.contract[side][otherContract.indexOf(axis)]);
  const cotangentFirst = invert([...a.batch[side], ...ownFree, ...ownContract]);
  const otherFirst = invert([...a.batch[side], ...ownContract, ...ownFree]);
  const inOrder = otherFirst.every((from, to) => from === to);
  const result = inOrder
    ? ops.dotGeneral(b, other, cotangent, [otherFree, cotangentContract], [otherBatch, cotangentBatch])
    : ops.dotGeneral(b, cotangent, other, [cotangentContract, otherFree], [cotangentBatch, otherBatch]);
  return ops.sumTo(b, ops.transpose(b, result, inOrder ? otherFirst : cotangentFirst), operand.shape);
}

/** Batch axes are g, contracted ones k, the weight's free axes c and the other operand's d. */
function structure(
  inputs: readonly Value[],
  weight: number,
  { contract, batch }: DotAttributes,
): Structure | undefined {
  const side = weight === 0 ? 0 : 1;
  const otherSide = side === 0 ? 1 : 0;
  const [own, other] = [inputs[side], inputs[otherSide]];
  const extentsOf = ({ shape }: Value, axes: readonly number[]): number[] => axes.map((axis) => shape[axis]);
  if (!sameShape(extentsOf(own, batch[side]), extentsOf(other, batch[otherSide]))) return undefined;
  // In the order of the weight's axes, so that operands the other way round have the same layout
  const pairs = contract[side]
    .map((axis, index) => ({ own: axis, other: contract[otherSide][index] }))
    .sort((a, b) => a.own - b.own);
  const contracted = { own: pairs.map((pair) => pair.own), other: pairs.map((pair) => pair.other) };
  const free = {
    own: freeAxes(own.shape, contract[side], batch[side]),
    other: freeAxes(other.shape, contract[otherSide], batch[otherSide]),
  };
  const extents = {
    g: sizeOf(extentsOf(own, batch[side])),
    k: sizeOf(extentsOf(own, contracted.own)),
    c: sizeOf(extentsOf(own, free.own)),
    d: sizeOf(extentsOf(other, free.other)),
  };
  const { g, k, c, d } = extents;
  return {
    layout: JSON.stringify([batch[side], contracted.own, free.own]),
    extents,
    factor(b) {
      const ordered = ops.transpose(b, other, [...batch[otherSide], ...contracted.other, ...free.other]);
      return { kind: "values", value: ops.reshape(b, ordered, [g, k, d]) };
    },
    cotangent: (b, cotangent) =>
      // The output's axes: batch, then lhs free, then rhs free
      side === 0
        ? ops.reshape(b, cotangent, [g, c, d])
        : ops.transpose(b, ops.reshape(b, cotangent, [g, d, c]), [0, 2, 1]),
  };
}

export const dotPrimitives: { dot_general: Primitive<DotAttributes> } = {
  dot_general: {
    shape(inputs, { contract, batch }) {
      expectCount(inputs, 2);
      expectSameDType(inputs);
      const [lhs, rhs] = inputs;
      for (const pairs of [contract, batch]) {
        if (pairs[0].length !== pairs[1].length) throw new Error("axes of a contraction must come in pairs");
        pairs[0].forEach((axis, index) => {
          expectAxis(axis, lhs.shape);
          expectAxis(pairs[1][index], rhs.shape);
          const [left, right] = [lhs.shape[axis], rhs.shape[pairs[1][index]]];
          const broadcasts = pairs === batch && (left === 1 || right === 1);
          if (left !== right && !broadcasts) {
            throw new Error(`cannot contract ${formatShape(lhs.shape)} with ${formatShape(rhs.shape)}`);
          }
        });
      }
      return [
        {
          shape: [
            ...batch[0].map((axis, index) => Math.max(lhs.shape[axis], rhs.shape[batch[1][index]])),
            ...freeAxes(lhs.shape, contract[0], batch[0]).map((axis) => lhs.shape[axis]),
            ...freeAxes(rhs.shape, contract[1], batch[1]).map((axis) => rhs.shape[axis]),
          ],
          dtype: lhs.dtype,
        },
      ];
    },
    jvp: bilinearJvp(apply, ops.add),
    transpose: (b, [t], [lhs, rhs], linear, a) => [
      t && linear[0] ? transposeOperand(b, t, lhs, rhs, 0, a) : null,
      t && linear[1] ? transposeOperand(b, t, rhs, lhs, 1, a) : null,
    ],
    structure,
    batch(b, [lhs, rhs], [lhsAxis, rhsAxis], _size, { contract, batch }) {
      const moved = (axes: readonly number[], inserted: number | null): number[] =>
        inserted === null ? [...axes] : axes.map((axis) => shifted(axis, inserted));
      const newContract = [moved(contract[0], lhsAxis), moved(contract[1], rhsAxis)] as const;
      const newBatch = [moved(batch[0], lhsAxis), moved(batch[1], rhsAxis)] as const;
      if (lhsAxis !== null && rhsAxis !== null) {
        return batchedAt(
          ops.dotGeneral(b, lhs, rhs, newContract, [
            [lhsAxis, ...newBatch[0]],
            [rhsAxis, ...newBatch[1]],
          ]),
          0,
        );
      }
      if (lhsAxis !== null && batch[0].length === 0) {
        // The batch is one more free axis
        const output = ops.dotGeneral(b, lhs, rhs, newContract, newBatch);
        return batchedAt(output, freeAxes(lhs.shape, newContract[0], []).indexOf(lhsAxis));
      }
      // One more free axis would stand in the middle of the output and have to be moved: the other operand is broadcast
      const front = [batchToFront(b, lhs, lhsAxis), batchToFront(b, rhs, rhsAxis)] as const;
      const later = (axes: readonly number[]): number[] => axes.map((axis) => axis + 1);
      const output = ops.dotGeneral(
        b,
        front[0],
        front[1],
        [later(contract[0]), later(contract[1])],
        [
          [0, ...later(batch[0])],
          [0, ...later(batch[1])],
        ],
      );
      return batchedAt(output, 0);
    },
    flops: ([lhs], [output], { contract }) =>
      2 * sizeOf(output.shape) * sizeOf(contract[0].map((axis) => lhs.shape[axis])),
    examples: ([lhs, rhs], [left, right], _outputs, a) => dotExamples(lhs, rhs, left, right, a),
    // Without a contraction it is a product of elements. A transposed operand is read as it was, where that keeps the order of its free axes
    simplify(b, inputs, { contract, batch }, definitions) {
      if (contract[0].length === 0) return outerProduct(b, inputs[0], inputs[1], batch);
      for (const side of [0, 1] as const) {
        const before = definitions.producer(inputs[side]);
        if (before?.primitive !== "transpose") continue;
        const { permutation } = before.attributes as TransposeAttributes;
        const free = freeAxes(inputs[side].shape, contract[side], batch[side]).map((axis) => permutation[axis]);
        if (free.some((axis, index) => index > 0 && axis < free[index - 1])) continue;
        const through = (axes: DotAttributes["contract"]): DotAttributes["contract"] => {
          const own = axes[side].map((axis) => permutation[axis]);
          return side === 0 ? [own, axes[1]] : [axes[0], own];
        };
        const operand = before.inputs[0];
        const [lhs, rhs] = side === 0 ? [operand, inputs[1]] : [inputs[0], operand];
        return ops.dotGeneral(b, lhs, rhs, through(contract), through(batch));
      }
      return undefined;
    },
  },
};

function dotExamples(
  lhs: Value,
  rhs: Value,
  left: ExampleAxis | null,
  right: ExampleAxis | null,
  { contract, batch }: DotAttributes,
): Examples {
  if ((left && contract[0].includes(left.axis)) || (right && contract[1].includes(right.axis))) return "coupled";
  const lhsBatch = left ? batch[0].indexOf(left.axis) : -1;
  const rhsBatch = right ? batch[1].indexOf(right.axis) : -1;
  if (left && right) {
    const paired = lhsBatch >= 0 && lhsBatch === rhsBatch && left.inner === right.inner;
    return paired ? { axis: lhsBatch, inner: left.inner } : "coupled";
  }
  const lhsFree = freeAxes(lhs.shape, contract[0], batch[0]);
  const count = batch[0].length;
  if (left) {
    return { axis: lhsBatch >= 0 ? lhsBatch : count + lhsFree.indexOf(left.axis), inner: left.inner };
  }
  if (right) {
    const rhsFree = freeAxes(rhs.shape, contract[1], batch[1]);
    return {
      axis: rhsBatch >= 0 ? rhsBatch : count + lhsFree.length + rhsFree.indexOf(right.axis),
      inner: right.inner,
    };
  }
  return null;
}

/** A contraction over nothing, as an elementwise product that broadcasts. */
function outerProduct(b: Builder, lhs: Value, rhs: Value, batch: DotAttributes["batch"]): Value {
  const lhsFree = freeAxes(lhs.shape, [], batch[0]);
  const rhsFree = freeAxes(rhs.shape, [], batch[1]);
  const left = ops.transpose(b, lhs, [...batch[0], ...lhsFree]);
  const right = ops.transpose(b, rhs, [...batch[1], ...rhsFree]);
  const count = batch[0].length;
  return ops.mul(
    b,
    ops.reshape(b, left, [...left.shape, ...rhsFree.map(() => 1)]),
    ops.reshape(b, right, [...right.shape.slice(0, count), ...lhsFree.map(() => 1), ...right.shape.slice(count)]),
  );
}
