import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range, sizeOf, stridesOf } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { invert } from "../../../primitives/structural";
import type { Operator, OperatorCall, OperatorTable } from "../call";
import { aligned, axisOf, broadcastShape } from "./common";
import { views } from "./views";

/** Taking and putting elements by index. */

const integers = (b: Builder, x: Value): Value => ops.convert(b, x, "int32");

/** Indices that count from the end where they are negative. */
function wrapped(b: Builder, indices: Value, extent: number): Value {
  const index = integers(b, indices);
  const fromEnd = ops.add(b, index, ops.scalarLike(b, index, extent));
  return ops.select(b, ops.lt(b, index, ops.scalarLike(b, index, 0)), fromEnd, index);
}

/** No derivative reaches the row of the padding. */
const embedding: Operator = (b, call) => {
  const weight = call.value("weight");
  const indices = integers(b, call.value("indices"));
  const padding = call.size("padding_idx", -1);
  if (padding < 0) return ops.gather(b, weight, indices, 0);
  const rows = ops.iota(b, [weight.shape[0], ...weight.shape.slice(1).map(() => 1)], 0, "int32");
  const isPadding = ops.eq(b, rows, ops.scalarLike(b, rows, padding));
  return ops.gather(b, ops.select(b, isPadding, ops.stopGradient(b, weight), weight), indices, 0);
};

/** Whether indices are 0, 1, 2, ... along their first axis, as torch.arange makes them. */
function isCounting(b: Builder, indices: Value): boolean {
  let value = indices;
  for (let at = b.equations.length - 1; at >= 0; at--) {
    const { primitive, inputs, outputs, attributes } = b.equations[at];
    if (outputs[0] !== value) continue;
    if (primitive === "reshape" || primitive === "convert") value = inputs[0];
    else return primitive === "iota" && (attributes as { axis: number }).axis === 0 && value.shape.length === 1;
  }
  return false;
}

interface Indexed {
  /** Which axes are indexed, in order. */
  readonly axes: readonly number[];
  readonly indices: readonly Value[];
  /** Of the indices, broadcast. */
  readonly shape: readonly number[];
}

function indexedAxes(b: Builder, call: OperatorCall, x: Value): Indexed {
  const given = call.optionalValues("indices");
  const axes = range(given.length).filter((axis) => given[axis] !== null);
  const values = axes.map((axis) => given[axis]!);
  if (values.some(({ dtype }) => dtype === "bool")) {
    throw call.refuse("takes as many elements as a mask has, which is open until it runs; use torch.where");
  }
  if (axes.length === 0 || given.length > x.shape.length) throw call.refuse("has no indices; export the model again");
  const shape = broadcastShape(
    call,
    values.map((value) => value.shape),
  );
  return { axes, indices: values, shape };
}

/** Indices on several axes as positions in these axes flattened. */
function positions(b: Builder, x: Value, { axes, indices, shape }: Indexed): Value {
  const extents = axes.map((axis) => x.shape[axis]);
  const strides = stridesOf(extents);
  const parts = indices.map((index, which) => {
    const place = ops.padRank(b, wrapped(b, index, extents[which]), shape.length);
    return strides[which] === 1 ? place : ops.mul(b, place, ops.scalarLike(b, place, strides[which]));
  });
  return ops.broadcastTo(
    b,
    parts.reduce((sum, part) => ops.add(b, sum, part)),
    shape,
  );
}

const index: Operator = (b, call) => {
  const x = call.value("self");
  const indexed = indexedAxes(b, call, x);
  const { axes, indices, shape } = indexed;
  if (axes.length === 1) return ops.gather(b, x, wrapped(b, indices[0], x.shape[axes[0]]), axes[0]);
  const isAdjacent = axes.every((axis, which) => which === 0 || axis === axes[which - 1] + 1);

  // x[arange(n), i]: each example takes its own
  const [n] = x.shape;
  const countsExamples = axes[0] === 0 && isAdjacent && shape[0] === n && sizeOf(indices[0].shape) === n;
  if (
    countsExamples &&
    indices[0].shape[0] === n &&
    indices[0].shape.length === shape.length &&
    isCounting(b, indices[0])
  ) {
    const rest = { axes: axes.slice(1), indices: indices.slice(1), shape };
    const flat = ops.reshape(b, x, [n, sizeOf(rest.axes.map((axis) => x.shape[axis])), ...x.shape.slice(axes.length)]);
    return ops.gather(b, flat, positions(b, x, rest), 1, 1);
  }

  const others = range(x.shape.length).filter((axis) => !axes.includes(axis));
  const first = ops.transpose(b, x, [...axes, ...others]);
  const flat = ops.reshape(b, first, [
    sizeOf(axes.map((axis) => x.shape[axis])),
    ...others.map((axis) => x.shape[axis]),
  ]);
  const taken = ops.gather(b, flat, positions(b, x, indexed), 0);
  // Indices next to each other leave their axes where they were; else these come first
  if (!isAdjacent || axes[0] === 0) return taken;
  const inner = range(shape.length);
  const before = range(axes[0]).map((axis) => axis + shape.length);
  const after = range(others.length - axes[0]).map((axis) => axis + shape.length + axes[0]);
  return ops.transpose(b, taken, [...before, ...inner, ...after]);
};

/** Where several updates meet, their mean: which of them wins is not said. */
const indexPut: Operator = (b, call) => {
  const x = call.value("self");
  const [mask] = call.optionalValues("indices");
  const values = ops.convert(b, call.value("values"), x.dtype);
  if (mask?.dtype === "bool" && sizeOf(values.shape) === 1) {
    const aligned = ops.reshape(b, mask, [...mask.shape, ...x.shape.slice(mask.shape.length).map(() => 1)]);
    return ops.select(
      b,
      aligned,
      ops.reshape(
        b,
        values,
        x.shape.map(() => 1),
      ),
      x,
    );
  }
  const indexed = indexedAxes(b, call, x);
  const { axes, shape } = indexed;
  const others = range(x.shape.length).filter((axis) => !axes.includes(axis));
  const rest = others.map((axis) => x.shape[axis]);
  // The indices' axes come first here; in the updates they are where those of `x` were, if these are next to each other
  const isAdjacent = axes.every((axis, which) => which === 0 || axis === axes[which - 1] + 1);
  const before = isAdjacent ? axes[0] : 0;
  const wide = ops.broadcastTo(b, values, [...rest.slice(0, before), ...shape, ...rest.slice(before)]);
  const inner = range(shape.length).map((axis) => axis + before);
  const given = ops.transpose(b, wide, [...inner, ...range(wide.shape.length).filter((axis) => !inner.includes(axis))]);
  const places = positions(b, x, indexed);
  const size = sizeOf(axes.map((axis) => x.shape[axis]));
  const order = [...axes, ...others];
  const put = (updates: Value): Value => {
    const sums = ops.scatterAdd(b, updates, places, 0, size);
    const split = ops.reshape(
      b,
      sums,
      order.map((axis) => x.shape[axis]),
    );
    return ops.transpose(b, split, invert(order));
  };
  if (call.flag("accumulate", false)) return ops.add(b, x, put(given));
  return replaced(b, x, put(given), put(ops.full(b, given.shape, x.dtype, 1)));
};

function replaced(b: Builder, x: Value, updates: Value, counts: Value): Value {
  const isHit = ops.gt(b, counts, ops.scalarLike(b, counts, 0));
  return ops.select(b, isHit, ops.div(b, updates, ops.max(b, counts, ops.scalarLike(b, counts, 1))), x);
}

/** The axis moved to the end, and the others cut to the extents of the indices. */
function alongLast(b: Builder, x: Value, indices: Value, axis: number): Value {
  const cut = ops.slice(
    b,
    x,
    x.shape.map(() => 0),
    x.shape.map((extent, other) => (other === axis ? extent : indices.shape[other])),
  );
  return ops.moveAxis(b, cut, axis, x.shape.length - 1);
}

function gatherAlong(b: Builder, call: OperatorCall, x: Value, indices: Value): Value {
  if (x.shape.length === 0) return ops.reshape(b, x, indices.shape);
  const last = x.shape.length - 1;
  const axis = axisOf(call, call.size("dim"), x.shape.length);
  const places = ops.moveAxis(b, wrapped(b, indices, x.shape[axis]), axis, last);
  return ops.moveAxis(b, ops.gather(b, alongLast(b, x, indices, axis), places, last, last), last, axis);
}

const takeAlong: Operator = (b, call) => {
  const [x, indices] = aligned(b, [call.value("self")]).concat(integers(b, call.value("indices")));
  const axis = axisOf(call, call.size("dim"), x.shape.length);
  const common = broadcastShape(
    call,
    [x, indices].map(({ shape }) => shape.map((extent, other) => (other === axis ? 1 : extent))),
  );
  const wide = (value: Value): Value =>
    ops.broadcastTo(
      b,
      value,
      common.map((extent, other) => (other === axis ? value.shape[axis] : extent)),
    );
  return gatherAlong(b, call, wide(x), wide(indices));
};

/** Adds updates to where the indices say, in an array like `x` of zeros. */
function scattered(b: Builder, call: OperatorCall, x: Value, indices: Value, updates: Value): Value {
  const last = x.shape.length - 1;
  const axis = axisOf(call, call.size("dim"), x.shape.length);
  const places = ops.moveAxis(b, wrapped(b, indices, x.shape[axis]), axis, last);
  const moved = ops.moveAxis(b, updates, axis, last);
  const sums = ops.moveAxis(b, ops.scatterAdd(b, moved, places, last, x.shape[axis], last), last, axis);
  return ops.pad(
    b,
    sums,
    x.shape.map(() => 0),
    x.shape.map((extent, other) => extent - sums.shape[other]),
  );
}

function updatesOf(b: Builder, call: OperatorCall, x: Value, indices: Value): Value {
  if (!call.has("src")) return ops.full(b, indices.shape, x.dtype, call.number("value"));
  const source = ops.convert(b, call.value("src"), x.dtype);
  return ops.slice(
    b,
    source,
    source.shape.map(() => 0),
    indices.shape,
  );
}

const scatter: Operator = (b, call) => {
  if (call.has("reduce")) throw call.refuse("is not supported with a reduction; use scatter_add");
  const x = call.value("self");
  const indices = call.value("index");
  const counts = scattered(b, call, x, indices, ops.full(b, indices.shape, x.dtype, 1));
  return replaced(b, x, scattered(b, call, x, indices, updatesOf(b, call, x, indices)), counts);
};

const scatterAdd: Operator = (b, call) => {
  const x = call.value("self");
  const indices = call.value("index");
  return ops.add(b, x, scattered(b, call, x, indices, updatesOf(b, call, x, indices)));
};

const indexAdd: Operator = (b, call) => {
  const x = call.value("self");
  const axis = axisOf(call, call.size("dim"), x.shape.length);
  const places = wrapped(b, call.value("index"), x.shape[axis]);
  const source = call.value("source");
  const factor = call.number("alpha", 1);
  const updates = factor === 1 ? source : ops.mul(b, source, ops.scalarLike(b, source, factor));
  return ops.add(b, x, ops.scatterAdd(b, updates, places, axis, x.shape[axis]));
};

/** A view's place in an array, filled with other elements. */
const filledIn =
  (view: "select" | "slice"): Operator =>
  (b, call) => {
    const x = call.value("self");
    const made = views[view](call, x);
    if (made === null || !("read" in made)) throw call.refuse("fills no single part of an array");
    return made.write(b, x, ops.convert(b, call.value("src"), x.dtype));
  };

export const indexing: OperatorTable = {
  embedding,
  index,
  index_select: (b, call) => {
    const x = call.value("self");
    const axis = axisOf(call, call.size("dim"), x.shape.length);
    return ops.gather(b, x, wrapped(b, call.value("index"), x.shape[axis]), axis);
  },
  index_put: indexPut,
  _unsafe_index: index,
  _unsafe_index_put: indexPut,
  index_add: indexAdd,
  gather: (b, call) => gatherAlong(b, call, call.value("self"), call.value("index")),
  take_along_dim: takeAlong,
  scatter,
  scatter_add: scatterAdd,
  select_scatter: filledIn("select"),
  slice_scatter: filledIn("slice"),
};
