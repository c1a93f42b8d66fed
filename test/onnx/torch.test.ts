import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import { withFile } from "../../sidecar/formats/file";
import { readNpy, tensorOf } from "../../sidecar/formats/npy";
import { readNpz, writeNpy } from "../../sidecar/formats/npz";
import { argumentsOf } from "../../sidecar/graph/graph";
import type { Tensor } from "../../sidecar/graph/tensor";
import type { Analysis } from "../../sidecar/protocol/analysis";
import { loadModel } from "../../sidecar/sources";
import { vmap } from "../../sidecar/transforms";
import { kernelscope, temporaryFolder } from "../cli/kernelscope";
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
  }, 240_000);

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

  describe("on the command line", () => {
    const { path, write } = temporaryFolder();
    const mlp = join(folder, "mlp.onnx");
    const array = (name: string): string => {
      const file = path(name);
      const x = withFile(join(folder, "mlp.npz"), (archive) =>
        tensorOf(readNpy(readNpz(archive).get("x")!), "float32")!,
      );
      writeNpy(file, x);
      return file;
    };

    it("are analysed", async () => {
      const { status, out } = await kernelscope(["analyze", mlp, "--batch", "7", "--json"]);
      expect(status).toBe(0);
      const { model, inputs, outputs, parameters, jacobian, strategies } = JSON.parse(out) as Analysis;
      expect(model).toMatchObject({ file: mlp, export: null, format: "onnx", examplesCoupled: false });
      expect([inputs, outputs].map(([port]) => port.shape)).toEqual([[7, 5], [7, 1]]); // prettier-ignore
      expect(parameters[0]).toMatchObject({ name: "layers.0.weight", shape: [6, 5], source: { file: script } });
      expect(jacobian.shape).toEqual([7, 1, 43]);
      expect(strategies).toHaveLength(4);
    });

    it("have Jacobians and kernels", async () => {
      const [x, jac, kernel] = [array("x.npy"), path("jac.npz"), path("ntk.npy")];
      const results = await Promise.all([
        kernelscope(["jacobian", mlp, "--inputs", x, "--out", jac]),
        kernelscope(["ntk", mlp, "--x1", x, "--out", kernel]),
      ]);
      expect(results.map(({ status }) => status)).toEqual([0, 0]);
      const { torch } = await read("mlp");
      const blocks = withFile(jac, (archive) =>
        Array.from(readNpz(archive), ([name, npy]) => ({ name, tensor: tensorOf(readNpy(npy), "float32")! })),
      );
      expect(blocks.map(({ name }) => name)).toEqual(nets.mlp.parameters);
      for (const { name, tensor } of blocks) expect(difference([tensor], [torch.get(name)!])).toBeLessThan(1e-5);
      // Theta = J J^T
      const rows = [0, 1].map((example) =>
        blocks.flatMap(({ tensor: { data } }) =>
          Array.from(data).slice((example * data.length) / 2, ((example + 1) * data.length) / 2),
        ),
      );
      const products = rows.map((p) => rows.map((q) => p.reduce((sum, element, index) => sum + element * q[index], 0)));
      const theta = withFile(kernel, (file) => tensorOf(readNpy(file), "float32")!);
      const expected: Tensor = { shape: [2, 2, 1, 1], dtype: "float32", data: Float32Array.from(products.flat()) };
      expect(difference([theta], [expected])).toBeLessThan(1e-5);
    });

    it("are refused where they are damaged, with exit code 1 and one line", async () => {
      const whole = readFileSync(mlp);
      writeFileSync(path("half.onnx"), whole.subarray(0, whole.length / 2));
      const { status, err } = await kernelscope(["analyze", path("half.onnx")]);
      expect(status).toBe(1);
      expect(err).toMatch(/^\S*half\.onnx:1: this is no whole ONNX model \(.*\); export it again\n$/);
      const text = await kernelscope(["analyze", write("text.onnx", "text")]);
      expect(text.status).toBe(1);
      const bound = await kernelscope(["analyze", `${mlp}#net`]);
      expect([bound.status, bound.err.trim().split("\n")]).toEqual([1, [expect.stringContaining("leave out #net")]]);
    });
  });
});
