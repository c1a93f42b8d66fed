import { dirname } from "node:path";
import { jacobianShape, withoutParameters } from "../analysis/analyze";
import { cacheFolder } from "../cache/folder";
import { pickEngine } from "../engines";
import { measurePeak } from "../engines/peak";
import type { EngineName } from "../engines";
import type { Executable } from "../engines/engine";
import { ModelError } from "../graph/errors";
import { argumentsOf } from "../graph/graph";
import { jacobianGraph, type Strategy } from "../quantities/jacobian";
import { TfjsOpaqueHost } from "../sources/tfjs/opaque";
import { checkResultFits, chooseWhatFits, placeOfEngine } from "./memory";
import { checkFolder, loadWithInputs, type Load } from "./inputs";
import type { JacobianJob, JacobianReport } from "./messages";
import { writeNpz } from "./whole-file";

/** Computes a Jacobian and writes it: the arrays never leave the worker. */
export async function runJacobian(
  job: JacobianJob,
  { load, progress }: { load: Load; progress: (fraction: number) => void },
): Promise<JacobianReport> {
  checkFolder(job.out);
  const { model: loaded, given } = await loadWithInputs(load, [job.inputs], (count) => count);
  const [{ batch, tensorsFor }] = given;
  const model = withoutParameters(loaded, job.exclude);
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
    await writeNpz(
      job.out,
      outputs.map((tensor, index) => [names[index], tensor] as const),
    );
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
