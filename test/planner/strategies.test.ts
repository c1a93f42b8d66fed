import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { resolve, join } from "node:path";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { analyze } from "../../sidecar/analysis/analyze";
import { placeOn } from "../../sidecar/analysis/place";
import { namedDevice } from "../../sidecar/devices/detect";
import { sizeOf } from "../../sidecar/graph/types";
import { fallbacksOf } from "../../sidecar/planner/fallbacks";
import { MadeGraphs, StrategyPlanner } from "../../sidecar/planner/strategies";
import type { Analysis, StrategyAnalysis } from "../../sidecar/protocol/analysis";
import { loadModel, parseInputOption, type Model } from "../../sidecar/sources";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import { jacobianOf } from "../jacobian/whole-nets";
import { difference } from "../laws";
import { joinedIntoFirstAxis, registerBatchingRule, vmap } from "../../sidecar/transforms";

const folder = mkdtempSync(join(tmpdir(), "kernelscope-planner-"));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;
function load(code: string): Promise<Model> {
  const file = join(folder, `model${++count}.ts`);
  writeFileSync(file, `import * as tf from "@tensorflow/tfjs";\n${code}\n`);
  return loadModel({ file, export: null, inputs: [], batch: 1 });
}

const v100 = namedDevice("--device", "Tesla V100 16GB");
const find = ({ strategies }: Analysis, strategy: string, chunked = false): StrategyAnalysis =>
  strategies.find((each) => each.strategy === strategy && (each.chunk !== null) === chunked)!;
const total = ({ peakBytes, workspaceBytes }: StrategyAnalysis): number => peakBytes + workspaceBytes;

describe("the wide residual net, 100 examples, on a V100 with 16 GB", () => {
  let model: Model;
  let analysis: Analysis;
  beforeAll(async () => {
    model = await loadModel({ file: resolve("examples/residual-net.ts"), export: null, inputs: [], batch: 100 });
    analysis = analyze(model, { batch: 100, device: v100 });
  });

  it("needs 30.52 GiB for one array of jacrev, at the line of the block that it is of", () => {
    const { largest, fits, timeline } = find(analysis, "jacrev");
    expect(largest).toMatchObject({ bytes: 32_768_000_000, operation: "conv_general_dilated", parameter: null });
    expect(sizeOf(largest!.shape)).toBe(sizeOf([1000, 100, 32, 32, 80]));
    expect(largest!.layer).toMatch(/^wide_1/);
    // x = block(x, "wide_1", 80, 1)
    expect(largest!.callers.map(({ line }) => line)).toContain(37);
    expect(fits).toBe(false);
    expect(Math.max(...timeline.map(({ liveBytes }) => liveBytes))).toBe(find(analysis, "jacrev").peakBytes);
  });

  it("proposes what fits", () => {
    const recommended = analysis.strategies.filter((each) => each.recommended);
    expect(recommended).toHaveLength(1);
    expect(recommended[0]).toMatchObject({ strategy: "vmap(jacrev)", chunk: null, fits: true });
    for (const each of analysis.strategies.filter(({ fits }) => fits)) {
      expect(total(each) + v100.reservedBytes).toBeLessThanOrEqual(v100.memoryBytes);
    }
  });

  it("finds chunks that fit and of which a somewhat larger one does not", () => {
    const { chunk, largestChunkThatFits, chunkingHelps } = find(analysis, "jacrev", true);
    expect(chunkingHelps).toBe(true);
    expect(largestChunkThatFits).toBe(chunk);
    const wrt = model.parameters.filter(({ trainable }) => trainable).map(({ name }) => name);
    const planner = new StrategyPlanner(
      new MadeGraphs({ graph: model.graph, batch: 100, coupled: false, wrt }),
      placeOn(v100),
    );
    expect(planner.at("jacrev", Math.ceil(1.05 * chunk!)).fits).toBe(false);
  });
});

describe("a Jacobian of 10 TB", () => {
  it("is sized in a second, and chunks do not help", async () => {
    const model = await load(`export const model = tf.sequential({ layers: [
      tf.layers.dense({ units: 4096, inputShape: [3072], kernelInitializer: "zeros" }),
      tf.layers.dense({ units: 1000, kernelInitializer: "zeros" }) ] });`);
    const start = process.cpuUsage();
    const before = process.memoryUsage().rss;
    const analysis = analyze(model, { batch: 150, device: v100 });
    expect(process.cpuUsage(start).user / 1e6).toBeLessThan(1);
    expect(process.memoryUsage().rss - before).toBeLessThan(100e6);
    expect(find(analysis, "vmap(jacrev)")).toMatchObject({
      resultBytes: 4 * 150 * 1000 * 16_684_008,
      fits: false,
      chunkingHelps: false,
      largestChunkThatFits: null,
    });
  });
});

/** Its rotation is an operation that only TensorFlow.js can run, and has no derivative. */
const turn = `class Turn extends tf.layers.Layer {
  computeOutputShape(shape: tf.Shape) { return shape; }
  call(x: tf.Tensor | tf.Tensor[]) {
    return tf.image.rotateWithOffset((Array.isArray(x) ? x[0] : x) as tf.Tensor4D, 0.5);
  }
}`;
const rotated = `${turn}
export const model = tf.sequential({ layers: [
  new Turn({ name: "turn", inputShape: [4, 4, 1] }), tf.layers.flatten(), tf.layers.dense({ units: 3 }) ] });`;

describe("fallbacks", () => {
  it("are counted, with the line and what to do", async () => {
    const { fallbacks } = analyze(await load(rotated), { batch: 7, device: v100 });
    // One example after the other: nothing is vectorised
    expect(fallbacks.map(({ strategy }) => strategy)).toEqual(["jacrev", "vmap(jacrev)", "vmap(jacfwd)"]);
    for (const { operation, iterations, loops, reason, fix, source, slowdown } of fallbacks) {
      expect([operation, iterations, source?.line]).toEqual(["RotateWithOffset", 7, 5]);
      expect(loops).toEqual([{ over: [{ axis: "examples", extent: 7 }], iterations: 7 }]);
      expect(reason).toBe("RotateWithOffset has no batching rule");
      expect(fix).toMatch(/or give RotateWithOffset a batching rule in a file that .* kernelscope\.batchingRules/);
      expect(slowdown).toBeGreaterThan(5);
      expect(slowdown).toBeLessThanOrEqual(7);
    }
  });

  it("of nested loops are counted by pairs", async () => {
    const { graph } = await load(rotated);
    const [image] = graph.inputs;
    const outputs = { axis: "outputs", extent: 3 } as const;
    const examples = { axis: "examples", extent: 5 } as const;
    const inner = vmap(graph, new Map([[image.value, 0]]), 3, [outputs]);
    const outer = vmap(inner, new Map([[inner.inputs[0].value, 0]]), 5, [examples]);
    expect(fallbacksOf(outer, placeOn(v100).speed)).toMatchObject([
      { operation: "RotateWithOffset", iterations: 15, loops: [{ over: [examples, outputs], iterations: 15 }] },
    ]);
  });

  it("are none once there is a rule, and the Jacobian is the same", async () => {
    const model = await load(rotated);
    const data = Float32Array.from({ length: 48 }, (_, index) => Math.sin(index));
    const wrt = model.parameters.map(({ name }) => name);
    const loaded = { name: "rotated", model, inputs: [{ shape: [3, 4, 4, 1], dtype: "float32", data }], wrt } as const;
    const expected = await jacobianOf(loaded, createReferenceEngine(), { strategy: "vmap(jacrev)" });
    // Images are rotated one by one or all at once
    const takeBack = registerBatchingRule("RotateWithOffset", joinedIntoFirstAxis());
    try {
      expect(analyze(model, { batch: 7, device: v100 }).fallbacks).toEqual([]);
      const blocks = await jacobianOf(loaded, createReferenceEngine(), { strategy: "vmap(jacrev)" });
      for (const [name, block] of expected) expect(difference([blocks.get(name)!], [block])).toBe(0);
    } finally {
      takeBack();
    }
  });

  it("an operation without a derivative is an error at its line, and nothing is planned", async () => {
    const code = `${turn}
export const model = tf.sequential({ layers: [
  tf.layers.conv2d({ filters: 1, kernelSize: 1, inputShape: [4, 4, 1] }), new Turn({ name: "turn" }) ] });`;
    const { strategies, fallbacks, diagnostics } = analyze(await load(code), { batch: 7, device: v100 });
    expect([strategies, fallbacks]).toEqual([[], []]);
    expect(diagnostics).toContainEqual({
      severity: "error",
      code: "no-jacobian",
      message: "The operation RotateWithOffset has no derivative.",
      source: { file: expect.any(String) as string, line: 5, column: expect.any(Number) as number },
    });
  });

  it("there are operations that cannot even be loops: an error at their line", async () => {
    const code = `import * as tf from "@tensorflow/tfjs";
export const model = (x: tf.Tensor) =>
  tf.sum(tf.unique(tf.reshape(x, [-1])).values);`;
    const file = join(folder, "unique.ts");
    writeFileSync(file, code);
    const request = { file, export: null, inputs: [parseInputOption("x=N,4")], batch: 2 };
    await expect(loadModel(request)).rejects.toMatchObject({
      message: expect.stringMatching(
        /^uses Unique, whose result has a shape or values that cannot be traced/,
      ) as string,
      source: { file, line: 3 },
    });
  });
});
