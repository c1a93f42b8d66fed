import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { jacobianOf } from "../../../test/jacobian/whole-nets";
import { difference } from "../../../test/laws";
import { analyze } from "../../analysis/analyze";
import { namedDevice } from "../../devices/detect";
import * as tf from "@tensorflow/tfjs";
import { createReferenceEngine } from "../../engines/reference";
import { placeOn } from "../../analysis/place";
import { fallbacksOf } from "../../planner/fallbacks";
import { tensor } from "../../graph/tensor";
import { range } from "../../graph/types";
import type { Analysis } from "../../protocol/analysis";
import { vmap } from "../../transforms";
import { loadModel, type Model } from "..";

const folder = mkdtempSync(join(tmpdir(), "kernelscope-rules-"));
afterAll(() => rmSync(folder, { recursive: true }));

const smoothing = resolve("examples/smoothing.ts");
const device = namedDevice("--device", "Tesla V100 16GB");

let count = 0;
function written(code: string): string {
  const file = join(folder, `file${++count}.ts`);
  writeFileSync(file, code);
  return file;
}

function load(file: string, ...batchingRules: string[]): Promise<Model> {
  return loadModel({ file, export: null, inputs: [], batch: 1, batchingRules });
}

/** What is said of a model with a rule. */
async function withRule(rule: string, model = smoothing): Promise<Analysis & { readonly rules: string }> {
  const rules = written(`import * as tf from "@tensorflow/tfjs";\n${rule}\n`);
  return { ...analyze(await load(model, rules), { batch: 7, device }), rules };
}

const problemsOf = ({ diagnostics }: Analysis): unknown[] =>
  diagnostics.filter(({ code }) => code === "batching-rule").map(({ message, source }) => [message, source?.line]);

describe("a batching rule of the user's own", () => {
  it("takes the loops away, whatever the number of examples, and the Jacobian stays the same", async () => {
    const looped = await load(smoothing);
    const model = await load(smoothing, resolve("examples/smoothing-rules.ts"));
    for (const batch of [1, 7, 100]) {
      expect(analyze(looped, { batch, device }).fallbacks).toHaveLength(3);
      expect(analyze(model, { batch, device }).fallbacks).toEqual([]);
    }
    expect(model.files).toEqual([smoothing, resolve("examples/smoothing-rules.ts")]);

    const data = Float32Array.from({ length: 3 * 16 }, (_, index) => Math.sin(index));
    const inputs = [{ shape: [3, 16], dtype: "float32", data }] as const;
    const wrt = model.parameters.map(({ name }) => name);
    const weights = Object.fromEntries(wrt.map((name, index) => [name, Object.values(looped.weights)[index]]));
    const one = { name: "with a rule", model: { ...model, weights }, inputs, wrt };
    const other = { name: "without", model: looped, inputs, wrt: looped.parameters.map(({ name }) => name) };
    // One example after the other, by the operation itself
    const expected = [...(await jacobianOf(other, createReferenceEngine(), { strategy: "grad-loop" })).values()];
    for (const strategy of ["jacrev", "vmap(jacrev)", "vmap(jacfwd)"] as const) {
      for (const chunk of [undefined, 2]) {
        const actual = [...(await jacobianOf(one, createReferenceEngine(), { strategy, chunk })).values()];
        expect(difference(actual, expected)).toBeLessThan(1e-6);
      }
    }
  });

  it("has the Jacobian be TensorFlow.js's own, one output of one example after the other", async () => {
    const traced = await load(smoothing, resolve("examples/smoothing-rules.ts"));
    const data = Float32Array.from({ length: 3 * 16 }, (_, index) => Math.sin(index));
    const inputs = [{ shape: [3, 16], dtype: "float32", data }] as const;
    const wrt = traced.parameters.map(({ name }) => name);
    const loaded = { name: "smoothing", model: traced, inputs, wrt };
    const blocks = await jacobianOf(loaded, createReferenceEngine(), { strategy: "vmap(jacrev)" });
    // The same network as a module, on TensorFlow.js's cpu backend; its initial weights are seeded
    const own = await import("../../../examples/smoothing");
    const before = tf.getBackend();
    await tf.setBackend("cpu");
    try {
      const variables = own.model.trainableWeights.map((weight) => (weight as unknown as { val: tf.Variable }).val);
      const rows = variables.map((): number[] => []);
      for (const [example, output] of range(3).flatMap((i) => range(4).map((j) => [i, j]))) {
        const x = tf.tensor2d(data.slice(16 * example, 16 * (example + 1)), [1, 16]);
        const element = (): tf.Scalar =>
          tf.slice(tf.reshape(own.model.apply(x) as tf.Tensor, [4]), output, 1).asScalar();
        const { grads } = tf.variableGrads(element, variables);
        variables.forEach(({ name }, index) => rows[index].push(...grads[name].dataSync()));
      }
      const expected = wrt.map((name, index) =>
        tensor(blocks.get(name)!.shape, "float32", Float32Array.from(rows[index])),
      );
      expect(difference([...blocks.values()], expected)).toBeLessThan(1e-5);
      expect(Math.max(...rows[0].map(Math.abs))).toBeGreaterThan(0.01);
    } finally {
      await tf.setBackend(before);
    }
  });

  it("is plain data: it goes to another process with the model", async () => {
    const { weights: _weights, ...model } = await load(smoothing, resolve("examples/smoothing-rules.ts"));
    const sent = { ...structuredClone(model), weights: {} };
    expect(analyze(sent, { batch: 5, device }).fallbacks).toEqual([]);
  });

  it("is not used in itself more than once, and says so", async () => {
    const { graph } = await load(smoothing, resolve("examples/smoothing-rules.ts"));
    const batched = (inner: Model["graph"], size: number): Model["graph"] =>
      vmap(inner, new Map([[inner.inputs[0].value, 0]]), size);
    const twice = batched(batched(graph, 3), 4);
    expect(fallbacksOf(twice, placeOn(device).speed)).toEqual([]);
    expect(fallbacksOf(batched(twice, 5), placeOn(device).speed)).toMatchObject([
      { iterations: 5, reason: "the batching rule of Smooth is not used in itself more than once" },
    ]);
  });

  it.each([
    [
      "that throws",
      `export function Smooth() {\n  throw new Error("not yet");\n}`,
      "The batching rule of Smooth is not used: not yet.",
      3,
    ],
    [
      "that returns another shape",
      `export const Smooth = ({ x }: { x: tf.Tensor }) => x.reshape([-1]);`,
      "The batching rule of Smooth is not used: for 3 slices it returns float32[96] instead of float32[3,1,32]; return what the " +
        "operation returns, with the axis of the slices in front.",
      2,
    ],
    [
      "that returns no tensor",
      `export const Smooth = () => "x";`,
      "The batching rule of Smooth is not used: for 3 slices it returns a string that is no tensor instead of float32[3,1,32]; " +
        "return what the operation returns, with the axis of the slices in front.",
      2,
    ],
    [
      "that returns other values",
      `export const Smooth = ({ x }: { x: tf.Tensor }) => x.mul(2);`,
      expect.stringMatching(
        /^The batching rule of Smooth is not used: for 3 slices of random numbers it returns other values than the operation does one slice after the other \(they differ by [\d.]+ of the largest\); put it right\.$/,
      ) as string,
      2,
    ],
    [
      "that reads values",
      `export const Smooth = ({ x }: { x: tf.Tensor }, { run }: any) => {
  const rows = tf.unstack(x).map((row) => run({ x: row }));
  return tf.stack(rows).add(x.dataSync()[0] * 0);
};`,
      "The batching rule of Smooth is not used: reads the values of a tensor while the model is traced (dataSync, arraySync or " +
        "data); compute with tensor operations instead, or read the values before the model is called.",
      4,
    ],
    [
      "with operations that are not the same at every size",
      `export const Smooth = ({ x }: { x: tf.Tensor }, { run }: any) =>
  tf.stack(tf.unstack(x).map((row) => run({ x: row })));`,
      "The batching rule of Smooth is not used: its operations are not the same for every number of slices; reshape, and make " +
        "arrays of one number with tf.fill, tf.zeros or tf.ones, but not others of that size.",
      2,
    ],
  ])("%s is told of at its line, and the operation stays a loop", async (_, rule, message, line) => {
    const analysis = await withRule(rule);
    expect(problemsOf(analysis)).toEqual([[message, line]]);
    expect(analysis.diagnostics.find(({ code }) => code === "batching-rule")?.source?.file).toBe(analysis.rules);
    expect(analysis.fallbacks).toHaveLength(3);
    for (const { reason } of analysis.fallbacks) {
      expect(reason).toMatch(/^the batching rule of Smooth is not used \(file\d+\.ts:\d: /);
    }
  });

  it("may leave the operation a loop", async () => {
    const analysis = await withRule(`export const Smooth = () => null;`);
    expect(problemsOf(analysis)).toEqual([]);
    expect(analysis.fallbacks[0].reason).toBe("the batching rule of Smooth leaves it a loop here");
  });

  it.each([
    ["whose file has an error in it", `export const Smooth = (;`, 2, /^The batching rules of this file are not used: /],
    ["whose file has none", `export const x = 3;`, 1, /: no batching rule is exported here; export a function with/],
    ["whose file throws", `\n(undefined as any).x();`, 3, /^The batching rules of this file are not used: Cannot read/],
  ])("%s is told of, and the model is still read", async (_, code, line, message) => {
    const analysis = await withRule(code);
    expect(problemsOf(analysis)).toEqual([[expect.stringMatching(message) as string, line]]);
    expect(analysis.fallbacks[0].reason).toBe("Smooth has no batching rule");
  });

  it("in a file that is not there is told of", async () => {
    const analysis = analyze(await load(smoothing, "no/rules.ts"), { batch: 7, device });
    expect(problemsOf(analysis)).toEqual([
      ["no/rules.ts is no file of batching rules that can be read; give a TypeScript or JavaScript file.", undefined],
    ]);
  });
});

/** A product with a matrix, per row, as an operation with two inputs; it has as many rows as the first. */
const mixing = `import * as tf from "@tensorflow/tfjs";
tf.registerKernel({ kernelName: "Mix", backendName: "cpu", kernelFunc({ inputs, backend }: any) {
  const { a, b } = inputs;
  const [x, y] = [a, b].map(({ dataId }: any) => backend.readSync(dataId));
  const [rows, size] = a.shape;
  const out = new Float32Array(rows * size);
  for (let i = 0; i < rows; i++) for (let j = 0; j < size; j++) for (let k = 0; k < size; k++)
    out[i * size + j] += x[i * size + k] * y[k * size + j];
  return { dataId: backend.write(out, a.shape, "float32"), shape: a.shape, dtype: "float32" };
} } as any);
tf.registerGradient({ kernelName: "Mix", inputsToSave: ["a", "b"], gradFunc: (dy: any, [a, b]: any) => ({
  a: () => tf.matMul(dy, b, false, true),
  b: () => tf.matMul(a, dy, true, false),
}) });
const b = tf.variable(tf.randomUniform([3, 3], -1, 1, "float32", 4), true, "b");
const scale = tf.variable(tf.tensor1d([1, 2, 3]), true, "scale");
export const model = (x: tf.Tensor) =>
  tf.tanh(tf.engine().runKernel("Mix", { a: tf.mul(x, scale), b: tf.mul(b, scale) } as any) as tf.Tensor);`;

describe("a rule for an operation with two inputs", () => {
  const read = (rules: string): Promise<Model> =>
    loadModel({
      file: written(mixing),
      export: "model",
      inputs: [{ name: "x", shape: [3], dtype: null, batched: true }],
      batch: 1,
      batchingRules: [rules],
    });
  const data = Float32Array.from({ length: 6 }, (_, index) => Math.cos(index));

  it("knows which of them are batched, and may leave some of it a loop", async () => {
    const rules = written(`export function Mix({ a, b }: any, { batched, size, run }: any) {
  if (batched.b) return null;
  return run({ a: a.reshape([-1, 3]), b }).reshape([size, -1, 3]);
}`);
    const model = await read(rules);
    const wrt = model.parameters.map(({ name }) => name);
    const { fallbacks, diagnostics } = analyze(model, { batch: 2, device });
    expect(diagnostics.filter(({ code }) => code === "batching-rule")).toEqual([]);
    // b does not depend on the example, and no derivative runs the operation
    expect(fallbacks).toEqual([]);
    const loaded = { name: "mix", model, inputs: [{ shape: [2, 3], dtype: "float32", data }] as const, wrt };
    const expected = await jacobianOf(loaded, createReferenceEngine(), { strategy: "grad-loop" });
    for (const strategy of ["jacrev", "vmap(jacrev)", "vmap(jacfwd)"] as const) {
      const actual = await jacobianOf(loaded, createReferenceEngine(), { strategy });
      expect(difference([...actual.values()], [...expected.values()])).toBeLessThan(1e-6);
    }
    const both = vmap(model.graph, new Map(model.graph.parameters.map(({ value }) => [value, 0])), 4);
    expect(fallbacksOf(both, placeOn(device).speed)).toMatchObject([
      { operation: "Mix", iterations: 4, reason: "the batching rule of Mix leaves it a loop here" },
    ]);
  });
});

describe("an operation of the user's own", () => {
  it("whose result has no fixed shape is an error at its line", async () => {
    const file = written(`import * as tf from "@tensorflow/tfjs";
tf.registerKernel({ kernelName: "Positive", backendName: "cpu", kernelFunc({ inputs: { x }, backend }: any) {
  const positive = (backend.readSync(x.dataId) as Float32Array).filter((element) => element > 0);
  const shape = [1, positive.length];
  return { dataId: backend.write(positive, shape, "float32"), shape, dtype: "float32" };
} } as any);
export const model = (x: tf.Tensor) =>
  tf.sum(tf.engine().runKernel("Positive", { x } as any) as tf.Tensor, 1);`);
    const inputs = [{ name: "x", shape: [8], dtype: null, batched: true }];
    await expect(loadModel({ file, export: "model", inputs, batch: 1 })).rejects.toMatchObject({
      message: expect.stringMatching(
        /^the result of Positive has a shape that depends on the elements of its input \(\[1, ?8\] or \[1, ?\d\]\), so that it cannot run for many examples; /,
      ) as string,
      source: { file, line: 8 },
    });
  });
});
