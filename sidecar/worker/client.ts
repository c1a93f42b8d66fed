import { fork } from "node:child_process";
import { join } from "node:path";
import { EngineError } from "../engines/engine";
import { ModelError } from "../graph/errors";
import type { Replies, Reply, Request } from "./messages";

export interface AskOptions {
  /** For evaluating and tracing the model, in seconds; what is computed with it afterwards takes as long as it takes. */
  readonly timeLimit: number;
  readonly onProgress?: (fraction: number) => void;
}

/** glibc's default gives memory back to the system at once, and touching it anew is dear (docs/development.md). */
const allocator =
  "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=17179869184";

/** Starts a worker process, asks it one thing and ends it, whatever happens in it. */
export function ask<K extends Request["kind"]>(
  request: Extract<Request, { kind: K }>,
  { timeLimit, onProgress }: AskOptions,
): Promise<Replies[K]> {
  return new Promise((resolve, reject) => {
    const worker = fork(join(__dirname, "worker.js"), [], {
      serialization: "advanced",
      // What user code prints is not a result
      stdio: ["ignore", 2, 2, "ipc"],
      env: {
        ...process.env,
        TF_CPP_MIN_LOG_LEVEL: process.env.TF_CPP_MIN_LOG_LEVEL ?? "2",
        ...(process.platform === "linux" ? { GLIBC_TUNABLES: process.env.GLIBC_TUNABLES ?? allocator } : {}),
      },
    });
    const file = "model" in request ? request.model.file : "the engines";
    let timer = setTimeout(() => {
      finish(() => {
        reject(
          new ModelError(
            `${file}: was not evaluated within ${timeLimit} s; look for an endless loop, or raise --time-limit`,
          ),
        );
      });
    }, timeLimit * 1000) as NodeJS.Timeout | undefined;
    let finished = false;
    const finish = (settle: () => void): void => {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      worker.kill("SIGKILL");
      settle();
    };

    worker.on("message", (reply: Reply) => {
      switch (reply.kind) {
        case "traced":
          clearTimeout(timer);
          timer = undefined;
          break;
        case "progress":
          onProgress?.(reply.fraction);
          break;
        case "done":
          finish(() => {
            resolve(reply.result as Replies[K]);
          });
          break;
        case "failed":
          finish(() => {
            reject(reply.fault === "model" ? new ModelError(reply.message) : new EngineError(reply.message));
          });
      }
    });
    worker.on("error", (error) => {
      finish(() => {
        reject(new EngineError(`the worker process could not be started: ${error.message}`));
      });
    });
    worker.on("exit", (code, signal) => {
      finish(() => {
        const how = signal ?? `exit code ${code}`;
        const evaluating = timer !== undefined;
        reject(
          evaluating
            ? new ModelError(`${file}: its evaluation ended the worker process (${how}); it may have run out of memory`)
            : new EngineError(`the worker process ended while it computed (${how})`),
        );
      });
    });
    worker.send(request);
  });
}
