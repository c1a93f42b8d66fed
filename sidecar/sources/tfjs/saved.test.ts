import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { expectClose, opaqueKernels, run, uniform } from "../../../test/compare-tfjs";
import { ModelError } from "../../graph/errors";
import { loadModel, type Model } from "../index";
import { FileHandler } from "./file-handler";
import { recordingBackend } from "./runtime";
import { tf } from "./tensorflow";

recordingBackend();
const root = mkdtempSync(join(tmpdir(), "kernelscope-saved-"));
afterAll(() => rmSync(root, { recursive: true }));

let count = 0;
const newFolder = (): string => {
  const folder = join(root, `m${++count}`);
  mkdirSync(folder);
  return folder;
};

function load(file: string): Promise<Model> {
  return loadModel({ file, export: null, inputs: [], batch: 4 });
}

async function failure(file: string): Promise<ModelError> {
  const error: unknown = await load(file).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ModelError);
  return error as ModelError;
}

function network(): tf.Sequential {
  return tf.sequential({
    layers: [
      tf.layers.conv2d({ filters: 4, kernelSize: 3, inputShape: [6, 6, 2], name: "conv" }),
      tf.layers.batchNormalization({ name: "norm" }),
      tf.layers.flatten(),
      tf.layers.dense({ units: 3, name: "dense" }),
    ],
  });
}

async function saved(model: tf.LayersModel): Promise<string> {
  const folder = newFolder();
  await model.save(new FileHandler(folder));
  return join(folder, "model.json");
}

/** The manifest's groups, rewritten by `change`. */
function rewrite(file: string, change: (json: SavedJson) => void): void {
  const json = JSON.parse(readFileSync(file, "utf8")) as SavedJson;
  change(json);
  writeFileSync(file, JSON.stringify(json, null, 2));
}

interface SavedJson {
  modelTopology: unknown;
  weightsManifest: {
    paths: string[];
    weights: { name: string; shape: number[]; dtype: string; quantization?: object }[];
  }[];
}

async function predicted(model: Model, x: ReturnType<typeof uniform>): Promise<ArrayLike<number>> {
  const { parameters, buffers } = model.graph;
  const weights = [...parameters, ...buffers].map(({ name }) => model.weights[name]);
  return (await run(model.graph, [x, ...weights]))[0].data;
}

const x = uniform([6, 6, 2]);
const batch = (): tf.Tensor => tf.tensor(x.data, [1, 6, 6, 2]);

describe("a saved layers model", () => {
  it("gives what it gave when it was saved, in several shards", async () => {
    const original = network();
    const file = await saved(original);
    const bin = readFileSync(join(file, "../weights.bin"));
    writeFileSync(join(file, "../a.bin"), bin.subarray(0, 100));
    writeFileSync(join(file, "../b.bin"), bin.subarray(100));
    rewrite(file, ({ weightsManifest: [group] }) => (group.paths = ["a.bin", "b.bin"]));
    const model = await load(file);
    expect(model.format).toBe("tfjs-layers");
    expect(model.parameters.map(({ name, source }) => [name, source])).toEqual([
      ["conv/kernel", null],
      ["conv/bias", null],
      ["norm/gamma", null],
      ["norm/beta", null],
      ["dense/kernel", null],
      ["dense/bias", null],
    ]);
    expect(model.graph.buffers).toHaveLength(2);
    expectClose(await predicted(model, x), (original.predict(batch()) as tf.Tensor).dataSync());
  });

  for (const dtype of ["uint8", "uint16", "float16"] as const) {
    it(`with weights in ${dtype}`, async () => {
      const original = network();
      const file = await saved(original);
      const chunks: Buffer[] = [];
      const values = original.weights.map((weight) => weight.read().dataSync() as Float32Array);
      rewrite(file, ({ weightsManifest: [group] }) => {
        group.weights.forEach((entry) => {
          const index = original.weights.findIndex((weight) => weight.originalName === entry.name);
          const data = values[index];
          const low = Math.min(...data);
          const scale = (Math.max(...data) - low) / (dtype === "uint8" ? 255 : 65535) || 1;
          entry.quantization = dtype === "float16" ? { dtype } : { dtype, min: low, scale };
          const whole = (element: number): number => Math.round((element - low) / scale);
          if (dtype === "float16") chunks.push(Buffer.from(Uint16Array.from(data, half).buffer));
          else if (dtype === "uint8") chunks.push(Buffer.from(Uint8Array.from(data, whole)));
          else chunks.push(Buffer.from(Uint16Array.from(data, whole).buffer));
        });
      });
      writeFileSync(join(file, "../weights.bin"), Buffer.concat(chunks));
      const expected = (original.predict(batch()) as tf.Tensor).dataSync();
      expectClose(await predicted(await load(file), x), expected, dtype === "uint8" ? 0.05 : 0.005);
    });
  }

  it("is loaded by user code as from tfjs-node", async () => {
    const file = await saved(network());
    const code = join(file, "../code.ts");
    writeFileSync(
      code,
      `import * as tf from "@tensorflow/tfjs-node";
export const url = tf.loadLayersModel("file://${file}");
const handled = tf.loadLayersModel(tf.io.fileSystem("${file}"));`,
    );
    for (const name of ["url", "handled"]) {
      const model = await loadModel({ file: code, export: name, inputs: [], batch: 4 });
      expect(model.parameters).toHaveLength(6);
    }
  });
});

describe("what is wrong with a saved model", () => {
  it("a missing shard", async () => {
    const file = await saved(network());
    rewrite(file, ({ weightsManifest: [group] }) => (group.paths = ["gone.bin"]));
    const { message, source } = await failure(file);
    expect(message).toContain("the weight file gone.bin is missing");
    expect(source?.file).toBe(file);
    expect(readFileSync(file, "utf8").split("\n")[(source?.line ?? 0) - 1]).toContain("gone.bin");
  });

  it("a shard that is elsewhere", async () => {
    const file = await saved(network());
    for (const path of ["../weights.bin", "weights.bin/../../weights.bin", "..", "a\0b"]) {
      rewrite(file, ({ weightsManifest: [group] }) => (group.paths = [path]));
      expect((await failure(file)).message).toContain("is not in the model's folder");
    }
  });

  it("a shard that is cut short, and one that is too long", async () => {
    const file = await saved(network());
    const bin = join(file, "../weights.bin");
    const whole = readFileSync(bin);
    truncateSync(bin, whole.length - 10);
    expect((await failure(file)).message).toMatch(
      /weights\.bin holds \d+ bytes, but .* take \d+: the file is cut short/,
    );
    writeFileSync(bin, Buffer.concat([whole, whole]));
    expect((await failure(file)).message).toContain("do not belong together");
  });

  it("a shard that is damaged", async () => {
    const file = await saved(network());
    const bin = join(file, "../weights.bin");
    const damaged = readFileSync(bin);
    damaged.fill(0xff, 40, 44);
    writeFileSync(bin, damaged);
    expect((await failure(file)).message).toMatch(
      /the weight conv\/kernel holds NaN \(element 10\): its file is damaged/,
    );
    rewrite(file, ({ weightsManifest: [group] }) => {
      group.weights.unshift({ name: "flags", shape: [40], dtype: "bool" });
    });
    writeFileSync(bin, Buffer.concat([Buffer.alloc(39), Buffer.from([7]), damaged]));
    expect((await failure(file)).message).toContain("the weight flags holds the truth value 7 (element 39)");
    writeFileSync(bin, Buffer.concat([Buffer.alloc(40), damaged]));
    expect((await failure(file)).message).toContain("conv/kernel holds NaN (element 10)");
  });

  it("no JSON, and JSON that is no model", async () => {
    const file = join(newFolder(), "model.json");
    writeFileSync(file, `{\n  "modelTopology": {,\n}`);
    expect(await failure(file)).toMatchObject({ source: { file, line: 2 } });
    for (const text of ["[]", "3", `{"a": 1}`, `{"modelTopology": 5}`, `{"modelTopology": {"x": 1}}`]) {
      writeFileSync(file, text);
      expect((await failure(file)).message).toContain("not a saved TensorFlow.js model");
    }
    writeFileSync(file, `{"modelTopology": {"node": []}}`);
    expect((await failure(file)).message).toContain("no weightsManifest");
  });

  it("a layer of a class that TensorFlow.js does not have", async () => {
    const file = await saved(network());
    writeFileSync(file, readFileSync(file, "utf8").replace(`"Flatten"`, `"MyFlatten"`));
    const { message } = await failure(file);
    expect(message).toContain("a layer of the class MyFlatten");
    expect(message).toContain("tf.serialization.registerClass");
  });

  it("weights that are not the model's", async () => {
    const file = await saved(network());
    rewrite(file, ({ weightsManifest: [group] }) => (group.weights[0].shape = [3, 3, 2]));
    expect((await failure(file)).message).toContain("bytes, but the model's weights take");
    rewrite(file, ({ weightsManifest: [group] }) => (group.weights[0].shape = [-1]));
    expect((await failure(file)).message).toContain("is not valid");
    rewrite(file, ({ weightsManifest: [group] }) => (group.weights[0] = null as never));
    expect((await failure(file)).message).toContain("lacks a name");
    rewrite(file, ({ weightsManifest: [group] }) => (group.paths = [3 as never]));
    expect((await failure(file)).message).toContain("lacks paths or weights");
    const other = await saved(network());
    rewrite(other, ({ weightsManifest: [group] }) => (group.weights[0].name = "conv/other"));
    expect((await failure(other)).message).toContain("conv/other");
  });
});

/** A graph model of a few nodes, with its weights. */
interface Node {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr?: object;
}

const float = { T: { type: "DT_FLOAT" } };

function graphModel(nodes: readonly Node[], weights: Record<string, tf.Tensor>): string {
  const folder = newFolder();
  const types = { float32: "DT_FLOAT", int32: "DT_INT32", bool: "DT_BOOL" } as const;
  const constants = Object.entries(weights).map(([name, tensor]): Node => {
    const dtype = types[tensor.dtype as keyof typeof types];
    const tensorShape = { dim: tensor.shape.map((size) => ({ size: String(size) })) };
    return { name, op: "Const", attr: { dtype: { type: dtype }, value: { tensor: { dtype, tensorShape } } } };
  });
  const specs = Object.entries(weights).map(([name, { shape, dtype }]) => ({ name, shape, dtype }));
  const bytes = Object.values(weights).map((tensor) => {
    const data = tensor.dataSync();
    return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  });
  writeFileSync(join(folder, "weights.bin"), Buffer.concat(bytes));
  const json = {
    format: "graph-model",
    modelTopology: { node: [...constants, ...nodes], library: {}, versions: { producer: 1 } },
    weightsManifest: [{ paths: ["weights.bin"], weights: specs }],
  };
  writeFileSync(join(folder, "model.json"), JSON.stringify(json));
  return join(folder, "model.json");
}

const placeholder = (...sizes: number[]): Node => ({
  name: "x",
  op: "Placeholder",
  attr: { dtype: { type: "DT_FLOAT" }, shape: { shape: { dim: sizes.map((size) => ({ size: String(size) })) } } },
});

const weight = (...shape: number[]): tf.Tensor => tf.tensor(uniform(shape).data, shape);

describe("a saved graph model", () => {
  it("has its constants as parameters, and moving averages as buffers", async () => {
    const [kernel, scale, offset, mean] = [weight(3, 3, 2, 4), weight(4), weight(4), weight(4)];
    const variance = tf.abs(weight(4));
    const file = graphModel(
      [
        placeholder(-1, 6, 6, 2),
        {
          name: "conv",
          op: "Conv2D",
          input: ["x", "kernel"],
          attr: {
            ...float,
            strides: { list: { i: ["1", "1", "1", "1"] } },
            dilations: { list: { i: ["1", "1", "1", "1"] } },
            padding: { s: "U0FNRQ==" },
            data_format: { s: "TkhXQw==" },
          },
        },
        {
          name: "norm",
          op: "FusedBatchNormV3",
          input: ["conv", "scale", "offset", "mean", "variance"],
          attr: { ...float, epsilon: { f: 0.001 } },
        },
        { name: "relu", op: "Relu", input: ["norm"], attr: float },
      ],
      { kernel, scale, offset, mean, variance },
    );
    const model = await load(file);
    expect(model.format).toBe("tfjs-graph");
    expect(model.parameters.map(({ name }) => name)).toEqual(["kernel", "scale", "offset"]);
    expect(model.graph.buffers.map(({ name }) => name)).toEqual(["mean", "variance"]);
    expect(model.inputs).toEqual([{ name: "x", shape: [6, 6, 2], dtype: "float32" }]);
    expect(opaqueKernels(model.graph)).toEqual([]);
    const convolved = tf.conv2d(batch() as tf.Tensor4D, kernel as tf.Tensor4D, 1, "same");
    const parts = [mean, variance, offset, scale] as tf.Tensor1D[];
    const expected = tf.relu(tf.batchNorm(convolved, parts[0], parts[1], parts[2], parts[3]));
    expectClose(await predicted(model, x), expected.dataSync());
  });

  it("with control flow that does not depend on the input", async () => {
    const file = graphModel(
      [
        placeholder(-1, 2),
        { name: "switch", op: "Switch", input: ["x", "condition"], attr: float },
        { name: "no", op: "Neg", input: ["switch"], attr: float },
        { name: "yes", op: "Mul", input: ["switch:1", "w"], attr: float },
        { name: "merge", op: "Merge", input: ["no", "yes"], attr: { ...float, N: { i: "2" } } },
      ],
      { condition: tf.scalar(true, "bool"), w: weight(2) },
    );
    const model = await load(file);
    expect(model.graph.equations.map(({ primitive }) => primitive)).toContain("mul");
    expect(model.graph.equations.map(({ primitive }) => primitive)).not.toContain("neg");
    expect(model.parameters.map(({ name }) => name)).toEqual(["w"]);
  });

  it("with shapes that it computes from its input's shape", async () => {
    const list = (elements: number[]): tf.Tensor => tf.tensor1d(elements, "int32");
    const file = graphModel(
      [
        placeholder(-1, 2, 3),
        { name: "shape", op: "Shape", input: ["x"], attr: { ...float, out_type: { type: "DT_INT32" } } },
        {
          name: "batch",
          op: "StridedSlice",
          input: ["shape", "zero", "one", "one"],
          attr: { shrink_axis_mask: { i: "1" }, T: { type: "DT_INT32" } },
        },
        { name: "target", op: "Pack", input: ["batch", "six"], attr: { axis: { i: "0" }, N: { i: "2" } } },
        { name: "flat", op: "Reshape", input: ["x", "target"], attr: float },
        { name: "out", op: "MatMul", input: ["flat", "w"], attr: { ...float, transpose_a: {}, transpose_b: {} } },
      ],
      { zero: list([0]), one: list([1]), six: tf.scalar(6, "int32"), w: weight(6, 2) },
    );
    const model = await load(file);
    expect(model.batch).toEqual({ coupled: false });
    expect(model.outputs[0].shape).toEqual([2]);
  });

  it("with an operation that TensorFlow.js does not have", async () => {
    const file = graphModel([placeholder(-1, 2), { name: "y", op: "Frobnicate", input: ["x"], attr: float }], {
      w: weight(2),
    });
    expect((await failure(file)).message).toContain("Frobnicate");
  });
});

/** A float32 number as the bits of a float16; small numbers only. */
function half(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0];
  const exponent = ((bits >>> 23) & 0xff) - 127 + 15;
  if (exponent <= 0) return (bits >>> 16) & 0x8000;
  return ((bits >>> 16) & 0x8000) | (exponent << 10) | ((bits >>> 13) & 0x3ff);
}
