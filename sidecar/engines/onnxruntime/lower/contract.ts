import { range } from "../../../graph/types";
import { arrange, extentOf, sizeAlong, splitLabel, withoutUnits, type Labelled } from "./labels";
import { longestSum, type Ref, type Writer } from "./writer";

/**
 * Contraction of two tensors with named axes, as one (batched, broadcast) matrix product. Of the ways to lay the operands
 * out it takes the one that is estimated cheapest: a copy of an operand or of the result into another layout often costs
 * more than the product itself.
 */

/** A way to do it: all lists are labels, in the order in which the axes are laid out. */
interface Layout {
  /** The left operand of the matrix product is `b`. */
  readonly swapped: boolean;
  /** Batch axes of the product; an operand that lacks one is broadcast along it. */
  readonly batch: readonly string[];
  readonly rows: readonly string[];
  readonly inner: readonly string[];
  readonly columns: readonly string[];
}

/** Estimated speeds, of two cores: what matters is their ratio. */
const flopsPerSecond = 2e11;
const copiedPerSecond = 1.5e9;
const secondsPerProduct = 3e-7;

/**
 * `labels` in both operands are batch axes unless they are `contracted`; those in one of them are free. The result has
 * the axes `out`, in this order; labels that neither operand has get extent 1.
 */
export function contract(
  w: Writer,
  a: Labelled,
  b: Labelled,
  contracted: readonly string[],
  out: readonly string[],
): Ref {
  let [left, right] = [throughTranspose(w, withoutUnits(w, a)), throughTranspose(w, withoutUnits(w, b))];
  // An operand that is the same all along a contracted axis: the other is summed along it.
  left = sumAlone(w, left, right, contracted);
  right = sumAlone(w, right, left, contracted);

  const extents = new Map<string, number>();
  for (const operand of [left, right]) {
    operand.labels.forEach((label, axis) => extents.set(label, operand.ref.shape[axis]));
  }
  const wanted = out.filter((label) => extents.has(label));
  const inner = left.labels.filter((label) => contracted.includes(label));
  const isOfVectors = wanted.every((label) => left.labels.includes(label) && right.labels.includes(label));
  const product =
    inner.length === 0
      ? outer(w, left, right, wanted)
      : isOfVectors
        ? ofVectors(w, left, right, inner, wanted)
        : (inPieces(w, left, right, inner, wanted, extents) ?? best(w, left, right, inner, wanted, extents));
  return w.reshape(
    product,
    out.map((label) => extents.get(label) ?? 1),
  );
}

/** A tensor that was transposed is read in its original layout: the product may be able to do without the copy. */
function throughTranspose(w: Writer, x: Labelled): Labelled {
  const origin = w.transposedFrom(x.ref);
  if (!origin) return x;
  const labels = new Array<string>(x.labels.length);
  origin.permutation.forEach((from, to) => (labels[from] = x.labels[to]));
  return { ref: origin.from, labels };
}

function sumAlone(w: Writer, x: Labelled, other: Labelled, contracted: readonly string[]): Labelled {
  const alone = x.labels.filter((label) => contracted.includes(label) && !other.labels.includes(label));
  return {
    ref: w.reduce(
      "ReduceSum",
      x.ref,
      alone.map((label) => x.labels.indexOf(label)),
    ),
    labels: x.labels.filter((label) => !alone.includes(label)),
  };
}

/** Without contracted axes the product is elementwise. */
function outer(w: Writer, a: Labelled, b: Labelled, wanted: readonly string[]): Ref {
  return w.mul(arrange(w, a, wanted), arrange(w, b, wanted));
}

/**
 * Without free axes the product is one of vectors. Multiplied element by element and added up in pieces it takes a tenth of the
 * time of a MatMul of single rows and columns, which adds up one product after the other, and loses digits on the way.
 */
function ofVectors(w: Writer, a: Labelled, b: Labelled, inner: readonly string[], wanted: readonly string[]): Ref {
  const labels = [...wanted, ...inner];
  const products = w.mul(arrange(w, a, labels), arrange(w, b, labels));
  const batch = products.shape.slice(0, wanted.length);
  const extent = inner.reduce((size, label) => size * extentOf(a, label), 1);
  const length = longestSum(extent, 1);
  const pieces = w.reduce("ReduceSum", w.reshape(products, [...batch, extent / length, length]), [batch.length + 1]);
  return w.reduce("ReduceSum", pieces, [batch.length]);
}

/** A label that no operand has. */
const PIECE = "piece";

/**
 * WebGPU's MatMul adds up all products of an element one after the other, in one thread: where they are many, that is slow,
 * and loses digits. Then pieces of them are, as a batch, and their sums are added up; null where there is no need.
 */
function inPieces(
  w: Writer,
  a: Labelled,
  b: Labelled,
  inner: readonly string[],
  wanted: readonly string[],
  extents: ReadonlyMap<string, number>,
): Ref | null {
  if (w.provider !== "webgpu") return null;
  const longest = inner.reduce((most, label) => (extents.get(label)! > extents.get(most)! ? label : most));
  const extent = extents.get(longest)!;
  const others = sizeAlong(extents, inner) / extent;
  const length = longestSum(extent, others);
  if (length === extent) return null;
  const pieces = extent / length;
  const split = (x: Labelled): Labelled => splitLabel(w, x, longest, [[PIECE, pieces], [longest, length]]); // prettier-ignore
  const known = new Map([...extents, [PIECE, pieces], [longest, length]]);
  const [left, right] = [split(a), split(b)];
  const labels = [PIECE, ...wanted];
  const [layout] = cheapestLayout(left, right, inner, labels, known);
  return w.reduce("ReduceSum", multiply(w, left, right, layout, labels, known), [0]);
}

function best(
  w: Writer,
  a: Labelled,
  b: Labelled,
  inner: readonly string[],
  wanted: readonly string[],
  extents: ReadonlyMap<string, number>,
): Ref {
  let [cheapest, least] = cheapestLayout(a, b, inner, wanted, extents);
  // One of the contracted axes may as well be a batch axis of the product, along which the results are then added up.
  let summed: string[] = [];
  if (inner.length > 1) {
    for (const label of inner) {
      const rest = inner.filter((other) => other !== label);
      const [layout, cost] = cheapestLayout(a, b, rest, [label, ...wanted], extents);
      const total = cost + copySeconds(extents, [label, ...wanted]);
      if (total < least) [cheapest, least, summed] = [layout, total, [label]];
    }
  }
  const arranged = multiply(w, a, b, cheapest, [...summed, ...wanted], extents);
  return summed.length === 0 ? arranged : w.reduce("ReduceSum", arranged, [0]);
}

/** The product in the given layout, with the axes `wanted`. */
function multiply(
  w: Writer,
  a: Labelled,
  b: Labelled,
  { swapped, batch, rows, columns, inner: contracted }: Layout,
  wanted: readonly string[],
  extents: ReadonlyMap<string, number>,
): Ref {
  const [left, right] = swapped ? [b, a] : [a, b];
  const shapes = batchShapes(left, right, batch);
  const product = w.matmul(
    asMatrices(w, left, batch, rows, contracted, shapes[0]),
    asMatrices(w, right, batch, contracted, columns, shapes[1]),
  );
  const labels = [...batch, ...rows, ...columns];
  const ref = w.reshape(
    product,
    labels.map((label) => extents.get(label)!),
  );
  return arrange(w, { ref, labels }, wanted);
}

function cheapestLayout(
  a: Labelled,
  b: Labelled,
  inner: readonly string[],
  wanted: readonly string[],
  extents: ReadonlyMap<string, number>,
): [Layout, number] {
  let cheapest: Layout | null = null;
  let least = Infinity;
  for (const layout of layouts(a, b, inner, wanted)) {
    const cost = estimate(a, b, layout, wanted, extents);
    if (cost < least) [cheapest, least] = [layout, cost];
  }
  return [cheapest!, least];
}

function copySeconds(extents: ReadonlyMap<string, number>, labels: readonly string[]): number {
  return (8 * sizeAlong(extents, labels)) / copiedPerSecond;
}

/** Of how many free axes it is tried whether they had better be batch axes: their subsets are as many as 2 to that power. */
const mostPromoted = 4;

/** All ways to choose which operand is left, which free axes become batch axes, and in which order axes are merged. */
function* layouts(a: Labelled, b: Labelled, inner: readonly string[], wanted: readonly string[]): Generator<Layout> {
  const otherInner = b.labels.filter((label) => inner.includes(label));
  const innerOrders = inner.every((label, index) => label === otherInner[index]) ? [inner] : [inner, otherInner];
  const shared = wanted.filter((label) => a.labels.includes(label) && b.labels.includes(label));
  const free = wanted.filter((label) => !shared.includes(label));
  for (const subset of range(2 ** Math.min(free.length, mostPromoted))) {
    const promoted = free.filter((_, index) => subset & (1 << index));
    const batch = wanted.filter((label) => shared.includes(label) || promoted.includes(label));
    const freeOf = (x: Labelled, order: readonly string[]): string[] =>
      order.filter((label) => free.includes(label) && x.labels.includes(label) && !promoted.includes(label));
    const inWanted = [freeOf(a, wanted), freeOf(b, wanted)] as const;
    const native = [freeOf(a, a.labels), freeOf(b, b.labels)] as const;
    const alike = inWanted.every((labels, side) => labels.every((label, index) => label === native[side][index]));
    for (const [ofA, ofB] of alike ? [native] : [inWanted, native]) {
      for (const contracted of innerOrders) {
        yield { swapped: false, batch, rows: ofA, inner: contracted, columns: ofB };
        yield { swapped: true, batch, rows: ofB, inner: contracted, columns: ofA };
      }
    }
  }
}

function estimate(
  a: Labelled,
  b: Labelled,
  layout: Layout,
  wanted: readonly string[],
  extents: ReadonlyMap<string, number>,
): number {
  const [left, right] = layout.swapped ? [b, a] : [a, b];
  const size = (labels: readonly string[]): number => sizeAlong(extents, labels);
  const copy = (labels: readonly string[]): number => copySeconds(extents, labels);
  const { batch, rows, inner, columns } = layout;
  let cost = 0;
  if (!readable(left, batch, rows, inner)) cost += copy(left.labels);
  if (!readable(right, batch, inner, columns)) cost += copy(right.labels);
  if (!areInOrder([batch, rows, columns], wanted)) cost += copy([...batch, ...rows, ...columns]);

  // onnxruntime joins the left operand's batch with its rows where the right operand has no batch.
  const joined = batch.every((label) => !right.labels.includes(label));
  const products = joined ? 1 : size(batch);
  const m = size(rows) * (joined ? size(batch) : 1);
  const [n, k] = [size(columns), size(inner)];
  const slowdown = 1 + 12 / m + 24 / n + 12 / k;
  return cost + products * ((2 * m * n * k * slowdown) / flopsPerSecond + secondsPerProduct);
}

/** Whether the operand's memory can be read as these matrices, or as their transposes, without a copy. */
function readable(x: Labelled, batch: readonly string[], rows: readonly string[], columns: readonly string[]): boolean {
  return isInOrder(x, [batch, rows, columns]) || isInOrder(x, [batch, columns, rows]);
}

/** Whether those of the labels, one list after the other, that the operand has are the first ones of its own. */
function isInOrder(x: Labelled, order: readonly (readonly string[])[]): boolean {
  let place = 0;
  for (const labels of order) {
    for (const label of labels) {
      if (x.labels[place] === label) place++;
      else if (x.labels.includes(label)) return false;
    }
  }
  return true;
}

/** Whether lists, one after the other, are the first ones of `wanted`. */
function areInOrder(lists: readonly (readonly string[])[], wanted: readonly string[]): boolean {
  let place = 0;
  for (const labels of lists) for (const label of labels) if (label !== wanted[place++]) return false;
  return true;
}

/**
 * Lays an operand out as [...batch, rows, columns]. Where rows and columns are exchanged in memory this is a Transpose of
 * the last two axes, which onnxruntime fuses into the matrix product.
 */
function asMatrices(
  w: Writer,
  x: Labelled,
  batch: readonly string[],
  rows: readonly string[],
  columns: readonly string[],
  batchShape: readonly number[],
): Ref {
  const size = (labels: readonly string[]): number =>
    labels.reduce((product, label) => product * (x.labels.includes(label) ? extentOf(x, label) : 1), 1);
  const matrices = (first: readonly string[], second: readonly string[]): Ref =>
    w.reshape(arrange(w, x, [...batch, ...first, ...second]), [...batchShape, size(first), size(second)]);
  if (isInOrder(x, [batch, rows, columns]) || !isInOrder(x, [batch, columns, rows])) {
    return matrices(rows, columns);
  }
  const rank = batchShape.length + 2;
  return w.transpose(matrices(columns, rows), [...range(rank - 2), rank - 1, rank - 2]);
}

/** The operands' batch shapes: neighbouring axes that both have, or that the same one lacks, become one. */
function batchShapes(left: Labelled, right: Labelled, batch: readonly string[]): [number[], number[]] {
  const merged: [number, number][] = [];
  for (const label of batch) {
    const [l, r] = [left, right].map((x) => (x.labels.includes(label) ? extentOf(x, label) : 1));
    const last = merged[merged.length - 1];
    if (last !== undefined && (last[0] === 1) === (l === 1) && (last[1] === 1) === (r === 1)) {
      merged[merged.length - 1] = [last[0] * l, last[1] * r];
    } else {
      merged.push([l, r]);
    }
  }
  const strip = (shape: number[]): number[] => (shape.every((extent) => extent === 1) ? [] : shape);
  return [strip(merged.map(([l]) => l)), strip(merged.map(([, r]) => r))];
}
