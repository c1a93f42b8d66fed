import { withoutParameters } from "../analysis/analyze";
import type { Executable } from "../engines/engine";
import { withFile } from "../formats/file";
import { readNpy, tensorOf } from "../formats/npy";
import { ModelError } from "../graph/errors";
import { argumentsOf, type Graph } from "../graph/graph";
import { tensor, type Tensor } from "../graph/tensor";
import { formatShape, isFloat, newArray, sameShape, sizeOf } from "../graph/types";
import { maximumRows } from "../kernel/linear-algebra";
import { predict } from "../kernel/prediction";
import { linearityGraph } from "../quantities/linearity";
import type { Model } from "../sources";
import { TfjsOpaqueHost } from "../sources/tfjs/opaque";
import { checkFolder, loadWithInputs, type Inputs } from "./inputs";
import { type LinearityReport, type PredictJob, type PredictReport } from "./messages";
import {
  checkFiniteInputs,
  computeKernel,
  differentiated,
  engineFor,
  wholeKernel,
  type Examples,
  type KernelOf,
  type NtkCallbacks,
} from "./ntk";
import { AT_ONCE, outputsOfModel, part } from "./outputs";
import { normalNumbers } from "./random-inputs";
import { writeNpz } from "./whole-file";
import { formatMany } from "../protocol/text";

/** Parts of the weights' norms, by which they move. */
const STEPS = [0.001, 0.01, 0.1];

/** Predicts what training makes of the model, by its linearisation at the weights that it has, and writes it. */
export async function runPredict(job: PredictJob, { load, progress }: NtkCallbacks): Promise<PredictReport> {
  checkFolder(job.out);
  const sources = { train: { kind: "file", file: job.train.x }, test: { kind: "file", file: job.test.x } } as const;
  const both = await loadWithInputs(load, [sources.train, sources.test], (count) => Math.min(count, 2));
  const given = { train: both.given[0], test: both.given[1] };
  const model = withoutParameters(both.model, job.exclude);
  if (model.outputs.length !== 1 || !isFloat(model.outputs[0].dtype)) {
    throw new ModelError(
      `${model.file}: has ${model.outputs.length} outputs, and training to targets is predicted for one of floating-point numbers; export a model or function with that one`,
    );
  }
  const inputs = { train: given.train.tensorsFor(model), test: given.test.tensorsFor(model) };
  checkFiniteInputs(inputs.train, sources.train);
  checkFiniteInputs(inputs.test, sources.test);
  const targets = {
    train: readTargets(job.train.y, model, given.train.batch),
    test: job.test.y === null ? undefined : readTargets(job.test.y, model, given.test.batch),
  };
  const outputs = sizeOf(model.outputs[0].shape);
  const form = job.form ?? (given.train.batch * outputs <= maximumRows ? "full" : "trace");
  const kernelModel = differentiated(model);
  const { engine, name } = await engineFor(job, model, kernelModel.wrt);
  try {
    const start = performance.now();
    const kernelOf = async (examples: Examples, rows: number, columns: number | null, part: "train" | "test") => {
      const subject = { ...kernelModel, form, trace: "mean", rows, columns } as const;
      const kernel: KernelOf = { model, subject, examples, engine, name };
      const manner = { method: null, tileMemory: null, folder: `${job.out}.${part}.tiles` };
      const base = part === "train" ? 0 : 0.5;
      const { store } = await computeKernel(kernel, manner, (fraction) => progress(base + fraction / 2));
      return { store, kernel: await wholeKernel(store) };
    };
    const own = await kernelOf({ rows: inputs.train, columns: null }, given.train.batch, null, "train");
    const across = { rows: inputs.test, columns: inputs.train };
    const other = await kernelOf(across, given.test.batch, given.train.batch, "test");
    const compile = (graph: Graph): Promise<Executable> => engine.compile(graph, { opaque: new TfjsOpaqueHost() });
    const outputsAt = (at: Inputs, count: number): Promise<Tensor> => outputsOfModel(model, at, count, compile);
    const predicted = predict(
      { kernel: own.kernel, outputs: await outputsAt(inputs.train, given.train.batch), targets: targets.train },
      { kernel: other.kernel, outputs: await outputsAt(inputs.test, given.test.batch), targets: targets.test },
      {
        form: form === "full" ? { form } : { form, trace: "mean", outputs },
        training: job.training,
        learningRate: job.learningRate,
        times: job.times,
      },
    );
    const linearity = await linearityOf(model, kernelModel.wrt, inputs.train, given.train.batch, compile);
    await writeNpz(job.out, predicted.arrays);
    own.store.remove();
    other.store.remove();
    return {
      times: job.times.map((time) => (Number.isFinite(time) ? time : null)),
      training: job.training,
      form,
      trainLoss: Array.from(predicted.trainLoss.data),
      testLoss: predicted.testLoss && Array.from(predicted.testLoss.data),
      stable: predicted.stable,
      largestLearningRate: predicted.largestLearningRate,
      linearity,
      arrays: Array.from(predicted.arrays, ([array, { shape, dtype }]) => ({ name: array, shape, dtype })),
      engine: name,
      device: engine.device,
      seconds: (performance.now() - start) / 1000,
    };
  } finally {
    await engine.dispose();
  }
}

/** What the outputs are trained towards: [N, ...output], in 64 bit. */
function readTargets(file: string, { outputs: [output] }: Model, count: number): Tensor {
  const array = withFile(file, readNpy);
  const expected = [count, ...output.shape];
  if (!sameShape(array.shape, expected)) {
    const hint = sameShape(array.shape, [count]) ? "; of class numbers make numpy.eye(classes)[labels]" : "";
    throw new ModelError(
      `${file}: has shape ${formatShape(array.shape)}, but ${formatMany(count, "example")} of the output ${output.name} are ${formatShape(expected)}${hint}`,
    );
  }
  const targets = tensorOf(array, "float64");
  if (targets === null) {
    throw new ModelError(`${file}: holds ${array.type}; convert it with .astype("float64")`);
  }
  return targets;
}

/** How far the model is from its linearisation, for steps along one random direction. */
async function linearityOf(
  model: Model,
  wrt: readonly string[],
  inputs: Inputs,
  count: number,
  compile: (graph: Graph) => Promise<Executable>,
): Promise<LinearityReport[]> {
  const batch = Math.min(count, AT_ONCE);
  const graph = linearityGraph(model.graph, { batch, wrt });
  const directions = new Map(wrt.map((name) => [`direction of ${name}`, directionOf(model.weights[name])]));
  const executable = await compile(graph);
  try {
    const reports: LinearityReport[] = [];
    for (const step of STEPS) {
      const values = argumentsOf(graph).map(({ name, value }): Tensor => {
        if (name === "step") return tensor([], value.dtype, newArray(value.dtype, 1).fill(step));
        const input = inputs.get(name);
        return input ? part(input, { start: 0, count: batch }) : (directions.get(name) ?? model.weights[name]);
      });
      const [error, change] = await executable.run(values);
      reports.push({ step, error: change.data[0] > 0 ? Math.sqrt(error.data[0] / change.data[0]) : null });
    }
    return reports;
  } finally {
    await executable.dispose();
  }
}

/** A normal direction, the same in every run, as long as the parameter itself. */
function directionOf({ shape, dtype, data }: Tensor): Tensor {
  const normal = normalNumbers(shape, 1);
  const scale = normOf(data) / normOf(normal);
  const direction = newArray(dtype, normal.length);
  normal.forEach((value, index) => (direction[index] = scale * value));
  return { shape, dtype, data: direction };
}

function normOf(data: Tensor["data"]): number {
  let sum = 0;
  for (const value of data) sum += value * value;
  return Math.sqrt(sum);
}
