import { Matrix } from "ml-matrix";
import { ModelError } from "../graph/errors";
import { tensor, type Tensor } from "../graph/tensor";
import { checkRows, kernelMatrix, symmetricKernelMatrix, toMean, type KernelForm } from "./kernel";
import { maximumRows, solvePositiveDefinite } from "./linear-algebra";
import { added, checkSets, columns, kernelNames, type TestSet, type TrainingSet } from "./sets";

/** Outputs in float64, of the shapes of those before training. */
export interface RidgePrediction {
  readonly train: Tensor;
  readonly test: Tensor | null;
}

/**
 * Kernel ridge regression on what the untrained model lacks: f + K_test (K + regularizer I)⁻¹ (y - f), the posterior mean of
 * a Gaussian process with the kernel K and noise of the variance `regularizer`. As regularizer goes to 0, it becomes what
 * training to infinity yields. Outputs of the training examples come out the same way, with K for K_test.
 *
 * Throws a ModelError as `trajectory` does, and where K + regularizer I is not positive definite.
 */
export function kernelRidge(
  train: TrainingSet,
  test: TestSet | null,
  form: KernelForm,
  regularizer: number,
): RidgePrediction {
  if (!(regularizer >= 0 && regularizer < Infinity)) {
    throw new ModelError(`The regularizer is ${regularizer}; give a number that is not negative.`);
  }
  checkSets(train, test, form);
  const kernel = symmetricKernelMatrix(train.kernel, form, kernelNames.train).mul(toMean(form));
  checkRows(kernel, maximumRows, "kernel ridge regression");
  const missing = columns(train.targets, kernel.rows).sub(columns(train.outputs, kernel.rows));
  const dual = solvePositiveDefinite(Matrix.add(kernel, Matrix.eye(kernel.rows).mul(regularizer)), missing);
  if (!dual) {
    throw new ModelError(
      `The kernel plus ${regularizer} times the identity is not positive definite; give a larger regularizer.`,
    );
  }
  const outputsWith = (outputs: Tensor, matrix: Matrix): Tensor => {
    const { data } = added(outputs, matrix.mmul(dual), 1);
    return tensor(outputs.shape, "float64", data);
  };
  return {
    train: outputsWith(train.outputs, kernel),
    test: test ? outputsWith(test.outputs, kernelMatrix(test.kernel, form, kernelNames.test).mul(toMean(form))) : null,
  };
}
