import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { discoverModels, isBinaryModel, isDataFile, mayHoldModels, type DiscoveredModel } from "./discover";
import { loadModel, parseInputOption } from "./index";

const examples = readdirSync("examples").filter((name) => name.endsWith(".ts"));
const exampleText = (name: string): string => readFileSync(join("examples", name), "utf8");

async function discovered(name: string): Promise<readonly DiscoveredModel[]> {
  return (await discoverModels(name, exampleText(name)))!;
}

/** `model attention(x)`, in the order found. */
async function found(code: string, file = "model.ts"): Promise<string[] | null> {
  const text = code.includes("tfjs") ? code : `import * as tf from "@tensorflow/tfjs";\n${code}`;
  const models = await discoverModels(file, text);
  return (
    models?.map(({ export: name, kind, takes }) => {
      return `${kind} ${name}${kind === "factory" || kind === "function" ? `(${takes.join(",")})` : ""}`;
    }) ?? null
  );
}

describe("the examples", () => {
  const expected: Record<string, DiscoveredModel[]> = {
    "residual-net.ts": [{ export: "model", kind: "model", takes: [], line: 49, column: 14 }],
    "mlp.ts": [{ export: "model", kind: "model", takes: [], line: 7, column: 14 }],
    "tutorial-cnn.ts": [{ export: "model", kind: "model", takes: [], line: 7, column: 14 }],
    "mobilenet.ts": [{ export: "mobileNet", kind: "factory", takes: ["size?", "classes?"], line: 60, column: 8 }],
    "digits.ts": [{ export: "model", kind: "model", takes: [], line: 14, column: 14 }],
    "function.ts": [{ export: "attention", kind: "function", takes: ["x"], inputs: ["x"], line: 18, column: 8 }],
    "smoothing.ts": [{ export: "model", kind: "model", takes: [], line: 64, column: 14 }],
    // Batching rules are no models
    "smoothing-rules.ts": [],
  };

  it.each(examples)("%s: its models are found, and EXPORT takes their names", async (name) => {
    const models = await discovered(name);
    expect(models).toEqual(expected[name]);
    for (const { export: model, kind, takes, line } of models) {
      const inputs = kind === "function" ? takes.map((input) => parseInputOption(`${input}=N,16,24`)) : [];
      const text = name === "mobilenet.ts" ? `${model}(32,2)` : model;
      const loaded = await loadModel({ file: join("examples", name), export: text, inputs, batch: 2 });
      expect(loaded.export).toBe(text);
      expect(line).toBeGreaterThan(1);
    }
  });
});

describe("models", () => {
  const dense = "tf.sequential({ layers: [] })";
  it.each([
    [`const model = ${dense};`, ["model model"]],
    [`let model; model = ${dense};`, ["model model"]],
    [`export const model = (await (tf.loadLayersModel("file://m") as Promise<tf.LayersModel>))!;`, ["model model"]],
    [`export const model = tf.model({ inputs: x, outputs: y }) satisfies tf.LayersModel;`, ["model model"]],
    [`export default ${dense};`, ["model default"]],
    [`const net = ${dense};\nexport default net;`, ["model net"]],
    [`const net = ${dense};\nexport { net as model };`, ["model net"]],
    [`class Net extends tf.LayersModel {}\nclass Wide extends Net {}\nexport const wide = new Wide({});`, ["model wide"]],
    [`const make = () => ${dense};\nexport const a = make(), b = big ? make() : null;`, ["factory make()", "model a", "model b"]],
    [`const model = (() => { const m = ${dense}; return m; })();`, ["model model"]],
    [`const model = tf.tidy(() => { const m = ${dense}; return m; });`, ["model model"]],
    [`import { sequential as chain } from "@tensorflow/tfjs-layers";\nexport const model = chain();`, ["model model"]],
    [`const tf = require("@tensorflow/tfjs-node");\nmodule.exports = { model: ${dense} };`, ["model model"], "a.js"],
    [`const tf = require("@tensorflow/tfjs");\nmodule.exports = ${dense};`, ["model default"], "a.cjs"],
    [`const tf = require("@tensorflow/tfjs");\nexports.net = ${dense};`, ["model net"], "a.js"],
    [`const tf = await import("@tensorflow/tfjs");\nexport const model = ${dense};`, ["model model"], "a.mjs"],
  ])("%s", async (code, expected, file?: string) => expect(await found(code, file)).toEqual(expected)); // prettier-ignore
});

describe("factories", () => {
  it.each([
    ["function make(units, depth = 2) { const m = tf.sequential(); return m; }", ["factory make(units,depth?)"]],
    ["export const load = async (url: string) => tf.loadGraphModel(url);", ["factory load(url)"]],
    [
      "const inner = () => tf.sequential();\nexport function outer(n: number) { return inner(); }",
      ["factory inner()", "factory outer(n)"],
    ],
    ["export default (n) => tf.sequential();", ["factory default(n)"]],
    ["async function train() { const m = tf.sequential(); const h = await m.fit(x, y); return h; }", []],
    ["function summary() { tf.sequential().summary(); }", []],
    ["function both() { const model = tf.sequential(); return { model }; }", []],
  ])("%s", async (code, expected) => expect(await found(code)).toEqual(expected));
});

describe("functions on tensors", () => {
  it.each([
    ["export const f = (x: tf.Tensor, rate = 0.1) => x.matMul(w).mul(rate);", ["function f(x,rate?)"]],
    ["export default function f(x) { return tf.relu(x); }", ["function f(x)"]],
    ["const f = (x) => tf.relu(x);", []],
    ["const f = (x) => tf.relu(x);\nexport { f };", ["function f(x)"]],
    ["const step = (x) => tf.relu(x);\nexport const f = (x) => step(step(x));", ["function f(x)"]],
    ["export const f = (x: tf.Tensor, filters: number) => tf.relu(x);", []],
    ["export function f(size: number | undefined): tf.Tensor { return tf.relu(tf.ones([size!])); }", []],
    ["export const block = (x: tf.SymbolicTensor) => tf.relu(tf.layers.reLU().apply(x));", []],
    ["export const names = (list) => list.map((name) => name.length);\nexport const t = tf.scalar(1);", []],
    ["export const init = () => tf.setBackend('cpu');\nexport const toTensor = (data) => tf.tensor2d(data);", []],
  ])("%s", async (code, expected) => expect(await found(code)).toEqual(expected));
});

describe("what the text does not show", () => {
  const from = `import { build } from "./build"; import { join } from "node:path";`;
  it.each([
    [`${from} export const model = build(10);`, ["unknown model"]],
    [`${from} const model = build(10);`, []],
    [`${from} export const units: number = build(10);`, []],
    [`${from} const make = () => build(10); export const model = make();`, ["unknown model"]],
    [`${from} export const file = join("a", "b"); export const w = tf.variable(tf.ones([2])), y = Math.sqrt(2);`, []],
  ])("%s", async (code, expected) =>
    expect(await found(`import * as tf from "@tensorflow/tfjs"; tf.ready();\n${code}`)).toEqual(expected),
  );
});

describe("files without models", () => {
  it.each([
    `export const model = tf.sequential();`,
    `import type * as tf from "@tensorflow/tfjs";\nexport const model = other.sequential() as tf.Sequential;`,
    `import { type Tensor } from "./tf";\n/* @tensorflow/tfjs */ export const model = other.sequential() as Tensor;`,
    `// "@tensorflow/tfjs"\nexport const model = other.sequential();`,
    `import * as tf from "@tensorflow/tfjs-vis";\nexport const model = tf.sequential();`,
  ])("%s", async (text) => expect(await discoverModels("model.ts", text)).toEqual([]));

  it("are told by a look at their text", () => {
    expect(mayHoldModels("a.ts", `import * as tf from "@tensorflow/tfjs";`)).toBe(true);
    expect(mayHoldModels("a.ts", `import * as tf from "./tf";`)).toBe(false);
    expect(mayHoldModels("a.ts", `import "@tensorflow/tfjs";${" ".repeat(2e6)}`)).toBe(false);
    expect(mayHoldModels("a.py", `"@tensorflow/tfjs"`)).toBe(false);
    expect(mayHoldModels("a.json", `{"modelTopology": {}}`)).toBe(true);
    expect(mayHoldModels("package.json", `{"dependencies": {"@tensorflow/tfjs": "4"}}`)).toBe(false);
  });

  it("are those that cannot be parsed now", async () => {
    expect(await found("export const model = tf.sequential(;")).toBeNull();
    expect(await discoverModels("a.ts", `import "@tensorflow/tfjs";\nx = ${"(".repeat(1.5e6)}`)).toBeNull();
    expect(await found("export const model = tf.sequential();")).toEqual(["model model"]);
  });
});

describe("saved models", () => {
  const saved = (text: string): Promise<readonly DiscoveredModel[] | null> => discoverModels("model.json", text);
  const at = (line: number, column: number): DiscoveredModel[] => [
    { export: null, kind: "saved", takes: [], line, column },
  ];

  it.each([
    [`{"modelTopology": {"node": []}}`, at(1, 2)],
    [`{\n  "format": "layers-model",\n  "note": "{\\"[",\n  "modelTopology" : {`, at(4, 3)],
    [`{\n "format":\n "graph-model"\n}`, at(3, 2)],
    [`{"a": {"modelTopology": 1, "format": "layers-model"}}`, []],
    [`{"a": "modelTopology", "b": ["format", "layers-model"]}`, []],
    [`{"note": "modelTopology", "a": "format", "c": "layers-model"}`, []],
    [`{"weightsManifest": [{"modelTopology": 1}`, null],
  ])("%s", async (text, expected) => expect(await saved(text)).toEqual(expected));
});

describe("files that are no texts", () => {
  it.each(["net.onnx", "net.pt2", "NET.ONNX"])("%s is a saved model, whatever stands for its bytes", async (file) => {
    expect(mayHoldModels(file, "12 bytes of 5")).toBe(true);
    expect(isBinaryModel(file) && isDataFile(file)).toBe(true);
    expect(await discoverModels(file, "12 bytes of 5")).toEqual([
      { export: null, kind: "saved", takes: [], line: 1, column: 1 },
    ]);
  });

  it("are not all others, of which only JSON is data", () => {
    expect(["a.ts", "a.json", "a.pt", "onnx"].filter(isBinaryModel)).toEqual([]);
    expect(["a.ts", "a.mjs", "a.json", "a.py"].filter(isDataFile)).toEqual(["a.json"]);
  });
});

it("throws for no text", { timeout: 60_000 }, async () => {
  const pieces = [
    "(",
    "}",
    "=>",
    "`",
    "${",
    "export ",
    "default ",
    "await ",
    "class ",
    "new ",
    "...",
    "tf.model(",
    "\n",
    "#",
    "<",
  ];
  const mutated = fc
    .tuple(
      fc.constantFrom(...examples),
      fc.array(fc.tuple(fc.nat(), fc.nat(40), fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 8 }))), {
        minLength: 1,
        maxLength: 4,
      }),
    )
    .map(([name, edits]) =>
      edits.reduce((text, [place, removed, added]) => {
        const start = place % text.length;
        return text.slice(0, start) + added + text.slice(start + removed);
      }, exampleText(name)),
    );
  await fc.assert(
    fc.asyncProperty(mutated, fc.constantFrom("a.ts", "a.tsx", "a.js", "a.cjs", "a.json"), async (text, file) => {
      const models = await discoverModels(file, text);
      const lines = text.split("\n");
      for (const { line } of models ?? []) expect(line).toBeLessThanOrEqual(lines.length);
    }),
    { numRuns: 300 },
  );
});
