/** What the benchmark's processes say to one another. */

/** What a program that computes a Jacobian is told, as JSON in its first argument. */
export interface Task {
  readonly case: string;
  readonly batch: number;
  readonly threads: number;
  /** An engine of ours, a method of PyTorch's. */
  readonly method: string;
}

/** What it prints, as JSON in the last line of its output. */
export interface Measured {
  /** Of the first call, with everything that is prepared then. */
  readonly firstSeconds: number;
  /** Of the calls after it. */
  readonly seconds: readonly number[];
  /** The most memory of the process during the first call, beyond what it held before. */
  readonly peakBytes: number;
  /** Elements of the Jacobian, to see that all compute the same thing. */
  readonly elements: number;
  /** Processor time of the process since it started. */
  readonly cpuSeconds: number;
}

/** A contender that cannot do it prints this instead. */
export interface Failed {
  readonly cannot: string;
}
