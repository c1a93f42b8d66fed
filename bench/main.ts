import { parseArgs } from "node:util";
import { analyzeTimes } from "./lib/analyze";
import { cases } from "./lib/cases";
import { contenders } from "./lib/contenders";
import { Report } from "./lib/document";
import { circumstances } from "./lib/machine";
import { analyzeTable, caseTable, type Row } from "./lib/report";
import { measured } from "./lib/run";

/**
 * `npm run bench`: the Jacobian of some models on our engines, with jax-js and with PyTorch, in one run, and the time that
 * the command `analyze` takes. Options: `--case NAME` measures only that one, `--attempts N` repeats what other programs
 * disturbed, `--write` puts the tables into docs/benchmarks.md.
 */

const { values: options } = parseArgs({
  options: {
    case: { type: "string" },
    attempts: { type: "string", default: "3" },
    write: { type: "boolean", default: false },
  },
});

async function main(): Promise<void> {
  const report = new Report();
  report.print(await circumstances());
  for (const task of cases) {
    if (options.case !== undefined && options.case !== task.name) continue;
    const rows: Row[] = [];
    for (const contender of contenders) {
      if (contender.cases && !contender.cases.includes(task.name)) continue;
      process.stderr.write(`${task.name}: ${contender.title}\n`);
      rows.push({ title: contender.title, result: await measured(contender, task, Number(options.attempts)) });
    }
    report.print(caseTable(task, rows));
  }
  if (options.case === undefined) report.print(analyzeTable(await analyzeTimes()));
  if (options.write) await report.write("tables");
}

void main();
