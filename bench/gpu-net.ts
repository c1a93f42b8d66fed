import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pickEngine, type EngineName } from "../sidecar/engines";
import { argumentsOf, type Graph } from "../sidecar/graph/graph";
import type { Tensor } from "../sidecar/graph/tensor";
import { jacobianGraph } from "../sidecar/quantities/jacobian";
import { ntkGraph } from "../sidecar/quantities/ntk";
import { loadModel, type Model } from "../sidecar/sources";
import { TfjsOpaqueHost } from "../sidecar/sources/tfjs/opaque";
import { randomInputs } from "../sidecar/worker/random-inputs";
import {
  gpuNet,
  watchGpuMemory,
  type GpuNet,
  type GpuResult,
  type GpuTask,
  type Quantity,
  type Timed,
} from "./lib/gpu";

/** One quantity of one net by onnxruntime on the GPU (WebGPU) and on the CPU, timed and compared: a line of JSON. */

/** Runs after the first one: as many as these seconds allow, within bounds. */
const repeat = { seconds: 1, least: 3, most: 30 };

async function main({ net: name, quantity, threads }: GpuTask): Promise<GpuResult> {
  const net = gpuNet(name);
  const model = await loadModel({ ...net.model, batch: net.batch });
  const graph = graphOf(model, net, quantity);
  const first = randomInputs(model, quantity.kind === "jacobian" ? net.batch : net.rows, 1);
  const second = net.columns === null ? first : randomInputs(model, net.columns, 2);
  const values = argumentsOf(graph).map((member, index) => {
    if (index >= graph.inputs.length) return model.weights[member.name];
    return member.name.endsWith("'") ? second.get(member.name.slice(0, -1))! : first.get(member.name)!;
  });
  const folders = [dirname(model.file)];
  const memory = watchGpuMemory();
  // Its first line is of before there is anything on the GPU
  await sleep(200);
  const gpu = await timed("onnxruntime-webgpu", graph, values, { folders, threads });
  const gpuBytes = await memory();
  const cpu = await timed("onnxruntime", graph, values, { folders, threads });
  return {
    elements: cpu.outputs.reduce((sum, { data }) => sum + data.length, 0),
    checksum: sumOfAbsolutes(quantity.kind === "jacobian" ? gpu.outputs : gpu.outputs.slice(0, 1)),
    cpu: cpu.times,
    gpu: gpu.times,
    difference: Math.max(...cpu.outputs.map((wanted, index) => difference(gpu.outputs[index], wanted))),
    gpuBytes,
  };
}

function graphOf(model: Model, { batch, rows, columns }: GpuNet, quantity: Quantity): Graph {
  const wrt = model.parameters.filter(({ trainable }) => trainable).map((parameter) => parameter.name);
  if (quantity.kind === "jacobian") {
    return jacobianGraph(model.graph, { strategy: "vmap(jacrev)", chunk: null, batch, wrt, coupled: false }).graph;
  }
  const { form, method } = quantity;
  return ntkGraph(model.graph, { form, trace: "sum", method, rows, columns, wrt, norms: true }).graph;
}

async function timed(
  name: EngineName,
  graph: Graph,
  values: readonly Tensor[],
  options: { folders: readonly string[]; threads: number },
): Promise<{ times: Timed; outputs: readonly Tensor[] }> {
  const clock = (): number => performance.now() / 1000;
  const { engine } = await pickEngine(name, graph, options);
  const fixed = new Map(
    [...graph.parameters, ...graph.buffers].map(({ value }, index) => [value, values[graph.inputs.length + index]]),
  );
  let start = clock();
  const executable = await engine.compile(graph, { opaque: new TfjsOpaqueHost(), fixed });
  const compile = clock() - start;
  start = clock();
  let outputs = await executable.run(values);
  const first = clock() - start;
  const seconds: number[] = [];
  let spent = 0;
  while (seconds.length < repeat.least || (seconds.length < repeat.most && spent < repeat.seconds)) {
    // What the run before the last returned is given back outside of the measured time: started with --expose-gc
    gc?.();
    start = clock();
    outputs = await executable.run(values);
    seconds.push(clock() - start);
    spent += seconds.at(-1)!;
  }
  await executable.dispose();
  await engine.dispose();
  return { times: { compile, first, seconds }, outputs };
}

function sumOfAbsolutes(arrays: readonly Tensor[]): number {
  let sum = 0;
  for (const { data } of arrays) for (const element of data) sum += Math.abs(element);
  return sum;
}

/** The largest difference relative to the largest magnitude; infinite where the one has a number and the other has none. */
function difference(actual: Tensor, wanted: Tensor): number {
  let scale = 0;
  for (const element of wanted.data) if (Math.abs(element) > scale) scale = Math.abs(element);
  let largest = 0;
  for (let index = 0; index < wanted.data.length; index++) {
    const [a, b] = [actual.data[index], wanted.data[index]];
    if (Object.is(a, b)) continue;
    const apart = Math.abs(a - b);
    largest = Math.max(largest, Number.isFinite(apart) ? apart : Infinity);
  }
  return scale > 0 ? largest / scale : largest;
}

void main(JSON.parse(process.argv[2]) as GpuTask).then(
  (result) => process.stdout.write(`\n${JSON.stringify(result)}\n`),
  (error: unknown) =>
    process.stdout.write(`\n${JSON.stringify({ cannot: (error as Error).message.split("\n")[0] })}\n`),
);
