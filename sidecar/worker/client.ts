import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { extname, join } from "node:path";
import { EngineError } from "../engines/engine";
import { ModelError } from "../graph/errors";
import { MemoryError } from "./memory";
import {
  partialFile,
  type ExamplesOfKernel,
  type Fault,
  type Limits,
  type Replies,
  type Reply,
  type Request,
  type TracedModel,
} from "./messages";
import { startWorker, type StartOptions, type WorkerProcess } from "./start";

export interface AskOptions {
  readonly limits: Limits;
  /** Whether what can be made again is kept on disk for the next run. */
  readonly cache: boolean;
  readonly onProgress?: (fraction: number) => void;
  /** Told of the files of the user's own whose code is about to be run, also where that fails. */
  readonly onRead?: (files: readonly string[]) => void;
  /** Told of a Python file's model before its PyTorch is asked what it would do. */
  readonly onModel?: (model: TracedModel) => void;
  /** Told what a kernel's examples are, before it is computed. */
  readonly onExamples?: (examples: ExamplesOfKernel) => void;
  /** Ends the worker at once. */
  readonly signal?: AbortSignal;
  /** Where the worker comes from; by default it is started. */
  readonly start?: (options: StartOptions) => WorkerProcess;
  /** Folder of a native TensorFlow.js; by default it is looked for beside the model. */
  readonly tensorflow?: string;
}

/** What was asked for is not wanted any more. */
export class CancelledError extends Error {
  override readonly name = "CancelledError";
}

/** The worker keeps its own time (watchdog.ts), and knows the line; this is for a worker that cannot even do that. */
const GRACE_S = 5;

/** Signals that ask this process to end, and with it the worker, which has a process group of its own. */
const endings = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Starts a worker process, asks it one thing and ends it, whatever happens in it or here. */
export async function ask<K extends Request["kind"]>(
  asked: Extract<Request, { kind: K }>,
  { limits, cache, onProgress, onRead, onModel, onExamples, signal, start = startWorker, tensorflow }: AskOptions,
): Promise<Replies[K]> {
  if (signal?.aborted) throw new CancelledError();
  const file = "model" in asked ? asked.model.file : null;
  const request = file !== null && extname(file).toLowerCase() === ".py" ? withScratch(asked) : asked;
  const worker = start({ limits, cache, code: file !== null && extname(file) !== ".json", tensorflow });
  const endBySignal = (signal: NodeJS.Signals): void => {
    void end(worker, request).then(() => process.exit(128 + constants.signals[signal]));
  };
  for (const signal of endings) process.once(signal, endBySignal);
  try {
    const reply = await Promise.race([
      replyOf(worker, request, limits, { onProgress, onRead, onModel, onExamples }),
      aborted(signal),
    ]);
    await end(worker, request);
    if (reply === null) throw new CancelledError();
    // What the worker said of its own end is more than can be seen of it from here.
    const fault = worker.fault(file) ?? (reply.kind === "failed" ? reply : null);
    if (fault !== null) throw errorOf(fault);
    return (reply as Extract<Reply, { kind: "done" }>).result as Replies[K];
  } finally {
    for (const signal of endings) process.off(signal, endBySignal);
  }
}

/** A worker that is ended at once cannot tidy up after the programs that it has started. */
function withScratch<R extends Request>(request: R): R {
  if (!("model" in request)) return request;
  return { ...request, model: { ...request.model, scratch: mkdtempSync(join(tmpdir(), "kernelscope-")) } };
}

/** Null when the signal comes; never without one. */
function aborted(signal: AbortSignal | undefined): Promise<null> {
  return new Promise((resolve) => {
    signal?.addEventListener("abort", () => resolve(null), { once: true });
  });
}

type LastReply = Extract<Reply, { kind: "done" | "failed" }>;

/** The worker's result, or what became of it instead. */
function replyOf(
  { process: worker }: WorkerProcess,
  request: Request,
  limits: Limits,
  { onProgress, onRead, onModel, onExamples }: Pick<AskOptions, "onProgress" | "onRead" | "onModel" | "onExamples">,
): Promise<LastReply> {
  return new Promise((resolve) => {
    const fail = (fault: Fault["fault"], message: string): void => {
      clearTimeout(timer);
      resolve({ kind: "failed", fault, message, source: null });
    };
    const file = "model" in request ? request.model.file : "the engines";
    let evaluating = true;
    const timer = setTimeout(
      () => fail("model", `${file}: was not evaluated within ${limits.timeLimit} s; raise --time-limit`),
      (limits.timeLimit + GRACE_S) * 1000,
    );
    worker.on("message", (reply: Reply) => {
      switch (reply.kind) {
        case "traced":
          evaluating = false;
          clearTimeout(timer);
          break;
        case "progress":
          onProgress?.(reply.fraction);
          break;
        case "read":
          onRead?.(reply.files);
          break;
        case "model":
          onModel?.(reply.model);
          break;
        case "examples":
          onExamples?.(reply);
          break;
        case "done":
        case "failed":
          clearTimeout(timer);
          resolve(reply);
      }
    });
    worker.on("error", ({ message }) => fail("engine", `the worker process could not be started: ${message}`));
    worker.on("exit", (code, signal) => {
      const how = signal ?? `exit code ${code}`;
      // Who kills a process from outside is the user, or a system that is short of memory
      if (signal === "SIGKILL" || signal === "SIGTERM") {
        fail("engine", `the worker process was killed (${how}); perhaps memory was short`);
      } else if (evaluating && "model" in request) {
        fail("model", `${file}: evaluating it crashed the worker process (${how}); take out what is not needed here`);
      } else {
        fail("engine", `the worker process crashed (${how}) while it computed; perhaps memory was short`);
      }
    });
    worker.send({ request, limits }, (error) => {
      if (error) fail("engine", `the worker process cannot be reached: ${error.message}`);
    });
  });
}

/** Ends the worker and takes away what it, or what it has started, had begun to write. */
async function end(worker: WorkerProcess, request: Request): Promise<void> {
  await worker.end();
  const { pid } = worker.process;
  if ("job" in request && pid !== undefined) rmSync(partialFile(request.job.out, pid), { force: true });
  if ("model" in request && request.model.scratch !== undefined) {
    rmSync(request.model.scratch, { recursive: true, force: true });
  }
}

function errorOf({ fault, message, source }: Fault): Error {
  switch (fault) {
    case "model":
      return new ModelError(message, source);
    case "memory":
      return new MemoryError(message);
    case "engine":
      return new EngineError(message);
  }
}
