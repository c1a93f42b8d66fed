import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll } from "vitest";

/** What tests of the command line share. They run the bundle, as a user does. */

export interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
  readonly seconds: number;
  /** Command lines of processes that were started, also indirectly, and are still there. */
  readonly left: readonly string[];
}

/** Runs `kernelscope` with these arguments. Never synchronously: the test runner must be able to answer meanwhile. */
export function kernelscope(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const mark = randomUUID();
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const options = { encoding: "utf8", env: environment(mark, env), maxBuffer: 1 << 28 } as const;
    execFile(process.execPath, ["dist/cli.js", ...args], options, (error, out, err) => {
      const status = error?.code ?? 0;
      if (typeof status !== "number") reject(error ?? new Error(args.join(" ")));
      else resolve({ status, out, err, seconds: (performance.now() - start) / 1000, left: marked(mark) });
    });
  });
}

/** Starts `kernelscope` for a test that ends it or its worker. */
export function started(args: readonly string[]): { process: ChildProcess; processes: () => string[] } {
  const mark = randomUUID();
  const env = environment(mark, {});
  return { process: spawn(process.execPath, ["dist/cli.js", ...args], { env }), processes: () => marked(mark) };
}

function environment(mark: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...process.env, NO_COLOR: "1", ...env, KERNELSCOPE_TEST: mark };
}

/** Processes with this mark in their environment, `pid command line`. Only Linux tells; elsewhere none are found. */
function marked(mark: string): string[] {
  if (!existsSync("/proc/self/environ")) return [];
  return readdirSync("/proc").flatMap((pid) => {
    try {
      if (!/^\d+$/.test(pid) || !readFileSync(`/proc/${pid}/environ`, "latin1").includes(mark)) return [];
      return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ")}`];
    } catch {
      return [];
    }
  });
}

/** Waits until this is true; false where that takes longer than `seconds`. */
export async function until(isTrue: () => boolean, seconds = 20): Promise<boolean> {
  const end = Date.now() + 1000 * seconds;
  while (!isTrue() && Date.now() < end) await sleep(50);
  return isTrue();
}

/** A folder for a test file's models and results. */
export function temporaryFolder(): { path: (name: string) => string; write: (name: string, text: string) => string } {
  const folder = mkdtempSync(join(tmpdir(), "kernelscope-cli-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const path = (name: string): string => join(folder, name);
  const write = (name: string, text: string): string => {
    mkdirSync(dirname(path(name)), { recursive: true });
    writeFileSync(path(name), text);
    return path(name);
  };
  return { path, write };
}
