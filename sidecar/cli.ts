import { version } from "../package.json";
import type { PlannedKernels } from "./analysis/ntk";
import type { PlannedModel } from "./analysis/strategies";
import { commands, runCommand, UsageError, type Programs } from "./cli/commands";
import { EngineError } from "./engines/engine";
import { ModelError } from "./graph/errors";
import { Planning } from "./server/planning";
import { MemoryError } from "./worker/memory";

/** The command line `kernelscope`. Exit codes: 0 done, 1 the model or the data, 2 misuse, 3 it would not fit in memory, 4 an engine failed. */
async function main(args: readonly string[]): Promise<number> {
  if (args.length === 0 || args[0] === "--help") {
    console.log(
      Object.values(commands)
        .map(({ usage }) => `usage: ${usage}`)
        .join("\n"),
    );
    return args.length === 0 ? 2 : 0;
  }
  if (args[0] === "--version") {
    console.log(version);
    return 0;
  }
  try {
    // The server is a program of its own, which the other commands do without
    await runCommand(args, { serve: async (options) => (await import("./server.js")).serve(options), planKernels });
    return 0;
  } catch (error) {
    if (error instanceof UsageError) return fail(error.message, 2);
    if (error instanceof ModelError) return fail(error.describe(), 1);
    if (error instanceof MemoryError) return fail(error.message, 3);
    if (error instanceof EngineError) return fail(error.message, 4);
    throw error;
  }
}

async function planKernels(
  model: PlannedModel,
  options: Parameters<Programs["planKernels"]>[1],
): Promise<PlannedKernels> {
  const planning = new Planning(true);
  try {
    return await planning.planKernels("the model", model, { ...options, signal: new AbortController().signal });
  } finally {
    planning.dispose();
  }
}

function fail(message: string, code: number): number {
  console.error(message.split("\n").join(" "));
  return code;
}

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
