import { checkGraph } from "../../graph/check";
import { ModelError } from "../../graph/errors";
import type { Tensor } from "../../graph/tensor";
import { inferShapes } from "../../primitives";
import type { BatchInfo, Model, Port } from "../model";
import { layersOf } from "./called-layers";
import { proveIndependence, squeezedShapes, type Coupling } from "./independence";
import type { Subject } from "./subject";
import { tf } from "./tensorflow";
import { dtypeOf, ReadWhileTracing, typedArray } from "./trace";
import { NoBatchAxis, traceSubject, type Traced } from "./tracing";

export type Description = Pick<Model, "file" | "export" | "format" | "source" | "files">;

/** Traces a subject, finds out whether its examples are independent, and puts the model together. */
export async function assembleModel(subject: Subject, description: Description, batch: number): Promise<Model> {
  const { traced, info } = await traceOneOrAll(subject, batch);
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
    batch: info,
    weights,
  };
}

/** The function of one example where that is all there is to the model, else of the whole batch. */
async function traceOneOrAll(subject: Subject, batch: number): Promise<{ traced: Traced; info: BatchInfo }> {
  const whole = async (size: number, { reason, source }: Coupling): Promise<{ traced: Traced; info: BatchInfo }> => ({
    traced: await traceSubject(subject, size),
    info: { coupled: true, size, reason, source },
  });
  const { frozenBatch, source } = subject;
  if (!subject.inputs.some(({ batched }) => batched)) {
    return { traced: await traceSubject(subject, null), info: { coupled: false } };
  }
  if (frozenBatch !== null && frozenBatch > 1) {
    return whole(frozenBatch, { reason: `the model's batch size is fixed at ${frozenBatch}`, source });
  }
  let coupling: Coupling | null;
  try {
    const single = await traceOne(subject);
    coupling =
      single === null
        ? await proveIndependence(subject, null)
        : frozenBatch === 1
          ? null
          : await proveIndependence(subject, single);
    if (single !== null && coupling === null) return { traced: single, info: { coupled: false } };
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    // A model that refuses a batch of one or two may have a batch size written into it.
    if (batch <= 2 || error instanceof ReadWhileTracing) throw error;
    const reason = `the model does not run on a batch of 1 or 2 (${error.message})`;
    return whole(batch, { reason, source: error.source }).catch(() => {
      throw error;
    });
  }
  return whole(batch, coupling ?? { reason: "the outputs have no batch axis", source });
}

/** The function of one example; null where at a batch of one there is no batch axis to take away. */
async function traceOne(subject: Subject): Promise<Traced | null> {
  try {
    return await traceSubject(subject, null);
  } catch (error) {
    if (!(error instanceof NoBatchAxis)) throw error;
    const shapes = await squeezedShapes(subject);
    return shapes && traceSubject(subject, null, shapes);
  }
}
