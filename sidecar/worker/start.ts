import { fork, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fault, Limits } from "./messages";
import { passOn } from "./output";

/** glibc's default gives memory back to the system at once, and touching it anew is dear (docs/development.md). */
const allocator =
  "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184";

/**
 * V8's heap for a given bound of the arrays beside it. It holds our own graphs too, so it is never made smaller than
 * this; and it is half the bound, because V8 takes half a minute to find that two gigabytes of small objects are full.
 */
function heapMebibytes(codeMemory: number): number {
  return Math.round(Math.max(256, codeMemory / 2 ** 21));
}

/** How long the output of a worker that has ended is waited for. */
const OUTPUT_MS = 1000;

export interface StartOptions {
  readonly limits: Limits;
  /** Whether what can be made again is kept on disk for the next run. */
  readonly cache: boolean;
  /** Whether the request will be about a code file. */
  readonly code: boolean;
  /** Whether it loads all that a model needs before it is asked for one. */
  readonly warm?: boolean;
  /** Folder of a native TensorFlow.js; by default it is looked for beside the model. */
  readonly tensorflow?: string;
}

export interface WorkerProcess {
  readonly process: ChildProcess;
  /** Kills it, with every process that it has started, and tells when it is gone and all its output has been passed on. */
  end(): Promise<void>;
  /** Why it ended itself, if it did. `file` is the model's. */
  fault(file: string | null): Fault | null;
}

/** Starts a worker. It is the head of a process group of its own, so that all of it can be ended. */
export function startWorker({ limits, cache, code, warm, tensorflow }: StartOptions): WorkerProcess {
  const { codeMemory } = limits;
  const hasGroups = process.platform !== "win32";
  const settings = [...(cache ? ["cache"] : []), ...(code ? ["code"] : []), ...(warm ? ["warm"] : [])];
  const worker = fork(join(__dirname, "worker.js"), settings, {
    serialization: "advanced",
    // Of Node's own features that the worker uses the user need not be warned.
    execArgv: ["--disable-warning=ExperimentalWarning", `--max-old-space-size=${heapMebibytes(codeMemory)}`],
    // What user code prints is not a result; the last pipe is faults.ts's
    stdio: ["ignore", "pipe", "pipe", "ipc", "pipe"],
    detached: hasGroups,
    env: {
      ...process.env,
      TF_CPP_MIN_LOG_LEVEL: process.env.TF_CPP_MIN_LOG_LEVEL ?? "2",
      ...(tensorflow ? { KERNELSCOPE_TFJS_NODE: tensorflow } : {}),
      ...(process.platform === "linux" ? { GLIBC_TUNABLES: process.env.GLIBC_TUNABLES ?? allocator } : {}),
    },
  });
  const toStderr = (text: string): void => void process.stderr.write(text);
  const printed = [worker.stdout!, worker.stderr!].map((output) => passOn(output, toStderr));
  let faults = "";
  (worker.stdio[4] as Readable).on("data", (text: Buffer) => (faults += text.toString()));

  const closed = new Promise<void>((resolve) => {
    worker.once("close", () => resolve());
    worker.once("error", () => resolve());
  });
  const kill = (): void => {
    try {
      if (hasGroups && worker.pid !== undefined) process.kill(-worker.pid, "SIGKILL");
    } catch {
      // It has gone already.
    }
    worker.kill("SIGKILL");
  };
  return {
    process: worker,
    async end() {
      kill();
      // A process with a group of its own, which user code has started, may hold the pipes open for ever.
      await Promise.race([closed, sleep(OUTPUT_MS, undefined, { ref: false })]);
      for (const output of [worker.stdout, worker.stderr, worker.stdio[4]]) output?.destroy();
    },
    fault(file) {
      if (faults.includes("\n")) return JSON.parse(faults.split("\n")[0]) as Fault;
      if (!printed.some(({ ranOutOfHeap }) => ranOutOfHeap())) return null;
      const message = `the model's code needs more than the ${heapMebibytes(codeMemory)} MiB of heap that it may use; raise --code-memory`;
      return { fault: "model", message: file === null ? message : `${file}: ${message}`, source: null };
    },
  };
}
