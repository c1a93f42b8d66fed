import { ModelError } from "../../graph/errors";
import type { Value } from "../../graph/graph";
import { isFloat } from "../../graph/types";
import { add, stopGradient, sub } from "../../primitives/ops";
import { splitByDependence, transposeInto } from "../../transforms/transpose";
import { symbolicTensor, valueOfTensor } from "./runtime";
import { tf } from "./tensorflow";
import { activeTrace, currentPlace, tracing, type Trace } from "./trace";

/** `tf.customGrad`: a function whose derivative the user gives. */

interface CustomResult {
  readonly value: tf.Tensor;
  readonly gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor | tf.Tensor[];
}

type CustomFunction = (...inputsAndSave: unknown[]) => CustomResult;

/**
 * In a trace the result becomes y = f(x') + L(x - x'), where x' is x to which no derivative passes, and L, the transpose
 * of the user's gradient function, is linear: y has the value of f, and the derivative that the user gives.
 */
export function customGrad(f: CustomFunction): (...inputs: tf.Tensor[]) => tf.Tensor {
  return (...inputs) => {
    let result: CustomResult | null = null;
    let saved: tf.Tensor[] = [];
    const observed = (...args: unknown[]): CustomResult => {
      const save = args[args.length - 1] as (tensors: tf.Tensor[]) => void;
      const keep = (tensors: tf.Tensor[]): void => {
        saved = tensors.map((tensor) => tf.keep(tensor.clone()));
        save(tensors);
      };
      result = f(...args.slice(0, -1), keep);
      return result;
    };
    const y = tf.customGrad(observed)(...inputs);
    const trace = activeTrace();
    if (trace?.isSymbolic(y.dataId) && result) withGradient(trace, inputs, y, result, saved);
    return y;
  };
}

function withGradient(
  trace: Trace,
  inputs: readonly tf.Tensor[],
  y: tf.Tensor,
  { gradFunc }: CustomResult,
  saved: tf.Tensor[],
): void {
  const b = trace.builder;
  const place = currentPlace();
  b.at(place, () => {
    // The gradient function is traced apart: what depends on dy is only there to be transposed.
    const scratch = trace.derive();
    const value = valueOfTensor(trace, y);
    const dy: Value = { shape: value.shape, dtype: value.dtype };
    const gradients = tracing(scratch, () => {
      const results = gradFunc(symbolicTensor(scratch, dy), saved);
      return (Array.isArray(results) ? results : [results]).map((gradient) => valueOfTensor(scratch, gradient));
    });
    const { dependent, independent } = splitByDependence(scratch.builder.equations, [dy]);
    b.append(independent, scratch.builder.constants);
    const cotangents = gradients.map((gradient, index) => {
      const x = valueOfTensor(trace, inputs[index]);
      return { value: gradient, cotangent: isFloat(x.dtype) ? sub(b, x, stopGradient(b, x)) : null };
    });
    let linear: Value | null;
    try {
      [linear] = transposeInto(b, dependent, [dy], cotangents);
    } catch (error) {
      throw new ModelError(
        `the gradient function given to tf.customGrad is not linear in dy (${(error as Error).message}), so there is no ` +
          "Jacobian with it; make it linear",
        place,
      );
    }
    const still = stopGradient(b, value);
    trace.bind(y.dataId, linear ? add(b, still, linear) : still);
  });
}
