import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Case } from "./cases";
import type { Contender } from "./contenders";
import { busySeconds } from "./machine";
import type { Failed, Measured } from "./protocol";

/** Longest that a contender may take for a case. */
const LIMIT_S = 300;

/** What takes longer is not repeated. */
const LONG_S = 60;

/** A measurement that more than this part of the processors' time went to other programs in is repeated. */
export const QUIET = 0.1;

type Subject = Pick<Case, "name" | "batch">;

export type Result = (Measured & { readonly others: number }) | Failed;

/** Measures one contender in a process of its own; the quietest of some attempts where other programs are at work. */
export async function measured(contender: Contender, task: Subject, attempts: number): Promise<Result> {
  if (contender.missing !== undefined) return { cannot: contender.missing };
  let best: Result | null = null;
  for (let attempt = 0; attempt < attempts; attempt++) {
    await quietMoment();
    const start = performance.now();
    const result = await attemptOf(contender, task);
    if ("cannot" in result) return best ?? result;
    if (best === null || "cannot" in best || result.others < best.others) best = result;
    if (best.others <= QUIET || performance.now() - start > LONG_S * 1000) break;
  }
  return best!;
}

/** Waits, but not for ever, until other programs leave the processors alone for a second. */
export async function quietMoment(): Promise<void> {
  for (let second = 0; second < 20; second++) {
    const before = busySeconds();
    await sleep(1000);
    const after = busySeconds();
    if (before === null || after === null || (after - before) / availableParallelism() < QUIET) return;
  }
}

async function attemptOf(contender: Contender, { name, batch }: Subject): Promise<Result> {
  const [program, ...args] = contender.command;
  const busy = busySeconds();
  const start = performance.now();
  const { output, errors, status } = await run(
    program,
    [...args, JSON.stringify({ case: name, batch, ...contender.task })],
    contender.environment,
  );
  const seconds = (performance.now() - start) / 1000;
  const last = output.trim().split("\n").at(-1) ?? "";
  if (!last.startsWith("{")) {
    const reason = errors.trim().split("\n").at(-1);
    return { cannot: `${status}${reason ? `: ${reason}` : ""}` };
  }
  const result = JSON.parse(last) as Measured | Failed;
  if ("cannot" in result) return result;
  const after = busySeconds();
  const others = busy === null || after === null ? 0 : (after - busy - result.cpuSeconds) / seconds;
  return { ...result, others: Math.max(0, others / availableParallelism()) };
}

export function run(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<{ output: string; errors: string; status: string }> {
  return new Promise((resolve) => {
    const { GLIBC_TUNABLES: _, ...env } = process.env;
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...env, TF_CPP_MIN_LOG_LEVEL: "2", ...environment },
    });
    let [output, errors] = ["", ""];
    child.stdout.on("data", (text: Buffer) => (output += text.toString()));
    child.stderr.on("data", (text: Buffer) => (errors += text.toString()));
    const timer = setTimeout(() => child.kill("SIGKILL"), LIMIT_S * 1000);
    const done = (status: string): void => {
      clearTimeout(timer);
      resolve({ output, errors, status });
    };
    child.once("error", (error) => done(error.message));
    child.once("close", (code, signal) => done(signal ? `ended by ${signal}` : `exit code ${String(code)}`));
  });
}
