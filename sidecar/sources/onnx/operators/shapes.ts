import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { formatShape, range, sizeOf } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import {
  broadcastShape,
  dtypeOf,
  listed,
  numberedType,
  positiveAxes,
  positiveAxis,
  type Operator,
  type OperatorTable,
} from "../call";
import { checkedShape } from "../tensors";

const at = ops.scalarLike;

const reshape: Operator = (call) => {
  const x = call.input(0);
  const asked = [...(call.integers("shape", 1) ?? [])];
  const keepsZero = call.int("allowzero", 0) === 1;
  const shape = asked.map((extent, axis) => (extent === 0 && !keepsZero ? (x.shape[axis] ?? 0) : extent));
  const open = shape.indexOf(-1);
  if (open >= 0) shape[open] = sizeOf(x.shape) / sizeOf(shape.filter((_, axis) => axis !== open));
  if (sizeOf(shape) !== sizeOf(x.shape) || shape.some((extent) => !Number.isInteger(extent) || extent < 0)) {
    throw new Error(`${formatShape(x.shape)} cannot be given the shape ${formatShape(asked)}`);
  }
  return ops.reshape(call.b, x, shape);
};

const flatten: Operator = (call) => {
  const x = call.input(0);
  const rank = x.shape.length;
  const axis = call.int("axis", 1);
  const at = axis < 0 ? axis + rank : axis;
  return ops.reshape(call.b, x, [sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at))]);
};

const squeeze: Operator = (call) => {
  const x = call.input(0);
  const given = call.integers("axes", 1);
  // With one example the batch axis would go too, which the file may know to stay
  const described = given === null ? call.reading.describedShape(call.node.output[0]) : null;
  if (described !== null && sizeOf(described) === sizeOf(x.shape)) return ops.reshape(call.b, x, described);
  const axes = given
    ? positiveAxes(given, x.shape.length)
    : range(x.shape.length).filter((axis) => x.shape[axis] === 1);
  const wrong = axes.find((axis) => x.shape[axis] !== 1);
  if (wrong !== undefined) throw new Error(`the axis ${wrong} of ${formatShape(x.shape)} is not 1 long`);
  return ops.reshape(
    call.b,
    x,
    x.shape.filter((_, axis) => !axes.includes(axis)),
  );
};

const unsqueeze: Operator = (call) => {
  const x = call.input(0);
  const given = call.integers("axes", 1) ?? [];
  const rank = x.shape.length + given.length;
  const axes = positiveAxes(given, rank);
  const rest = [...x.shape];
  return ops.reshape(
    call.b,
    x,
    range(rank).map((axis) => (axes.includes(axis) ? 1 : rest.shift()!)),
  );
};

const transpose: Operator = (call) => {
  const x = call.input(0);
  const permutation = call.ints("perm") ?? range(x.shape.length).reverse();
  return ops.transpose(call.b, x, permutation);
};

const concat: Operator = (call) => {
  const parts = call.all();
  const axis = positiveAxis(call.int("axis", 1), parts[0].shape.length);
  return ops.concatenate(call.b, parts, axis);
};

function splitSizes(extent: number, count: number): number[] {
  const each = Math.ceil(extent / count);
  return listed(count).map((index) => Math.max(0, Math.min(each, extent - index * each)));
}

const split: Operator = (call) => {
  const x = call.input(0);
  const axis = positiveAxis(call.int("axis", 0), x.shape.length);
  const sizes = call.integers("split", 1) ?? splitSizes(x.shape[axis], call.node.output.length);
  let start = 0;
  return sizes.map((size) => ops.sliceAxis(call.b, x, axis, start, (start += size)));
};

/** NumPy's slices: attributes before operator set 10, inputs since. */
const slice: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const rank = x.shape.length;
  const starts = call.integers("starts", 1) ?? [];
  const ends = call.integers("ends", 2) ?? [];
  const axes = (call.integers("axes", 3) ?? range(starts.length)).map((axis) => positiveAxis(axis, rank));
  const steps = call.opset >= 10 && call.has(4) ? call.elements(4) : starts.map(() => 1);
  const [start, limit, stride] = [x.shape.map(() => 0), [...x.shape], x.shape.map(() => 1)];
  const turned: number[] = [];
  axes.forEach((axis, index) => {
    const extent = x.shape[axis];
    const step = steps[index];
    if (step === 0) throw new Error("a step is 0");
    const positive = (place: number): number => (place < 0 ? place + extent : place);
    if (step > 0) {
      start[axis] = Math.min(extent, Math.max(0, positive(starts[index])));
      limit[axis] = Math.max(start[axis], Math.min(extent, Math.max(0, positive(ends[index]))));
      stride[axis] = step;
      return;
    }
    // From the end: the same elements of the reversed axis
    const from = Math.min(extent - 1, Math.max(-1, positive(starts[index])));
    const to = Math.min(extent - 1, Math.max(-1, positive(ends[index])));
    turned.push(axis);
    start[axis] = extent - 1 - from;
    limit[axis] = Math.max(start[axis], extent - 1 - to);
    stride[axis] = -step;
  });
  return ops.slice(b, ops.reverse(b, x, turned), start, limit, stride);
};

const pad: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const rank = x.shape.length;
  const amounts = call.integers(call.attribute("paddings") ? "paddings" : "pads", 1) ?? [];
  const axes = call.has(3) ? call.elements(3).map((axis) => positiveAxis(axis, rank)) : range(rank);
  const [low, high] = [x.shape.map(() => 0), x.shape.map(() => 0)];
  axes.forEach((axis, index) => {
    low[axis] = amounts[index] ?? 0;
    high[axis] = amounts[axes.length + index] ?? 0;
  });
  const mode = call.string("mode", "constant");
  if (mode === "constant") {
    const fill = call.has(2) ? (call.known(2)?.[0] ?? null) : call.float("value", 0);
    if (fill !== null) return padded(b, x, low, high, fill);
    // A fill that is computed takes the places that are outside
    const inside = ops.pad(b, ops.full(b, x.shape, "int32", 1), low, high);
    const value = ops.reshape(
      b,
      call.input(2),
      x.shape.map(() => 1),
    );
    return ops.select(b, ops.ne(b, inside, at(b, inside, 0)), ops.pad(b, x, low, high), value);
  }
  return range(rank).reduce((value, axis) => {
    const extent = value.shape[axis];
    if (low[axis] === 0 && high[axis] === 0) return value;
    if (extent === 0) throw new Error("it pads an axis without elements by its own elements");
    const places = listed(extent + Math.max(0, low[axis]) + Math.max(0, high[axis])).map(
      (i) => i - Math.max(0, low[axis]),
    );
    const cut = places.slice(Math.max(0, -low[axis]), places.length - Math.max(0, -high[axis]));
    const mirrored = (place: number): number => {
      if (mode === "edge") return Math.min(extent - 1, Math.max(0, place));
      if (mode === "wrap") return ((place % extent) + extent) % extent;
      if (extent === 1) return 0;
      const period = 2 * (extent - 1);
      const within = ((place % period) + period) % period;
      return within < extent ? within : period - within;
    };
    const positions = Int32Array.from(cut, mirrored);
    return ops.gather(b, value, b.constant(positions, [positions.length], "int32"), axis);
  }, x);
};

/** Booleans are padded as integers. */
function padded(b: Builder, x: Value, low: number[], high: number[], fill: number): Value {
  if (x.dtype !== "bool") return ops.pad(b, x, low, high, undefined, fill);
  return ops.convert(b, ops.pad(b, ops.convert(b, x, "int32"), low, high, undefined, fill), "bool");
}

const tile: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const repeats = call.elements(1);
  checkedShape(repeats, "its repeats");
  const shape = x.shape.flatMap((extent, axis) => [repeats[axis], extent]);
  const spread = ops.broadcastInDim(
    b,
    x,
    shape,
    x.shape.map((_, axis) => 2 * axis + 1),
  );
  return ops.reshape(
    b,
    spread,
    x.shape.map((extent, axis) => extent * repeats[axis]),
  );
};

const expand: Operator = (call) => {
  const x = call.input(0);
  const shape = checkedShape(broadcastShape([x.shape, call.elements(1)]), "its result");
  return ops.broadcastTo(call.b, x, shape);
};

const constantOfShape: Operator = (call) => {
  const shape = checkedShape(call.elements(0), "its result");
  const value = call.tensorAttribute("value");
  const type = value?.type ?? "float";
  return call.typed(ops.full(call.b, shape, dtypeOf(type), value?.data[0] ?? 0), type);
};

const rangeOperator: Operator = (call) => {
  const [start, limit, step] = [call.elements(0)[0], call.elements(1)[0], call.elements(2)[0]];
  const count = Math.max(0, Math.ceil((limit - start) / step));
  return call.constant(
    listed(count).map((index) => start + index * step),
    [count],
    call.type(0),
  );
};

const shapeOf: Operator = (call) => {
  const { shape } = call.input(0);
  const bound = (place: number): number =>
    Math.min(shape.length, Math.max(0, place < 0 ? place + shape.length : place));
  const part = shape.slice(bound(call.int("start", 0)), bound(call.int("end", shape.length)));
  return call.constant(part, [part.length], "int64");
};

const eyeLike: Operator = (call) => {
  const { b } = call;
  const { shape } = call.input(0);
  const type = call.attribute("dtype") ? numberedType(call.int("dtype", 1)) : call.type(0);
  const [rows, columns] = [ops.iota(b, shape, 0, "int32"), ops.iota(b, shape, 1, "int32")];
  const diagonal = ops.eq(b, ops.add(b, rows, at(b, rows, call.int("k", 0))), columns);
  return call.typed(ops.convert(b, diagonal, dtypeOf(type)), type);
};

const trilu: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const rank = x.shape.length;
  const k = call.has(1) ? call.elements(1)[0] : 0;
  const [rows, columns] = [ops.iota(b, x.shape, rank - 2, "int32"), ops.iota(b, x.shape, rank - 1, "int32")];
  const offset = ops.sub(b, columns, rows);
  const keep = call.int("upper", 1) === 1 ? ops.ge(b, offset, at(b, offset, k)) : ops.le(b, offset, at(b, offset, k));
  if (x.dtype === "bool") return ops.and(b, keep, x);
  return ops.select(b, keep, x, at(b, x, 0));
};

const depthToSpace: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const size = call.int("blocksize", 1);
  const [n, c, h, w] = x.shape;
  const depth = c / (size * size);
  const isColumns = call.string("mode", "DCR") === "CRD";
  const split = ops.reshape(b, x, isColumns ? [n, depth, size, size, h, w] : [n, size, size, depth, h, w]);
  const moved = ops.transpose(b, split, isColumns ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]);
  return ops.reshape(b, moved, [n, depth, h * size, w * size]);
};

const spaceToDepth: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const size = call.int("blocksize", 1);
  const [n, c, h, w] = x.shape;
  const split = ops.reshape(b, x, [n, c, h / size, size, w / size, size]);
  const permutation = call.string("mode", "DCR") === "CRD" ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4];
  return ops.reshape(b, ops.transpose(b, split, permutation), [n, c * size * size, h / size, w / size]);
};

const centerCropPad: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const wanted = call.elements(1);
  const axes = (call.ints("axes") ?? range(x.shape.length)).map((axis) => positiveAxis(axis, x.shape.length));
  const [low, high] = [x.shape.map(() => 0), x.shape.map(() => 0)];
  axes.forEach((axis, index) => {
    const more = wanted[index] - x.shape[axis];
    // An odd element is cut at the end and added at the end
    low[axis] = more < 0 ? -Math.floor(-more / 2) : Math.floor(more / 2);
    high[axis] = more - low[axis];
  });
  return ops.pad(b, x, low, high);
};

/** Reverses the first elements of each sequence, as many as its length says. */
const reverseSequence: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const [batch, time] = [call.int("batch_axis", 1), call.int("time_axis", 0)];
  const steps = ops.iota(b, [x.shape[batch], x.shape[time]], 1, "int32");
  const lengths = ops.broadcastInDim(b, call.input(1), steps.shape, [0]);
  const reversed = ops.sub(b, ops.sub(b, lengths, steps), at(b, steps, 1));
  const places = ops.select(b, ops.lt(b, steps, lengths), reversed, steps);
  const rest = range(x.shape.length).filter((axis) => axis !== batch && axis !== time);
  const permutation = [batch, time, ...rest];
  const gathered = ops.gather(b, ops.transpose(b, x, permutation), places, 1, 1);
  return ops.transpose(
    b,
    gathered,
    range(x.shape.length).map((axis) => permutation.indexOf(axis)),
  );
};

export const shapes: OperatorTable = {
  Shape: shapeOf,
  Size: (call) => call.constant([sizeOf(call.input(0).shape)], [], "int64"),
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: slice,
  Pad: pad,
  Tile: tile,
  Expand: expand,
  ConstantOfShape: constantOfShape,
  Range: rangeOperator,
  EyeLike: eyeLike,
  Trilu: trilu,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  CenterCropPad: centerCropPad,
  ReverseSequence: reverseSequence,
};
