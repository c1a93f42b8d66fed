import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range, sizeOf, stridesOf } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import {
  constantOf,
  ElementsNeeded,
  listed,
  numeric,
  positiveAxis,
  type Call,
  type Operator,
  type OperatorTable,
} from "../call";

const at = ops.scalarLike;

/** Negative indices count from the end. */
function wrappedIndices(call: Call, index: number, extent: number): Value {
  const { b } = call;
  const indices = call.input(index);
  const known = call.known(index);
  if (known) {
    const outside = known.find((place) => place < -extent || place >= extent);
    if (outside !== undefined) throw new Error(`the index ${outside} is outside of an extent of ${extent}`);
    return constantOf(
      b,
      known.map((place) => (place < 0 ? place + extent : place)),
      indices.shape,
      "int32",
    );
  }
  return ops.select(b, ops.lt(b, indices, at(b, indices, 0)), ops.add(b, indices, at(b, indices, extent)), indices);
}

/** Booleans move as integers. */
function moving(call: Call, x: Value, move: (x: Value) => Value): Value {
  return x.dtype === "bool" ? ops.convert(call.b, move(ops.convert(call.b, x, "int32")), "bool") : move(x);
}

const gather: Operator = (call) => {
  const x = call.input(0);
  const axis = positiveAxis(call.int("axis", 0), x.shape.length);
  const indices = wrappedIndices(call, 1, x.shape[axis]);
  return moving(call, x, (value) => ops.gather(call.b, value, indices, axis));
};

/** Positions in the flattened array of elements that take their place along `axis` from `indices`, and else their own. */
function elementPositions(b: Builder, indices: Value, shape: readonly number[], axis: number): Value {
  const strides = stridesOf(shape);
  return range(shape.length)
    .map((other) => {
      const place = other === axis ? indices : ops.iota(b, indices.shape, other, "int32");
      return ops.mul(b, place, at(b, place, strides[other]));
    })
    .reduce((sum, part) => ops.add(b, sum, part));
}

const flat = (b: Builder, x: Value): Value => ops.reshape(b, x, [sizeOf(x.shape)]);

const gatherElements: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const axis = positiveAxis(call.int("axis", 0), x.shape.length);
  const indices = wrappedIndices(call, 1, x.shape[axis]);
  const positions = elementPositions(b, indices, x.shape, axis);
  return moving(call, x, (value) => ops.gather(b, flat(b, value), positions, 0));
};

/** Index vectors along the last axis as positions in the flattened `extents`. */
function vectorPositions(b: Builder, indices: Value, extents: readonly number[]): Value {
  const last = indices.shape.length - 1;
  const place = [...indices.shape.slice(0, -1).map(() => 1), extents.length];
  const limits = b.constant(Int32Array.from(extents), place, "int32");
  const wrapped = ops.select(b, ops.lt(b, indices, at(b, indices, 0)), ops.add(b, indices, limits), indices);
  const weights = b.constant(Int32Array.from(stridesOf(extents)), place, "int32");
  return ops.reduceSum(b, ops.mul(b, wrapped, weights), [last]);
}

const gatherNd: Operator = (call) => {
  const { b } = call;
  const [x, indices] = [call.input(0), call.input(1)];
  const batch = call.int("batch_dims", 0);
  const depth = indices.shape[indices.shape.length - 1];
  const extents = x.shape.slice(batch, batch + depth);
  const rest = x.shape.slice(batch + depth);
  const batches = x.shape.slice(0, batch);
  const positions = vectorPositions(b, indices, extents);
  const operand = ops.reshape(b, numeric(b, x), [...batches, sizeOf(extents), ...rest]);
  return ops.convert(b, ops.gather(b, operand, positions, batch, batch), x.dtype);
};

type Combine = "none" | "add" | "mul" | "max" | "min";

/**
 * Writes updates to positions of the flattened first axes. Sums are scattered; other updates, of which several may meet
 * at one place, are applied one after the other, which takes as many operations.
 */
function scatterInto(call: Call, data: Value, positions: Value, updates: Value, combine: Combine): Value {
  const { b } = call;
  const rows = data.shape[0];
  const known = call.reading.elementsOf(positions);
  const hits = (): Value => ops.scatterAdd(b, ops.full(b, positions.shape, "int32", 1), positions, 0, rows);
  const spread = (value: Value): Value => {
    return ops.reshape(b, value, [rows, ...data.shape.slice(1).map(() => 1)]);
  };
  if (combine === "add") return ops.add(b, data, ops.scatterAdd(b, updates, positions, 0, rows));
  if (known === null) {
    const why =
      "the places that it writes to have to be known when the model is read, but they depend on the model's inputs";
    throw new ElementsNeeded(`${why}: only updates that are added up may be anywhere`);
  }
  if (new Set(Array.from(known)).size === known.length) {
    const hit = spread(ops.ne(b, hits(), b.scalar(0, "int32", 1)));
    const scattered = ops.scatterAdd(b, updates, positions, 0, rows);
    return ops.select(b, hit, combined(b, data, scattered, combine), data);
  }
  // In rounds in which no place is written twice
  const rounds: number[][] = [];
  const count = new Map<number, number>();
  Array.from(known).forEach((place, index) => {
    const round = count.get(place) ?? 0;
    count.set(place, round + 1);
    (rounds[round] ??= []).push(index);
  });
  return rounds.reduce((current, round) => {
    const numbers = b.constant(Int32Array.from(round), [round.length], "int32");
    const places = Int32Array.from(round, (index) => known[index]);
    const some = ops.gather(b, updates, numbers, 0);
    const target = b.constant(places, [places.length], "int32");
    const written = new Uint8Array(rows);
    places.forEach((place) => (written[place] = 1));
    const hit = spread(b.constant(written, [rows], "bool"));
    return ops.select(b, hit, combined(b, current, ops.scatterAdd(b, some, target, 0, rows), combine), current);
  }, data);
}

function combined(b: Builder, old: Value, update: Value, combine: Combine): Value {
  if (combine === "mul") return ops.mul(b, old, update);
  if (combine === "max") return ops.max(b, old, update);
  return combine === "min" ? ops.min(b, old, update) : update;
}

const scatterElements: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const axis = positiveAxis(call.int("axis", 0), x.shape.length);
  const indices = wrappedIndices(call, 1, x.shape[axis]);
  const positions = flat(b, elementPositions(b, indices, x.shape, axis));
  const data = flat(b, numeric(b, x));
  const result = scatterInto(
    call,
    data,
    positions,
    flat(b, numeric(b, call.input(2))),
    call.string("reduction", "none") as Combine,
  );
  return ops.convert(b, ops.reshape(b, result, x.shape), x.dtype);
};

const scatterNd: Operator = (call) => {
  const { b } = call;
  const [x, indices, updates] = [call.input(0), call.input(1), call.input(2)];
  const depth = indices.shape[indices.shape.length - 1];
  const extents = x.shape.slice(0, depth);
  const rest = x.shape.slice(depth);
  const positions = flat(b, vectorPositions(b, indices, extents));
  const rows = ops.reshape(b, numeric(b, updates), [positions.shape[0], ...rest]);
  const data = ops.reshape(b, numeric(b, x), [sizeOf(extents), ...rest]);
  const result = scatterInto(call, data, positions, rows, call.string("reduction", "none") as Combine);
  return ops.convert(b, ops.reshape(b, result, x.shape), x.dtype);
};

/** `values` is [off, on]. */
const oneHot: Operator = (call) => {
  const { b } = call;
  const indices = ops.convert(b, call.input(0), "int32");
  const depth = call.elements(1)[0];
  const rank = indices.shape.length + 1;
  const axis = positiveAxis(call.int("axis", -1), rank);
  const shape = [...indices.shape.slice(0, axis), depth, ...indices.shape.slice(axis)];
  const wrapped = ops.select(
    b,
    ops.lt(b, indices, at(b, indices, 0)),
    ops.add(b, indices, at(b, indices, depth)),
    indices,
  );
  const hit = ops.eq(b, ops.iota(b, shape, axis, "int32"), ops.broadcastTo(b, ops.expandDims(b, wrapped, axis), shape));
  const values = call.input(2);
  const pick = (place: number): Value =>
    ops.reshape(
      b,
      ops.sliceAxis(b, values, 0, place, place + 1),
      shape.map(() => 1),
    );
  return call.typed(ops.select(b, hit, pick(1), pick(0)), call.type(2));
};

const compress: Operator = (call) => {
  const { b } = call;
  const given = call.attribute("axis");
  const x = given ? call.input(0) : flat(b, call.input(0));
  const axis = given ? positiveAxis(call.int("axis", 0), x.shape.length) : 0;
  const kept = call.elements(1).flatMap((keep, index) => (keep !== 0 && index < x.shape[axis] ? [index] : []));
  return ops.gather(b, x, b.constant(Int32Array.from(kept), [kept.length], "int32"), axis);
};

const nonZero: Operator = (call) => {
  const { shape } = call.input(0);
  const strides = stridesOf(shape);
  const places = call.elements(0).flatMap((element, index) => (element !== 0 ? [index] : []));
  const coordinates = strides.flatMap((stride, axis) =>
    places.map((place) => Math.floor(place / stride) % shape[axis]),
  );
  return call.constant(coordinates, [shape.length, places.length], "int64");
};

const topK: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const axis = positiveAxis(call.int("axis", -1), x.shape.length);
  const k = call.opset < 10 ? call.int("k", 1) : call.elements(1)[0];
  const order = ops.argsort(b, x, axis, call.int("largest", 1) === 1);
  const first = ops.sliceAxis(b, order, axis, 0, k);
  const picked = ops.gather(b, flat(b, x), elementPositions(b, first, x.shape, axis), 0);
  return [picked, call.typed(first, "int64")];
};

/** Distinct elements or slices: what they are decides the result's shape. */
const unique: Operator = (call) => {
  const x = call.input(0);
  const elements = call.elements(0);
  const given = call.attribute("axis");
  const shape = given ? x.shape : [elements.length];
  const axis = given ? positiveAxis(call.int("axis", 0), shape.length) : 0;
  const outer = sizeOf(shape.slice(0, axis));
  const inner = sizeOf(shape.slice(axis + 1));
  const sliceAt = (place: number): number[] =>
    listed(outer).flatMap((o) => listed(inner).map((i) => elements[(o * shape[axis] + place) * inner + i]));
  const slices = listed(shape[axis]).map(sliceAt);
  const first = new Map<string, number>();
  slices.forEach((slice, place) => {
    if (!first.has(slice.join())) first.set(slice.join(), place);
  });
  const order = [...first.values()];
  const compare = (p: number, q: number): number => {
    const different = slices[p].findIndex((element, index) => element !== slices[q][index]);
    return different < 0 ? 0 : slices[p][different] - slices[q][different];
  };
  if (call.int("sorted", 1) === 1) order.sort(compare);
  const rank = new Map(order.map((place, index) => [slices[place].join(), index]));
  const inverse = slices.map((slice) => rank.get(slice.join())!);
  const counts = order.map(() => 0);
  for (const index of inverse) counts[index]++;
  const kept = listed(outer).flatMap((o) =>
    order.flatMap((place) => listed(inner).map((i) => slices[place][o * inner + i])),
  );
  const ints = (values: readonly number[]) => call.constant(values, [values.length], "int64");
  const result = [...shape.slice(0, axis), order.length, ...shape.slice(axis + 1)];
  return [call.constant(kept, result, call.type(0)), ints(order), ints(inverse), ints(counts)];
};

/** Boxes that overlap no better one by more than the threshold. */
const nonMaxSuppression: Operator = (call) => {
  const [boxes, scores] = [call.elements(0), call.elements(1)];
  const [batches, count] = call.input(0).shape;
  const classes = call.input(1).shape[1];
  const optional = (index: number, otherwise: number): number =>
    call.has(index) ? call.elements(index)[0] : otherwise;
  const most = optional(2, 0);
  const [overlap, least] = [optional(3, 0), optional(4, -Infinity)];
  const isCentred = call.int("center_point_box", 0) === 1;
  const corners = (batch: number, box: number): [number, number, number, number] => {
    const [p, q, r, s] = boxes.slice((batch * count + box) * 4, (batch * count + box) * 4 + 4);
    if (isCentred) return [q - s / 2, p - r / 2, q + s / 2, p + r / 2];
    return [Math.min(p, r), Math.min(q, s), Math.max(p, r), Math.max(q, s)];
  };
  const chosen: number[] = [];
  for (const batch of listed(batches)) {
    for (const kind of listed(classes)) {
      const score = (box: number): number => scores[(batch * classes + kind) * count + box];
      const order = listed(count)
        .filter((box) => score(box) > least)
        .sort((p, q) => score(q) - score(p));
      const kept: number[] = [];
      for (const box of order) {
        if (kept.length >= most) break;
        if (kept.every((other) => shared(corners(batch, box), corners(batch, other)) <= overlap)) kept.push(box);
      }
      chosen.push(...kept.flatMap((box) => [batch, kind, box]));
    }
  }
  return call.constant(chosen, [chosen.length / 3, 3], "int64");
};

/** Intersection over union. */
function shared(p: readonly number[], q: readonly number[]): number {
  const height = Math.max(0, Math.min(p[2], q[2]) - Math.max(p[0], q[0]));
  const width = Math.max(0, Math.min(p[3], q[3]) - Math.max(p[1], q[1]));
  const area = (box: readonly number[]): number => (box[2] - box[0]) * (box[3] - box[1]);
  const both = height * width;
  return both === 0 ? 0 : both / (area(p) + area(q) - both);
}

/** Writes slices at given places of an axis, for each example another. */
const tensorScatter: Operator = (call) => {
  const { b } = call;
  const [x, update] = [call.input(0), call.input(1)];
  const axis = positiveAxis(call.int("axis", -2), x.shape.length);
  const starts = call.has(2) ? call.elements(2) : listed(x.shape[0]).map(() => 0);
  const extent = x.shape[axis];
  const circular = call.string("mode", "linear") === "circular";
  const examples = listed(x.shape[0]).map((example) => {
    const own = ops.sliceAxis(b, x, 0, example, example + 1);
    const part = ops.sliceAxis(b, update, 0, example, example + 1);
    return listed(update.shape[axis]).reduce((current, step) => {
      const place = circular ? (starts[example] + step) % extent : starts[example] + step;
      const row = ops.sliceAxis(b, part, axis, step, step + 1);
      const pieces = [
        ops.sliceAxis(b, current, axis, 0, place),
        row,
        ops.sliceAxis(b, current, axis, place + 1, extent),
      ];
      return ops.concatenate(
        b,
        pieces.filter((piece) => sizeOf(piece.shape) > 0),
        axis,
      );
    }, own);
  });
  return ops.concatenate(b, examples, 0);
};

export const indexing: OperatorTable = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherNd,
  Scatter: scatterElements,
  ScatterElements: scatterElements,
  ScatterND: scatterNd,
  OneHot: oneHot,
  Compress: compress,
  NonZero: nonZero,
  TopK: topK,
  Unique: unique,
  NonMaxSuppression: nonMaxSuppression,
  TensorScatter: tensorScatter,
};
