import type { Builder } from "../graph/builder";
import type { Value } from "../graph/graph";
import { formatShape, range, sizeOf } from "../graph/types";
import type { DotAttributes, TransposeAttributes } from "./attributes";
import { batchedAt, bilinearJvp, expectAxis, expectCount, expectSameDType, shifted } from "./makers";
import * as ops from "./ops";
import type { ExampleAxis, Examples, Primitive } from "./primitive";
import { invert } from "./structural";

/** Axes of an operand that are neither contracted nor batch axes, in order. */
function freeAxes(operand: Value, contract: readonly number[], batch: readonly number[]): number[] {
  return range(operand.shape.length).filter((axis) => !contract.includes(axis) && !batch.includes(axis));
}

function apply(b: Builder, lhs: Value, rhs: Value, { contract, batch }: DotAttributes): Value {
  return ops.dotGeneral(b, lhs, rhs, contract, batch);
}

/**
 * The cotangent of one operand: the output's cotangent contracted with the other operand's free axes, then brought into
 * the operand's order of axes (as JAX's _dot_general_transpose_lhs does).
 */
function transposeOperand(b: Builder, cotangent: Value, operand: Value, other: Value, side: 0 | 1, a: DotAttributes) {
  const otherSide = side === 0 ? 1 : 0;
  const ownContract = a.contract[side];
  const otherContract = a.contract[otherSide];
  const ownFree = freeAxes(operand, ownContract, a.batch[side]);
  const otherFree = freeAxes(other, otherContract, a.batch[otherSide]);
  const batchCount = a.batch[0].length;
  // Output axes: batch, then lhs free, then rhs free
  const otherStart = batchCount + (side === 0 ? ownFree.length : 0);
  const cotangentContract = otherFree.map((_, index) => otherStart + index);
  const result = ops.dotGeneral(
    b,
    cotangent,
    other,
    [cotangentContract, otherFree],
    [range(batchCount), [...a.batch[otherSide]]],
  );
  // The result's axes: batch, own free, then the other operand's contracted axes in the order in which they stand there
  const contractedOrder = [...otherContract].sort((p, q) => p - q);
  const ownContractInThatOrder = contractedOrder.map((axis) => ownContract[otherContract.indexOf(axis)]);
  const stands = [...a.batch[side], ...ownFree, ...ownContractInThatOrder];
  return ops.transpose(b, result, invert(stands));
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
          if (lhs.shape[axis] !== rhs.shape[pairs[1][index]]) {
            throw new Error(`cannot contract ${formatShape(lhs.shape)} with ${formatShape(rhs.shape)}`);
          }
        });
      }
      return [
        {
          shape: [
            ...batch[0].map((axis) => lhs.shape[axis]),
            ...freeAxes(lhs, contract[0], batch[0]).map((axis) => lhs.shape[axis]),
            ...freeAxes(rhs, contract[1], batch[1]).map((axis) => rhs.shape[axis]),
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
      // One operand is batched: its new axis is one of its free axes
      const output = ops.dotGeneral(b, lhs, rhs, newContract, newBatch);
      const lhsFree = freeAxes(lhs, newContract[0], newBatch[0]);
      if (lhsAxis !== null) return batchedAt(output, newBatch[0].length + lhsFree.indexOf(lhsAxis));
      const rhsFree = freeAxes(rhs, newContract[1], newBatch[1]);
      return batchedAt(output, newBatch[0].length + lhsFree.length + rhsFree.indexOf(rhsAxis as number));
    },
    // A transposed operand is read as it was, where that keeps the order of its free axes
    simplify(b, inputs, { contract, batch }, definitions) {
      for (const side of [0, 1] as const) {
        const before = definitions.producer(inputs[side]);
        if (before?.primitive !== "transpose") continue;
        const { permutation } = before.attributes as TransposeAttributes;
        const free = freeAxes(inputs[side], contract[side], batch[side]).map((axis) => permutation[axis]);
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
    flops: ([lhs], [output], { contract }) =>
      2 * sizeOf(output.shape) * sizeOf(contract[0].map((axis) => lhs.shape[axis])),
    examples: ([lhs, rhs], [left, right], _outputs, a) => dotExamples(lhs, rhs, left, right, a),
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
  const lhsFree = freeAxes(lhs, contract[0], batch[0]);
  const count = batch[0].length;
  if (left) {
    return { axis: lhsBatch >= 0 ? lhsBatch : count + lhsFree.indexOf(left.axis), inner: left.inner };
  }
  if (right) {
    const rhsFree = freeAxes(rhs, contract[1], batch[1]);
    return {
      axis: rhsBatch >= 0 ? rhsBatch : count + lhsFree.length + rhsFree.indexOf(right.axis),
      inner: right.inner,
    };
  }
  return null;
}
