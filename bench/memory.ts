import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { memoryTasks, type MemoryTask } from "./lib/memory-cases";
import { median } from "./lib/report";
import { run } from "./lib/run";

/**
 * `npm run bench:memory`: predicted against measured peak memory, each case in a process of its own. Options:
 * `--engine NAME` for one engine only, `--write` puts the table into docs/planner.md.
 */

const { values: options } = parseArgs({
  options: { engine: { type: "string" }, write: { type: "boolean", default: false } },
});

interface Outcome {
  readonly task: MemoryTask;
  /** Of the graph's own arrays. */
  readonly plan: number;
  readonly predicted: number;
  readonly measured: number;
}

/** As the worker process is started (sidecar/worker/start.ts). */
const allocator =
  "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184";

async function outcomeOf(task: MemoryTask): Promise<Outcome | string> {
  const program = join("dist", "bench", "memory-case.js");
  const { output, errors, status } = await run(process.execPath, ["--expose-gc", program, JSON.stringify(task)], {
    GLIBC_TUNABLES: allocator,
  });
  const last = output.trim().split("\n").at(-1) ?? "";
  if (!last.startsWith("{")) return errors.trim().split("\n").at(-1) || status;
  return { task, ...(JSON.parse(last) as Omit<Outcome, "task">) };
}

const error = ({ predicted, measured }: Outcome): number => predicted / measured - 1;
const percent = (part: number): string => `${part < 0 ? "−" : "+"}${Math.abs(100 * part).toFixed(1)} %`;
const mebibytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);

function row(outcome: Outcome): string {
  const { task, plan, predicted, measured } = outcome;
  const cells = [task.engine, task.model, task.batch, task.strategy, task.chunk ?? ""];
  return `| ${[...cells, mebibytes(plan), mebibytes(predicted), mebibytes(measured), percent(error(outcome))].join(" | ")} |`;
}

function summary(name: string, outcomes: readonly Outcome[]): string {
  const errors = outcomes.map(error);
  // To the rounding of the table
  const under = errors.filter((each) => each < -0.0005);
  const far = errors.filter((each) => each < -0.05);
  const most = Math.min(0, ...errors);
  return (
    `${name}: ${outcomes.length} cases, median error ${(100 * median(errors.map(Math.abs))).toFixed(1)} %; ` +
    `${under.length} under-predicted (${Math.round((100 * under.length) / outcomes.length)} %), ` +
    `${far.length} of them by more than 5 %, at most ${percent(most)}`
  );
}

async function main(): Promise<void> {
  const outcomes: Outcome[] = [];
  for (const task of memoryTasks) {
    if (options.engine !== undefined && task.engine !== options.engine) continue;
    const outcome = await outcomeOf(task);
    if (typeof outcome === "string") {
      console.log(`${JSON.stringify(task)} could not be measured: ${outcome}`);
      process.exitCode = 1;
      continue;
    }
    outcomes.push(outcome);
    console.log(row(outcome));
  }
  const engines = [...new Set(outcomes.map(({ task }) => task.engine))];
  const summaries = [
    summary("all", outcomes),
    ...engines.map((engine) => summary(engine, outcomes.filter(({ task }) => task.engine === engine))), // prettier-ignore
  ];
  console.log(summaries.join("\n"));
  if (options.write) write(outcomes, summaries);
}

const DOCUMENT = "docs/planner.md";

function write(outcomes: readonly Outcome[], summaries: readonly string[]): void {
  const table = [
    ...summaries.map((line) => `- ${line}.`),
    "",
    "| engine | model | examples | strategy | chunk | graph's arrays | predicted | measured | error |",
    "|---|---|--:|---|--:|--:|--:|--:|--:|",
    ...outcomes.map(row),
  ].join("\n");
  const text = readFileSync(DOCUMENT, "utf8");
  const written = text.replace(
    /(<!-- table -->).*(<!-- end of table -->)/s,
    (_, begin: string, end: string) => `${begin}\n\n${table}\n\n${end}`,
  );
  if (!written.includes(table)) throw new Error(`${DOCUMENT} has no place for the table`);
  writeFileSync(DOCUMENT, written);
}

void main();
