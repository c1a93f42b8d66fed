import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import { ModelError } from "../../sidecar/graph/errors";
import { argumentsOf } from "../../sidecar/graph/graph";
import type { Tensor } from "../../sidecar/graph/tensor";
import { newArray } from "../../sidecar/graph/types";
import { loadModel, parseInputOption, type Model } from "../../sidecar/sources";
import { vmap } from "../../sidecar/transforms";
import { difference, evaluate } from "../laws";
import { jacobianOf } from "../jacobian/whole-nets";
import { python } from "../tools";
import { exported, loadArchive, type Exported } from "./archives";
import { readFileSync } from "node:fs";

/** What is read of an archive beside its operators: batch axes, weights, modules and lines (models.py). */

const PYTHON_TIMEOUT = 300_000;
const script = readFileSync("test/torch/models.py", "utf8").split("\n");

/** The number of the line of models.py that holds this text, the first after the class. */
function lineOf(text: string, inClass: string): number {
  const start = script.findIndex((line) => line.startsWith(`class ${inClass}(`));
  return script.findIndex((line, index) => index > start && line.includes(text)) + 1;
}

describe.skipIf(python === undefined)("archives of torch.export", () => {
  let files: Exported;
  const load = (name: string): Promise<Model> => loadArchive(files.path(`${name}.pt2`));

  beforeAll(async () => {
    files = await exported("models.py");
  }, PYTHON_TIMEOUT);
  afterAll(() => files.remove());

  /** Inputs with the batch axis first; what all examples share is repeated for each. */
  function inputsOf(name: string, model: Model, count: number): Tensor[] {
    return model.inputs.map(({ dtype, shape }, index) => {
      const given = files.expected.get(`${name}<${index}`)!;
      const copies = given.shape.length === shape.length ? count : 1;
      const data = newArray(dtype, copies * given.data.length);
      for (let copy = 0; copy < copies; copy++) data.set(given.data, copy * given.data.length);
      return { shape: [count, ...shape], dtype, data };
    });
  }

  /** Outputs of all examples at once, where these are independent by vmap. */
  async function outputsOf(name: string, model: Model, count: number): Promise<Tensor[]> {
    const inputs = inputsOf(name, model, count);
    const { graph, weights } = model;
    const whole = model.batch.coupled
      ? graph
      : vmap(graph, new Map(graph.inputs.map(({ value }) => [value, 0])), count);
    return evaluate(
      whole,
      argumentsOf(whole).map(({ name: each }, index) => inputs[index] ?? weights[each]),
    );
  }

  async function expectOutputs(name: string, count = 3): Promise<void> {
    const model = await load(name);
    const outputs = await outputsOf(name, model, count);
    outputs.forEach((output, index) => {
      const expected = files.expected.get(`${name}=${index}`)!;
      const shaped = { ...output, shape: expected.shape };
      expect(difference([shaped], [expected]), `${name}, output ${index}`).toBeLessThan(1e-6);
    });
    expect(files.expected.has(`${name}=${outputs.length}`)).toBe(false);
  }

  describe("the batch axis", () => {
    it.each([
      "nested",
      "tied",
      "evaluated",
      "squeezed",
      "lstm",
      "time_first",
      "in_place",
      "tokens",
      "masked",
      "double",
      "instance",
    ])("is open, and examples are independent: %s", async (name) => {
      expect((await load(name)).batch).toEqual({ coupled: false });
      await expectOutputs(name);
    });

    it("is one of a single example, where the model was exported for one", async () => {
      const model = await load("single");
      expect(model.batch).toEqual({ coupled: false });
      expect(model.inputs[0].shape).toEqual([3]);
      expect(model.outputs[0].shape).toEqual([4]);
      await expectOutputs("single", 1);
    });

    it("is not there in a model of one example", async () => {
      const model = await load("whole");
      expect(model.inputs[0].shape).toEqual([3]);
      expect(model.outputs[0].shape).toEqual([2]);
    });

    it("is fixed where the model was exported for several examples", async () => {
      const model = await load("many");
      expect(model.batch).toMatchObject({ coupled: true, size: 3, source: null });
      expect(model.batch.coupled && model.batch.reason).toContain("dynamic_shapes");
      await expectOutputs("many");
    });

    it("is taken away wherever it is", async () => {
      const lstm = await load("lstm");
      expect(lstm.outputs.map(({ name, shape }) => [name, shape])).toEqual([
        ["output0", [4, 2]],
        ["output1.0", [1, 2]],
        ["output1.1", [1, 2]],
      ]);
      const tokens = await load("tokens");
      expect(tokens.outputs.map(({ shape }) => shape)).toEqual([[4, 5], [4]]);
    });

    it("leaves other open axes as the example had them, or as is asked for", async () => {
      const ask = (text: string): Promise<Model> => {
        return loadModel({ file: files.path("tokens.pt2"), export: null, inputs: [parseInputOption(text)], batch: 1 });
      };
      expect((await load("tokens")).inputs[0]).toEqual({ name: "ids", shape: [4], dtype: "int32" });
      expect((await ask("ids=N,9:int32")).outputs[0].shape).toEqual([9, 5]);
      await expect(ask("words=N,9")).rejects.toThrow("has no input words");
      await expect(ask("last=N,9")).rejects.toThrow("but the model takes [N]");
    });
  });

  describe("examples are coupled, and the model says where", () => {
    it.each([
      ["training", "Normalised", "self.norm(self.linear(x))", "batch normalisation in training mode"],
      ["centred", "Centred", "y - y.mean(0", "reduce_sum runs over the batch axis"],
      ["shared", "Shared", "/ x.shape[0]", "a result depends on the number of examples"],
      ["loss", "Loss", "square().mean()", "reduce_sum runs over the batch axis"],
    ])("%s", async (name, inClass, text, reason) => {
      const { batch } = await load(name);
      if (!batch.coupled) throw new Error("independent");
      expect(batch.size).toBe(3);
      expect(batch.reason).toContain(reason);
      expect(batch.source).toMatchObject({ line: lineOf(text, inClass), column: 1 });
      expect(batch.source!.file).toMatch(/models\.py$/);
      await expectOutputs(name);
    });

    it("also where the model was exported for one example", async () => {
      const { batch } = await load("single_training");
      expect(batch).toMatchObject({ coupled: true, size: 1 });
    });

    it("and Jacobians are those of the whole batch", async () => {
      const model = await load("training");
      const blocks = await jacobianOf(
        { name: "training", model, inputs: inputsOf("training", model, 3), wrt: ["norm.bias"] },
        createReferenceEngine(),
      );
      expect(blocks.get("norm.bias")!.shape).toEqual([3, 4, 4]);
    });
  });

  describe("weights", () => {
    it("that are one are one parameter, and frozen ones are not trained", async () => {
      const model = await load("tied");
      expect(model.parameters.map(({ name, trainable }) => [name, trainable])).toEqual([
        ["turned", true],
        ["short", true],
        ["brain", true],
        ["encode.weight", true],
        ["encode.bias", true],
        ["decode.bias", true],
        ["frozen.weight", false],
        ["frozen.bias", false],
      ]);
      expect(model.graph.buffers.map(({ name }) => name)).toEqual(["steps"]);
      expect(model.weights.short.dtype).toBe("float32");
      expect(model.weights.turned.shape).toEqual([4, 3]);
    });

    it("in 64 bits stay so", async () => {
      const model = await load("double");
      expect(model.weights.weight.dtype).toBe("float64");
      expect(model.outputs[0].dtype).toBe("float64");
    });

    it("that a model only counts with are left out", async () => {
      const model = await load("evaluated");
      expect(model.graph.buffers.map(({ name }) => name)).toEqual(["norm.running_mean", "norm.running_var"]);
    });
  });

  it("layers are the modules, at the lines that call them", async () => {
    const { layers } = await load("nested");
    const twice = lineOf("self.twice(self.twice(x))", "Nested");
    const blocks = lineOf("x = block(x)", "Nested");
    const linear = lineOf("y = self.linear(x)", "Block");
    expect(
      layers.map(({ name, kind, source, callers }) => [name, kind, source!.line, callers.map(({ line }) => line)]),
    ).toEqual([
      ["Nested", "Nested", lineOf("x + self.shift", "Nested"), []],
      ["twice", "Block", twice, []],
      ["twice.linear", "Linear", linear, [twice]],
      ["blocks.0", "Block", blocks, []],
      ["blocks.0.linear", "Linear", linear, [blocks]],
      ["blocks.1.0", "Linear", blocks, []],
      ["blocks.1.1", "ReLU", blocks, []],
    ]);
    expect(layers.map(({ outputs }) => outputs)).toEqual([[[4]], [[3]], [[3]], [[3]], [[3]], [[4]], [[4]]]);
    expect(layers.flatMap(({ parameters }) => parameters)).toEqual([
      ...["shift", "twice.scale", "twice.linear.weight", "twice.linear.bias", "blocks.0.scale"],
      ...["blocks.0.linear.weight", "blocks.0.linear.bias", "blocks.1.0.weight", "blocks.1.0.bias"],
    ]);
  });

  it("operations have the user's lines and the path of their module", async () => {
    const { graph } = await load("nested");
    const products = graph.equations.filter(({ primitive }) => primitive === "dot_general");
    expect(products.map(({ source }) => [source!.line, source!.module])).toEqual([
      [lineOf("y = self.linear(x)", "Block"), "twice.linear"],
      [lineOf("y = self.linear(x)", "Block"), "twice.linear"],
      [lineOf("y = self.linear(x)", "Block"), "blocks.0.linear"],
      [lineOf("x = block(x)", "Nested"), "blocks.1.0"],
    ]);
  });

  it("outputs are named as the model packs them", async () => {
    expect((await load("in_place")).outputs.map(({ name }) => name)).toEqual(["parts.0", "parts.1", "last"]);
    expect((await load("nested")).outputs.map(({ name }) => name)).toEqual(["output"]);
  });

  it.each([
    ["unknown", "Decomposed", "torch.linalg.svd", "the operator aten.linalg_svd.default is not supported"],
    ["dropped", "Dropped", "F.dropout", "is random in training mode; call model.eval() before the export"],
    ["noisy", "Noisy", "torch.randn_like", "is random; a model must give the same outputs each time"],
    ["chosen", "Chosen", "torch.cond", "torch.cond chooses or repeats operations while it runs"],
  ])("what cannot be read is said at its line: %s", async (name, inClass, text, message) => {
    const error: unknown = await load(name).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ModelError);
    const { message: said, source } = error as ModelError;
    expect(said).toContain(message);
    expect(source!.line).toBe(lineOf(text, inClass));
  });

  it("an archive has no bindings to choose from", async () => {
    const named = loadModel({ file: files.path("nested.pt2"), export: "model", inputs: [], batch: 1 });
    await expect(named).rejects.toThrow("leave out #model");
  });
});
