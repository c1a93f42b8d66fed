import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import { withFile } from "../../sidecar/formats/file";
import { readNpy, tensorOf } from "../../sidecar/formats/npy";
import { readNpz } from "../../sidecar/formats/npz";
import { argumentsOf } from "../../sidecar/graph/graph";
import type { Tensor } from "../../sidecar/graph/tensor";
import { loadModel } from "../../sidecar/sources";
import { vmap } from "../../sidecar/transforms";
import { jacobianOf } from "../jacobian/whole-nets";
import { difference, evaluate } from "../laws";
import { python } from "../tools";
import { runWithOnnxruntime } from "./onnxruntime";

/** Modules that PyTorch's exporters have made ONNX files of (torch_models.py): read, they are what PyTorch has computed. */

const script = resolve("test/onnx/torch_models.py");

/** By net: its parameters, of which those that PyTorch's module has under the same name can be compared with. */
const nets = {
  convolutional: {
    parameters: ["conv.weight", "conv.bias", "val_22", "val_24", "head.weight", "head.bias"],
    compared: ["conv.weight", "conv.bias", "head.weight", "head.bias"],
  },
  transformer: {
    parameters: [
      ...["val_2", "block.self_attn.in_proj_bias", "block.self_attn.out_proj.weight"],
      ...["block.self_attn.out_proj.bias", "block.norm1.weight", "block.norm1.bias", "val_88", "block.linear1.bias"],
      ...["val_90", "block.linear2.bias", "block.norm2.weight", "block.norm2.bias", "head.weight", "head.bias"],
    ],
    compared: ["block.self_attn.in_proj_bias", "block.norm1.weight", "block.linear1.bias", "head.weight", "head.bias"],
  },
  recurrent: {
    parameters: ["onnx::LSTM_200", "onnx::LSTM_201", "onnx::LSTM_199", "head.weight", "head.bias"],
    compared: ["head.weight", "head.bias"],
  },
  mlp: {
    parameters: ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"],
    compared: ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"],
  },
  "mlp-by-tracing": {
    parameters: ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"],
    compared: ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"],
  },
};

describe.skipIf(python === undefined)("ONNX files of PyTorch's", () => {
  const folder = mkdtempSync(join(tmpdir(), "kernelscope-torch-onnx-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeAll(() => {
    execFileSync(python!, [script, folder], { stdio: ["ignore", "ignore", "pipe"] });
  }, 120_000);

  const read = async (name: string) => {
    const file = join(folder, `${name}.onnx`);
    const torch = withFile(join(folder, `${name}.npz`), (archive) => {
      return new Map(Array.from(readNpz(archive), ([key, npy]) => [key, tensorOf(readNpy(npy), "float32")!]));
    });
    const model = await loadModel({ file, export: null, inputs: [], batch: 2 });
    return { file, torch, model };
  };

  it.each(Object.entries(nets))("%s", async (name, { parameters, compared }) => {
    const { file, torch, model } = await read(name);
    expect(model.format).toBe("onnx");
    expect(model.batch).toEqual({ coupled: false });
    expect(model.parameters.map((parameter) => parameter.name).sort()).toEqual([...parameters].sort());

    const x: Tensor = torch.get("x")!;
    const axes = new Map(model.graph.inputs.map(({ value }) => [value, 0]));
    const whole = vmap(model.graph, axes, 2);
    const values = argumentsOf(whole).map((member, index) => (index === 0 ? x : model.weights[member.name]));
    const outputs = await evaluate(whole, values);
    expect(difference(outputs, await runWithOnnxruntime(file, { x }))).toBeLessThan(1e-5);
    expect(difference(outputs, [torch.get("y")!])).toBeLessThan(1e-5);

    const blocks = await jacobianOf({ name, model, inputs: [x], wrt: parameters }, createReferenceEngine());
    for (const parameter of compared) {
      expect(difference([blocks.get(parameter)!], [torch.get(parameter)!]), parameter).toBeLessThan(1e-5);
    }
  });

  it("have their lines of Python, and the paths of their modules", async () => {
    const { model } = await read("transformer");
    const sources = model.graph.equations.flatMap(({ source }) => source ?? []);
    expect(new Set(sources.map(({ file }) => file))).toEqual(new Set([script]));
    const head = model.parameters.find(({ name }) => name === "head.weight")!.source!;
    expect(head).toMatchObject({ file: script, module: "head" });
    expect(sources.map(({ module }) => module)).toContain("block.self_attn");
    expect(model.layers.map(({ name }) => name)).toContain("block.linear1");
    expect(model.layers.find(({ name }) => name === "head")).toMatchObject({ kind: "Gemm", outputs: [[2]] });
  });

  it("have their data in a file beside them, which is one of the model's files", async () => {
    const { model, file } = await read("transformer");
    expect(model.files).toEqual([file, `${file}.data`]);
  });
});
