import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range, sizeOf, stridesOf, type DType } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { numeric, positiveAxis, type Lowering, type LoweringTable } from "./kernel";

const integer = (b: Builder, x: Value): Value => ops.convert(b, x, "int32");

const gather: Lowering = (b, { inputs, attributes }) => {
  const { axis, batchDims } = attributes as { axis: number; batchDims?: number };
  const indices = integer(b, inputs.indices);
  const batch = positiveAxis(batchDims ?? 0, indices.shape.length);
  return ops.gather(b, inputs.x, indices, positiveAxis(axis, inputs.x.shape.length), batch);
};

/** Index vectors along the last axis as positions in the flattened first axes, and how many axes they index. */
function linearIndices(b: Builder, indices: Value, shape: readonly number[]): { positions: Value; depth: number } {
  const depth = indices.shape[indices.shape.length - 1];
  const strides = stridesOf(shape.slice(0, depth));
  const weights = b.constant(Int32Array.from(strides), [...indices.shape.slice(0, -1).map(() => 1), depth], "int32");
  const products = ops.mul(b, integer(b, indices), weights);
  return { positions: ops.reduceSum(b, products, [indices.shape.length - 1]), depth };
}

const gatherNd: Lowering = (b, { inputs: { params, indices } }) => {
  const { positions, depth } = linearIndices(b, indices, params.shape);
  const flat = ops.reshape(b, params, [sizeOf(params.shape.slice(0, depth)), ...params.shape.slice(depth)]);
  return ops.gather(b, flat, positions, 0);
};

function scatter(b: Builder, updates: Value, indices: Value, shape: readonly number[]): Value {
  const { positions, depth } = linearIndices(b, indices, shape);
  const size = sizeOf(shape.slice(0, depth));
  return ops.reshape(b, ops.scatterAdd(b, updates, positions, 0, size), shape);
}

const scatterNd: Lowering = (b, { inputs: { indices, updates }, attributes }) => {
  const { shape } = attributes as { shape: number[] };
  // A single update may come without its axis.
  const expected = [...indices.shape.slice(0, -1), ...shape.slice(indices.shape[indices.shape.length - 1])];
  return sizeOf(expected) === sizeOf(updates.shape)
    ? scatter(b, ops.reshape(b, numeric(b, updates), expected), indices, shape)
    : null;
};

/** Only where each element is updated at most once is an update a sum. */
const tensorScatterUpdate: Lowering = (b, { inputs: { tensor, indices, updates }, known }) => {
  const elements = known("indices");
  if (!elements) return null;
  const depth = indices.shape[indices.shape.length - 1];
  const places = range(elements.length / depth).map((i) => elements.slice(i * depth, (i + 1) * depth).join(","));
  if (new Set(places).size < places.length) return null;
  const ones = ops.full(b, indices.shape.slice(0, -1), "int32", 1);
  const hit = scatter(b, ones, indices, tensor.shape.slice(0, depth));
  const hitAligned = ops.reshape(
    b,
    hit,
    tensor.shape.map((extent, axis) => (axis < depth ? extent : 1)),
  );
  return ops.select(b, ops.convert(b, hitAligned, "bool"), scatter(b, updates, indices, tensor.shape), tensor);
};

const unsortedSegmentSum: Lowering = (b, { inputs: { x, segmentIds }, attributes }) => {
  const { numSegments } = attributes as { numSegments: number };
  return ops.scatterAdd(b, x, integer(b, segmentIds), 0, numSegments);
};

const oneHot: Lowering = (b, { inputs: { indices }, attributes }) => {
  const { depth, onValue, offValue, dtype } = attributes as {
    depth: number;
    onValue: number;
    offValue: number;
    dtype: DType;
  };
  const rank = indices.shape.length;
  const shape = [...indices.shape, depth];
  const classes = ops.iota(b, [...indices.shape.map(() => 1), depth], rank, "int32");
  const hit = ops.eq(b, ops.expandDims(b, integer(b, indices), rank), classes);
  if (onValue === 1 && offValue === 0) return ops.convert(b, hit, dtype);
  return ops.select(b, hit, ops.full(b, shape, dtype, onValue), ops.full(b, shape, dtype, offValue));
};

const topK: Lowering = (b, { inputs: { x }, attributes }) => {
  const { k } = attributes as { k: number };
  const last = x.shape.length - 1;
  const indices = ops.sliceAxis(b, ops.argsort(b, x, last, true), last, 0, k);
  return [ops.gather(b, x, indices, last, last), indices];
};

export const indexing: LoweringTable = {
  GatherV2: gather,
  GatherNd: gatherNd,
  ScatterNd: scatterNd,
  TensorScatterUpdate: tensorScatterUpdate,
  UnsortedSegmentSum: unsortedSegmentSum,
  OneHot: oneHot,
  TopK: topK,
};
