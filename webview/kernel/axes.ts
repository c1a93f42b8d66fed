import type { KernelAxis, KernelGroup } from "../../sidecar/protocol/ntk";
import { roundStep } from "./scale";

/** What is written along a side of a picture. Lengths are CSS pixels, from the side's beginning. */

export interface AxisTick {
  readonly text: string;
  readonly at: number;
}

export interface AxisGroup {
  readonly group: KernelGroup;
  /** Among all groups: its hue. */
  readonly index: number;
  readonly from: number;
  readonly to: number;
}

/** Where the first entry begins, how wide each is, and how much room there is. */
export interface AxisRoom {
  readonly origin: number;
  readonly scale: number;
  readonly length: number;
}

/** So wide an entry has room for its own number. */
const entryRoom = 18;

/**
 * The numbers of examples. Where they stand as given, every so many; in another order a number says nothing of its
 * neighbours, and there are numbers only where there is room for each.
 */
export function ticksAlong(axis: KernelAxis, isGiven: boolean, room: AxisRoom, between: number): AxisTick[] {
  const { origin, scale, length } = room;
  if (!isGiven && scale < entryRoom) return [];
  const step = isGiven ? Math.max(1, roundStep(between / scale)) : Math.ceil(between / scale);
  const first = Math.max(0, Math.ceil(-origin / scale / step - 0.5) * step);
  const ticks: AxisTick[] = [];
  for (let place = first; place < axis.examples.length; place += step) {
    const at = origin + (place + 0.5) * scale;
    if (at > length) break;
    if (at >= 0) ticks.push({ text: String(axis.examples[place]), at });
  }
  return ticks;
}

/** The groups in view, cut where the view ends. Those that are narrower than a pixel are not seen. */
export function groupsAlong({ groups }: KernelAxis, { origin, scale, length }: AxisRoom): AxisGroup[] {
  return groups.flatMap((group, index) => {
    const from = Math.max(0, origin + group.from * scale);
    const to = Math.min(length, origin + group.to * scale);
    return to - from >= 1 ? [{ group, index, from, to }] : [];
  });
}

/** Where one group ends and the next begins, in view. Where they are as dense as pixels, none. */
export function boundariesAlong({ groups }: KernelAxis, { origin, scale, length }: AxisRoom): number[] {
  const all = groups.slice(1).map(({ from }) => origin + from * scale);
  const inView = all.filter((at) => at > 0 && at < length);
  return inView.length > length / 8 ? [] : inView;
}

/** The example of each place, as they were given, before another order is known. */
export function givenAxis(count: number): KernelAxis {
  return { examples: Uint32Array.from({ length: count }, (_, place) => place), groups: [] };
}
