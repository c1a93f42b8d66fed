import type { Ref, Writer } from "./writer";

/** A tensor whose axes have names, so that contractions and convolutions can speak of them in any memory layout. */
export interface Labelled {
  readonly ref: Ref;
  readonly labels: readonly string[];
}

export function extentOf(x: Labelled, label: string): number {
  return x.ref.shape[x.labels.indexOf(label)];
}

/** Without the axes of extent 1. A thin axis disappears, and what it stood for is broadcast. */
export function withoutUnits(w: Writer, x: Labelled): Labelled {
  const keep = x.labels.filter((_, axis) => x.ref.shape[axis] !== 1);
  return {
    ref: w.reshape(
      x.ref,
      x.ref.shape.filter((extent) => extent !== 1),
    ),
    labels: keep,
  };
}

/** Replaces one axis by several. */
export function splitLabel(
  w: Writer,
  x: Labelled,
  label: string,
  parts: readonly (readonly [label: string, extent: number])[],
): Labelled {
  const axis = x.labels.indexOf(label);
  const replace = <T>(list: readonly T[], by: readonly T[]): T[] => [
    ...list.slice(0, axis),
    ...by,
    ...list.slice(axis + 1),
  ];
  return {
    ref: w.reshape(
      x.ref,
      replace(
        x.ref.shape,
        parts.map(([, extent]) => extent),
      ),
    ),
    labels: replace(
      x.labels,
      parts.map(([name]) => name),
    ),
  };
}

/** The tensor with its axes in the given order; labels that it lacks become axes of extent 1. */
export function arrange(w: Writer, x: Labelled, order: readonly string[]): Ref {
  const present = order.filter((label) => x.labels.includes(label));
  const moved = w.transpose(
    x.ref,
    present.map((label) => x.labels.indexOf(label)),
  );
  return w.reshape(
    moved,
    order.map((label) => (x.labels.includes(label) ? extentOf(x, label) : 1)),
  );
}

/** Number of elements along the given labels. */
export function sizeAlong(extents: ReadonlyMap<string, number>, labels: readonly string[]): number {
  let size = 1;
  for (const label of labels) size *= extents.get(label) ?? 1;
  return size;
}

/**
 * The tensor with each group of axes joined into one, in the given order. Where the axes of every group are neighbours in
 * memory already, they are joined first: onnxruntime then sees one Transpose between NHWC and NCHW, which it can merge
 * with a convolution's own change of layout.
 */
export function arrangeGroups(w: Writer, x: Labelled, groups: readonly (readonly string[])[]): Ref {
  const size = (group: readonly string[]): number =>
    group.reduce((product, label) => product * (x.labels.includes(label) ? extentOf(x, label) : 1), 1);
  const order = nativeOrder(x, groups);
  if (!order) return w.reshape(arrange(w, x, groups.flat()), groups.map(size));
  const joined = w.reshape(
    x.ref,
    order.map((index) => size(groups[index])),
  );
  return w.transpose(
    joined,
    groups.map((_, index) => order.indexOf(index)),
  );
}

/** The order of the groups in memory, if the axes of each (but for those of extent 1) are neighbours and in order. */
function nativeOrder(x: Labelled, groups: readonly (readonly string[])[]): number[] | null {
  const long = (label: string): boolean => x.labels.includes(label) && extentOf(x, label) !== 1;
  const memory = x.labels.filter(long);
  const first = groups.map((group) => {
    const [label] = group.filter(long);
    return label === undefined ? -1 : memory.indexOf(label);
  });
  const order = groups.map((_, index) => index).sort((a, b) => first[a] - first[b]);
  const flat = order.flatMap((index) => groups[index].filter(long));
  return flat.every((label, index) => label === memory[index]) ? order : null;
}

/** The reverse: axes that are groups of labels, to one axis for each label in the order `out`. */
export function splitGroups(
  w: Writer,
  x: Ref,
  groups: readonly (readonly string[])[],
  extents: ReadonlyMap<string, number>,
  out: readonly string[],
): Ref {
  const extent = (label: string): number => extents.get(label) ?? 1;
  const shape = out.map(extent);
  const wanted = { ref: { ...x, shape }, labels: out };
  const order = nativeOrder(wanted, groups);
  if (order) return w.reshape(w.transpose(x, order), shape);
  const labels = groups.flat();
  return arrange(w, { ref: w.reshape(x, labels.map(extent)), labels }, out);
}
