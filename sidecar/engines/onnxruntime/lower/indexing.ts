import { range } from "../../../graph/types";
import type { GatherAttributes, ScatterAddAttributes } from "../../../primitives/attributes";
import type { Lower } from "./lowering";
import type { Ref, Writer } from "./writer";

/** Gather and scatter. onnxruntime rejects an index that is too large but counts a negative one from the end. */

/** int64 indices; a negative one becomes so large that onnxruntime rejects it, as it should. */
function checked(w: Writer, indices: Ref): Ref {
  const tooLarge = w.scalar(2 ** 31 - 1, "int32");
  return w.cast(w.where(w.with("Less", indices, 0, "bool"), tooLarge, indices), "int64");
}

const gather: Lower<GatherAttributes> = (w, x, { axis, batchDims }, output) => {
  const operand = x.full(0);
  const indices = checked(w, x.full(1));
  if (batchDims === 0) return w.node("Gather", [operand, indices], output.shape, operand.type, { axis });

  // GatherND takes along the first axis after the batch axes, so the axes between (P) are moved behind.
  const rank = operand.shape.length;
  const batch = range(batchDims);
  const between = range(axis - batchDims).map((index) => batchDims + index);
  const rest = range(rank - axis - 1).map((index) => axis + 1 + index);
  const moved = w.transpose(operand, [...batch, axis, ...between, ...rest]);
  const extents = (axes: readonly number[]): number[] => axes.map((position) => operand.shape[position]);
  const shape = [...indices.shape, ...extents(between), ...extents(rest)];
  const columns = w.reshape(indices, [...indices.shape, 1]);
  const taken = w.node("GatherND", [moved, columns], shape, operand.type, { batch_dims: batchDims });
  const looked = indices.shape.length - batchDims;
  const from = (first: number, count: number): number[] => range(count).map((index) => first + index);
  return w.transpose(taken, [
    ...batch,
    ...from(batchDims + looked, between.length),
    ...from(batchDims, looked),
    ...from(batchDims + looked + between.length, rest.length),
  ]);
};

const scatterAdd: Lower<ScatterAddAttributes> = (w, x, { axis, batchDims, size }, output) => {
  const updates = x.full(0);
  const indices = checked(w, x.full(1));
  const looked = indices.shape.length - batchDims;
  const between = axis - batchDims;
  const from = (first: number, count: number): number[] => range(count).map((index) => first + index);
  const rest = updates.shape.length - axis - looked;
  const batch = range(batchDims);

  // ScatterND wants the looked-up axes in front of the others: [B.., I.., P.., Q..] into [B.., size, P.., Q..].
  const moved = w.transpose(updates, [
    ...batch,
    ...from(axis, looked),
    ...from(batchDims, between),
    ...from(axis + looked, rest),
  ]);
  const target = [...output.shape.slice(0, batchDims), size];
  const others = moved.shape.slice(batchDims + looked);
  const zeros = w.expand(w.scalar(0, updates.type, target.length + others.length), [...target, ...others]);
  const coordinates = batch.map((position) => {
    const count = w.ints(range(indices.shape[position]));
    const thin = w.reshape(count, [...indices.shape.map((extent, other) => (other === position ? extent : 1)), 1]);
    return w.expand(thin, [...indices.shape, 1]);
  });
  const places = w.concat([...coordinates, w.reshape(indices, [...indices.shape, 1])], indices.shape.length);
  const sum = w.node("ScatterND", [zeros, places, moved], zeros.shape, updates.type, { reduction: "add" });
  return w.transpose(sum, [
    ...batch,
    ...from(batchDims + 1, between),
    batchDims,
    ...from(batchDims + 1 + between, rest),
  ]);
};

export const indexing = { gather, scatter_add: scatterAdd };
