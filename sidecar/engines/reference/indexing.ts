import type { GatherAttributes, ScatterAddAttributes } from "../../primitives/attributes";
import { ModelError } from "../../graph/errors";
import type { Source } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { sizeOf, type Shape } from "../../graph/types";
import { zeros, type Kernel } from "./kernel";

function checkIndices(indices: Tensor, extent: number, source: Source | null): void {
  for (const index of indices.data) {
    if (index < 0 || index >= extent) {
      throw new ModelError(`Index ${index} is out of range: it must be between 0 and ${extent - 1}.`, source);
    }
  }
}

/** `whole` is the array with all elements along `axis`: the extents of [B.., P.., A, I.., Q..] as products. */
function extentsOf(whole: Shape, indices: Shape, { axis, batchDims }: GatherAttributes): number[] {
  return [
    sizeOf(whole.slice(0, batchDims)),
    sizeOf(whole.slice(batchDims, axis)),
    whole[axis],
    sizeOf(indices.slice(batchDims)),
    sizeOf(whole.slice(axis + 1)),
  ];
}

export const gather: Kernel<GatherAttributes> = ([operand, indices], attributes, output, source) => {
  const result = zeros(output);
  const [batch, before, extent, count, after] = extentsOf(operand.shape, indices.shape, attributes);
  checkIndices(indices, extent, source);
  let to = 0;
  for (let b = 0; b < batch; b++) {
    for (let p = 0; p < before; p++) {
      for (let i = 0; i < count; i++) {
        const from = ((b * before + p) * extent + indices.data[b * count + i]) * after;
        for (let q = 0; q < after; q++) result[to++] = operand.data[from + q];
      }
    }
  }
  return result;
};

export const scatterAdd: Kernel<ScatterAddAttributes> = ([updates, indices], attributes, output, source) => {
  const result = zeros(output);
  const [batch, before, extent, count, after] = extentsOf(output.shape, indices.shape, attributes);
  checkIndices(indices, extent, source);
  let from = 0;
  for (let b = 0; b < batch; b++) {
    for (let p = 0; p < before; p++) {
      for (let i = 0; i < count; i++) {
        const to = ((b * before + p) * extent + indices.data[b * count + i]) * after;
        for (let q = 0; q < after; q++) result[to + q] += updates.data[from++];
      }
    }
  }
  return result;
};
