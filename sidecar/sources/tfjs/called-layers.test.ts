import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadModel, type Model } from "../index";

const folder = realpathSync(mkdtempSync(join(tmpdir(), "kernelscope-layers-")));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;

function load(code: string, file = `model${++count}.ts`): Promise<Model> {
  const path = join(folder, file);
  writeFileSync(path, `import * as tf from "@tensorflow/tfjs";\nconst L = tf.layers;\n${code}\n`);
  return loadModel({ file: path, export: null, inputs: [], batch: 4 });
}

/** `inner/dense Dense [3] kernel bias`: one line for each layer. */
function listed({ layers, parameters }: Model): string[] {
  const names = layers.flatMap((layer) => layer.parameters);
  expect([...names].sort()).toEqual(parameters.map(({ name }) => name).sort());
  return layers.map((layer) => {
    const shapes = layer.outputs.map((shape) => `[${shape.join(",")}]`);
    const own = layer.parameters.map((name) => name.replace(/^.*\//, ""));
    return [layer.name, layer.kind, ...shapes, ...own].join(" ");
  });
}

describe("the layers of a model", () => {
  it("stand in the order of their calls, with the lines that made them", async () => {
    const model = await load(`const x = tf.input({ shape: [6, 6, 1] });
      const conv = L.conv2d({ name: "conv", filters: 2, kernelSize: 3 });
      const flat = L.flatten({ name: "flat" });
      const head = L.dense({ name: "head", units: 3, useBias: false });
      export const model = tf.model({ inputs: x, outputs: head.apply(flat.apply(conv.apply(x))) as tf.SymbolicTensor });`);
    expect(listed(model)).toEqual(["conv Conv2D [4,4,2] kernel bias", "flat Flatten [32]", "head Dense [3] kernel"]);
    expect(model.layers.map(({ source }) => source?.line)).toEqual([4, 5, 6]);
    expect(model.source).toMatchObject({ file: model.file, line: 7 });
    expect(model.files).toEqual([model.file]);
  });

  it("know the lines of the functions that led to them, each once", async () => {
    const model = await load(`const dense = (units: number) => L.dense({ units });
      function block(x: tf.SymbolicTensor): tf.SymbolicTensor {
        return dense(3).apply(dense(2).apply(x)) as tf.SymbolicTensor;
      }
      const x = tf.input({ shape: [4] });
      export const model = tf.model({ inputs: x, outputs: L.reLU().apply(block(x)) as tf.SymbolicTensor });`);
    const lines = model.layers.map(({ source, callers }) => [source, ...callers].map((place) => place?.line));
    expect(lines).toEqual([[3, 5, 8], [3, 5, 8], [8]]);
  });

  it("have the names of the models that they are in", async () => {
    const model = await load(`const inner = tf.sequential({ name: "inner", layers: [
        L.dense({ name: "a", units: 3, inputShape: [2] }), L.reLU({ name: "b" })] });
      const x = tf.input({ shape: [2] });
      const y = inner.apply(x);
      const z = tf.input({ shape: [3] });
      const second = tf.model({ inputs: z, outputs: L.dense({ name: "c", units: 1 }).apply(z) as tf.SymbolicTensor, name: "second" });
      export const model = tf.model({ inputs: x, outputs: second.apply(y) as tf.SymbolicTensor });`);
    expect(listed(model)).toEqual([
      "inner/a Dense [3] kernel bias",
      "inner/b ReLU [3]",
      "second/c Dense [1] kernel bias",
    ]);
  });

  it("are listed once when they are called twice", async () => {
    const model = await load(`const x = tf.input({ shape: [2] });
      const shared = L.dense({ name: "shared", units: 2 });
      export const model = tf.model({ inputs: x, outputs: shared.apply(shared.apply(x)) as tf.SymbolicTensor });`);
    expect(listed(model)).toEqual(["shared Dense [2] kernel bias"]);
  });

  it("are recurrent as a whole, whatever their cells", async () => {
    const model = await load(`export const model = tf.sequential({ layers: [
        L.lstm({ name: "lstm", units: 2, returnSequences: true, inputShape: [3, 1] }),
        L.rnn({ name: "stack", cell: [L.gruCell({ units: 2 }), L.simpleRNNCell({ units: 4 })], returnSequences: true }),
        L.bidirectional({ name: "both", layer: L.simpleRNN({ name: "rnn", units: 2, returnSequences: true }) as never, mergeMode: "concat" }),
        L.timeDistributed({ name: "each", layer: L.dense({ name: "dense", units: 5 }) })] });`);
    expect(listed(model)).toEqual([
      "lstm LSTM [3,2] kernel recurrent_kernel bias",
      "stack RNN [3,4] kernel recurrent_kernel bias kernel recurrent_kernel bias",
      "both/forward_rnn SimpleRNN [3,2] kernel recurrent_kernel bias",
      "both/backward_rnn SimpleRNN [3,2] kernel recurrent_kernel bias",
      "each/dense Dense [5] kernel bias",
    ]);
  });

  it("of the user's own classes stand with the layers inside them, if they have weights of their own", async () => {
    const model = await load(`class Scaled extends L.Layer {
        inner = L.dense({ name: "inner", units: 2 });
        hidden = L.dense({ name: "hidden", units: 2, useBias: false });
        scale!: tf.LayerVariable;
        constructor(private readonly isScaled: boolean, name: string) { super({ name }); }
        build(shape: tf.Shape) {
          if (this.isScaled) this.scale = this.addWeight("scale", [2], "float32", tf.initializers.ones());
          this.inner.build(shape);
          this.trainableWeights = [...(this.scale ? [this.scale] : []), ...this.inner.trainableWeights];
          if (!this.isScaled) {
            this.hidden.build(shape);
            this.trainableWeights = this.trainableWeights.concat(this.hidden.trainableWeights);
          }
          this.built = true;
        }
        computeOutputShape(shape: tf.Shape) { return shape; }
        call(x: tf.Tensor | tf.Tensor[]) {
          const y = this.inner.call(Array.isArray(x) ? x[0] : x, {}) as tf.Tensor;
          return this.isScaled ? y.mul(this.scale.read()) : y.matMul(this.hidden.weights[0].read());
        }
      }
      class Plain extends L.Layer {
        inner = L.reLU({ name: "relu" });
        computeOutputShape(shape: tf.Shape) { return shape; }
        call(x: tf.Tensor | tf.Tensor[]) { return this.inner.call(Array.isArray(x) ? x[0] : x, {}); }
      }
      const x = tf.input({ shape: [2] });
      const y = new Scaled(false, "product").apply(new Scaled(true, "scaled").apply(x));
      export const model = tf.model({ inputs: x, outputs: new Plain({ name: "plain" }).apply(y) as tf.SymbolicTensor });`);
    expect(listed(model)).toEqual([
      "scaled Scaled [2] scale",
      "scaled/inner Dense [2] kernel bias",
      "product Scaled [2] kernel_1",
      "product/inner Dense [2] kernel bias",
      "plain/relu ReLU [2]",
    ]);
  });

  it("have outputs of one example, also where examples are coupled", async () => {
    const model = await load(`class Centre extends L.Layer {
        computeOutputShape(shape: tf.Shape) { return shape; }
        call(x: tf.Tensor | tf.Tensor[]) { const y = Array.isArray(x) ? x[0] : x; return y.sub(y.mean(0, true)); }
      }
      export const model = tf.sequential({ layers: [L.dense({ units: 3, inputShape: [2] }), new Centre({ name: "centre" })] });`);
    expect(model.batch.coupled).toBe(true);
    expect(model.layers.map(({ outputs }) => outputs)).toEqual([[[3]], [[3]]]);
  });

  it("are none of a function's", async () => {
    const code = "const w = tf.variable(tf.ones([2]));\nexport const f = (x: tf.Tensor) => x.mul(w);";
    const file = join(folder, "function.ts");
    writeFileSync(file, `import * as tf from "@tensorflow/tfjs";\n${code}\n`);
    const input = { name: "x", shape: [2], batched: true, dtype: null };
    const model = await loadModel({ file, export: "f", inputs: [input], batch: 4 });
    expect(model.layers).toEqual([]);
    expect(model.source).toMatchObject({ file, line: 3 });
  });
});

describe("the files of a model", () => {
  it("are the user's own that were bundled", async () => {
    writeFileSync(join(folder, "units.json"), "[2]");
    writeFileSync(join(folder, "units.ts"), `import units from "./units.json";\nexport const [first] = units;`);
    const { files } = await load(
      `import { first } from "./units";;
      export const model = await Promise.resolve(tf.sequential({ layers: [L.dense({ units: first, inputShape: [2] })] }));`,
      "files.ts",
    );
    expect([files[0], [...files].sort()]).toEqual([
      join(folder, "files.ts"),
      ["files.ts", "units.json", "units.ts"].map((name) => join(folder, name)),
    ]);
  });

  it("are the saved model and its weights", async () => {
    const made =
      await load(`const model = tf.sequential({ layers: [L.dense({ name: "d", units: 2, inputShape: [3] })] });
      await model.save("file://${join(folder, "saved")}");
      export { model };`);
    const file = join(folder, "saved", "model.json");
    const model = await loadModel({ file, export: null, inputs: [], batch: 1 });
    expect(model.files).toEqual([file, join(folder, "saved", "weights.bin")]);
    expect(model.source).toMatchObject({ file, line: 1 });
    expect(listed(model)).toEqual(listed(made));
    expect(model.layers[0].source).toBeNull();
  });
});
