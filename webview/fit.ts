import type { Analysis, DeviceInfo } from "../sidecar/protocol/analysis";
import type { PanelState } from "../sidecar/protocol/panel";
import { formatBytes, formatWay, takenBytes } from "../sidecar/protocol/text";
import { formatMultiple } from "./format";
import { isChosen } from "./strategy-rows";

/** How something compares with the memory of a device. */
export interface Fit {
  readonly fits: boolean;
  /** Of the device's memory, from 0; above 1 where it does not fit. */
  readonly ratio: number;
  readonly text: string;
}

/** Of a result. Whether it can be computed there is another question. */
export function fitOf(bytes: number, device: DeviceInfo): Fit {
  const ratio = bytes / device.memoryBytes;
  return { fits: ratio <= 1, ratio, text: `${formatMultiple(ratio)} the device's memory` };
}

/**
 * Of the computation: in the way that the user has chosen, or else in the best one, or in the one that takes the least
 * where none fits. Null before that is known for this device.
 */
export function wayThatFits(
  { strategies, device: planned }: Analysis,
  device: DeviceInfo,
  chosen: PanelState["chosen"],
): Fit | null {
  if (strategies.length === 0 || planned.name !== device.name || planned.memoryBytes !== device.memoryBytes)
    return null;
  const way =
    strategies.find((strategy) => isChosen(strategy, chosen)) ??
    strategies.find(({ recommended }) => recommended) ??
    [...strategies].sort((a, b) => takenBytes(a) - takenBytes(b))[0];
  const bytes = takenBytes(way);
  const ratio = (bytes + (device.reservedBytes ?? 0)) / device.memoryBytes;
  const { strategy, chunk, fits } = way;
  const title = formatWay(way);
  if (!fits) {
    const text = isChosen(way, chosen)
      ? `${title} does not fit: ${formatBytes(bytes)}`
      : `Does not fit: ${formatBytes(bytes)} at least`;
    return { fits, ratio, text };
  }
  const how = chunk === null ? `${strategy} fits` : `${strategy} fits ${title.slice(strategy.length + 1)}`;
  return { fits, ratio, text: `${how}: ${formatBytes(bytes)}` };
}
