import type { Builder } from "../graph/builder";
import type { Value } from "../graph/graph";
import { range, sizeOf } from "../graph/types";
import * as ops from "../primitives/ops";
import { view } from "./view";

/** Matrix products of the two last axes; the others are batch axes, which broadcast. */
export function matMul(b: Builder, left: Value, right: Value, transposeLeft: boolean, transposeRight: boolean): Value {
  const batchOf = (x: Value): readonly number[] => x.shape.slice(0, -2);
  const contractLeft = left.shape.length - (transposeLeft ? 2 : 1);
  const matrixOf = (x: Value): Value => view(b, x, x.shape.slice(-2));

  // One matrix for all of the other operand's: no batch axes are needed.
  if (sizeOf(batchOf(right)) === 1 && right.shape.length <= left.shape.length && !transposeLeft) {
    const product = ops.dotGeneral(b, left, matrixOf(right), [[contractLeft], [transposeRight ? 1 : 0]]);
    return product;
  }
  const rank = Math.max(left.shape.length, right.shape.length);
  const batch = range(rank - 2).map((axis) =>
    Math.max(left.shape[axis - rank + left.shape.length] ?? 1, right.shape[axis - rank + right.shape.length] ?? 1),
  );
  const x = ops.broadcastTo(b, left, [...batch, ...left.shape.slice(-2)]);
  const y = ops.broadcastTo(b, right, [...batch, ...right.shape.slice(-2)]);
  const axes = range(rank - 2);
  const contract = [[transposeLeft ? rank - 2 : rank - 1], [transposeRight ? rank - 1 : rank - 2]] as const;
  return ops.dotGeneral(b, x, y, contract, [axes, axes]);
}
