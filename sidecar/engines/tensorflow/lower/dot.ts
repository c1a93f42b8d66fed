import type { DotAttributes } from "../../../primitives/attributes";
import { freeAxes } from "../../../primitives/dot";
import { range, type Shape } from "../../../graph/types";
import { arrange, isArranged, type NamedAxis } from "./layout";
import type { Lowering, Tf, TfTensor } from "./lowering";

const named = (prefix: string, axes: readonly number[]): string[] => axes.map((axis) => `${prefix}${axis}`);

/** What the axes of an operand are called: the pairs' position for batch and contracted axes, its own for the others. */
function axesOf(shape: Shape, contract: readonly number[], batch: readonly number[], side: "lhs" | "rhs"): NamedAxis[] {
  return shape.map((extent, axis) => {
    if (batch.includes(axis)) return { name: `batch${batch.indexOf(axis)}`, extent };
    if (contract.includes(axis)) return { name: `contract${contract.indexOf(axis)}`, extent };
    return { name: `${side}${axis}`, extent };
  });
}

/**
 * Brings both operands into the form of a batched matrix product. A batch axis along which one operand is repeated is an
 * axis of the other's rows, so that nothing is copied.
 */
export const dotGeneral: Lowering<DotAttributes> = (tf, [lhs, rhs], { contract, batch }, output) => {
  const lhsAxes = axesOf(lhs.shape, contract[0], batch[0], "lhs");
  const rhsAxes = axesOf(rhs.shape, contract[1], batch[1], "rhs");
  const lhsFree = named("lhs", freeAxes(lhs.shape, contract[0], batch[0]));
  const rhsFree = named("rhs", freeAxes(rhs.shape, contract[1], batch[1]));
  const contracted = named("contract", range(contract[0].length));

  const pairs = range(batch[0].length);
  const repeatedRight = pairs.filter((pair) => rhs.shape[batch[1][pair]] === 1);
  const repeatedLeft = pairs.filter((pair) => lhs.shape[batch[0][pair]] === 1 && !repeatedRight.includes(pair));
  const shared = named("batch", pairs.filter((pair) => !repeatedLeft.includes(pair) && !repeatedRight.includes(pair))); // prettier-ignore
  const rows = [...named("batch", repeatedRight), ...lhsFree];
  const columns = [...named("batch", repeatedLeft), ...rhsFree];

  // Axes of extent 1 of the operand that is repeated have to be named in a group of their own operand too
  const lhsIdle = named("batch", repeatedLeft);
  const rhsIdle = named("batch", repeatedRight);
  const left = matrices(tf, lhs, lhsAxes, shared, [...lhsIdle, ...rows], contracted);
  const right = matrices(tf, rhs, rhsAxes, shared, contracted, [...rhsIdle, ...columns]);
  const product = tf.matMul(left.matrices, right.matrices, left.transposed, right.transposed);

  const extents = new Map([...lhsAxes, ...rhsAxes].map(({ name }) => [name, 1]));
  for (const { name, extent } of [...lhsAxes, ...rhsAxes]) extents.set(name, Math.max(extent, extents.get(name) ?? 1));
  const stands = [...shared, ...rows, ...columns].map((name) => ({ name, extent: extents.get(name) ?? 1 }));
  const wanted = [...named("batch", pairs), ...lhsFree, ...rhsFree];
  const arranged = arrange(
    tf,
    product,
    stands,
    wanted.map((name) => [name]),
  );
  return tf.reshape(arranged, [...output.shape]);
};

/** An operand as [batch, rows, columns], or with the last two exchanged where that is how it lies in memory. */
function matrices(
  tf: Tf,
  x: TfTensor,
  axes: readonly NamedAxis[],
  batch: readonly string[],
  rows: readonly string[],
  columns: readonly string[],
): { matrices: TfTensor; transposed: boolean } {
  const upright = [batch, rows, columns];
  const turned = [batch, columns, rows];
  const transposed = !isArranged(axes, upright) && isArranged(axes, turned);
  return { matrices: arrange(tf, x, axes, transposed ? turned : upright), transposed };
}
