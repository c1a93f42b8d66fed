import { parseArgs } from "node:util";
import { activations, type Activation } from "./lib/activation";
import { Report } from "./lib/document";
import { circumstances } from "./lib/machine";
import { median, quantile, time } from "./lib/report";
import {
  batchChanges,
  firstPlans,
  freshAnalyses,
  hoversDuringEvaluation,
  hoversDuringJacobian,
  refreshes,
  Subject,
  wholePlans,
} from "./lib/sidecar-times";

/**
 * `npm run bench -- editor`: what a user of the editor waits for. Options: `--write` puts the table into docs/benchmarks.md,
 * `--only TEXT` measures what has the text in its name.
 */

const { values: options } = parseArgs({
  options: {
    /** The extension, which scripts/bench.mjs gives. */
    package: { type: "string" },
    only: { type: "string", default: "" },
    write: { type: "boolean", default: false },
  },
});

interface Measurement {
  readonly title: string;
  /** What has to hold of the figures, where something has. */
  readonly required?: string;
  readonly measure: (subject: Subject) => Promise<number[]>;
}

let activating: Promise<Activation[]> | undefined;
const activated = (): Promise<Activation[]> => (activating ??= activations(options.package!, 7));

const measurements: readonly Measurement[] = [
  {
    title: "activation of the extension",
    required: "< 100 ms",
    measure: async () => (await activated()).map(({ own }) => own),
  },
  {
    title: "activation of the extension, as listed: with what VS Code loads before it",
    measure: async () => (await activated()).map(({ listed }) => listed),
  },
  {
    title: "hover while the net is evaluated again and again",
    required: "95 % < 50 ms",
    measure: (subject) => hoversDuringEvaluation(subject, 500),
  },
  {
    title: "hover while its Jacobian is computed",
    required: "95 % < 50 ms",
    measure: (subject) => hoversDuringJacobian(subject, 500),
  },
  {
    title: "refresh after a save",
    required: "< 1 s",
    measure: (subject) => refreshes(subject, 10),
  },
  {
    title: "the same text by a new process, `kernelscope analyze`",
    measure: () => freshAnalyses(10),
  },
  {
    title: "another number of examples",
    measure: (subject) => batchChanges(subject, 50),
  },
  {
    title: "first strategy planned for another number of examples, as a slider moves",
    required: "95 % < 100 ms",
    measure: (subject) => firstPlans(subject, 100),
  },
  {
    title: "all strategies planned for another number of examples",
    measure: (subject) => wholePlans(subject, 10),
  },
];

async function main(): Promise<void> {
  const rows: string[] = [];
  const subject = await Subject.open();
  try {
    for (const { title, required = "", measure } of measurements) {
      if (!title.includes(options.only)) continue;
      process.stderr.write(`${title}\n`);
      const times = await measure(subject);
      const figures = [median(times), quantile(times, 0.95), Math.max(...times)].map(time);
      rows.push(`| ${[title, times.length, ...figures, required].join(" | ")} |`);
    }
  } finally {
    await subject.close();
  }
  const table = [
    "| what | times | median | 95 % within | longest | required |",
    "|---|--:|--:|--:|--:|---|",
    ...rows,
  ].join("\n");
  const report = new Report();
  report.print(await circumstances());
  report.print(table);
  if (options.write) await report.write("editor");
}

void main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
