import { sizeOf, type Shape } from "../../../graph/types";
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
  return sizeOf(labels.map((label) => extents.get(label) ?? 1));
}
