import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, describe, expect, it } from "vitest";
import { lowerPiece } from "../../sidecar/engines/onnxruntime/lower/graph";
import { arenaOf } from "../../sidecar/engines/onnxruntime/memory";
import { encodeModel } from "../../sidecar/engines/onnxruntime/onnx/encode";
import { partition } from "../../sidecar/engines/onnxruntime/partition";
import { sizeOf } from "../../sidecar/graph/types";
import { jacobianGraph, type Strategy } from "../../sidecar/quantities/jacobian";
import { loadModel } from "../../sidecar/sources";

/**
 * What onnxruntime's arena gives out at most, by onnxruntime's own profile of a run, is what the walk on paper says:
 * the same nodes in the same order, the same reuse of buffers, the same chunks.
 */

const folder = mkdtempSync(join(tmpdir(), "kernelscope-profile-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface ProfiledEvent {
  readonly args?: { readonly mem_in_use_peak?: string };
}

/** onnxruntime adds the time to a profile's name. */
function peakIn(profile: string): number {
  const file = readdirSync(folder).find((name) => name.startsWith(profile))!;
  const events = JSON.parse(readFileSync(join(folder, file), "utf8")) as ProfiledEvent[];
  return Math.max(...events.map(({ args }) => Number(args?.mem_in_use_peak ?? 0)));
}

const cases: [file: string, strategy: Strategy, batch: number][] = [
  ["mlp", "jacrev", 16],
  ["tutorial-cnn", "jacrev", 4],
  ["tutorial-cnn", "vmap(jacrev)", 8],
  ["residual-net", "jacrev", 2],
  ["residual-net", "vmap(jacrev)", 4],
];

describe("on paper, onnxruntime's arena", () => {
  it.each(cases)("gives out what it really does: %s, %s", async (name, strategy, batch) => {
    const model = await loadModel({ file: resolve(`examples/${name}.ts`), export: null, inputs: [], batch });
    const wrt = model.parameters.filter(({ trainable }) => trainable).map((parameter) => parameter.name);
    const { graph } = jacobianGraph(model.graph, { strategy, chunk: null, batch, wrt, coupled: false });
    const [step, ...others] = partition(graph);
    if (step.kind !== "session" || others.length > 0) throw new Error("the graph is more than one session");

    // As the engine compiles it: with weights as constants
    const fixed = [...graph.parameters, ...graph.buffers];
    const isFixed = new Set(fixed.map(({ value }) => value));
    const predicted = arenaOf(step, graph, isFixed).peakBytes;

    const constants = fixed.map((member) => ({ value: member.value, data: model.weights[member.name].data }));
    const inputs = step.inputs.filter((value) => !isFixed.has(value));
    const lowered = lowerPiece(step.equations, inputs, step.outputs, [...graph.constants, ...constants], "cpu");
    const profile = `${name}-${strategy}`;
    const session = await InferenceSession.create(encodeModel(lowered.model), {
      enableMemPattern: false,
      enableProfiling: true,
      profileFilePrefix: join(folder, profile),
      intraOpNumThreads: 1,
      logSeverityLevel: 3,
      extra: { optimization: { constant_folding_max_output_size_in_bytes: String(1 << 20) } },
    } as InferenceSession.SessionOptions);
    const feeds: Record<string, Tensor> = {};
    lowered.inputs.forEach((input, index) => {
      const { shape } = inputs[index];
      if (input !== null) feeds[input] = new Tensor("float32", new Float32Array(sizeOf(shape)), shape);
    });
    const fetches: Record<string, Tensor> = {};
    for (const { name: output, shape } of lowered.outputs) {
      fetches[output] = new Tensor("float32", new Float32Array(sizeOf(shape)), shape);
    }
    await session.run(feeds, fetches);
    session.endProfiling();

    await session.release();
    const measured = peakIn(profile);
    // Besides, the arena holds weights in the order in which kernels read them: going forwards and, others, backwards
    const weights = fixed.reduce((sum, { value }) => sum + 4 * sizeOf(value.shape), 0);
    expect(predicted).toBeLessThan(1.02 * measured);
    expect(predicted).toBeGreaterThan(0.98 * measured - 2 * weights);
  });
});
