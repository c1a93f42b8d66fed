import type { ModelRef } from "./messages";

/** What is said of neural tangent kernels: how one is asked for, and how it is looked at while it is computed. */

/**
 * With N1 and N2 examples, and C outputs of one example (all floating-point outputs flattened, one after the other):
 * `full` [N1, N2, C, C], `diagonal` [N1, N2, C], and `trace` [N1, N2], over outputs.
 */
export type NtkForm = "full" | "diagonal" | "trace";

export type NtkMethod = "contraction" | "vector-products" | "structured";

/** Whether `trace` sums over outputs, as PyTorch's tutorial does, or averages, as neural-tangents does. */
export type TraceKind = "sum" | "mean";

/** Which class each example is of, where that is known. */
export interface Labels {
  readonly classes: readonly string[];
  /** For each example a position in `classes`. */
  readonly of: readonly number[];
}

/** One set of examples, for people. */
export interface ExamplesInfo {
  readonly count: number;
  /** What they are called where they have names: files of a folder. */
  readonly names: readonly string[] | null;
  /** For each example its class, a position in `classes`; null where there are no labels. */
  readonly labels: readonly number[] | null;
  readonly classes: readonly string[];
}

/** A kernel that is being computed, or has been: all that is known of it but its entries. */
export interface KernelInfo {
  readonly id: string;
  readonly model: ModelRef;
  /** `residual-net.ts#model` */
  readonly title: string;
  /** Where this is the part that one parameter has in another kernel: of that kernel, by id. */
  readonly part: KernelPart | null;
  readonly form: NtkForm;
  /** Of the form `trace`; else null. */
  readonly trace: TraceKind | null;
  /** Null before it is chosen. */
  readonly method: NtkMethod | null;
  /** Of the rows. */
  readonly x1: ExamplesInfo;
  /** Of the columns; null where they are those of the rows, and the kernel is symmetric. */
  readonly x2: ExamplesInfo | null;
  /** C, of one example. */
  readonly outputs: number;
  readonly status: "running" | "done" | "cancelled" | "failed";
  /** Of the entries that have been computed, from 0 to 1. */
  readonly fraction: number;
  /** Grows with every change of entries, by which pictures of them are known to be old. */
  readonly version: number;
  /** Once it is done: each parameter's part of the kernel, in the order of the model. The shares add up to 1. */
  readonly layers: readonly KernelLayer[];
  readonly spectrum: KernelSpectrum | null;
  /** Of a symmetric kernel of examples with labels. */
  readonly curve: LearningCurve | null;
  /** Why it has no clusters to order examples by, in a few words: `when it is done`; null where it has some. */
  readonly noClusters: string | null;
  /** A sentence: why it failed, or why there is no spectrum. */
  readonly message: string | null;
}

/** The least and the greatest of some entries. */
export interface KernelRange {
  readonly min: number;
  readonly max: number;
  /** Of the magnitudes of what is not zero; null where all is. */
  readonly smallest: number | null;
}

/** A kernel is the sum of the parts that its parameters have in it. */
export interface KernelPart {
  readonly of: string;
  readonly parameter: string;
}

export interface KernelLayer {
  readonly parameter: string;
  readonly share: number;
}

/** Of a symmetric kernel. */
export interface KernelSpectrum {
  /** From the largest. Of `full` kernels, those of the matrix [N C, N C]. */
  readonly eigenvalues: readonly number[];
  /** How many there are in all: `eigenvalues` may be the largest only. */
  readonly count: number;
  readonly conditionNumber: number | null;
  /** The exponential of the entropy of the normalised eigenvalues (Roy and Vetterli 2007). */
  readonly effectiveRank: number | null;
  /** With labels: centred kernel-target alignment (Cortes et al. 2012). */
  readonly alignment: number | null;
  /** Above it, gradient descent on the mean squared error of the linearised model diverges. */
  readonly largestLearningRate: number | null;
}

/**
 * Which number of each pair of examples a picture shows: the trace over outputs, by the mean, or one entry of the block
 * [C, C] of outputs.
 */
export type KernelView = "trace" | { readonly row: number; readonly column: number };

/** Which example stands where: as they were given, by class, or as the clusters of the kernel of this id put them. */
export type KernelOrder = "given" | "class" | { readonly clustersOf: string };

/** One picture of a kernel: a number for each pair of examples. */
export interface KernelPicture {
  readonly id: string;
  readonly view: KernelView;
  readonly order: KernelOrder;
}

/**
 * A part of a picture at a resolution: at level 0 an entry is a pair of examples, at level k the mean of 2^k x 2^k pairs
 * that stand side by side in the picture's order. Tiles are squares of 256 entries, smaller at the right and bottom edge.
 */
export interface KernelTileRequest extends KernelPicture {
  readonly level: number;
  /** Of the tile, counted from 0 in tiles. */
  readonly row: number;
  readonly column: number;
}

export interface KernelTile extends KernelTileRequest {
  readonly version: number;
  /** Of all pairs of the picture that are known at this version, whatever the tile's level; null before there are any. */
  readonly range: KernelRange | null;
  readonly rows: number;
  readonly columns: number;
  /** Row by row; NaN where nothing is known yet. */
  readonly values: Float32Array;
}

/** Asks for the order of a picture's rows and columns. */
export interface KernelArrangementRequest {
  readonly id: string;
  readonly order: KernelOrder;
}

export interface KernelArrangement extends KernelArrangementRequest {
  readonly rows: KernelAxis;
  /** Null where the examples of the columns are those of the rows. */
  readonly columns: KernelAxis | null;
}

export interface KernelAxis {
  /** At each place, the example that stands there. */
  readonly examples: Uint32Array;
  /** Classes or clusters, from the first place to the last; empty where the order has none. */
  readonly groups: readonly KernelGroup[];
}

export interface KernelGroup {
  readonly label: string;
  /** The first place. */
  readonly from: number;
  /** The place after the last. */
  readonly to: number;
}

/** Asks for one pair of examples, whatever stands where. */
export interface KernelEntryRequest {
  readonly id: string;
  readonly view: KernelView;
  /** Examples, counted from 0. */
  readonly row: number;
  readonly column: number;
}

/** All that is known of one pair of examples. */
export interface KernelEntry extends KernelEntryRequest {
  /** What the picture shows of the pair; null before it is known. */
  readonly value: number | null;
  /** `full`: [C, C] row by row; `diagonal`: [C]; `trace`: one number. Null before it is known. */
  readonly block: Float32Array | null;
}

/** Gradient descent of the linearised model on the mean squared error. */
export interface LearningCurve {
  readonly learningRate: number;
  /** The number of examples that it is trained on; the others with labels are held out, and tested on. */
  readonly trained: number;
  /** Steps, growing from 0. Null, only at the end, stands for infinitely many. */
  readonly times: readonly (number | null)[];
  /** One number for each time. */
  readonly trainLoss: readonly number[];
  readonly testLoss: readonly number[] | null;
  readonly predictions: readonly LearningPrediction[];
}

/** What the linearised model says of one example. */
export interface LearningPrediction {
  readonly set: "train" | "test";
  readonly example: number;
  /** [C] */
  readonly target: readonly number[] | null;
  /** For each time [C]. */
  readonly outputs: readonly (readonly number[])[];
}

/** Some of a kernel's pairs, to be written to a file. */
export interface KernelSelection {
  readonly id: string;
  readonly view: KernelView;
  /** Examples, in the order of the picture. */
  readonly rows: Uint32Array;
  readonly columns: Uint32Array;
}
