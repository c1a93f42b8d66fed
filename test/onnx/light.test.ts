import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { analyze } from "../../sidecar/analysis/analyze";
import { createOnnxruntimeEngine } from "../../sidecar/engines/onnxruntime";
import { argumentsOf } from "../../sidecar/graph/graph";
import type { Tensor } from "../../sidecar/graph/tensor";
import { sizeOf } from "../../sidecar/graph/types";
import { loadModel } from "../../sidecar/sources";
import { difference } from "../laws";
import { generator } from "../../sidecar/sources/random";
import { python } from "../tools";
import { runWithOnnxruntime } from "./onnxruntime";

/**
 * Whole nets of the onnx package, with random weights (light_models.py) and some that nodes of their own make: they infer
 * what onnxruntime does, and have the shapes of their Jacobians in 5 s. By name, how many elements their parameters have.
 */
const nets: Record<string, number> = {
  bvlc_alexnet: 60_965_224,
  densenet121: 8_062_504,
  inception_v1: 6_998_552,
  inception_v2: 11_214_888,
  resnet50: 25_557_032,
  shufflenet: 1_393_320,
  squeezenet: 1_235_496,
  vgg19: 143_667_240,
  zfnet512: 87_250_536,
};

const device = { name: "CPU", memoryBytes: 2 ** 34, detected: false };

describe.skipIf(python === undefined)("the onnx package's light nets", () => {
  const folder = mkdtempSync(join(tmpdir(), "kernelscope-light-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeAll(() => {
    execFileSync(python!, ["test/onnx/light_models.py", folder], { stdio: ["ignore", "ignore", "pipe"] });
  }, 240_000);

  it.each(Object.entries(nets))("%s", { timeout: 120_000 }, async (name, elements) => {
    const file = join(folder, `${name}.onnx`);
    const before = process.cpuUsage();
    const model = await loadModel({ file, export: null, inputs: [], batch: 1 });
    const { jacobian } = analyze(model, { batch: 2, device, plan: false });
    // Of the processor's time, of which others take none
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(5);
    expect(jacobian.shape).toEqual([2, ...model.outputs[0].shape, elements]);
    expect(model.batch).toEqual({ coupled: false });
    expect(model.graph.parameters.reduce((sum, { value }) => sum + sizeOf(value.shape), 0)).toBe(elements);

    const [{ name: input, shape, dtype }] = model.inputs;
    const random = generator(3);
    const x: Tensor = { shape, dtype, data: Float32Array.from({ length: sizeOf(shape) }, () => 2 * random() - 1) };
    const engine = await createOnnxruntimeEngine();
    const executable = await engine.compile(model.graph);
    const outputs = await executable.run(
      argumentsOf(model.graph).map((member) => (member.name === input ? x : model.weights[member.name])),
    );
    await executable.dispose();
    await engine.dispose();
    const expected = await runWithOnnxruntime(file, { [input]: { ...x, shape: [1, ...shape] } });
    const batch = outputs.map((output) => ({ ...output, shape: [1, ...output.shape] }));
    const [{ data }] = expected;
    expect(new Set(data).size).toBeGreaterThan(1);
    expect(difference(batch, expected)).toBeLessThan(1e-4);
  });
});
