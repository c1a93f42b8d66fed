import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { expectClose, given, run } from "../../../test/compare-tfjs";
import { ModelError } from "../../graph/errors";
import { printGraph } from "../../graph/print";
import { vjp } from "../../transforms";
import { loadModel, type LoadRequest, type Model } from "../index";
import { parseInputOption } from "../inputs";

const folder = mkdtempSync(join(tmpdir(), "kernelscope-code-"));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;

/** A file of its own for each text, so that nothing is shared between tests. */
function write(text: string, name = `model${++count}.ts`): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

interface Options extends Partial<Pick<LoadRequest, "export" | "batch">> {
  readonly inputs?: readonly string[];
}

function load(file: string, { export: name = null, inputs = [], batch = 4 }: Options = {}): Promise<Model> {
  return loadModel({ file, export: name, inputs: inputs.map(parseInputOption), batch });
}

async function failure(file: string, options: Options = {}): Promise<ModelError> {
  const error: unknown = await load(file, options).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ModelError);
  return error as ModelError;
}

const dense = "tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] })";
const withTf = (text: string): string => `import * as tf from "@tensorflow/tfjs";\n${text}\n`;

it("a file behind a symbolic link keeps its name, and its imports", async () => {
  write("export const units = 5;", "real/units.ts");
  const real = write(withTf(`import { units } from "./units";\nconst hidden = tf.sequential({
    layers: [tf.layers.dense({ units, inputShape: [3] })] });`), "real/model.ts"); // prettier-ignore
  mkdirSync(join(folder, "links"));
  const link = join(folder, "links", "linked.ts");
  symlinkSync(real, link);
  const model = await load(link, { export: "hidden" });
  expect(model.outputs[0].shape).toEqual([5]);
  expect([model.file, model.files[0], model.source?.file, model.parameters[0].source?.file]).toEqual(
    Array(4).fill(link),
  );
});

describe("importing TensorFlow.js", () => {
  const imports = {
    "the whole": `import * as tf from "@tensorflow/tfjs";`,
    "a default import": `import tf from "@tensorflow/tfjs";`,
    "tfjs-node": `import * as tf from "@tensorflow/tfjs-node";`,
    "tfjs-node-gpu": `import tf from "@tensorflow/tfjs-node-gpu";`,
    "CommonJS": `const tf = require("@tensorflow/tfjs-node");`,
    "layers by name": `import { sequential, layers } from "@tensorflow/tfjs-layers"; import "@tensorflow/tfjs-backend-cpu"; const tf = { sequential, layers };`,
    "a subpath": `import * as tf from "@tensorflow/tfjs/dist/tf.node.js";`,
    "core and wasm": `import * as core from "@tensorflow/tfjs-core"; import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm"; import * as tf from "@tensorflow/tfjs"; setWasmPaths("x"); await core.setBackend("wasm"); core.tidy(() => core.ones([2]));`,
  }; // prettier-ignore
  for (const [name, text] of Object.entries(imports)) {
    it(name, async () => {
      const model = await load(write(`${text}\nconst model = ${dense};\n`));
      expect(model.graph.parameters).toHaveLength(2);
      expect(model.framework).toBe("TensorFlow.js 4.22.0");
    });
  }

  for (const extension of ["js", "mjs", "cjs", "mts", "cts", "tsx", "jsx"]) {
    it(`in a .${extension} file`, async () => {
      const isScript = extension === "cjs" || extension === "js";
      const text = isScript
        ? `const tf = require("@tensorflow/tfjs");\nmodule.exports = { model: ${dense} };\n`
        : withTf(`export const model = ${dense};`);
      expect((await load(write(text, `extension.${extension}`))).export).toBe("model");
    });
  }

  it("from files and packages beside the model", async () => {
    write(withTf(`export const make = (): tf.LayersModel => ${dense};`), "beside/make.ts");
    write(`module.exports.units = require("@tensorflow/tfjs").scalar(2).dataSync()[0];`, "node_modules/units/index.js");
    const text = `import { make } from "./beside/make";\nimport { units } from "units";\nexport const model = make();\nexport { units };\n`;
    expect((await load(write(text))).export).toBe("model");
  });

  it("tfjs-data and the Node parts are there", async () => {
    const text = `import * as tf from "@tensorflow/tfjs-node";
      import * as data from "@tensorflow/tfjs-data";
      data.array([1, 2]); tf.data.array([1]); tf.io.fileSystem("x"); const lazily = () => tf.node.decodePng(1);
      const model = ${dense};`;
    expect((await load(write(text), { export: "model" })).export).toBe("model");
  });
});

describe("choosing what is analysed", () => {
  const two = withTf(`const a = ${dense};\nexport const b = ${dense};\nconst notAModel = 3;`);

  it("a binding that is not exported", async () => {
    expect((await load(write(two), { export: "a" })).export).toBe("a");
  });

  it("lists several models with their lines", async () => {
    const file = write(two);
    const { message, source } = await failure(file);
    expect(message).toContain("a (line 2), b (line 3)");
    expect(source).toMatchObject({ file, line: 2 });
  });

  it("says what there is where a name is wrong", async () => {
    expect((await failure(write(two), { export: "c" })).message).toMatch(
      /no top-level binding c; it has a \(line 2\), b/,
    );
    expect((await failure(write(two), { export: "notAModel" })).message).toContain("notAModel is no model");
    expect((await failure(write(two), { export: "a(" })).message).toContain("names no binding");
  });

  it("says that there is no model", async () => {
    expect((await failure(write("export const x: number = 1;"))).message).toContain("there is no model");
  });

  it("one model under two names is one model", async () => {
    const text = withTf(`const model = ${dense};\nexport default model;\nexport { model as network };`);
    expect((await load(write(text))).export).toBe("model");
    expect((await load(write(text), { export: "default" })).export).toBe("default");
    expect((await load(write(text), { export: "network" })).export).toBe("network");
  });

  it("a factory with JSON arguments, also an asynchronous one", async () => {
    const text = withTf(`async function createModel(inputs: number, outputs: number, hidden: number[]) {
      const model = tf.sequential();
      hidden.forEach((units, i) => model.add(tf.layers.dense({ units, ...(i === 0 ? { inputShape: [inputs] } : {}) })));
      model.add(tf.layers.dense({ units: outputs }));
      return model;
    }`);
    const model = await load(write(text), { export: "createModel(40,65,[128])" });
    expect(model.outputs[0].shape).toEqual([65]);
    expect(model.export).toBe("createModel(40,65,[128])");
    expect((await failure(write(text), { export: "createModel(40,x)" })).message).toContain("not JSON");
  });

  it("the only factory, called without arguments", async () => {
    expect((await load(write(withTf(`export function make(units = 2) { return ${dense}; }`)))).export).toBe("make");
  });

  it("a promise of a model, and one at the top level of a module", async () => {
    const text = withTf(`export const model = Promise.resolve(${dense});`);
    expect((await load(write(text))).export).toBe("model");
    const awaiting = withTf(`await tf.ready();\nconst model = await Promise.resolve(\n  ${dense});`);
    const { parameters } = await load(write(awaiting));
    expect(parameters[0].source).toMatchObject({ line: 4 });
  });

  it("a member of an object", async () => {
    expect((await load(write(withTf(`const models = { small: ${dense} };`)), { export: "models.small" })).export).toBe(
      "models.small",
    );
  });
});

describe("plain functions", () => {
  const text = withTf(`
const w = tf.variable(tf.ones([3, 2]), true, "w");
const params = { b: tf.variable(tf.zeros([2])), unused: tf.variable(tf.zeros([2])) };
const scale = tf.variable(tf.scalar(2), false, "scale");

export function predict(x: tf.Tensor2D) {
  const y = tf.matMul(x, w).add(params.b);
  return y.mul(scale);
}`);

  it("have the variables that they use as parameters", async () => {
    const file = write(text);
    const model = await load(file, { inputs: ["x=N,3"] });
    expect(model.parameters.map(({ name, trainable, source }) => [name, trainable, source?.line])).toEqual([
      ["w", true, 3],
      ["params.b", true, 4],
      ["scale", false, 5],
    ]);
    expect(model.batch).toEqual({ coupled: false });
    expect(printGraph(model.graph)).toBe(`input a:f32[3] = "x"
parameter b:f32[3,2] = "w"
parameter c:f32[2] = "params.b"
parameter d:f32[] = "scale"
e:f32[1,3] = reshape[shape=[1,3]] a
f:f32[1,2] = dot_general[contract=[[1],[0]] batch=[[],[]]] e b
g:f32[1,2] = reshape[shape=[1,2]] c
h:f32[1,2] = add f g
i:f32[1,1] = reshape[shape=[1,1]] d
j:f32[1,2] = mul h i
k:f32[2] = reshape[shape=[2]] j
return k`);
    const lines = model.graph.equations.map(({ primitive, source }) => [primitive, source?.line]);
    expect(lines).toContainEqual(["dot_general", 8]);
    expect(lines).toContainEqual(["mul", 9]);
    expect(model.graph.equations[1].source?.file).toBe(file);
  });

  it("take one example as it is where no N marks a batch axis", async () => {
    const model = await load(write(text), { inputs: ["x=5,3"] });
    expect(model.graph.inputs[0].value.shape).toEqual([5, 3]);
    expect(model.outputs).toEqual([{ name: "output", shape: [5, 2], dtype: "float32" }]);
  });

  it("ask for shapes", async () => {
    const error = await failure(write(text));
    expect(error.message).toContain("add --input x=N,SHAPE");
    expect(error.source?.line).toBe(7);
    expect((await failure(write(text), { inputs: ["y=N,3"] })).message).toContain("its inputs are x");
  });

  it("give lists and objects of tensors", async () => {
    const both = withTf(`export const f = (x: tf.Tensor, y: tf.Tensor) => ({ sum: x.add(y), list: x.sub(y) });`);
    const model = await load(write(both), { inputs: ["x=N,3", "y=N,3"] });
    expect(model.outputs.map(({ name }) => name)).toEqual(["sum", "list"]);
    const nothing = withTf(`export function f(x: tf.Tensor) {\n  x.add(1);\n}`);
    expect((await failure(write(nothing), { inputs: ["x=N,3"] })).message).toContain("returns nothing instead");
  });

  it("are of the whole batch where they reduce over it", async () => {
    const loss = withTf(`export function loss(x: tf.Tensor) {\n  return x.square().mean();\n}`);
    const model = await load(write(loss), { inputs: ["x=N,3"], batch: 6 });
    expect(model.batch).toMatchObject({ coupled: true, size: 6 });
    expect(model.graph.inputs[0].value.shape).toEqual([6, 3]);
    expect(model.graph.outputs[0].shape).toEqual([]);
  });

  it("may squeeze a batch axis of one away", async () => {
    const squeezed = withTf(`export const f = (x: tf.Tensor2D) => tf.squeeze(tf.expandDims(x.mul(2), 1));`);
    const model = await load(write(squeezed), { inputs: ["x=N,3"] });
    expect(model.batch.coupled).toBe(false);
    expect(model.outputs[0].shape).toEqual([3]);
  });

  it("may have gradients of their own", async () => {
    const straightThrough = withTf(`const step = tf.customGrad((x, save) => {
  (save as tf.GradSaveFunc)([x as tf.Tensor]);
  return {
    value: tf.step(x as tf.Tensor),
    gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => [dy.mul(tf.exp(saved))],
  };
});
const w = tf.variable(tf.tensor1d([2, 3, 4]), true, "w");
export const f = (x: tf.Tensor) => step(x.mul(w));`);
    const { graph, weights } = await load(write(straightThrough), { inputs: ["x=3"] });
    const x = given([3], [0.5, -0.25, 1]);
    const [y] = await run(graph, [x, weights.w]);
    expect(Array.from(y.data)).toEqual([1, 0, 1]);
    // d/dx sum(y) = exp(w x) w
    const gradient = vjp(graph, [graph.inputs[0].value]);
    const [, dx] = await run(gradient, [x, given([3], [1, 1, 1]), weights.w]);
    expectClose(dx.data, [2 * Math.exp(1), 3 * Math.exp(-0.75), 4 * Math.exp(4)]);
    const nonlinear = straightThrough.replace("dy.mul(tf.exp(saved))", "tf.exp(dy)");
    expect((await failure(write(nonlinear), { inputs: ["x=3"] })).message).toContain("not linear in dy");
  });

  it("make variables while they run", async () => {
    const lazy = withTf(`const layer = tf.layers.dense({ units: 2 });
export const f = (x: tf.Tensor) => layer.apply(x) as tf.Tensor;`);
    const model = await load(write(lazy), { inputs: ["x=N,3"] });
    expect(model.parameters).toHaveLength(2);
    expect(model.graph.parameters).toHaveLength(2);
  });

  it("differentiate in their own code", async () => {
    const gradient = withTf(`const w = tf.variable(tf.ones([3]), true, "w");
export const f = (x: tf.Tensor) => tf.grad((t: tf.Tensor) => tf.sum(tf.mul(tf.square(t), w)))(x);`);
    const model = await load(write(gradient), { inputs: ["x=N,3"] });
    expect(model.graph.equations.some(({ primitive }) => primitive === "opaque")).toBe(false);
  });
});

describe("places", () => {
  it("are the lines that construct layers, also in a helper and in another file", async () => {
    const helper = write(withTf(`export function block(x: tf.SymbolicTensor) {
  return tf.layers.reLU({ name: "act" }).apply(
    x) as tf.SymbolicTensor;
}`), "helper/block.ts"); // prettier-ignore
    const file = write(
      withTf(`import { block } from "./helper/block";
const x = tf.input({ shape: [3] });
const y = tf.layers
  .dense({ units: 2, name: "first" })
  .apply(x) as tf.SymbolicTensor;
const inner = tf.sequential({
  name: "inner",
  layers: [tf.layers.dense({ units: 2, inputShape: [2], name: "nested" })],
});
export const model = tf.model({ inputs: x, outputs: inner.apply(block(y)) as tf.SymbolicTensor });`),
    );
    const model = await load(file);
    const at = (primitive: string) => model.graph.equations.filter((each) => each.primitive === primitive);
    const [first, nested] = at("dot_general");
    expect(first.source).toEqual({ file, line: 5, column: 4, module: "first" });
    expect(nested.source).toMatchObject({ file, line: 9, module: "inner/nested" });
    expect(at("select")[0].source).toMatchObject({ file: helper, line: 3, module: "act" });
    expect(model.parameters.map(({ source }) => source?.line)).toEqual([5, 5, 9, 9]);
  });

  it("are lines inside a custom layer's call", async () => {
    const file = write(withTf(`class Scale extends tf.layers.Layer {
  static className = "Scale";
  private w!: tf.LayerVariable;
  override build(shape: tf.Shape) {
    this.w = this.addWeight("w", [shape[1] as number], "float32", tf.initializers.ones());
    super.build(shape);
  }
  override call(inputs: tf.Tensor | tf.Tensor[]) {
    const x = Array.isArray(inputs) ? inputs[0] : inputs;
    const y = tf.sin(x);
    return y.mul(this.w.read());
  }
}
const model = tf.sequential();
model.add(tf.layers.dense({ units: 2, inputShape: [3] }));
model.add(new Scale({ name: "scale" }));
`)); // prettier-ignore
    const { graph, parameters } = await load(file);
    const line = (primitive: string) => graph.equations.find((each) => each.primitive === primitive)?.source?.line;
    expect([line("dot_general"), line("sin"), line("mul")]).toEqual([16, 11, 12]);
    expect(parameters.find(({ name }) => name === "scale/w")?.source?.line).toBe(17);
  });

  it("of examples that are coupled", async () => {
    const file = write(withTf(`export function f(x: tf.Tensor2D) {
  const centred = x.sub(
    x.mean(0));
  return centred.square();
}`)); // prettier-ignore
    const { batch } = await load(file, { inputs: ["x=N,3"] });
    expect(batch).toMatchObject({ coupled: true, source: { file, line: 4 } });
  });
});

describe("what is wrong with user code", () => {
  it("a syntax error", async () => {
    const file = write(`import * as tf from "@tensorflow/tfjs";\nconst model = tf.sequential(;\n`);
    const error = await failure(file);
    expect(error.source).toEqual({ file, line: 2, column: 29 });
    expect(error.message).toContain("Unexpected");
  });

  it("a syntax error in a file that is imported", async () => {
    const imported = write("export const x = {;\n", "broken/inner.ts");
    const { source } = await failure(write(`import { x } from "./broken/inner";\nexport const y = x;\n`));
    expect(source).toMatchObject({ file: imported, line: 1 });
  });

  it("an import that cannot be found", async () => {
    const file = write(`\nimport thing from "no-such-package";\nexport const x = thing;\n`);
    const { message, source } = await failure(file);
    expect(message).toContain('Could not resolve "no-such-package"');
    expect(source).toMatchObject({ file, line: 2 });
  });

  it("an error that it throws", async () => {
    const file = write(
      `interface Options { a: number }\n\nfunction fail(): never {\n  throw new Error("my message");\n}\nfail();\n`,
    );
    const { message, source } = await failure(file);
    expect(message).toBe("my message");
    expect(source).toMatchObject({ file, line: 4, column: 9 });
  });

  it("an error of TensorFlow.js in its code", async () => {
    const file = write(
      withTf(`const a = tf.ones([2, 3]);\nexport const b = tf.matMul(\n  a, a);\nexport const model = ${dense};`),
    );
    const { message, source } = await failure(file);
    expect(message).toContain("matMul");
    expect(source).toMatchObject({ file, line: 3 });
  });

  it("an error while the model runs", async () => {
    const file = write(withTf(`export function f(x: tf.Tensor2D) {\n  return tf.matMul(x, tf.ones([4, 2]));\n}`));
    const { message, source } = await failure(file, { inputs: ["x=N,3"] });
    expect(message).toContain("matMul");
    expect(source).toMatchObject({ file, line: 3 });
  });

  for (const read of ["dataSync()", "arraySync()"]) {
    it(`a reading of values while it is traced, ${read}`, async () => {
      const file = write(withTf(`export function f(x: tf.Tensor2D) {\n  const y = x.mul(2);\n  const values = y.${read};\n  return y.add(Number(values[0]));\n}`)); // prettier-ignore
      const { message, source } = await failure(file, { inputs: ["x=N,3"] });
      expect(message).toMatch(/reads the values of a tensor while the model is traced/);
      expect(source).toMatchObject({ file, line: 4 });
    });
  }

  it("an asynchronous reading, and one of a parameter", async () => {
    const file = write(withTf(`const w = tf.variable(tf.ones([3]));
export async function f(x: tf.Tensor2D) {
  const values = await w.data();
  return x.mul(values[0]);
}
export function g(x: tf.Tensor2D) {
  return x.mul(tf.tensor(w.dataSync()));
}`)); // prettier-ignore
    const options = { inputs: ["x=N,3"] };
    expect((await failure(file, { ...options, export: "f" })).source).toMatchObject({ line: 4 });
    expect((await failure(file, { ...options, export: "g" })).source).toMatchObject({ line: 8 });
  });

  it("a result whose shape depends on values", async () => {
    const file = write(withTf(`export function f(x: tf.Tensor1D) {\n  return tf.unique(x).values;\n}`));
    const { message, source } = await failure(file, { inputs: ["x=3"] });
    expect(message).toContain("Unique");
    expect(source).toMatchObject({ file, line: 3 });
  });

  it("complex numbers", async () => {
    const file = write(withTf(`export function f(x: tf.Tensor1D) {\n  return tf.abs(tf.fft(tf.complex(x, x)));\n}`));
    const { message, source } = await failure(file, { inputs: ["x=4"] });
    expect(message).toContain("complex64");
    expect(source).toMatchObject({ file, line: 3 });
  });

  it("a file that is no model", async () => {
    expect((await failure(join(folder, "missing.ts"))).message).toContain("does not exist");
    expect((await failure(folder)).message).toContain("is no file");
    expect((await failure(write("hello", "notes.txt"))).message).toContain("supported are TensorFlow.js code");
  });
});

describe("--input", () => {
  it("is read", () => {
    expect(parseInputOption("x=N,32,32,3")).toEqual({ name: "x", shape: [32, 32, 3], batched: true, dtype: null });
    expect(parseInputOption("ids=[N, 20]:int32")).toEqual({ name: "ids", shape: [20], batched: true, dtype: "int32" });
    expect(parseInputOption("t=")).toEqual({ name: "t", shape: [], batched: false, dtype: null });
    expect(parseInputOption("input:0=5:bool")).toMatchObject({ name: "input:0", dtype: "bool" });
  });

  it("is refused where it is wrong", () => {
    for (const text of ["x", "x=N,a", "x=N,0", "x=N,,3", "x=3:float99", "=3"]) {
      expect(() => parseInputOption(text)).toThrow(/--input/);
    }
  });
});
