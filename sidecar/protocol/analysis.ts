import type { Source } from "../graph/graph";
import type { DType, Shape } from "../graph/types";
import type { NtkForm, NtkMethod } from "./ntk";

/** What is known of a model without running it: plain data, the JSON that `kernelscope analyze --json` prints. */
export interface Analysis {
  readonly model: {
    readonly file: string;
    readonly export: string | null;
    readonly format: string;
    readonly examplesCoupled: boolean;
    readonly framework: string;
    /** Where the model is made, or else bound. */
    readonly source: Place | null;
  };
  /** Number of examples. */
  readonly batch: number;
  readonly inputs: readonly ArrayInfo[];
  readonly outputs: readonly ArrayInfo[];
  readonly parameters: readonly ParameterAnalysis[];
  readonly buffers: readonly ArrayInfo[];
  /** In the order in which they were called; a layer that is called twice is listed once. Empty for plain functions. */
  readonly layers: readonly LayerAnalysis[];
  /** Files of the user's own whose code was run to make the model, itself first. */
  readonly files: readonly string[];
  /**
   * With respect to all trainable parameters together: shape [N, ...output, P]. Several outputs are flattened and counted
   * together: [N, O, P].
   */
  readonly jacobian: { readonly shape: Shape; readonly bytes: number };
  /**
   * Ways to compute the Jacobian: each whole (`chunk` null) and, where that does not fit the device and chunks do, in the
   * largest chunks that fit. Empty where there is nothing to differentiate.
   */
  readonly strategies: readonly StrategyAnalysis[];
  /**
   * The neural tangent kernel of the N examples with themselves, by each method in each form; of `trace`, the sum. Empty
   * where there is nothing to differentiate, and where examples are coupled.
   */
  readonly ntk: readonly NtkAnalysis[];
  /** Operations that run as loops, for want of a batching rule. */
  readonly fallbacks: readonly FallbackAnalysis[];
  /** Null for other models than those of Python files; missing in results that an earlier version has kept. */
  readonly pytorch?: PytorchAnalysis | null;
  readonly device: DeviceInfo;
  readonly diagnostics: readonly Diagnostic[];
}

/** With the batch axis, for inputs and outputs. */
export interface ArrayInfo {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
}

export interface ParameterAnalysis extends ArrayInfo {
  readonly elements: number;
  readonly bytes: number;
  readonly trainable: boolean;
  readonly source: Place | null;
  /** [N, ...output, ...parameter]. Frozen parameters have one too, but it is not part of the total. */
  readonly jacobian: { readonly shape: Shape; readonly bytes: number };
}

/** A layer of the model, and its share of the Jacobian. */
export interface LayerAnalysis {
  /** With the names of the models that it is in: `block_1/conv`. */
  readonly name: string;
  /** `Conv2D` */
  readonly kind: string;
  readonly source: Place | null;
  /** The lines that led there, where functions of the user's own make layers: innermost first. */
  readonly callers: readonly Place[];
  /** With the batch axis. */
  readonly outputs: readonly Shape[];
  /** Names of its trainable and frozen parameters, among those of the model. */
  readonly parameters: readonly string[];
}

/** One strategy with one chunk, as it would run on the device. */
export interface StrategyAnalysis {
  readonly strategy: "jacrev" | "vmap(jacrev)" | "vmap(jacfwd)" | "grad-loop";
  /** Rows that are computed at once: cotangents, examples or tangents. */
  readonly chunk: number | null;
  /** The graph's own arrays at the fullest moment, arguments and constants included. */
  readonly peakBytes: number;
  readonly resultBytes: number;
  /** Inputs, parameters, buffers and constants, which are there all the while: a part of `peakBytes`. */
  readonly argumentBytes: number;
  /** What the engine holds beyond that. Not worked out, and 0, where those arrays alone do not fit. */
  readonly workspaceBytes: number;
  readonly flops: number;
  /** Bytes that operations read and write. */
  readonly movedBytes: number;
  /** Times that the body of its loops runs. */
  readonly iterations: number;
  /** Whether both, and the device's reserve, are within its memory. */
  readonly fits: boolean;
  /** The one to take: of what fits the fastest, by estimate, and of equally fast ones what takes the least. */
  readonly recommended: boolean;
  readonly largest: BufferAnalysis | null;
  /** The largest arrays, `largest` first. */
  readonly buffers: readonly BufferAnalysis[];
  /** Of this strategy; the number of rows where all fit at once. */
  readonly largestChunkThatFits: number | null;
  /** Whether chunks make fit what does not fit whole. */
  readonly chunkingHelps: boolean;
  readonly timeline: readonly TimelineAnalysis[];
}

/** A kernel by one method, all of it at once. */
export interface NtkAnalysis {
  readonly method: NtkMethod;
  readonly form: NtkForm;
  /** `full` [N, N, C, C], `diagonal` [N, N, C], `trace` [N, N], for C outputs of an example. */
  readonly shape: Shape;
  /** This and what follows is of the whole, as for strategies. */
  readonly peakBytes: number;
  readonly workspaceBytes: number;
  /** The kernel and, but by vector products, one number for each parameter: its part. */
  readonly resultBytes: number;
  readonly flops: number;
  readonly movedBytes: number;
  readonly fits: boolean;
  /**
   * Where it does not fit: examples of the side of square tiles that do, each of which takes seconds at most; null where
   * not even one pair of examples fits.
   */
  readonly tile: number | null;
  /**
   * The method to take for the form: of those that fit or else fit in tiles the quickest by estimate, `structured` where
   * that is hardly slower. None where none fits.
   */
  readonly recommended: boolean;
}

/** An array that an operation makes. */
export interface BufferAnalysis {
  readonly bytes: number;
  readonly shape: Shape;
  readonly operation: string;
  /** The parameter whose part of the Jacobian it is. */
  readonly parameter: string | null;
  readonly source: Place | null;
  /** The layer whose operation it is. */
  readonly layer: string | null;
  /** The lines that led to that layer, where functions of the user's own make layers: innermost first. */
  readonly callers: readonly Place[];
  /** Of `peakBytes`. */
  readonly share: number;
  /** Moments of the timeline at which it is there, both included. */
  readonly from: number;
  readonly to: number;
}

/** While one operation runs, those of a loop's body once. */
export interface TimelineAnalysis {
  readonly liveBytes: number;
  readonly operation: string;
  readonly line: number | null;
}

/** An operation that runs as a loop within a strategy. */
export interface FallbackAnalysis {
  readonly operation: string;
  readonly strategy: StrategyAnalysis["strategy"];
  /** How often it is run: for each example, each output, or each pair of them. */
  readonly iterations: number;
  /** The same, told apart by what the loops run over; missing in results that an earlier version has kept. */
  readonly loops?: readonly FallbackLoop[];
  readonly reason: string;
  readonly source: Place | null;
  readonly fix: string | null;
  /** How many times as long as one batched run the loop is estimated to take. */
  readonly slowdown: number;
}

/** All loops of an operation that run over the same axes. */
export interface FallbackLoop {
  /**
   * N examples, O elements of an example's outputs, P elements of the parameters, in this order. Not always the whole of
   * it: an operation that only some outputs depend on runs for these alone. Empty where it is not said.
   */
  readonly over: readonly { readonly axis: "examples" | "outputs" | "parameters"; readonly extent: number }[];
  readonly iterations: number;
}

/**
 * What the user's own PyTorch would do with the model under `torch.func`, as it has told itself, with fake tensors. Batches
 * are those that were asked for.
 */
export interface PytorchAnalysis {
  /** "2.13.0+cpu" */
  readonly version: string;
  /** Operations that its vmap runs as loops, for want of a batching rule. */
  readonly fallbacks: readonly {
    /** "aten::unfold_backward" */
    readonly operation: string;
    readonly where: "forward" | "backward";
    readonly strategy: string;
    /** How often it is run; null where that could not be told. */
    readonly iterations: number | null;
    /** PyTorch's own warning. */
    readonly message: string;
    /** Of the operation, or for one in backward of the forward operation that it belongs to. */
    readonly source: Place | null;
    readonly fix: string | null;
  }[];
  /** The most that is held: the sum of live storages, each rounded up to 512 bytes, arguments included. */
  readonly strategies: readonly {
    readonly strategy: string;
    /** `chunk_size`: examples for vmap, cotangents for jacrev. */
    readonly chunk: number | null;
    readonly peakBytes: number;
  }[];
  /** What it raises. */
  readonly errors: readonly {
    /** Null for what could not be asked at all. */
    readonly strategy: string | null;
    /** Whether it is raised only without `.eval()`. */
    readonly training: boolean;
    readonly message: string;
    readonly source: Place | null;
    readonly fix: string | null;
  }[];
}

export type Place = Pick<Source, "file" | "line" | "column">;

export interface DeviceInfo {
  readonly name: string;
  readonly memoryBytes: number;
  readonly detected: boolean;
  /** The CPU with its own memory, or (by default) a card. */
  readonly kind?: "host" | "card";
  /** Of that memory, what the driver and the like keep for themselves; none of a host's. */
  readonly reservedBytes?: number;
}

export interface Diagnostic {
  readonly severity: "error" | "warning" | "information";
  readonly code: string;
  readonly message: string;
  readonly source: Place | null;
}
