import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Report } from "./lib/document";
import { circumstances } from "./lib/machine";
import { kernelCases, nameOfKernelCase } from "./lib/ntk-cases";
import { kernelContenders } from "./lib/ntk-contenders";
import { writeKernelData } from "./lib/ntk-data";
import { kernelTable } from "./lib/ntk-report";
import { median, type Row } from "./lib/report";
import { measured, type Result } from "./lib/run";

/**
 * `npm run bench:ntk`: neural tangent kernels by each of our methods, with PyTorch and with JAX, in one run. Options:
 * `--case NAME` (mlp-full, mlp-trace, cnn-full, ...) measures only that one, `--attempts N` repeats what other programs
 * disturbed, `--rounds N` says in how many processes what is short is measured, `--write` puts the tables into docs/benchmarks.md.
 */

const { values: options } = parseArgs({
  options: {
    case: { type: "string" },
    attempts: { type: "string", default: "2" },
    rounds: { type: "string", default: "3" },
    write: { type: "boolean", default: false },
  },
});

/** Where calls take less, one process may be a fifth slower than the next, by where its memory lies. */
const SHORT_S = 0.3;

const secondsOf = (result: Result): number => ("cannot" in result ? Infinity : median(result.seconds));

/** The middle one of some processes. */
function typical(results: readonly Result[]): Result {
  return [...results].sort((a, b) => secondsOf(a) - secondsOf(b))[results.length >> 1];
}

async function main(folder: string): Promise<void> {
  const report = new Report();
  report.print(await circumstances());
  for (const subject of kernelCases) {
    const name = nameOfKernelCase(subject);
    if (options.case !== undefined && options.case !== name) continue;
    const data = join(folder, `${name}.npz`);
    await writeKernelData(data, subject);
    const task = { name: subject.model, batch: subject.rows };
    const all = kernelContenders(subject, data).map((contender) => ({ contender, results: [] as Result[] }));
    // Round after round, so that all see the same of what changes on the machine
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const { contender, results } of all) {
        if (round > 0 && secondsOf(results[0]) > SHORT_S) continue;
        process.stderr.write(`${name}: ${contender.title}\n`);
        results.push(await measured(contender, task, Number(options.attempts)));
      }
    }
    const rows = all.map(({ contender: { title }, results }): Row => ({ title, result: typical(results) }));
    report.print(kernelTable(subject, rows));
  }
  if (options.write) await report.write("ntk");
}

const folder = mkdtempSync(join(tmpdir(), "kernelscope-bench-"));
void main(folder).finally(() => rmSync(folder, { recursive: true }));
