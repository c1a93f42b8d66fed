import type { KernelInfo, KernelPicture } from "../../sidecar/protocol/ntk";
import { formatCount } from "../../sidecar/protocol/text";

/** What a picture shows, in a few words: `trace over outputs, mean`, `output 2 with output 0`. */
export function pictureText({ view }: Pick<KernelPicture, "view">): string {
  return view === "trace" ? "trace over outputs, mean" : `output ${view.row} with output ${view.column}`;
}

/** `full`, `trace (mean)` */
export function formText({ form, trace }: KernelInfo): string {
  return trace === null ? form : `${form} (${trace})`;
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
