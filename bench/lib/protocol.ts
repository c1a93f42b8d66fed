import type { EngineName } from "../../sidecar/engines";

/** What the benchmark's processes say to one another. */

/** What a program that computes something is told, as JSON in its first argument. */
export interface Task {
  readonly case: string;
  readonly batch: number;
  readonly threads: number;
  /** An engine of ours, a method of PyTorch's. */
  readonly method: string;
  readonly repeat: Repeat;
}

/** How often it is computed again for its time: as often as the seconds allow, within bounds. */
export interface Repeat {
  readonly seconds: number;
  readonly least: number;
  readonly most: number;
}

/** A neural tangent kernel. `batch` is N1. */
export interface KernelTask extends Task {
  /** Of ours: what computes it. */
  readonly engine: EngineName;
  readonly form: "full" | "trace";
  /** N2; null for the kernel of the rows' examples with themselves. */
  readonly columns: number | null;
  /** An .npz file: arrays `weight:NAME`, `buffer:NAME`, and `x1` and `x2` with the batch axis first (lib/ntk-data.ts). */
  readonly data: string;
}

/** What a contender has computed. */
export interface Produced {
  readonly elements: number;
  /** A figure that is the same for all who computed the same numbers; asked for when nothing is timed. */
  readonly checksum?: () => number;
  /** How it was computed, where the contender decides that. */
  readonly manner?: string;
}

/** What it prints, as JSON in the last line of its output. */
export interface Measured {
  /** Of the first call, with everything that is prepared then. */
  readonly firstSeconds: number;
  /** Of the calls after it. */
  readonly seconds: readonly number[];
  /** The most memory of the process during the first call, beyond what it held before. */
  readonly peakBytes: number;
  /** Elements of the result, to see that all compute the same thing. */
  readonly elements: number;
  readonly checksum?: number;
  readonly manner?: string;
  /** Processor time of the process since it started. */
  readonly cpuSeconds: number;
}

/** A contender that cannot do it prints this instead. */
export interface Failed {
  readonly cannot: string;
}
