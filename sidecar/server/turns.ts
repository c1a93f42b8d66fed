/** So many things at a time; the others wait for their turn, in order. */
export class Turns {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.free = atOnce;
  }

  /** Runs it when there is a turn, or when `signal` is aborted, which is for `run` to look at: it takes no turn then. */
  async take<T>(signal: AbortSignal, run: () => Promise<T>): Promise<T> {
    if (signal.aborted) return run();
    if (this.free > 0) this.free--;
    else if (!(await this.turn(signal))) return run();
    try {
      return await run();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free++;
    }
  }

  /** Whether it came; not where waiting was given up. */
  private turn(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const giveUp = (): void => {
        this.waiting.splice(this.waiting.indexOf(come), 1);
        resolve(false);
      };
      const come = (): void => {
        signal.removeEventListener("abort", giveUp);
        resolve(true);
      };
      this.waiting.push(come);
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }
}
