import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../sidecar/engines/engine";
import { createOnnxruntimeEngine } from "../../sidecar/engines/onnxruntime";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import { argumentsOf, type Graph } from "../../sidecar/graph/graph";
import type { Tensor } from "../../sidecar/graph/tensor";
import { sizeOf } from "../../sidecar/graph/types";
import { jacobianGraph } from "../../sidecar/quantities/jacobian";
import type { Model } from "../../sidecar/sources";
import { vmap } from "../../sidecar/transforms";
import { difference } from "../laws";
import { kernelOf } from "../ntk/kernels";
import { python } from "../tools";
import { exported, loadArchive, type Exported } from "./archives";

/**
 * Outputs, Jacobians and kernels of exported networks equal those of PyTorch in float64 (nets.py), as torch.export gives the
 * networks, decomposed to core operators, and as ONNX.
 */

const names = [
  ...["mlp", "cnn", "resnet18", "wide", "mobilenet", "convnext"],
  ...["gpt", "bert", "lstm", "gru", "unet", "mixer"],
];

/** In milliseconds: exporting all networks takes a while where the machine has more to do. */
const PYTHON_TIMEOUT = 600_000;

/** Relative to the largest magnitude. In 64 bits what differs is numbers of the model that are rounded to 32 bits. */
const IN_64_BIT = 1e-6;
/** Sums in 32 bits, through some twenty layers. */
const IN_32_BIT = 1e-4;

/** What ONNX files do not tell: that a parameter is frozen, and the first name of weights that are tied. */
const frozen = new Set(["mlp.onnx:third.bias"]);
const namedOtherwise: Record<string, string> = { "gpt.onnx:head.weight": "words.weight" };

describe.skipIf(python === undefined)("exported networks compute what PyTorch computes", () => {
  let files: Exported;
  const models = new Map<string, Model>();

  beforeAll(async () => {
    files = await exported("nets.py");
    for (const name of names) {
      for (const file of [`${name}.pt2`, `${name}.core.pt2`, `${name}.onnx`]) {
        models.set(file, await loadArchive(files.path(file)));
      }
    }
  }, PYTHON_TIMEOUT);
  afterAll(() => files.remove());

  function examples(name: string, model: Model, set: "<" | ">"): Tensor[] {
    const given = files.expected.get(`${name}${set}`)!;
    const [{ dtype }] = model.inputs;
    return [{ ...given, dtype, data: dtype === "int32" ? Int32Array.from(given.data) : Float32Array.from(given.data) }];
  }

  const batched = (model: Model, count: number): Graph =>
    vmap(model.graph, new Map(model.graph.inputs.map(({ value }) => [value, 0])), count);

  async function run(graph: Graph, model: Model, inputs: readonly Tensor[], engine: Engine): Promise<Tensor[]> {
    const executable = await engine.compile(graph);
    try {
      const values = argumentsOf(graph).map(({ name }, index) => inputs[index] ?? model.weights[name]);
      return await executable.run(values);
    } finally {
      await executable.dispose();
    }
  }

  async function expectEqual(name: string, file: string, engine: Engine, tolerance: number): Promise<void> {
    const model = models.get(file)!;
    const { expected } = files;
    expect(model.batch).toEqual({ coupled: false });
    const inputs = examples(name, model, "<");
    const count = inputs[0].shape[0];

    const outputs = await run(batched(model, count), model, inputs, engine);
    const wanted = outputs.map((_, index) => expected.get(`${name}=${index}`)!);
    expect(difference(outputs, wanted), `${file}, outputs`).toBeLessThan(tolerance);

    const keys = [...expected.keys()].filter((key) => key.startsWith(`${name}:`));
    const keyOf = (parameter: string): string => `${name}:${namedOtherwise[`${file}:${parameter}`] ?? parameter}`;
    const trained = model.parameters.filter(({ trainable }) => trainable).map((parameter) => parameter.name);
    const wrt = trained.filter((parameter) => !frozen.has(`${file}:${parameter}`));
    expect(wrt.map(keyOf).sort()).toEqual(keys.sort());
    const made = jacobianGraph(model.graph, {
      strategy: "vmap(jacrev)",
      chunk: null,
      batch: count,
      wrt,
      coupled: false,
    });
    const blocks = await run(made.graph, model, inputs, engine);
    const scale = Math.max(...keys.map((key) => largest(expected.get(key)!)));
    made.blocks.forEach(({ output, parameter }, index) => {
      const block = outputPart(expected.get(keyOf(parameter))!, model, output);
      const shaped = { ...blocks[index], shape: block.shape };
      // Where a derivative is zero by symmetry there is nothing but rounding, which is a part of the others' size
      const relative =
        (difference([shaped], [block]) * Math.max(largest(block), 1e-30)) / Math.max(largest(block), 1e-3 * scale);
      expect(relative, `${file}, ${engine.name}: ${parameter}`).toBeLessThan(tolerance);
    });

    const second = examples(name, model, ">");
    for (const method of ["contraction", "structured"] as const) {
      const { kernel } = await kernelOf({ name, model, inputs, second, wrt }, engine, {
        form: "full",
        columns: true,
        method,
      });
      expect(difference([kernel], [expected.get(`${name}!`)!]), `${file}, ${engine.name}: ${method}`).toBeLessThan(
        tolerance,
      );
    }
  }

  /** The elements of one output, of a block of all outputs' elements. */
  function outputPart({ shape, dtype, data }: Tensor, model: Model, output: number): Tensor {
    const sizes = model.outputs.map((each) => sizeOf(each.shape));
    const start = sizes.slice(0, output).reduce((sum, size) => sum + size, 0);
    const [count, all, ...parameter] = shape;
    const inner = sizeOf(parameter);
    const part = new Float64Array(count * sizes[output] * inner);
    for (let example = 0; example < count; example++) {
      const from = (example * all + start) * inner;
      part.set(data.subarray(from, from + sizes[output] * inner), example * sizes[output] * inner);
    }
    return { shape: [count, sizes[output], ...parameter], dtype, data: part };
  }

  function largest({ data }: Tensor): number {
    return Array.from(data).reduce((most, element) => Math.max(most, Math.abs(element)), 0);
  }

  describe.each(names)("%s", (name) => {
    it("on the reference engine", async () => {
      await expectEqual(name, `${name}.pt2`, createReferenceEngine(), IN_64_BIT);
    });

    it("decomposed, on the reference engine", async () => {
      await expectEqual(name, `${name}.core.pt2`, createReferenceEngine(), IN_64_BIT);
    });

    it("as ONNX, on the reference engine", async () => {
      await expectEqual(name, `${name}.onnx`, createReferenceEngine(), IN_64_BIT);
    });

    it("on onnxruntime", async () => {
      const engine = await createOnnxruntimeEngine({ threads: 1 });
      await expectEqual(name, `${name}.pt2`, engine, IN_32_BIT);
    });
  });
});
