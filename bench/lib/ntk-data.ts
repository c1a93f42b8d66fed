import { withFile } from "../../sidecar/formats/file";
import { readNpy, tensorOf } from "../../sidecar/formats/npy";
import { NpzWriter, readNpz } from "../../sidecar/formats/npz";
import type { Tensor } from "../../sidecar/graph/tensor";
import { loadModel } from "../../sidecar/sources";
import { randomInputs } from "../../sidecar/worker/random-inputs";
import { kernelModelOf, type KernelCase } from "./ntk-cases";

/**
 * The weights and examples that all contenders are given, so that they compute the same kernel: in the model's order `weight:NAME`
 * for what is differentiated with respect to and `buffer:NAME` for the rest, `x1` and, where there are columns, `x2`.
 * All have TensorFlow.js's layouts. The models have one input.
 */
export async function writeKernelData(file: string, { model: name, rows, columns }: KernelCase): Promise<void> {
  const model = await loadModel({ ...kernelModelOf(name), batch: Math.min(rows, 2) });
  const writer = new NpzWriter(file);
  try {
    for (const { name: parameter, trainable } of model.parameters) {
      writer.add(`${trainable ? "weight" : "buffer"}:${parameter}`, model.weights[parameter]);
    }
    for (const { name: buffer } of model.graph.buffers) writer.add(`buffer:${buffer}`, model.weights[buffer]);
    const [{ name: input }] = model.inputs;
    writer.add("x1", randomInputs(model, rows, 1).get(input)!);
    if (columns !== null) writer.add("x2", randomInputs(model, columns, 2).get(input)!);
    writer.finish();
  } finally {
    writer.close();
  }
}

export function readKernelData(file: string): ReadonlyMap<string, Tensor> {
  return withFile(file, (archive) => {
    return new Map(Array.from(readNpz(archive), ([name, npy]) => [name, tensorOf(readNpy(npy), "float32")!]));
  });
}
