import type { DotAttributes } from "../../primitives/attributes";
import { freeAxes } from "../../primitives/dot";
import type { Shape } from "../../graph/types";
import { broadcastStrides, offsets, offsetsAlong } from "./offsets";
import { zeros, type Kernel } from "./kernel";

/** Where each element of the batch lies; an extent of 1 is repeated. */
function batchOffsets(shape: Shape, axes: readonly number[], extents: Shape): Int32Array {
  const strides = broadcastStrides(shape);
  return offsets(
    extents,
    axes.map((axis) => strides[axis]),
  );
}

export const dotGeneral: Kernel<DotAttributes> = ([lhs, rhs], { contract, batch }, output) => {
  const result = zeros(output);
  const batchShape = output.shape.slice(0, batch[0].length);
  const lhsBatch = batchOffsets(lhs.shape, batch[0], batchShape);
  const rhsBatch = batchOffsets(rhs.shape, batch[1], batchShape);
  const lhsFree = offsetsAlong(lhs.shape, freeAxes(lhs.shape, contract[0], batch[0]));
  const rhsFree = offsetsAlong(rhs.shape, freeAxes(rhs.shape, contract[1], batch[1]));
  const lhsContract = offsetsAlong(lhs.shape, contract[0]);
  const rhsContract = offsetsAlong(rhs.shape, contract[1]);
  let index = 0;
  for (let b = 0; b < lhsBatch.length; b++) {
    for (const i of lhsFree) {
      for (const j of rhsFree) {
        let sum = 0;
        for (let k = 0; k < lhsContract.length; k++) {
          sum += lhs.data[lhsBatch[b] + i + lhsContract[k]] * rhs.data[rhsBatch[b] + j + rhsContract[k]];
        }
        result[index++] = sum;
      }
    }
  }
  return result;
};
