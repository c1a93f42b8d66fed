import { startWorker, type StartOptions, type WorkerProcess } from "./start";

/**
 * A worker that has been started, and has loaded what a model needs, before it is asked for. Where the same process
 * evaluates models again and again, this is most of the wait for each.
 */
export class Spare {
  private waiting: { readonly worker: WorkerProcess; readonly key: string } | null = null;

  /** Starts one for the next request, if there is none. */
  prepare(options: StartOptions): void {
    if (this.waiting !== null && this.waiting.key === keyOf(options)) return;
    this.dispose();
    const worker = startWorker({ ...options, warm: true });
    const waiting = { worker, key: keyOf(options) };
    this.waiting = waiting;
    const forget = (): void => {
      if (this.waiting === waiting) this.waiting = null;
    };
    worker.process.once("exit", forget);
    worker.process.once("error", forget);
  }

  /** The worker that waits, if it was started in the same way, else a new one. */
  take(options: StartOptions): WorkerProcess {
    const { waiting } = this;
    if (waiting?.key !== keyOf(options)) return startWorker(options);
    this.waiting = null;
    return waiting.worker;
  }

  dispose(): void {
    const { waiting } = this;
    this.waiting = null;
    void waiting?.worker.end();
  }
}

function keyOf({ limits, cache, code, tensorflow }: StartOptions): string {
  return JSON.stringify([limits.codeMemory, cache, code, tensorflow ?? null]);
}
