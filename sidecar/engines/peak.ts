import { readFileSync, writeFileSync } from "node:fs";

export interface Peak<T> {
  readonly result: T;
  /** The most memory that the process held at once while it worked, beyond what it held before. */
  readonly addedBytes: number;
  /** The most memory that the process held. Where `exact` is false, ever since it started. */
  readonly peakBytes: number;
  readonly exact: boolean;
}

/** Memory of the process as Linux counts it: `VmHWM` is the high-water mark, `VmRSS` what it holds now. */
function linuxStatus(field: "VmHWM" | "VmRSS"): number {
  const match = new RegExp(`^${field}:\\s*(\\d+) kB`, "m").exec(readFileSync("/proc/self/status", "utf8"));
  if (!match) throw new Error(`/proc/self/status has no ${field}`);
  return Number(match[1]) * 1024;
}

/**
 * Runs `work` and measures the peak memory of this process meanwhile. On Linux the high-water mark is set back before (a
 * 5 written to `clear_refs`); elsewhere only the highest mark since the process started is known.
 */
export async function measurePeak<T>(work: () => Promise<T>): Promise<Peak<T>> {
  const exact = resetPeak();
  const before = exact ? linuxStatus("VmRSS") : process.memoryUsage().rss;
  const result = await work();
  const peakBytes = exact ? linuxStatus("VmHWM") : process.resourceUsage().maxRSS * 1024;
  return { result, addedBytes: Math.max(0, peakBytes - before), peakBytes, exact };
}

function resetPeak(): boolean {
  try {
    writeFileSync("/proc/self/clear_refs", "5");
    return true;
  } catch {
    return false;
  }
}
