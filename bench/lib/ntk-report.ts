import { nameOfKernelCase, type KernelCase } from "./ntk-cases";
import { ownMethods } from "./ntk-contenders";
import { contenderTable, median, type Row } from "./report";

/** Kernels in 32 bit, by sums of up to a million products in different orders. */
const TOLERANCE = 1e-3;

/** What `auto` may take, relative to the best of our own methods. */
const REQUIRED = 1.2;

/** One kernel's table, and what choosing a method has cost. The rows are those of `kernelContenders`. */
export function kernelTable(subject: KernelCase, rows: readonly Row[]): string {
  checkSame(subject, rows);
  const { title, form, rows: n1, columns } = subject;
  const shape = columns === null ? `${n1} examples with themselves` : `${n1} x ${columns} examples`;
  const told = rows.map(({ title: name, result }) => ({
    title: "manner" in result && result.manner !== undefined ? `${name}: ${result.manner}` : name,
    result,
  }));
  return [
    `### ${title}: ${form}, ${shape}`,
    "",
    ...contenderTable(told),
    ...choice(rows.slice(0, ownMethods.length)),
  ].join("\n");
}

/** How `auto` compares with the best of our methods, as a row of the table. */
function choice([auto, ...methods]: readonly Row[]): string[] {
  const timed = methods.flatMap(({ title, result }) =>
    "cannot" in result ? [] : [{ title, seconds: median(result.seconds) }],
  );
  if (auto === undefined || "cannot" in auto.result || timed.length === 0) return [];
  const best = timed.reduce((least, each) => (each.seconds < least.seconds ? each : least));
  const ratio = median(auto.result.seconds) / best.seconds;
  const verdict = ratio <= REQUIRED ? "" : `, more than ${REQUIRED}`;
  return [`| _auto, relative to our best (${best.title})_ | _${ratio.toFixed(2)} x${verdict}_ | | | | |`];
}

/** Everyone has to have computed the same numbers. */
function checkSame(subject: KernelCase, rows: readonly Row[]): void {
  const measured = rows.flatMap(({ title, result }) => ("cannot" in result ? [] : [{ title, ...result }]));
  if (measured.length === 0) return;
  const [{ title: first, elements, checksum }] = measured;
  for (const other of measured) {
    const isSame =
      other.elements === elements && Math.abs(other.checksum! - checksum!) <= TOLERANCE * Math.abs(checksum!);
    if (isSame) continue;
    throw new Error(
      `${nameOfKernelCase(subject)}: ${first} computed ${elements} elements with the sum ${checksum}, ` +
        `but ${other.title} ${other.elements} with ${other.checksum}`,
    );
  }
}
