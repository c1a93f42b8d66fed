import { accessSync, constants, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { jacobianShape, withoutParameters } from "../analysis/analyze";
import { cacheFolder } from "../cache/folder";
import { pickEngine } from "../engines";
import { measurePeak } from "../engines/peak";
import type { EngineName } from "../engines";
import type { Executable } from "../engines/engine";
import { isZip } from "../formats/zip";
import { reasonOf, withFile } from "../formats/file";
import { readNpy, tensorOf, type NpyArray } from "../formats/npy";
import { NpzWriter, readNpz } from "../formats/npz";
import { ModelError } from "../graph/errors";
import { argumentsOf } from "../graph/graph";
import type { Tensor } from "../graph/tensor";
import { formatShape, sameShape } from "../graph/types";
import { jacobianGraph, type Strategy } from "../quantities/jacobian";
import type { Model } from "../sources";
import { TfjsOpaqueHost } from "../sources/tfjs/opaque";
import { checkResultFits, chooseWhatFits, placeOfEngine } from "./memory";
import { randomInputs } from "./random-inputs";
import { partialFile, type JacobianJob, type JacobianReport } from "./messages";

/** Computes a Jacobian and writes it: the arrays never leave the worker. */
export async function runJacobian(
  job: JacobianJob,
  { load, progress }: { load: (batch: number) => Promise<Model>; progress: (fraction: number) => void },
): Promise<JacobianReport> {
  checkFolder(job.out);
  const { batch, tensorsFor } = readInputs(job.inputs);
  const model = withoutParameters(await load(batch), job.exclude);
  const wrt = model.parameters.filter(({ trainable }) => trainable).map(({ name }) => name);
  if (wrt.length === 0)
    throw new ModelError(`${model.file}: has no trainable parameters to differentiate with respect to`);
  const subject = { graph: model.graph, batch, wrt, coupled: model.batch.coupled };
  const usual: Strategy = job.strategy ?? (model.batch.coupled ? "jacrev" : "vmap(jacrev)");
  const first = jacobianGraph(model.graph, {
    ...subject,
    strategy: usual,
    chunk: job.chunk === "auto" ? null : job.chunk,
  });
  checkResultFits(first.graph.outputs, batch);
  const inputs = tensorsFor(model);

  const { engine, name } = await pickEngine(job.engine, first.graph, {
    folders: [dirname(model.file)],
    cacheDir: job.cache ? cacheFolder("sessions") : undefined,
  });
  let executable: Executable | null = null;
  try {
    const planned = chooseWhatFits(subject, { ...job, usual }, placeOfEngine(engine, name));
    const { graph, blocks, strategy, chunk } = planned;
    // The weights do not change while this runs: engines may prepare them once
    const fixed = new Map(
      [...graph.parameters, ...graph.buffers].map((member) => [member.value, model.weights[member.name]]),
    );
    executable = await engine.compile(graph, { opaque: new TfjsOpaqueHost(), fixed });
    const values = argumentsOf(graph).map((member) => inputs.get(member.name) ?? model.weights[member.name]);
    const running = executable;
    const start = performance.now();
    const { result: outputs, addedBytes } = await measurePeak(() => running.run(values, { onProgress: progress }));
    const seconds = (performance.now() - start) / 1000;
    const names = blocks.map(({ output, parameter }) =>
      model.outputs.length > 1 ? `${model.outputs[output].name}/${parameter}` : parameter,
    );
    writeArrays(job.out, names, outputs);
    return {
      shape: jacobianShape(model, batch),
      strategy,
      chunk,
      batch,
      blocks: outputs.map(({ shape, dtype }, index) => ({ name: names[index], shape, dtype })),
      engine: name satisfies EngineName,
      device: engine.device,
      seconds,
      predictedPeakBytes: planned.plan.peakBytes + planned.workspaceBytes,
      measuredPeakBytes: addedBytes,
    };
  } finally {
    await executable?.dispose();
    await engine.dispose();
  }
}

/** The number of examples, and the inputs of a model once it is known. */
function readInputs(inputs: JacobianJob["inputs"]): {
  readonly batch: number;
  readonly tensorsFor: (model: Model) => Map<string, Tensor>;
} {
  if (inputs.kind === "random") {
    const { batch, seed } = inputs;
    return { batch, tensorsFor: (model) => randomInputs(model, batch, seed) };
  }
  const { file } = inputs;
  const arrays = readArrays(file);
  const batch = arrays.values().next().value?.shape[0] ?? 1;
  if (batch === 0) throw new ModelError(`${file}: holds no examples; its first axis is the batch`);
  return { batch, tensorsFor: (model) => matchInputs(model, arrays, batch, file) };
}

/** The arrays of a .npy file (named "") or an .npz file. */
function readArrays(file: string): Map<string, NpyArray> {
  return withFile(file, (source) => {
    if (!isZip(source)) return new Map([["", readNpy(source)]]);
    return new Map(Array.from(readNpz(source), ([name, member]) => [name, readNpy(member)]));
  });
}

/** The model's inputs as tensors with the batch axis first, checked against what it takes. */
function matchInputs(model: Model, arrays: Map<string, NpyArray>, batch: number, file: string): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const { name, shape, dtype } of model.inputs) {
    const array = arrays.get(name) ?? (model.inputs.length === 1 ? arrays.values().next().value : undefined);
    if (array === undefined) {
      throw new ModelError(
        `${file}: has no array ${name}; save one array for each input with numpy.savez(file, ${name}=...)`,
      );
    }
    const expected = [batch, ...shape];
    if (!sameShape(array.shape, expected)) {
      const wanted = `[N${shape.map((extent) => `,${extent}`).join("")}]`;
      throw new ModelError(
        `${array.name}: has shape ${formatShape(array.shape)}, but the input ${name} takes ${wanted}`,
      );
    }
    const tensor = tensorOf(array, dtype);
    if (tensor === null) {
      throw new ModelError(
        `${array.name}: holds ${array.type}, but the input ${name} takes ${dtype}; convert it with .astype("${dtype}")`,
      );
    }
    tensors.set(name, tensor);
  }
  return tensors;
}

/** Better before the work than after it. */
function checkFolder(path: string): void {
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch (error) {
    throw new ModelError(`${path}: cannot be written (${reasonOf(error)}).`);
  }
}

/** Written beside its place and renamed, so that a file of that name is always whole. */
function writeArrays(path: string, names: readonly string[], tensors: readonly Tensor[]): void {
  const partial = partialFile(path, process.pid);
  const writer = new NpzWriter(partial);
  try {
    tensors.forEach((tensor, index) => writer.add(names[index], tensor));
    writer.finish();
    writer.close();
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}
