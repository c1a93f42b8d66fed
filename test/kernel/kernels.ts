import { tensor, type Tensor } from "../../sidecar/graph/tensor";
import { sizeOf, type Shape } from "../../sidecar/graph/types";
import { generator } from "../../sidecar/sources/random";

/** Linear models with random features, whose kernels and trainings are known: `f = f_0 + J theta`. */

export interface LinearModel {
  readonly examples: number;
  readonly tests: number;
  readonly outputs: number;
  /** [N, C, P] and [M, C, P]: derivatives of outputs with respect to parameters, one for each output and parameter. */
  readonly jacobian: Tensor;
  readonly testJacobian: Tensor;
  /** [N, C] and [M, C] */
  readonly f0: Tensor;
  readonly testF0: Tensor;
  readonly y: Tensor;
  readonly testY: Tensor;
}

/** With fewer parameters than outputs the kernel is singular. */
export function linearModel(
  seed: number,
  examples: number,
  tests: number,
  outputs: number,
  parameters: number,
): LinearModel {
  const random = generator(seed);
  const uniform = (...shape: Shape): Tensor => {
    return tensor(
      shape,
      "float64",
      Float64Array.from({ length: sizeOf(shape) }, () => 2 * random() - 1),
    );
  };
  return {
    examples,
    tests,
    outputs,
    jacobian: uniform(examples, outputs, parameters),
    testJacobian: uniform(tests, outputs, parameters),
    f0: uniform(examples, outputs),
    testF0: uniform(tests, outputs),
    y: uniform(examples, outputs),
    testY: uniform(tests, outputs),
  };
}

/** [N1, N2, C, C]: the kernel of two Jacobians, by its definition. */
export function fullKernel(a: Tensor, b: Tensor): Tensor {
  const [n1, c, p] = a.shape;
  const [n2] = b.shape;
  const kernel = tensor([n1, n2, c, c], "float64");
  let index = 0;
  for (let n = 0; n < n1; n++) {
    for (let m = 0; m < n2; m++) {
      for (let o = 0; o < c; o++) {
        for (let q = 0; q < c; q++) {
          let sum = 0;
          for (let k = 0; k < p; k++) sum += a.data[(n * c + o) * p + k] * b.data[(m * c + q) * p + k];
          kernel.data[index++] = sum;
        }
      }
    }
  }
  return kernel;
}

/** [N1, N2]: the trace of a full kernel over outputs. */
export function traceOf(full: Tensor, kind: "sum" | "mean"): Tensor {
  const [n1, n2, c] = full.shape;
  const data = Float64Array.from({ length: n1 * n2 }, (_, pair) => {
    let sum = 0;
    for (let o = 0; o < c; o++) sum += full.data[pair * c * c + o * (c + 1)];
    return kind === "sum" ? sum : sum / c;
  });
  return tensor([n1, n2], "float64", data);
}
