import type { GatherAttributes, ScatterAddAttributes } from "../../primitives/attributes";
import { indexedExtents } from "../../primitives/indexing";
import { checkIndices } from "../interpreter/indices";
import { zeros, type Kernel } from "./kernel";

export const gather: Kernel<GatherAttributes> = ([operand, indices], attributes, output, source) => {
  const result = zeros(output);
  const [batch, before, extent, count, after] = indexedExtents(operand.shape, indices.shape, attributes);
  checkIndices(indices.data, extent, source);
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
  const [batch, before, extent, count, after] = indexedExtents(output.shape, indices.shape, attributes);
  checkIndices(indices.data, extent, source);
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
