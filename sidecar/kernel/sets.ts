import { Matrix } from "ml-matrix";
import { ModelError } from "../graph/errors";
import { tensor, type Tensor } from "../graph/tensor";
import { formatShape, sameShape, sizeOf } from "../graph/types";
import { checkShape, outputsOf, type KernelForm } from "./kernel";

/** Outputs of shape [N, ...output] before training, and what they are trained towards. */
export interface TrainingSet {
  /** Of the training examples with themselves. */
  readonly kernel: Tensor;
  readonly outputs: Tensor;
  readonly targets: Tensor;
}

export interface TestSet {
  /** Of the test examples (rows) with the training examples (columns). */
  readonly kernel: Tensor;
  /** [M, ...output] */
  readonly outputs: Tensor;
  readonly targets?: Tensor;
}

/** What messages call the two kernels. */
export const kernelNames = { train: "The kernel of the training examples", test: "The kernel of the test examples" };

/** Throws a ModelError unless kernels, outputs and targets fit each other and the latter are finite. */
export function checkSets(train: TrainingSet, test: TestSet | null, form: KernelForm): void {
  checkShape(train.kernel, form, kernelNames.train);
  checkOutputs("training", train, train.kernel, form);
  if (!test) return;
  checkShape(test.kernel, form, kernelNames.test);
  checkOutputs("test", test, test.kernel, form);
  if (test.kernel.shape[1] !== train.kernel.shape[0]) {
    throw new ModelError(
      `The kernel of the test examples has shape ${formatShape(test.kernel.shape)} beside ${train.kernel.shape[0]} ` +
        "training examples; give test examples as rows and training examples as columns.",
    );
  }
  if (!sameShape(test.outputs.shape.slice(1), train.outputs.shape.slice(1))) {
    throw new ModelError(
      `Outputs of test examples have shape ${formatShape(test.outputs.shape)} and those of training examples ` +
        `${formatShape(train.outputs.shape)}; give both as the same model has them.`,
    );
  }
}

function checkOutputs(
  name: "training" | "test",
  { outputs, targets }: { readonly outputs: Tensor; readonly targets?: Tensor },
  kernel: Tensor,
  form: KernelForm,
): void {
  const [examples, c] = [kernel.shape[0], outputsOf(kernel, form)];
  if (outputs.shape[0] !== examples || sizeOf(outputs.shape) !== examples * c) {
    throw new ModelError(
      `Outputs of ${name} examples have shape ${formatShape(outputs.shape)}, and their kernel is for ${examples} examples ` +
        `with ${c} outputs each; give both for the same examples and model.`,
    );
  }
  if (targets && !sameShape(targets.shape, outputs.shape)) {
    throw new ModelError(
      `Targets of ${name} examples have shape ${formatShape(targets.shape)} and the model's outputs ` +
        `${formatShape(outputs.shape)}; give targets of the outputs' shape.`,
    );
  }
  checkFinite(`Outputs of ${name} examples`, outputs);
  if (targets) checkFinite(`Targets of ${name} examples`, targets);
}

function checkFinite(what: string, { shape, data }: Tensor): void {
  const position = data.findIndex((value) => !Number.isFinite(value));
  if (position < 0) return;
  const example = Math.floor(position / sizeOf(shape.slice(1)));
  throw new ModelError(`${what} are ${data[position]} at example ${example}; give finite numbers.`);
}

/** A matrix of one column for each output that has the same kernel: [N, C] with a kernel [N, N], [N C, 1] with [N C, N C]. */
export function columns({ data }: Tensor, rows: number): Matrix {
  return Matrix.from1DArray(rows, data.length / rows, Array.from(data));
}

/** [T, ...outputs]: at each time the outputs before training, and what its columns of `moved` add. */
export function added({ shape, data }: Tensor, moved: Matrix, times: number): Tensor {
  const width = moved.columns / times;
  const result = new Float64Array(times * data.length);
  for (let time = 0; time < times; time++) {
    for (let index = 0; index < data.length; index++) {
      const change = moved.get(Math.floor(index / width), time * width + (index % width));
      result[time * data.length + index] = data[index] + change;
    }
  }
  return tensor([times, ...shape], "float64", result);
}

/** [T]: half of the mean squared error at each time. */
export function losses({ shape, data }: Tensor, targets: Tensor): Tensor {
  const size = targets.data.length;
  const result = new Float64Array(shape[0]);
  data.forEach((value, index) => {
    result[Math.floor(index / size)] += (value - targets.data[index % size]) ** 2 / (2 * size);
  });
  return tensor([shape[0]], "float64", result);
}
