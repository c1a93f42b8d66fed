import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeSection } from "./lib/document";
import { machineClass, versions } from "./lib/machine";
import { kernelCases, nameOfKernelCase } from "./lib/ntk-cases";
import { kernelContenders } from "./lib/ntk-contenders";
import { writeKernelData } from "./lib/ntk-data";
import { kernelTable } from "./lib/ntk-report";
import type { Row } from "./lib/report";
import { measured } from "./lib/run";

/**
 * `npm run bench:ntk`: neural tangent kernels by each of our methods, with PyTorch and with JAX, in one run. Options:
 * `--case NAME` (mlp-full, mlp-trace, cnn-full, ...) measures only that one, `--attempts N` repeats what other programs
 * disturbed, `--write` puts the tables into docs/benchmarks.md.
 */

const { values: options } = parseArgs({
  options: {
    case: { type: "string" },
    attempts: { type: "string", default: "2" },
    write: { type: "boolean", default: false },
  },
});

async function main(folder: string): Promise<void> {
  const sections: string[] = [];
  const print = (text: string): void => {
    sections.push(text);
    process.stdout.write(`${text}\n\n`);
  };
  print(
    `- Machine: ${machineClass()}.\n- Versions: ${await versions()}.\n- Date: ${new Date().toISOString().slice(0, 10)}.`,
  );
  for (const subject of kernelCases) {
    const name = nameOfKernelCase(subject);
    if (options.case !== undefined && options.case !== name) continue;
    const data = join(folder, `${name}.npz`);
    await writeKernelData(data, subject);
    const rows: Row[] = [];
    for (const contender of kernelContenders(subject, data)) {
      process.stderr.write(`${name}: ${contender.title}\n`);
      const task = { name: subject.model, batch: subject.rows };
      rows.push({ title: contender.title, result: await measured(contender, task, Number(options.attempts)) });
    }
    print(kernelTable(subject, rows));
  }
  if (options.write) await writeSection("ntk", sections.join("\n\n"));
}

const folder = mkdtempSync(join(tmpdir(), "kernelscope-bench-"));
void main(folder).finally(() => rmSync(folder, { recursive: true }));
