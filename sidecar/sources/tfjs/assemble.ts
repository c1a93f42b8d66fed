import { checkGraph } from "../../graph/check";
import type { Tensor } from "../../graph/tensor";
import { inferShapes } from "../../primitives";
import { traceOneOrAll, type Traceable } from "../independence";
import type { Model, Port } from "../model";
import { layersOf, operationsOf } from "./called-layers";
import type { Subject } from "./subject";
import { tf } from "./tensorflow";
import { dtypeOf, ReadWhileTracing, typedArray } from "./trace";
import { traceSubject, type Traced } from "./tracing";

export type Description = Pick<Model, "file" | "export" | "format" | "source" | "files">;

/** Traces a subject, finds out whether its examples are independent, and puts the model together. */
export async function assembleModel(subject: Subject, description: Description, batch: number): Promise<Model> {
  const { traced, info } = await traceOneOrAll(traceable(subject), batch);
  const { graph } = traced;
  checkGraph(graph, inferShapes);
  const weights: Record<string, Tensor> = {};
  for (const { name, tensor } of traced.weights) {
    const dtype = dtypeOf(tensor);
    weights[name] = { shape: [...tensor.shape], dtype, data: typedArray(tensor.dataSync(), dtype) };
  }
  return {
    ...description,
    framework: `TensorFlow.js ${tf.version.tfjs}`,
    graph,
    inputs: subject.inputs.map(({ name, shape, dtype }) => ({ name, shape: [...shape], dtype })),
    outputs: graph.outputs.map(({ shape, dtype }, index): Port => ({
      name: traced.outputNames[index],
      shape: info.coupled && shape[0] === info.size ? shape.slice(1) : shape,
      dtype,
    })),
    parameters: traced.weights
      .filter(({ role }) => role === "parameter")
      .map(({ name, trainable, source }) => ({ name, trainable, source })),
    layers: subject.isLayered ? layersOf(traced, info.coupled ? info.size : 1) : [],
    operations: operationsOf(traced, info.coupled ? info.size : 1),
    batch: info,
    weights,
  };
}

/** A subject as what is asked whether its examples are independent: TensorFlow.js itself runs it. */
function traceable(subject: Subject): Traceable<Traced> {
  return {
    inputs: subject.inputs,
    frozenBatch: subject.frozenBatch,
    source: subject.source,
    runsOpaque: true,
    trace: (batch, shapes) => traceSubject(subject, batch, shapes ?? null),
    async run(inputs) {
      const tensors = inputs.map(({ data, shape, dtype }) => tf.tensor(data, [...shape], dtype as "float32"));
      const outputs = await subject.call(tensors);
      return outputs.map(({ tensor }) => typedArray(tensor.dataSync(), "float32"));
    },
    isFinal: (error) => error instanceof ReadWhileTracing,
  };
}
