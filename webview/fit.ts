import type { DeviceInfo } from "../sidecar/protocol/analysis";
import { formatMultiple } from "./format";

/** How a result compares with the memory of a device. Whether it can be computed there is another question. */
export interface Fit {
  readonly fits: boolean;
  /** Of the device's memory, from 0; above 1 where it does not fit. */
  readonly ratio: number;
  readonly text: string;
}

export function fitOf(bytes: number, device: DeviceInfo): Fit {
  const ratio = bytes / device.memoryBytes;
  return { fits: ratio <= 1, ratio, text: `${formatMultiple(ratio)} the device's memory` };
}
