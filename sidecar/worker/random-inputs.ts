import type { Tensor } from "../graph/tensor";
import type { Shape } from "../graph/types";
import type { Model } from "../sources";
import { recordingBackend } from "../sources/tfjs/runtime";
import { tf } from "../sources/tfjs/tensorflow";

/**
 * Inputs for a model of which only shapes matter: standard normal numbers, and zeros and ones where whole numbers or
 * booleans are wanted (an index must not be out of range, whatever it is an index of).
 */
export function randomInputs({ inputs }: Pick<Model, "inputs">, batch: number, seed: number): Map<string, Tensor> {
  return new Map(
    inputs.map(({ name, shape: one, dtype }, index): [string, Tensor] => {
      const shape = [batch, ...one];
      if (dtype === "float32" || dtype === "float64") {
        const normal = normalNumbers(shape, seed + index);
        return [name, { shape, dtype, data: dtype === "float32" ? normal : Float64Array.from(normal) }];
      }
      const bits = elementsOf(() => tf.randomUniform(shape, 0, 2, "int32", seed + index));
      return [name, { shape, dtype, data: dtype === "int32" ? Int32Array.from(bits) : Uint8Array.from(bits) }];
    }),
  );
}

/** Standard normal, the same for the same seed. */
export function normalNumbers(shape: Shape, seed: number): Float32Array {
  return elementsOf(() => tf.randomNormal([...shape], 0, 1, "float32", seed));
}

function elementsOf(make: () => tf.Tensor): Float32Array {
  // Of a model that is not of TensorFlow.js it is not set up yet, and would advise another backend
  recordingBackend();
  const tensor = make();
  try {
    return Float32Array.from(tensor.dataSync());
  } finally {
    tensor.dispose();
  }
}
