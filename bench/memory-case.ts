import { argumentsOf } from "../sidecar/graph/graph";
import { bytesOf, newArray, sizeOf } from "../sidecar/graph/types";
import { createOnnxruntimeEngine } from "../sidecar/engines/onnxruntime";
import { onnxruntimeAddedBytes } from "../sidecar/engines/onnxruntime/memory";
import { measurePeak } from "../sidecar/engines/peak";
import { createTensorFlowEngine } from "../sidecar/engines/tensorflow";
import { findTensorFlow } from "../sidecar/engines/tensorflow/find";
import { tensorflowPeakBytes } from "../sidecar/engines/tensorflow/memory";
import { plan } from "../sidecar/planner/plan";
import { jacobianGraph } from "../sidecar/quantities/jacobian";
import { loadModel, type Model } from "../sidecar/sources";
import { TfjsOpaqueHost } from "../sidecar/sources/tfjs/opaque";
import { trackPeak } from "./lib/tfjs-memory";
import { memoryModelOf, type MemoryTask } from "./lib/memory-cases";

/** One prediction and what a run of it really holds, in a process of its own. */
async function main(): Promise<void> {
  const task = JSON.parse(process.argv[2]) as MemoryTask;
  const { strategy, chunk, batch } = task;
  const model: Model = await loadModel({ ...memoryModelOf(task.model), batch });
  const wrt = model.parameters.filter(({ trainable }) => trainable).map(({ name }) => name);
  const { graph } = jacobianGraph(model.graph, { strategy, chunk, batch, wrt, coupled: model.batch.coupled });
  const own = plan(graph).peakBytes;
  const members = argumentsOf(graph);
  const inputs = members.map(({ name, value: { shape, dtype } }) => {
    if (name in model.weights) return model.weights[name];
    return {
      shape,
      dtype,
      data: newArray(dtype, sizeOf(shape)).map((_: number, index: number) => Math.sin(1.7 * index)),
    };
  });
  const fixed = new Map(
    [...graph.parameters, ...graph.buffers].map((member) => [member.value, model.weights[member.name]]),
  );
  const opaque = new TfjsOpaqueHost();

  if (task.engine === "tensorflow") {
    const found = findTensorFlow([]);
    if ("reason" in found) throw new Error(found.reason);
    const predicted = tensorflowPeakBytes(graph);
    const engine = createTensorFlowEngine(found);
    const tracked = trackPeak();
    const executable = await engine.compile(graph, { opaque, fixed });
    await executable.run(inputs);
    report({ plan: own, predicted, measured: tracked.peak() });
  } else {
    // Arguments and constants are in the process's memory already
    const before = members.reduce((sum, { value }) => sum + bytesOf(value), 0);
    const predicted = onnxruntimeAddedBytes(graph);
    const engine = await createOnnxruntimeEngine();
    const executable = await engine.compile(graph, { opaque, fixed });
    gc?.();
    const { addedBytes } = await measurePeak(() => executable.run(inputs));
    report({ plan: own, predicted: predicted + before, measured: addedBytes + before });
  }
}

function report(result: { plan: number; predicted: number; measured: number }): void {
  process.stdout.write(`\n${JSON.stringify(result)}\n`);
}

void main();
