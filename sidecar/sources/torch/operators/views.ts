import type { Value } from "../../../graph/graph";
import { range, sizeOf, type Shape } from "../../../graph/types";
import { invert } from "../../../primitives/structural";
import * as ops from "../../../primitives/ops";
import type { View } from "../aliases";
import type { OperatorCall } from "../call";
import { axisOf, checkParts, completeShape } from "./common";

/** Operators whose results share their elements with the array that they are of: `base` is what that is now. */

/** Null where the result is an array of its own. */
type ViewMaker = (call: OperatorCall, base: Value) => View | readonly View[] | null;

const identity: View = { read: (_b, base) => base, write: (_b, _base, part) => part };

export const reshaped = (shape: Shape): View => ({
  read: (b, base) => ops.reshape(b, base, shape),
  write: (b, base, part) => ops.reshape(b, part, base.shape),
});

const permuted = (permutation: readonly number[]): View => ({
  read: (b, base) => ops.transpose(b, base, permutation),
  write: (b, _base, part) => ops.transpose(b, part, invert(permutation)),
});

/** One view after another. */
export const composed = (first: View, second: View): View => ({
  read: (b, base) => second.read(b, first.read(b, base)),
  write: (b, base, part) => first.write(b, base, second.write(b, first.read(b, base), part)),
});

/** Elements start, start + step, ... below `limit` of one axis. */
function sliced(axis: number, start: number, limit: number, step = 1): View {
  return {
    read: (b, base) =>
      ops.slice(
        b,
        base,
        base.shape.map((_, other) => (other === axis ? start : 0)),
        base.shape.map((extent, other) => (other === axis ? limit : extent)),
        base.shape.map((_, other) => (other === axis ? step : 1)),
      ),
    write(b, base, part) {
      const extent = base.shape[axis];
      if (step === 1) {
        const parts = [ops.sliceAxis(b, base, axis, 0, start), part, ops.sliceAxis(b, base, axis, limit, extent)];
        const filled = parts.filter(({ shape }) => shape[axis] > 0);
        return filled.length === 0 ? base : ops.concatenate(b, filled, axis);
      }
      // Spread to where they came from, between elements that stay
      const count = part.shape[axis];
      const only = (amount: number): number[] => base.shape.map((_, other) => (other === axis ? amount : 0));
      const end = count === 0 ? extent - start : extent - start - ((count - 1) * step + 1);
      const spread = ops.pad(b, part, only(start), only(end), only(step - 1));
      const place = Uint8Array.from({ length: extent }, (_, at) =>
        Number(at >= start && at < limit && (at - start) % step === 0),
      );
      const mask = b.constant(
        place,
        base.shape.map((_, other) => (other === axis ? extent : 1)),
        "bool",
      );
      return ops.select(b, mask, spread, base);
    },
  };
}

const clamped = (position: number, extent: number): number =>
  Math.min(extent, Math.max(0, position < 0 ? position + extent : position));

const slice: ViewMaker = (call, { shape }) => {
  const axis = axisOf(call, call.size("dim", 0), shape.length);
  const start = clamped(call.size("start", 0), shape[axis]);
  const limit = Math.max(start, clamped(call.size("end", Infinity), shape[axis]));
  return sliced(axis, start, limit, call.size("step", 1));
};

function oneOf(shape: Shape, axis: number, index: number): View {
  return composed(sliced(axis, index, index + 1), reshaped([...shape.slice(0, axis), ...shape.slice(axis + 1)]));
}

const select: ViewMaker = (call, { shape }) => {
  const axis = axisOf(call, call.size("dim"), shape.length);
  const index = call.size("index");
  const positive = index < 0 ? index + shape[axis] : index;
  if (positive < 0 || positive >= shape[axis]) {
    throw call.refuse(`takes element ${index} of an axis with ${shape[axis]}; export the model again`);
  }
  return oneOf(shape, axis, positive);
};

const narrow: ViewMaker = (call, { shape }) => {
  const axis = axisOf(call, call.size("dim"), shape.length);
  const start = clamped(call.size("start"), shape[axis]);
  return sliced(axis, start, Math.min(shape[axis], start + call.size("length")));
};

const unbind: ViewMaker = (call, { shape }) => {
  const axis = axisOf(call, call.size("dim", 0), shape.length);
  checkParts(call, shape[axis]);
  return range(shape[axis]).map((index) => oneOf(shape, axis, index));
};

function inParts(axis: number, sizes: readonly number[]): View[] {
  let start = 0;
  return sizes.map((size) => sliced(axis, start, (start += size)));
}

/** Parts of `size`, of which the last may be smaller. */
function equalParts(call: OperatorCall, axis: number, extent: number, size: number): View[] {
  if (!(size > 0)) throw call.refuse(`splits an axis in parts of ${size}; export the model again`);
  const count = Math.max(1, Math.ceil(extent / size));
  checkParts(call, count);
  return inParts(
    axis,
    range(count).map((part) => Math.min(size, extent - part * size)),
  );
}

const split: ViewMaker = (call, { shape }) => {
  const axis = axisOf(call, call.size("dim", 0), shape.length);
  const name = ["split_size", "split_sizes"].find((each) => call.has(each)) ?? "split_size";
  const sizes = call.sizes(name);
  if (call.overload === "Tensor") return equalParts(call, axis, shape[axis], sizes[0]);
  if (sizes.reduce((sum, size) => sum + size, 0) !== shape[axis]) {
    throw call.refuse(`splits an axis of extent ${shape[axis]} in [${sizes.join(",")}]; export the model again`);
  }
  return inParts(axis, sizes);
};

const chunk: ViewMaker = (call, { shape }) => {
  const axis = axisOf(call, call.size("dim", 0), shape.length);
  return equalParts(call, axis, shape[axis], Math.max(1, Math.ceil(shape[axis] / call.size("chunks"))));
};

/** At the positions given, or in so many parts, of which the first may be larger by one. */
const tensorSplit: ViewMaker = (call, { shape }) => {
  const axis = axisOf(call, call.size("dim", 0), shape.length);
  const extent = shape[axis];
  if (call.has("sections")) {
    const count = call.size("sections");
    checkParts(call, count);
    const [size, larger] = [Math.floor(extent / count), extent % count];
    return inParts(
      axis,
      range(count).map((part) => size + Number(part < larger)),
    );
  }
  const ends = [...call.sizes("indices").map((position) => clamped(position, extent)), extent];
  return ends.map((end, part) =>
    sliced(axis, part === 0 ? 0 : ends[part - 1], Math.max(end, part === 0 ? 0 : ends[part - 1])),
  );
};

function exchanged(rank: number, first: number, second: number): number[] {
  return range(rank).map((axis) => (axis === first ? second : axis === second ? first : axis));
}

const transpose =
  (first: string, second: string): ViewMaker =>
  (call, { shape }) => {
    const axes = [first, second].map((name) => axisOf(call, call.size(name), shape.length));
    return permuted(exchanged(shape.length, axes[0], axes[1]));
  };

const moved: ViewMaker = (call, { shape }) => {
  const axes = (name: string): number[] => call.sizes(name).map((axis) => axisOf(call, axis, shape.length));
  const [from, to] = [axes("source"), axes("destination")];
  const rest = range(shape.length).filter((axis) => !from.includes(axis));
  return permuted(range(shape.length).map((axis) => (to.includes(axis) ? from[to.indexOf(axis)] : rest.shift()!)));
};

const matrix: ViewMaker = (_call, { shape }) => {
  const rank = shape.length;
  return rank < 2 ? identity : permuted(exchanged(rank, rank - 2, rank - 1));
};

const squeeze: ViewMaker = (call, { shape }) => {
  const given = call.sizes("dim", range(shape.length)).map((axis) => axisOf(call, axis, shape.length));
  return reshaped(shape.filter((extent, axis) => extent !== 1 || !given.includes(axis)));
};

const unsqueeze: ViewMaker = (call, { shape }) => {
  const axis = axisOf(call, call.size("dim"), shape.length + 1);
  return reshaped([...shape.slice(0, axis), 1, ...shape.slice(axis)]);
};

const flatten: ViewMaker = (call, { shape }) => {
  if (shape.length === 0) return reshaped([1]);
  const start = axisOf(call, call.size("start_dim", 0), shape.length);
  const end = axisOf(call, call.size("end_dim", -1), shape.length);
  return reshaped([...shape.slice(0, start), sizeOf(shape.slice(start, end + 1)), ...shape.slice(end + 1)]);
};

const unflatten: ViewMaker = (call, { shape }) => {
  const axis = axisOf(call, call.size("dim"), shape.length);
  return reshaped([
    ...shape.slice(0, axis),
    ...completeShape(call, call.sizes("sizes"), shape[axis]),
    ...shape.slice(axis + 1),
  ]);
};

const toShape =
  (name: string): ViewMaker =>
  (call, { shape }) => {
    if (!call.has(name))
      throw call.refuse("views an array as one of another type; export the model again without that");
    return reshaped(completeShape(call, call.sizes(name), sizeOf(shape)));
  };

const likeOther: ViewMaker = (call) => reshaped(call.value("other").shape);

/** Extents of 1 are repeated; -1 leaves an extent as it is. */
const expand =
  (target: (call: OperatorCall) => Shape): ViewMaker =>
  (call, { shape }) => {
    const wanted = target(call);
    const missing = wanted.length - shape.length;
    const complete = wanted.map((extent, axis) => (extent === -1 ? shape[axis - missing] : extent));
    if (missing < 0 || shape.some((extent, axis) => extent !== 1 && extent !== complete[axis + missing])) {
      throw call.refuse(`cannot expand [${shape.join(",")}] to [${wanted.join(",")}]; export the model again`);
    }
    return {
      read: (b, base) => ops.broadcastTo(b, base, complete),
      write: () => {
        throw call.refuse("makes an array that is changed in place, though its elements are one; clone it first");
      },
    };
  };

/** Nothing is differentiated through it. */
const detach: ViewMaker = () => ({ read: ops.stopGradient, write: (_b, _base, part) => part });

const unlessTraining: ViewMaker = (call) => (call.flag("train", false) && call.number("p", 0.5) > 0 ? null : identity);

/** Where the element type stays. */
const unlessConverted: ViewMaker = (call, { dtype }) => {
  const wanted = call.dtype() ?? (call.has("other") ? call.value("other").dtype : dtype);
  return wanted === dtype ? identity : null;
};

export const views: Readonly<Record<string, ViewMaker>> = {
  alias: () => identity,
  contiguous: () => identity,
  to: unlessConverted,
  type_as: unlessConverted,
  dropout: unlessTraining,
  alpha_dropout: unlessTraining,
  feature_dropout: unlessTraining,
  feature_alpha_dropout: unlessTraining,
  detach,
  view: toShape("size"),
  _unsafe_view: toShape("size"),
  reshape: toShape("shape"),
  view_as: likeOther,
  reshape_as: likeOther,
  flatten,
  ravel: flatten,
  unflatten,
  squeeze,
  unsqueeze,
  expand: expand((call) => call.sizes("size")),
  expand_as: expand((call) => call.value("other").shape),
  broadcast_to: expand((call) => call.sizes("size")),
  transpose: transpose("dim0", "dim1"),
  swapaxes: transpose("axis0", "axis1"),
  swapdims: transpose("dim0", "dim1"),
  t: matrix,
  mT: matrix,
  adjoint: matrix,
  matrix_H: matrix,
  numpy_T: (_call, { shape }) => permuted(range(shape.length).reverse()),
  permute: (call, { shape }) => permuted(call.sizes("dims").map((axis) => axisOf(call, axis, shape.length))),
  movedim: moved,
  moveaxis: moved,
  slice,
  select,
  narrow,
  unbind,
  split,
  split_with_sizes: split,
  unsafe_split: split,
  chunk,
  unsafe_chunk: chunk,
  tensor_split: tensorSplit,
};
