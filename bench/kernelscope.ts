import { dirname } from "node:path";
import { pickEngine, type EngineName } from "../sidecar/engines";
import type { Executable } from "../sidecar/engines/engine";
import { argumentsOf } from "../sidecar/graph/graph";
import { newArray, sizeOf } from "../sidecar/graph/types";
import { jacobianGraph } from "../sidecar/quantities/jacobian";
import { loadModel } from "../sidecar/sources";
import { TfjsOpaqueHost } from "../sidecar/sources/tfjs/opaque";
import { caseOf } from "./lib/cases";
import { contend } from "./lib/measure";

/** A Jacobian as the worker process computes it. The first call compiles. */
void contend(async ({ case: name, batch, threads, method }) => {
  const model = await loadModel({ ...caseOf(name).model, batch });
  const wrt = model.parameters.filter(({ trainable }) => trainable).map((parameter) => parameter.name);
  const { graph } = jacobianGraph(model.graph, { strategy: "vmap(jacrev)", chunk: null, batch, wrt, coupled: false });
  const folders = [dirname(model.file)];
  const { engine } = await pickEngine(method as EngineName, graph, { folders, threads });
  const inputs = graph.inputs.map(({ value: { shape, dtype } }) => {
    const data = newArray(dtype, sizeOf(shape)).map((_: number, index: number) => Math.sin(1.7 * index));
    return { shape, dtype, data };
  });
  const weights = [...graph.parameters, ...graph.buffers];
  const values = argumentsOf(graph).map((member, index) => inputs[index] ?? model.weights[member.name]);
  const fixed = new Map(weights.map((member) => [member.value, model.weights[member.name]]));

  let executable: Executable | null = null;
  return async () => {
    executable ??= await engine.compile(graph, { opaque: new TfjsOpaqueHost(), fixed });
    const outputs = await executable.run(values);
    return { elements: outputs.reduce((sum, { data }) => sum + data.length, 0) };
  };
});
