import type { OpaqueHost } from "../../engines/engine";
import type { Equation } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import type { OpaqueAttributes } from "../../primitives/attributes";
import { namedInputs } from "./kernel-call";
import { FRAMEWORK } from "./opaque-trace";
import { recordingBackend } from "./runtime";
import { tf } from "./tensorflow";
import { dtypeOf, typedArray } from "./trace";

/** Runs the operations that only TensorFlow.js has, on its cpu kernels; an engine's `OpaqueHost`. */
export class TfjsOpaqueHost implements OpaqueHost {
  readonly framework = FRAMEWORK;

  run(equation: Equation, inputs: readonly Tensor[]): Tensor[] {
    const { kernel, attributes } = equation.attributes as OpaqueAttributes;
    const { inputNames, attrs } = attributes as { inputNames: readonly string[]; attrs: object };
    recordingBackend();
    const engine = tf.engine();
    engine.startScope();
    try {
      const tensors = inputs.map(({ shape, dtype, data }, index) => {
        const type = dtype === "float64" ? "float32" : dtype;
        return [inputNames[index], tf.tensor(typedArray(data, type), [...shape], type)] as const;
      });
      const results = engine.runKernel<tf.Tensor | tf.Tensor[]>(kernel, namedInputs(tensors) as never, attrs as never);
      return (Array.isArray(results) ? results : [results]).map((result, index) => {
        const dtype = equation.outputs[index].dtype;
        return { shape: [...result.shape], dtype, data: typedArray(result.dataSync(), dtypeOf(result)) };
      });
    } finally {
      engine.endScope();
    }
  }
}
