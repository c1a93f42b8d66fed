import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { WebSocket, type ClientOptions } from "ws";

/** `kernelscope serve` as a process, as the extension starts it. */
export interface Sidecar {
  readonly process: ChildProcess;
  readonly address: string;
  readonly token: string;
  /** What it has printed to standard error. */
  errors(): string;
  /** Command lines of it and of all processes that it has started and that are still there. Only Linux tells. */
  processes(): string[];
  /** The workers among them. */
  workers(): string[];
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Connects as the extension does, with the token. */
  connect(): Promise<WebSocket>;
  /** Ends it as an editor that has gone does: its standard input ends. Waits until nothing that it started is left. */
  end(): Promise<void>;
}

export async function startSidecar(env: NodeJS.ProcessEnv = {}): Promise<Sidecar> {
  const mark = randomUUID();
  const child = spawn(process.execPath, ["dist/cli.js", "serve", "--until-input-ends"], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...env, KERNELSCOPE_TEST: mark },
  });
  let errors = "";
  child.stderr.on("data", (text: Buffer) => (errors += text.toString()));
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? code!));
  });
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once("line", resolve);
    child.once("exit", () => reject(new Error(`the sidecar did not start: ${errors}`)));
  });
  const { address, token } = JSON.parse(line) as { address: string; token: string };
  const processes = (): string[] => marked(mark);
  return {
    process: child,
    address,
    token,
    errors: () => errors,
    processes,
    workers: () => processes().filter((each) => each.includes("worker.js")),
    ended,
    connect: () => connected(address, { headers: { Authorization: `Bearer ${token}` } }),
    async end() {
      child.stdin.end();
      await ended;
      await until("the sidecar's processes to end", () => processes().length === 0);
    },
  };
}

/** Resolves when the connection is open; rejects with `ws`'s message, which names the HTTP status, where it is refused. */
export function connected(address: string, options: ClientOptions = {}): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address, { perMessageDeflate: false, ...options });
    socket.once("open", () => resolve(socket));
    socket.once("error", reject);
  });
}

function marked(mark: string): string[] {
  if (!existsSync("/proc/self/environ")) return [];
  return readdirSync("/proc").flatMap((pid) => {
    try {
      if (!/^\d+$/.test(pid) || !readFileSync(`/proc/${pid}/environ`, "latin1").includes(mark)) return [];
      return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ")}`];
    } catch {
      return []; // it ended while we looked
    }
  });
}

/** Asks until the answer is neither undefined, null nor false. */
export async function until<T>(
  what: string,
  ask: () => T | Promise<T>,
  seconds = 20,
): Promise<Exclude<T, undefined | null | false>> {
  const end = Date.now() + 1000 * seconds;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== null && answer !== false)
      return answer as Exclude<T, undefined | null | false>;
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain for ${what}`);
    await sleep(20);
  }
}

/** A folder for a test file's models, which are TensorFlow.js code or JSON. */
export class Workspace {
  readonly folder = mkdtempSync(join(tmpdir(), "kernelscope-server-"));

  path(name: string): string {
    return join(this.folder, name);
  }

  uri(name: string): string {
    return pathToFileURL(this.path(name)).href;
  }

  write(name: string, text: string): string {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), text);
    return this.path(name);
  }

  read(name: string): string {
    return readFileSync(this.path(name), "utf8");
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
