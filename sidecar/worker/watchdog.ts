import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { observeBundles } from "../sources/tfjs/places";

/** What the thread is told when it starts. */
export interface WatchdogSettings {
  /** Id of the parent process: when it changes, the parent has gone. */
  readonly parent: number;
  /** Bytes of V8's heap in the main thread. */
  readonly heapLimit: number;
  /** Files and folders that are of no use when the process ends early. */
  readonly partial: readonly string[];
}

export type WatchdogMessage =
  | { readonly kind: "bundle"; readonly file: string; readonly sourceMap: string; readonly name: string }
  | { readonly kind: "evaluating"; readonly file: string; readonly timeLimit: number }
  | { readonly kind: "evaluated" };

/** The main thread's side of the watchdog (watchdog-thread.ts). */
export class Watchdog {
  private readonly thread: Worker;

  constructor(settings: WatchdogSettings) {
    this.thread = new Worker(join(__dirname, "watchdog.js"), { workerData: settings });
    this.thread.unref();
    // Without the thread, the parent's own time limit still holds.
    this.thread.on("error", () => undefined);
    observeBundles((file, sourceMap, name) => {
      this.tell({ kind: "bundle", file, sourceMap, name });
    });
  }

  /** User code begins to run, and may run for so many seconds. */
  evaluating(file: string, timeLimit: number): void {
    this.tell({ kind: "evaluating", file, timeLimit });
  }

  /** User code has come to its end. */
  evaluated(): void {
    this.tell({ kind: "evaluated" });
  }

  private tell(message: WatchdogMessage): void {
    this.thread.postMessage(message);
  }
}
