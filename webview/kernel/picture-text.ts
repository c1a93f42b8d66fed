import type { KernelInfo, KernelPicture } from "../../sidecar/protocol/ntk";
import { formatCount } from "../../sidecar/protocol/text";

/** What a picture shows, in a few words: `trace over outputs, mean`, `outputs 2 x 0, of conv1.weight alone`. */
export function pictureText({ view, parameter }: Pick<KernelPicture, "view" | "parameter">): string {
  const what = view === "trace" ? "trace over outputs, mean" : `output ${view.row} with output ${view.column}`;
  return parameter === null ? what : `${what}, of ${parameter} alone`;
}

/** `10,000 × 10,000` */
export function extentText({ rows, columns }: { readonly rows: number; readonly columns: number }): string {
  return `${formatCount(rows)} × ${formatCount(columns)}`;
}

/** How far the kernel is: a sentence; null where it is done. */
export function progressText({ status, fraction, message }: KernelInfo): string | null {
  const part = `${Math.floor(100 * fraction)}%`;
  if (status === "running") return `Computing: ${part} of the pairs are known.`;
  if (status === "cancelled") return `Cancelled: ${part} of the pairs are known.`;
  return status === "failed" ? (message ?? "The computation failed.") : null;
}
