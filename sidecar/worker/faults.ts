import { rmSync, writeSync } from "node:fs";
import { messageOf, ModelError } from "../graph/errors";
import { MemoryError } from "./memory";
import type { Fault } from "./messages";

/**
 * The worker's last words. A process that is stuck, or about to be ended, cannot use its message channel any more; a
 * pipe of its own can be written to at any moment and from any thread.
 */
export const FAULT_PIPE = 4;

/** Says why the worker is about to end. The first fault counts. */
export function reportFault(fault: Fault): void {
  try {
    writeSync(FAULT_PIPE, `${JSON.stringify(fault)}\n`);
  } catch {
    // The parent has gone, and nobody wants to know any more.
  }
}

/** Node's own, which user code is not to reach (ending.ts). */
const kill = process.kill.bind(process);

/** Ends the worker at once, with every process that it or the user's code has started. */
export function endProcessGroup(): void {
  try {
    kill(-process.pid, "SIGKILL");
  } catch {
    // No group of its own (Windows)
  }
  kill(process.pid, "SIGKILL");
}

/** Ends the worker, with all that it has started, when its parent has gone; takes away what was begun. */
export function endAbandoned(partial: readonly string[]): void {
  for (const path of partial) {
    try {
      // A program that is still running may be writing there
      rmSync(path, { recursive: true, force: true, maxRetries: 3 });
    } catch {
      continue;
    }
  }
  endProcessGroup();
}

export function faultOf(error: unknown): Fault {
  if (error instanceof ModelError) return { fault: "model", message: error.message, source: error.source };
  if (error instanceof MemoryError) return { fault: "memory", message: error.message, source: null };
  return { fault: "engine", message: messageOf(error), source: null };
}
