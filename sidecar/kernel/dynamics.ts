import { Matrix } from "ml-matrix";
import { ModelError } from "../graph/errors";
import type { Tensor } from "../graph/tensor";
import { sizeOf } from "../graph/types";
import { checkRows, kernelMatrix, symmetricKernelMatrix, toleranceOf, toMean, type KernelForm } from "./kernel";
import { eigendecomposition, maximumRows } from "./linear-algebra";
import { added, checkSets, columns, kernelNames, losses, type TestSet, type TrainingSet } from "./sets";
import { largestLearningRate, positiveFrom } from "./spectrum";

/**
 * Training of the linearised model, in closed form (Lee et al. 2019, "Wide neural networks of any depth evolve as linear
 * models under gradient descent"; Jacot et al. 2018). The loss is half of the mean squared error,
 *
 *     L = 1/(2 n) sum (f - y)²     over all n = N C outputs of the training examples,
 *
 * as in gradient_descent_mse of neural-tangents. Full-batch training moves the outputs along the eigenvectors v of the kernel
 * K (of eigenvalue l), each at its own pace. With r = f_0 - y and g(l) the change of a residual of eigenvalue l:
 *
 *     train:  f_t = f_0 + V g(l) Vᵀ r              flow:     g(l) = exp(-l rate t / n) - 1
 *     test:   f_t = f_0 + K_test V g(l)/l Vᵀ r     descent:  g(l) = (1 - l rate / n)^t - 1
 *
 * At infinity g(l) = -1: train outputs are y but for the part of r in the kernel's null space, and test outputs are
 * f_0 + K_test K⁺ (y - f_0), the posterior mean of a Gaussian process without noise.
 */

/** `flow`: gradient flow, the limit of small steps, at any time. `descent`: whole steps of gradient descent. */
export type Training = "flow" | "descent";

export interface TrainingOptions {
  readonly form: KernelForm;
  readonly training: Training;
  readonly learningRate: number;
  /** In steps of the learning rate, from 0 to Infinity, in any order; `descent` takes whole ones. */
  readonly times: readonly number[];
}

/** All in float64. */
export interface Trajectory {
  /** [T, N, ...output] */
  readonly train: Tensor;
  /** [T] */
  readonly trainLoss: Tensor;
  /** [T, M, ...output], of a test set. */
  readonly test: Tensor | null;
  /** [T], of a test set with targets: half of its mean squared error. */
  readonly testLoss: Tensor | null;
  /**
   * False where gradient descent diverges: its learning rate is at least `largestLearningRate`. Outputs then grow, with time
   * beyond what float64 holds (Infinity, NaN), and are NaN at infinity.
   */
  readonly stable: boolean;
  readonly largestLearningRate: number | null;
}

/**
 * Outputs and losses of the linearised model at each time. Eigenvalues that count as zero (`positiveFrom` of the largest)
 * are taken to be zero: what lies in the null space never moves.
 *
 * Throws a ModelError where shapes do not fit each other; where a kernel is not finite, not symmetric, not positive
 * semidefinite or larger than `maximumRows`; and where learning rate or times cannot be.
 */
export function trajectory(train: TrainingSet, test: TestSet | null, options: TrainingOptions): Trajectory {
  const { form, times } = options;
  checkOptions(options);
  checkSets(train, test, form);
  const kernel = symmetricKernelMatrix(train.kernel, form, kernelNames.train).mul(toMean(form));
  checkRows(kernel, maximumRows, "training in closed form");

  const { values, vectors } = eigendecomposition(kernel);
  const largest = values[values.length - 1];
  checkSemidefinite(values, toleranceOf(train.kernel.dtype));
  const zero = positiveFrom(kernel.rows, train.kernel) * largest;
  const n = sizeOf(train.outputs.shape);
  const paces = values.map((value) => (value > zero ? (value * options.learningRate) / n : 0));

  const residual = columns(train.outputs, kernel.rows).sub(columns(train.targets, kernel.rows));
  const inModes = vectors.transpose().mmul(residual);
  const changes = times.map((time) => paces.map((pace) => changeOf(pace, time, options.training)));
  const moved = vectors.mmul(sideBySide(changes.map((change) => scaledRows(inModes, change))));
  const trained = added(train.outputs, moved, times.length);

  let tested: Tensor | null = null;
  if (test) {
    const weights = changes.map((change) => change.map((g, mode) => (paces[mode] > 0 ? g / values[mode] : 0)));
    const dual = vectors.mmul(sideBySide(weights.map((weight) => scaledRows(inModes, weight))));
    const testKernel = kernelMatrix(test.kernel, form, kernelNames.test).mul(toMean(form));
    tested = added(test.outputs, testKernel.mmul(dual), times.length);
  }
  const limit = largestLearningRate(largest, n);
  return {
    train: trained,
    trainLoss: losses(trained, train.targets),
    test: tested,
    testLoss: tested && test?.targets ? losses(tested, test.targets) : null,
    stable: options.training === "flow" || limit === null || options.learningRate < limit,
    largestLearningRate: limit,
  };
}

/** g of a residual that shrinks at `pace` (l rate / n, 0 in the null space), without loss of digits where it is small. */
function changeOf(pace: number, time: number, training: Training): number {
  if (pace === 0 || time === 0) return 0;
  if (training === "flow") return Math.expm1(-pace * time);
  if (pace < 1) return Math.expm1(time * Math.log1p(-pace));
  // Neither growing nor alternating residuals have a limit
  if (time === Infinity) return pace < 2 ? -1 : NaN;
  return (1 - pace) ** time - 1;
}

function scaledRows(matrix: Matrix, factors: Float64Array): Matrix {
  return matrix.clone().mulColumnVector(Array.from(factors));
}

function sideBySide(matrices: readonly Matrix[]): Matrix {
  const [{ rows, columns }] = matrices;
  const joined = new Matrix(rows, columns * matrices.length);
  matrices.forEach((matrix, index) => joined.setSubMatrix(matrix, 0, index * columns));
  return joined;
}

function checkOptions({ learningRate, times, training }: TrainingOptions): void {
  if (!(learningRate > 0 && learningRate < Infinity)) {
    throw new ModelError(`The learning rate is ${learningRate}; give a positive number.`);
  }
  if (times.length === 0) throw new ModelError("There are no times; give at least one.");
  for (const time of times) {
    if (!(time >= 0)) throw new ModelError(`A time is ${time}; give times from 0 to infinity.`);
    if (training === "descent" && Number.isFinite(time) && !Number.isInteger(time)) {
      throw new ModelError(`A time is ${time}, and gradient descent takes whole steps; give whole numbers.`);
    }
  }
}

function checkSemidefinite(values: Float64Array, tolerance: number): void {
  const [smallest, largest] = [values[0], values[values.length - 1]];
  if (smallest >= -tolerance * Math.max(largest, 0)) return;
  throw new ModelError(
    `The kernel of the training examples has the eigenvalue ${smallest}, beside ${largest} as the largest, and a neural ` +
      "tangent kernel has no negative ones; compute it in a higher precision.",
  );
}
