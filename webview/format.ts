import type { Place } from "../sidecar/protocol/analysis";

/** How the panel writes what only it shows; sizes and shapes are written as everywhere (`sidecar/protocol/text.ts`). */

/** `12.3%`; what is there but rounds to nothing is `<0.1%`. */
export function formatShare(share: number): string {
  if (share > 0 && share < 0.0005) return "<0.1%";
  return `${(share * 100).toFixed(1)}%`;
}

/** `850 ms`, `4.2 s`, `3 min 20 s` */
export function formatSeconds(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** `residual-net.ts` */
export function fileName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

/** `residual-net.ts:11` */
export function formatPlace({ file, line }: Place): string {
  return `${fileName(file)}:${line}`;
}

/** How a result compares with a device's memory: `1.9% of`, `3.2 times`. */
export function formatMultiple(ratio: number): string {
  return ratio <= 1
    ? `${formatShare(ratio)} of`
    : `${ratio < 100 ? ratio.toFixed(1) : Math.round(ratio).toLocaleString("en")} times`;
}
