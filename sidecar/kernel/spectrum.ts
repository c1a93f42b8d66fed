import { Matrix } from "ml-matrix";
import { ModelError } from "../graph/errors";
import type { Tensor } from "../graph/tensor";
import { formatShape, sizeOf } from "../graph/types";
import { epsilonOf, outputsOf, symmetricKernelMatrix, toMean, type KernelForm } from "./kernel";
import { eigendecomposition, leadingEigenvalues, maximumRows } from "./linear-algebra";

/** What is told of a kernel of N examples with themselves. Null: it does not exist, or is not computed (`complete`). */
export interface Spectrum {
  /** Of the kernel as a matrix: N, or N C for the form `full`. */
  readonly rows: number;
  /** Of the kernel as it is given (a sum stays a sum), in descending order: all of them, or the largest. */
  readonly eigenvalues: Float64Array;
  /** Whether all eigenvalues are there: not above `maximumRows` rows, for which those that need all are null. */
  readonly complete: boolean;
  readonly trace: number;
  /** How many eigenvalues count as positive: above `positiveFrom` the largest one. */
  readonly rank: number | null;
  /** The largest eigenvalue over the smallest one that counts as positive. */
  readonly conditionNumber: number | null;
  /** exp(-sum p log p) with p the eigenvalues over their sum (Roy and Vetterli 2007). Negative ones count as 0. */
  readonly effectiveRank: number | null;
  /** (sum l)² / sum l² of the eigenvalues l: the participation ratio; R_0 of Bartlett et al. 2020. */
  readonly participationRatio: number | null;
  /** <K, YYᵀ> / (|K| |YYᵀ|), in Frobenius norms, of the trace over outputs (Cristianini et al. 2001). */
  readonly alignment: number | null;
  /** The same, K and Y centered first (Cortes, Mohri and Rostamizadeh 2012). */
  readonly centeredAlignment: number | null;
  /** See `largestLearningRate`. */
  readonly largestLearningRate: number | null;
}

/** Eigenvalues count as positive above this, relative to the largest: as numpy.linalg.matrix_rank has it. */
export function positiveFrom(rows: number, kernel: Tensor): number {
  return rows * epsilonOf(kernel.dtype);
}

/**
 * The learning rate from which on gradient descent diverges: on the linearised model, with the loss
 * `1/(2 n) sum (f - y)²` over all n = N C outputs of the training examples. It is `2 (1 + momentum) n / largest`, as
 * max_learning_rate of neural-tangents has it; null where the largest eigenvalue is not positive.
 *
 * `largest` is the eigenvalue of the kernel in the form `full`, or of the mean over outputs. The latter is at most the former
 * (it is an average of the kernel's blocks on the diagonal), so that a rate from `trace` is an upper bound.
 */
export function largestLearningRate(largest: number, n: number, momentum = 0): number | null {
  return largest > 0 ? (2 * (1 + momentum) * n) / largest : null;
}

/** How many eigenvalues are computed of a kernel that is too large for all of them. */
const leading = 10;

/**
 * The spectrum of a kernel of N examples with themselves, and with `labels` [N, ...] (numbers: one-hot, or targets of a
 * regression) how well it is aligned with them. Above `maximumRows` rows only the largest 10 eigenvalues are computed,
 * by subspace iteration (see `leadingEigenvalues`), and what does not take them all.
 *
 * Throws a ModelError where the kernel is not finite or not symmetric, which says at which row and column.
 *
 * @param rowsForAll so many rows or fewer have all of their eigenvalues computed, for those who would rather not wait
 */
export function spectrumOf(kernel: Tensor, form: KernelForm, labels?: Tensor, rowsForAll = maximumRows): Spectrum {
  const matrix = symmetricKernelMatrix(kernel, form);
  const complete = matrix.rows <= Math.min(rowsForAll, maximumRows);
  const eigenvalues = complete ? eigendecomposition(matrix).values.reverse() : leadingEigenvalues(matrix, leading);
  const trace = matrix.trace();
  const squares = sumOfSquares(matrix);
  const n = kernel.shape[0] * outputsOf(kernel, form);
  const positive = eigenvalues.filter((value) => value > positiveFrom(matrix.rows, kernel) * eigenvalues[0]);
  return {
    rows: matrix.rows,
    eigenvalues,
    complete,
    trace,
    rank: complete ? positive.length : null,
    conditionNumber: complete && positive.length > 0 ? positive[0] / positive[positive.length - 1] : null,
    effectiveRank: complete ? exponentialOfEntropy(eigenvalues) : null,
    participationRatio: squares > 0 ? trace ** 2 / squares : null,
    largestLearningRate: eigenvalues.length > 0 ? largestLearningRate(eigenvalues[0] * toMean(form), n) : null,
    ...alignments(form.form === "trace" ? matrix : traceOverOutputs(kernel), labels),
  };
}

function exponentialOfEntropy(eigenvalues: Float64Array): number | null {
  const positive = eigenvalues.filter((value) => value > 0);
  const sum = positive.reduce((total, value) => total + value, 0);
  if (sum === 0) return null;
  return Math.exp(-positive.reduce((total, value) => total + (value / sum) * Math.log(value / sum), 0));
}

/** Of a matrix of examples, which is centered in place. */
function alignments(matrix: Matrix, labels: Tensor | undefined): Pick<Spectrum, "alignment" | "centeredAlignment"> {
  if (!labels) return { alignment: null, centeredAlignment: null };
  const targets = labelMatrix(labels, matrix.rows);
  const alignment = alignmentOf(matrix, targets);
  // H K H and H Y with H = I - 11ᵀ/N
  matrix.center("row").center("column");
  targets.center("column");
  return { alignment, centeredAlignment: alignmentOf(matrix, targets) };
}

/** <YYᵀ, K> is the trace of YᵀKY, and |YYᵀ| is |YᵀY|. */
function alignmentOf(matrix: Matrix, targets: Matrix): number | null {
  const transposed = targets.transpose();
  const norms = Math.sqrt(sumOfSquares(matrix) * sumOfSquares(transposed.mmul(targets)));
  return norms > 0 ? transposed.mmul(matrix.mmul(targets)).trace() / norms : null;
}

/** Row by row: ml-matrix's norm copies the matrix twice. */
function sumOfSquares(matrix: Matrix): number {
  let sum = 0;
  for (let row = 0; row < matrix.rows; row++) {
    for (let column = 0; column < matrix.columns; column++) sum += matrix.get(row, column) ** 2;
  }
  return sum;
}

/** A kernel [N, N, C, C] as a matrix of examples: alignments are the same for every form of a kernel. */
function traceOverOutputs(kernel: Tensor): Matrix {
  const [n1, n2, c] = kernel.shape;
  const entry = (pair: number): number => {
    let sum = 0;
    for (let output = 0; output < c; output++) sum += kernel.data[pair * c * c + output * (c + 1)];
    return sum;
  };
  return Matrix.from1DArray(
    n1,
    n2,
    Array.from({ length: n1 * n2 }, (_, pair) => entry(pair)),
  );
}

function labelMatrix({ shape, data }: Tensor, examples: number): Matrix {
  if (shape[0] !== examples) {
    throw new ModelError(
      `There are labels of shape ${formatShape(shape)} for ${examples} examples; give one for each.`,
    );
  }
  const position = data.findIndex((value) => !Number.isFinite(value));
  if (position >= 0) {
    const row = Math.floor(position / (data.length / examples));
    throw new ModelError(`The label of example ${row} is ${data[position]}; give finite numbers.`);
  }
  return Matrix.from1DArray(examples, sizeOf(shape.slice(1)), Array.from(data));
}
