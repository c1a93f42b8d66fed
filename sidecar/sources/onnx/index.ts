import { createReferenceEngine } from "../../engines/reference";
import { checkGraph } from "../../graph/check";
import { ModelError } from "../../graph/errors";
import type { Tensor } from "../../graph/tensor";
import type { Shape } from "../../graph/types";
import { inferShapes } from "../../primitives";
import { traceOneOrAll, type Traceable } from "../independence";
import type { LayerInfo, Model, OperationInfo, Port } from "../model";
import type { LoadRequest } from "../tfjs";
import { readModelFile } from "./file";
import { inputsOf } from "./inputs";
import type { GraphMessage, ModelMessage, TensorMessage } from "./messages";
import { moduleOf, modulesOf } from "./places";
import { externalFile, FileTensors } from "./tensors";
import { traceOnnx, type OnnxSubject, type OnnxTraced } from "./trace";

/** The oldest operator set that is read: from it on broadcasting is NumPy's. */
const OLDEST_OPSET = 7;

/** Reads an ONNX file as a Model. Throws a ModelError where the file or the model is at fault. */
export async function loadOnnxModel(request: LoadRequest & { readonly file: string }): Promise<Model> {
  const { file } = request;
  if (request.export !== null) {
    throw new ModelError(`an ONNX model has no binding ${request.export}; leave out #${request.export}`);
  }
  const batch = typeof request.batch === "number" ? request.batch : await request.batch(null);
  try {
    return await assemble(subjectOf(readModelFile(file), request), batch);
  } catch (error) {
    if (!(error instanceof ModelError) || error.source !== null) throw error;
    throw new ModelError(error.message, { file, line: 1, column: 1 });
  }
}

/** A model's message, with what the user says of its inputs, as something to trace. */
export function subjectOf(message: ModelMessage, { file, inputs }: Pick<LoadRequest, "file" | "inputs">): OnnxSubject {
  const graph = message.graph!;
  const opset = message.opsetImport.find(({ domain = "" }) => domain === "" || domain === "ai.onnx")?.version;
  if (opset !== undefined && opset < OLDEST_OPSET) {
    throw new ModelError(
      `the model is of the operator set ${opset}; export it again with ${OLDEST_OPSET} or a later one`,
    );
  }
  const initializers = new Set([
    ...graph.initializer.map(({ name = "" }) => name),
    ...graph.sparseInitializer.map(({ values }) => values?.name ?? ""),
  ]);
  return {
    tensors: new FileTensors(file),
    message,
    graph,
    ...inputsOf(graph, (name) => initializers.has(name), inputs),
  };
}

async function assemble(subject: OnnxSubject, batch: number): Promise<Model> {
  const { traced, info } = await traceOneOrAll(traceable(subject), batch);
  const { graph, weights } = traced;
  checkGraph(graph, inferShapes);
  const { message } = subject;
  const { file } = subject.tensors;
  return {
    file,
    export: null,
    format: "onnx",
    source: null,
    files: [file, ...externalFiles(subject.graph, file)],
    framework: frameworkOf(message),
    graph,
    inputs: subject.inputs.map(({ name, shape, dtype }) => ({ name, shape, dtype })),
    outputs: graph.outputs.map(({ shape, dtype }, index): Port => ({
      name: traced.outputNames[index],
      shape: info.coupled && shape[0] === info.size ? shape.slice(1) : shape,
      dtype,
    })),
    parameters: weights
      .filter(({ role }) => role === "parameter")
      .map(({ name, user }) => ({ name, trainable: true, source: user?.source ?? null })),
    layers: layersOf(traced, info.coupled ? info.size : 1),
    operations: operationsOf(traced, info.coupled ? info.size : 1),
    batch: info,
    ...(traced.notes.length > 0 ? { notes: traced.notes } : {}),
    weights: Object.fromEntries(
      weights.map(({ name, tensor: { shape, dtype, data } }): [string, Tensor] => [name, { shape, dtype, data }]),
    ),
  };
}

function traceable(subject: OnnxSubject): Traceable<OnnxTraced> {
  return {
    inputs: subject.inputs,
    frozenBatch: subject.frozenBatch,
    source: null,
    runsOpaque: false,
    // eslint-disable-next-line @typescript-eslint/require-await
    trace: async (batch, shapes) => traceOnnx(subject, batch, shapes),
    async run(inputs) {
      const first = subject.inputs.findIndex(({ batched }) => batched);
      const traced = traceOnnx(subject, first < 0 ? null : inputs[first].shape[0]);
      const engine = createReferenceEngine();
      const executable = await engine.compile(traced.graph);
      const outputs = await executable.run([...inputs, ...traced.weights.map(({ tensor }) => tensor)]);
      return outputs.map(({ data }) => data);
    },
  };
}

/** "ONNX opset 20, by pytorch 2.13.0" */
function frameworkOf({ producerName, producerVersion, opsetImport }: ModelMessage): string {
  const opset = opsetImport.find(({ domain = "" }) => domain === "" || domain === "ai.onnx")?.version;
  const set = `ONNX opset ${opset ?? "?"}`;
  return producerName ? `${set}, by ${[producerName, producerVersion].filter(Boolean).join(" ")}` : set;
}

function externalFiles(graph: GraphMessage, file: string): string[] {
  const outside = graph.initializer.filter(({ dataLocation }: TensorMessage) => dataLocation === 1);
  return [...new Set(outside.map((tensor) => externalFile(tensor, file)))];
}

/** The modules that have parameters of their own, by the paths that the exporter left, else by the nodes' names. */
function layersOf({ weights }: OnnxTraced, size: number): LayerInfo[] {
  const layers = new Map<string, { info: Omit<LayerInfo, "parameters">; parameters: string[] }>();
  for (const { name, role, user } of weights) {
    if (role !== "parameter" || user === null) continue;
    const path = moduleOf(user.node) || user.node.name || user.node.output[0] || name;
    let layer = layers.get(path);
    if (!layer) {
      const outputs = user.outputs.map((shape) => ofExample(shape, size));
      const info = { name: path, kind: user.node.opType ?? "", source: user.source, callers: [], outputs };
      layers.set(path, (layer = { info, parameters: [] }));
    }
    layer.parameters.push(name);
  }
  return [...layers.values()].map(({ info, parameters }) => ({ ...info, parameters }));
}

function operationsOf({ emitted, graph }: OnnxTraced, size: number): OperationInfo[] {
  return emitted.in(graph, ({ node, source, outputs }) => ({
    name: node.name || node.output[0] || "",
    kind: node.opType ?? "",
    modules: modulesOf(node),
    source,
    outputs: outputs.map((shape) => ofExample(shape, size)),
  }));
}

/** An array's shape in one example, where its batch axis is the first. */
function ofExample(shape: Shape, size: number): Shape {
  return shape[0] === size ? shape.slice(1) : shape;
}
