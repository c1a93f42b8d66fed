interface Waiting {
  readonly isUrgent: boolean;
  readonly come: () => void;
}

/**
 * So many things at a time; the others wait for their turn, in order. Urgent ones go before the rest, to which one place is
 * closed where there are several: what is urgent does not wait for what is not.
 */
export class Turns {
  private readonly waiting: Waiting[] = [];
  private running = 0;
  private notUrgent = 0;

  constructor(private readonly atOnce: number) {}

  /** Runs it when there is a turn, or when `signal` is aborted, which is for `run` to look at: it takes no turn then. */
  async take<T>(signal: AbortSignal, isUrgent: boolean, run: () => Promise<T>): Promise<T> {
    if (signal.aborted) return run();
    if (this.mayRun(isUrgent)) this.count(isUrgent, 1);
    else if (!(await this.turn(signal, isUrgent))) return run();
    try {
      return await run();
    } finally {
      this.count(isUrgent, -1);
      this.callNext();
    }
  }

  private mayRun(isUrgent: boolean): boolean {
    const others = Math.max(1, this.atOnce - 1);
    return this.running < this.atOnce && (isUrgent || this.notUrgent < others);
  }

  private count(isUrgent: boolean, change: 1 | -1): void {
    this.running += change;
    if (!isUrgent) this.notUrgent += change;
  }

  private callNext(): void {
    const at = this.waiting.findIndex(({ isUrgent }) => this.mayRun(isUrgent));
    if (at < 0) return;
    const [{ isUrgent, come }] = this.waiting.splice(at, 1);
    this.count(isUrgent, 1);
    come();
  }

  /** Whether it came; not where waiting was given up. */
  private turn(signal: AbortSignal, isUrgent: boolean): Promise<boolean> {
    return new Promise((resolve) => {
      const giveUp = (): void => {
        this.waiting.splice(this.waiting.indexOf(one), 1);
        resolve(false);
      };
      const come = (): void => {
        signal.removeEventListener("abort", giveUp);
        resolve(true);
      };
      const one = { isUrgent, come };
      const after = isUrgent ? this.waiting.findIndex((other) => !other.isUrgent) : -1;
      this.waiting.splice(after < 0 ? this.waiting.length : after, 0, one);
      signal.addEventListener("abort", giveUp, { once: true });
    });
  }
}
