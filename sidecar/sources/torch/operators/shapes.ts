import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range, sameShape, sizeOf, type DType } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import type { Operator, OperatorCall, OperatorTable } from "../call";
import { axisOf, broadcastShape, checkConstant, commonType, constant } from "./common";

/** Operators that move elements, and those that make arrays out of nothing. */

const same: Operator = (_b, call) => call.value(call.has("self") ? "self" : "input");

/** In another element type; what is asked for beside it (device, layout) does not matter. */
const convertedTo: Operator = (b, call) => {
  const x = call.value("self");
  const dtype = call.dtype() ?? (call.has("other") ? call.value("other").dtype : null);
  return dtype === null ? x : ops.convert(b, x, dtype);
};

function joined(b: Builder, values: readonly Value[], axis: number): Value {
  const dtype = commonType(values);
  return ops.concatenate(
    b,
    values.map((value) => ops.convert(b, value, dtype)),
    axis,
  );
}

/** Empty arrays of one axis, which torch.cat skips, too. */
const cat: Operator = (b, call) => {
  const values = call.values("tensors");
  const filled = values.filter(({ shape }) => !(shape.length === 1 && shape[0] === 0));
  const all = filled.length === 0 ? values.slice(0, 1) : filled;
  if (all.length === 0) throw call.refuse("joins no arrays; export the model again");
  const axis = axisOf(call, call.size("dim", 0), all[0].shape.length);
  const some = all.filter(({ shape }) => shape[axis] > 0);
  // Equal parts along the first axis are a stack of them, seen as one: so the examples on that axis can be followed
  if (axis === 0 && some.length > 1 && some.every(({ shape }) => sameShape(shape, some[0].shape))) {
    const stacked = joined(
      b,
      some.map((value) => ops.expandDims(b, value, 0)),
      0,
    );
    return ops.reshape(b, stacked, [some.length * some[0].shape[0], ...some[0].shape.slice(1)]);
  }
  return joined(b, some.length === 0 ? all.slice(0, 1) : some, axis);
};

const stack: Operator = (b, call) => {
  const values = call.values("tensors");
  if (values.length === 0) throw call.refuse("stacks no arrays; export the model again");
  const axis = axisOf(call, call.size("dim", 0), values[0].shape.length + 1);
  return joined(
    b,
    values.map((value) => ops.expandDims(b, value, axis)),
    axis,
  );
};

/** Arrays of fewer axes than two get more, in front. */
const stackedAlong =
  (rank: number, along: (shape: readonly number[]) => number): Operator =>
  (b, call) => {
    const values = call.values("tensors").map((value) => ops.padRank(b, value, rank));
    return joined(b, values, along(values[0]?.shape ?? []));
  };

/** Each axis becomes (repetition, extent), broadcast, and joined again. */
const repeat =
  (name: string): Operator =>
  (b, call) => {
    const given = call.sizes(name);
    const rank = Math.max(given.length, call.value("self").shape.length);
    const x = ops.padRank(b, call.value("self"), rank);
    const repetitions = [...new Array<number>(rank - given.length).fill(1), ...given];
    const split = x.shape.flatMap((extent, axis) => [repetitions[axis], extent]);
    const axes = range(rank).map((axis) => 2 * axis + 1);
    const whole = x.shape.map((extent, axis) => repetitions[axis] * extent);
    return ops.reshape(b, ops.broadcastInDim(b, x, split, axes), whole);
  };

/** Each element of an axis so many times in a row. */
const repeatInterleave: Operator = (b, call) => {
  const given = call.value("self");
  const times = call.size("repeats");
  const x = call.has("dim") ? given : ops.reshape(b, given, [sizeOf(given.shape)]);
  const axis = call.has("dim") ? axisOf(call, call.size("dim"), x.shape.length) : 0;
  const [before, after] = [x.shape.slice(0, axis + 1), x.shape.slice(axis + 1)];
  const wide = ops.broadcastInDim(
    b,
    x,
    [...before, times, ...after],
    range(x.shape.length).map((other) => (other > axis ? other + 1 : other)),
  );
  return ops.reshape(b, wide, [...x.shape.slice(0, axis), x.shape[axis] * times, ...after]);
};

const flip: Operator = (b, call) => {
  const x = call.value("self");
  const axes = call.sizes("dims").map((axis) => axisOf(call, axis, x.shape.length));
  return ops.reverse(
    b,
    x,
    [...new Set(axes)].sort((p, q) => p - q),
  );
};

/** Elements that leave at the end come back at the beginning. */
const roll: Operator = (b, call) => {
  const x = call.value("self");
  const shifts = call.sizes("shifts");
  const dims = call.sizes("dims", []);
  const rolled = (value: Value, axis: number, shift: number): Value => {
    const extent = value.shape[axis];
    const cut = extent === 0 ? 0 : ((-shift % extent) + extent) % extent;
    if (cut === 0) return value;
    return ops.concatenate(
      b,
      [ops.sliceAxis(b, value, axis, cut, extent), ops.sliceAxis(b, value, axis, 0, cut)],
      axis,
    );
  };
  if (dims.length === 0) return ops.reshape(b, rolled(ops.reshape(b, x, [sizeOf(x.shape)]), 0, shifts[0]), x.shape);
  return dims.reduce((value, axis, which) => rolled(value, axisOf(call, axis, x.shape.length), shifts[which]), x);
};

/** Amounts of padding before and after each axis; they are given for the last axes, the last first. */
function amounts(call: OperatorCall, name: string, rank: number): [number[], number[]] {
  const given = call.sizes(name);
  if (given.length % 2 !== 0 || given.length > 2 * rank) {
    throw call.refuse(`pads ${rank} axes by [${given.join(",")}]; export the model again`);
  }
  const at = (axis: number, side: number): number => given[2 * (rank - 1 - axis) + side] ?? 0;
  return [range(rank).map((axis) => at(axis, 0)), range(rank).map((axis) => at(axis, 1))];
}

const constantPad: Operator = (b, call) => {
  const x = call.value("self");
  const [low, high] = amounts(call, "pad", x.shape.length);
  return ops.pad(b, x, low, high, undefined, call.number("value", 0));
};

type Border = "reflect" | "replicate" | "circular";

/** Elements from inside the array, put before and after it. */
function bordered(b: Builder, call: OperatorCall, name: string, border: Border): Value {
  const [low, high] = amounts(call, name, call.value("self").shape.length);
  return low.reduce((x, before, axis) => {
    const after = high[axis];
    const extent = x.shape[axis];
    const part = (start: number, limit: number): Value => ops.sliceAxis(b, x, axis, start, limit);
    const repeated = (edge: Value, count: number): Value =>
      ops.broadcastTo(
        b,
        edge,
        edge.shape.map((size, other) => (other === axis ? count : size)),
      );
    const makers = {
      reflect: [
        () => ops.reverse(b, part(1, 1 + before), [axis]),
        () => ops.reverse(b, part(extent - 1 - after, extent - 1), [axis]),
      ],
      replicate: [() => repeated(part(0, 1), before), () => repeated(part(extent - 1, extent), after)],
      circular: [() => part(extent - before, extent), () => part(0, after)],
    }[border];
    const crop = part(Math.max(0, -before), extent - Math.max(0, -after));
    const parts = [...(before > 0 ? [makers[0]()] : []), crop, ...(after > 0 ? [makers[1]()] : [])];
    return ops.concatenate(b, parts, axis);
  }, call.value("self"));
}

const pad: Operator = (b, call) => {
  const mode = call.text("mode", "constant");
  return mode === "constant" ? constantPad(b, call) : bordered(b, call, "pad", mode as Border);
};

const borderPad =
  (border: Border): Operator =>
  (b, call) =>
    bordered(b, call, "padding", border);

/** [..., c r r, h, w] -> [..., c, h r, w r] */
const pixelShuffle: Operator = (b, call) => {
  const x = call.value("self");
  const r = call.size("upscale_factor");
  const outer = x.shape.slice(0, -3);
  const [c, h, w] = x.shape.slice(-3);
  const split = ops.reshape(b, x, [...outer, c / (r * r), r, r, h, w]);
  const n = outer.length;
  const moved = ops.transpose(b, split, [...range(n), n, n + 3, n + 1, n + 4, n + 2]);
  return ops.reshape(b, moved, [...outer, c / (r * r), h * r, w * r]);
};

/** [..., c, h r, w r] -> [..., c r r, h, w] */
const pixelUnshuffle: Operator = (b, call) => {
  const x = call.value("self");
  const r = call.size("downscale_factor");
  const outer = x.shape.slice(0, -3);
  const [c, h, w] = x.shape.slice(-3);
  const split = ops.reshape(b, x, [...outer, c, h / r, r, w / r, r]);
  const n = outer.length;
  const moved = ops.transpose(b, split, [...range(n), n, n + 2, n + 4, n + 1, n + 3]);
  return ops.reshape(b, moved, [...outer, c * r * r, h / r, w / r]);
};

const channelShuffle: Operator = (b, call) => {
  const x = call.value("self");
  const groups = call.size("groups");
  const [n, c, ...spatial] = x.shape;
  const split = ops.reshape(b, x, [n, groups, c / groups, ...spatial]);
  const moved = ops.transpose(b, split, [0, 2, 1, ...spatial.map((_, axis) => axis + 3)]);
  return ops.reshape(b, moved, x.shape);
};

/** Windows of `size` along an axis, `step` apart, as a new last axis. */
const unfold: Operator = (b, call) => {
  const x = call.value("self");
  const axis = axisOf(call, call.size("dimension"), x.shape.length);
  const [size, step] = [call.size("size"), call.size("step")];
  const count = Math.floor((x.shape[axis] - size) / step) + 1;
  checkConstant(call, count * size);
  const places = Int32Array.from({ length: count * size }, (_, at) => Math.floor(at / size) * step + (at % size));
  const taken = ops.gather(b, x, constant(b, places, [count, size]), axis);
  return ops.moveAxis(b, taken, axis + 1, taken.shape.length - 1);
};

/** Patches of images [n, c, h, w] as columns [n, c kh kw, windows]. */
const im2col: Operator = (b, call) => {
  const given = call.value("self");
  const x = given.shape.length === 3 ? ops.expandDims(b, given, 0) : given;
  const sizes = (name: string, otherwise: number): number[] => call.perAxis(name, 2, otherwise);
  const [window, dilation, padding, stride] = [
    sizes("kernel_size", 1),
    sizes("dilation", 1),
    sizes("padding", 0),
    sizes("stride", 1),
  ];
  const padded = ops.pad(b, x, [0, 0, ...padding], [0, 0, ...padding]);
  const along = (axis: 0 | 1): { places: Int32Array; count: number } => {
    const extent = padded.shape[2 + axis];
    const count = Math.floor((extent - dilation[axis] * (window[axis] - 1) - 1) / stride[axis]) + 1;
    checkConstant(call, window[axis] * count);
    const places = Int32Array.from(
      { length: window[axis] * count },
      (_, at) => Math.floor(at / count) * dilation[axis] + (at % count) * stride[axis],
    );
    return { places, count };
  };
  const [rows, columns] = [along(0), along(1)];
  const byRow = ops.gather(b, padded, constant(b, rows.places, [window[0], rows.count]), 2);
  const byColumn = ops.gather(b, byRow, constant(b, columns.places, [window[1], columns.count]), 4);
  const [n, c] = x.shape;
  const ordered = ops.transpose(b, byColumn, [0, 1, 2, 4, 3, 5]);
  const result = ops.reshape(b, ordered, [n, c * window[0] * window[1], rows.count * columns.count]);
  return given.shape.length === 3 ? ops.reshape(b, result, result.shape.slice(1)) : result;
};

/** Keeps what is on one side of a diagonal of the last two axes. */
const triangle =
  (keeps: (b: Builder, column: Value, row: Value) => Value): Operator =>
  (b, call) => {
    const x = call.value("self");
    const rank = x.shape.length;
    const shape = range(rank).map((axis) => (axis < rank - 2 ? 1 : x.shape[axis]));
    const row = ops.iota(b, shape, rank - 2, "int32");
    const column = ops.iota(b, shape, rank - 1, "int32");
    const edge = ops.add(b, row, ops.scalarLike(b, row, call.size("diagonal", 0)));
    return ops.select(b, keeps(b, column, edge), x, ops.scalarLike(b, x, 0));
  };

/** The elements whose indices on two axes differ by `offset`, on a new last axis. */
const diagonal: Operator = (b, call) => {
  const x = call.value("self");
  const rank = x.shape.length;
  const first = axisOf(call, call.size("dim1", 0), rank);
  const second = axisOf(call, call.size("dim2", 1), rank);
  const offset = call.size(call.operator === "diag" ? "diagonal" : "offset", 0);
  const rest = range(rank).filter((axis) => axis !== first && axis !== second);
  const [rows, columns] = [x.shape[first], x.shape[second]];
  const length = Math.max(0, offset >= 0 ? Math.min(rows, columns - offset) : Math.min(rows + offset, columns));
  checkConstant(call, length);
  const flat = ops.reshape(b, ops.transpose(b, x, [...rest, first, second]), [
    ...rest.map((axis) => x.shape[axis]),
    rows * columns,
  ]);
  const start = offset >= 0 ? offset : -offset * columns;
  const places = Int32Array.from({ length }, (_, at) => start + at * (columns + 1));
  return ops.gather(b, flat, constant(b, places, [length]), rest.length);
};

/** Vectors on the last axis as diagonals of matrices. */
const diagEmbed: Operator = (b, call) => {
  const x = call.value("self");
  const size = x.shape[x.shape.length - 1];
  if (
    call.size("offset", 0) !== 0 ||
    call.size("diagonal", 0) !== 0 ||
    call.size("dim1", -2) !== -2 ||
    call.size("dim2", -1) !== -1
  ) {
    throw call.refuse("is supported for the main diagonal of the last axes only");
  }
  const identity = ops.eye(b, size, x.dtype);
  const wide = ops.expandDims(b, x, x.shape.length - 1);
  return ops.mul(b, wide, ops.padRank(b, identity, wide.shape.length));
};

// Arrays out of nothing

/** As asked for, or else that of the numbers: integers are int64, fractions float32. */
function filled(
  b: Builder,
  call: OperatorCall,
  shape: readonly number[],
  element: number | boolean,
  otherwise: DType,
): Value {
  return ops.full(b, shape, call.dtype() ?? otherwise, Number(element));
}

const made =
  (element: number): Operator =>
  (b, call) =>
    filled(b, call, call.sizes("size"), element, "float32");

const madeLike =
  (element: number): Operator =>
  (b, call) => {
    const x = call.value("self");
    return filled(b, call, call.has("size") ? call.sizes("size") : x.shape, element, x.dtype);
  };

const fillValue = (call: OperatorCall, name: string): number | boolean => {
  const operand = call.operand(name);
  if (typeof operand === "object") throw call.refuse("fills with an array; use a number");
  return operand;
};

const dtypeOf = (element: number | boolean): DType =>
  typeof element === "boolean" ? "bool" : Number.isInteger(element) ? "int32" : "float32";

const arange: Operator = (b, call) => {
  const [start, step] = [call.size("start", 0), call.size("step", 1)];
  const count = Math.max(0, Math.ceil((call.size("end") - start) / step));
  const isWhole = [start, step, call.size("end")].every((number) => Number.isInteger(number));
  const dtype = call.dtype() ?? (isWhole ? "int32" : "float32");
  const counted = ops.iota(b, [count], 0, dtype);
  const spaced = step === 1 ? counted : ops.mul(b, counted, ops.scalarLike(b, counted, step));
  return start === 0 ? spaced : ops.add(b, spaced, ops.scalarLike(b, spaced, start));
};

const linspace: Operator = (b, call) => {
  const [start, end, steps] = [call.size("start"), call.size("end"), call.size("steps")];
  const dtype = call.dtype() ?? "float32";
  const counted = ops.iota(b, [steps], 0, dtype);
  const spacing = steps > 1 ? (end - start) / (steps - 1) : 0;
  return ops.add(b, ops.mul(b, counted, ops.scalarLike(b, counted, spacing)), ops.scalarLike(b, counted, start));
};

const eye: Operator = (b, call) => {
  const [n, m] = [call.size("n"), call.size("m", call.size("n"))];
  const isDiagonal = ops.eq(b, ops.iota(b, [n, m], 0, "int32"), ops.iota(b, [n, m], 1, "int32"));
  return ops.convert(b, isDiagonal, call.dtype() ?? "float32");
};

const scalarTensor: Operator = (b, call) => {
  const element = fillValue(call, "s");
  return b.scalar(Number(element), call.dtype() ?? "float32");
};

const meshgrid: Operator = (b, call) => {
  const values = call.values("tensors");
  const swapped = call.text("indexing", "ij") === "xy" && values.length > 1;
  const shape = values.map((value) => sizeOf(value.shape));
  if (swapped) [shape[0], shape[1]] = [shape[1], shape[0]];
  return values.map((value, which) => {
    const axis = swapped && which < 2 ? 1 - which : which;
    return ops.broadcastInDim(b, ops.reshape(b, value, [sizeOf(value.shape)]), shape, [axis]);
  });
};

const oneHot: Operator = (b, call) => {
  const x = ops.convert(b, call.value("self"), "int32");
  const classes = call.size("num_classes", -1);
  if (classes < 0) throw call.refuse("finds the number of classes out of its elements; give num_classes");
  const wide = ops.expandDims(b, x, x.shape.length);
  const numbers = ops.iota(b, [...x.shape.map(() => 1), classes], x.shape.length, "int32");
  return ops.convert(b, ops.eq(b, wide, numbers), "int32");
};

export const shapes: OperatorTable = {
  clone: same,
  lift_fresh_copy: same,
  to: convertedTo,
  _to_copy: convertedTo,
  type_as: convertedTo,
  cat,
  concat: cat,
  concatenate: cat,
  stack,
  hstack: stackedAlong(1, ({ length }) => Math.min(1, length - 1)),
  vstack: stackedAlong(2, () => 0),
  repeat: repeat("repeats"),
  tile: repeat("dims"),
  repeat_interleave: repeatInterleave,
  flip,
  roll,
  constant_pad_nd: constantPad,
  pad,
  reflection_pad1d: borderPad("reflect"),
  reflection_pad2d: borderPad("reflect"),
  reflection_pad3d: borderPad("reflect"),
  replication_pad1d: borderPad("replicate"),
  replication_pad2d: borderPad("replicate"),
  replication_pad3d: borderPad("replicate"),
  pixel_shuffle: pixelShuffle,
  pixel_unshuffle: pixelUnshuffle,
  channel_shuffle: channelShuffle,
  unfold,
  im2col,
  tril: triangle(ops.le),
  triu: triangle(ops.ge),
  diagonal,
  diag_embed: diagEmbed,
  diag: (b, call) => (call.value("self").shape.length === 1 ? diagEmbed(b, call) : diagonal(b, call)),

  zeros: made(0),
  ones: made(1),
  empty: made(0),
  empty_permuted: made(0),
  zeros_like: madeLike(0),
  ones_like: madeLike(1),
  empty_like: madeLike(0),
  new_zeros: madeLike(0),
  new_ones: madeLike(1),
  new_empty: madeLike(0),
  full: (b, call) => {
    const element = fillValue(call, "fill_value");
    return filled(b, call, call.sizes("size"), element, dtypeOf(element));
  },
  full_like: (b, call) => {
    const x = call.value("self");
    return filled(b, call, x.shape, fillValue(call, "fill_value"), x.dtype);
  },
  new_full: (b, call) => filled(b, call, call.sizes("size"), fillValue(call, "fill_value"), call.value("self").dtype),
  arange,
  linspace,
  eye,
  scalar_tensor: scalarTensor,
  meshgrid,
  broadcast_tensors: (b, call) => {
    const values = call.values("tensors");
    const shape = broadcastShape(
      call,
      values.map((value) => value.shape),
    );
    return values.map((value) => ops.broadcastTo(b, value, shape));
  },
  one_hot: oneHot,

  // In place: what the array becomes
  copy: (b, call) => {
    const x = call.value("self");
    return ops.broadcastTo(b, ops.convert(b, call.value("src"), x.dtype), x.shape);
  },
  fill: (b, call) => {
    const x = call.value("self");
    const element = call.operand("value");
    if (typeof element !== "object") return ops.full(b, x.shape, x.dtype, Number(element));
    return ops.broadcastTo(b, ops.convert(b, element, x.dtype), x.shape);
  },
  zero: (b, call) => ops.zerosLike(b, call.value("self")),
};
