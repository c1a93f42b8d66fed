import type { Analyzed } from "./analyze";
import type { Case } from "./cases";
import { QUIET, type Result } from "./run";

/** The figures as Markdown. */

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The value below which this part of the numbers lies. */
export function quantile(numbers: readonly number[], part: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
}

export function time(seconds: number): string {
  if (seconds >= 0.9995) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  return `${(seconds * 1000).toPrecision(seconds < 0.1 ? 2 : 3)} ms`;
}

export const mebibytes = (bytes: number): string => `${Math.round(bytes / 2 ** 20).toLocaleString("en")} MiB`;

const ratio = (value: number, ours: number): string => (ours > 0 ? `${(value / ours).toFixed(2)} x` : "");

export interface Row {
  readonly title: string;
  readonly result: Result;
}

export function caseTable({ title }: Case, rows: readonly Row[]): string {
  const elements = rows.flatMap(({ result }) => ("cannot" in result ? [] : [result.elements]));
  if (new Set(elements).size > 1) throw new Error(`${title}: not all computed the same Jacobian: ${elements.join()}`);
  const bytes = elements.length > 0 ? `, ${mebibytes(4 * elements[0])}` : "";
  return [`### ${title}${bytes}`, "", ...contenderTable(rows)].join("\n");
}

/** One case: everyone's time and memory, and both relative to the first row's. */
export function contenderTable(rows: readonly Row[]): string[] {
  const [{ result: ours }] = rows;
  const lines = rows.map(({ title: name, result }) => {
    if ("cannot" in result) return `| ${name} | cannot: ${result.cannot} | | | | |`;
    const { seconds, firstSeconds, peakBytes, others } = result;
    const mark = others > QUIET ? ` (others: ${Math.round(100 * others)} %)` : "";
    const relative =
      "cannot" in ours ? ["", ""] : [ratio(median(seconds), median(ours.seconds)), ratio(peakBytes, ours.peakBytes)];
    return `| ${name} | ${time(median(seconds))}${mark} | ${relative[0]} | ${mebibytes(peakBytes)} | ${relative[1]} | ${time(firstSeconds)} |`;
  });
  return [
    "| | time | time, relative | peak memory | memory, relative | first call |",
    "|---|--:|--:|--:|--:|--:|",
    ...lines,
  ];
}

export function analyzeTable(results: readonly Analyzed[]): string {
  return [
    "### `kernelscope analyze`, from start to end",
    "",
    "| model | first run | second run |",
    "|---|--:|--:|",
    ...results.map(({ model, first, second }) => `| \`${model}\` | ${time(first)} | ${time(second)} |`),
  ].join("\n");
}
