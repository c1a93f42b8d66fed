import { setImmediate } from "node:timers/promises";
import type { RunOptions } from "../engine";

const pause = 30;

/**
 * Keeps a long run polite: every 30 ms it reports the progress, lets the event loop turn, so that a request to stop can
 * arrive at all, and throws if one has.
 */
export class Pacer {
  private done = 0;
  private paused = performance.now();

  constructor(
    private readonly steps: number,
    private readonly options: RunOptions,
  ) {
    options.signal?.throwIfAborted();
  }

  /** Counts a step. Where it returns a promise, the run must wait for it. */
  step(): Promise<void> | undefined {
    this.done++;
    this.options.signal?.throwIfAborted();
    return performance.now() - this.paused < pause ? undefined : this.turn();
  }

  private async turn(): Promise<void> {
    this.options.onProgress?.(Math.min(1, this.done / this.steps));
    await setImmediate();
    this.options.signal?.throwIfAborted();
    this.paused = performance.now();
  }

  finish(): void {
    this.options.onProgress?.(1);
  }
}
