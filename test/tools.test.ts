// The tools themselves work: where this fails, failures elsewhere are no surprise.
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import type * as TensorFlow from "@tensorflow/tfjs";
import type * as Onnxruntime from "onnxruntime-node";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { python, tfjsNode, vulkanDriver } from "./tools";

const require = createRequire(import.meta.url);

describe.skipIf(python === undefined)("Python", () => {
  it("has PyTorch and JAX", () => {
    const program = "import torch, jax; print(torch.__version__[:5], jax.__version__[:5])";
    expect(execFileSync(python!, ["-c", program], { encoding: "utf8" })).toMatch(/^2\.13\. 0\.10\./);
  });
});

describe.skipIf(tfjsNode === undefined)("@tensorflow/tfjs-node-gpu", () => {
  it("multiplies matrices with TensorFlow", () => {
    const tf = require(tfjsNode!) as typeof TensorFlow;
    expect(tf.getBackend()).toBe("tensorflow");
    expect(tf.matMul([[1, 2]], [[3], [4]]).arraySync()).toEqual([[11]]);
  });
});

describe.skipIf(vulkanDriver === undefined)("the software GPU", () => {
  it("multiplies matrices through onnxruntime and WebGPU", async () => {
    const ort = require("onnxruntime-node") as typeof Onnxruntime;
    const options = { executionProviders: ["webgpu"] };
    const session = await ort.InferenceSession.create(matMulModel([2, 2], [2, 2]), options);
    const a = new ort.Tensor("float32", Float32Array.of(1, 2, 3, 4), [2, 2]);
    const { c } = await session.run({ a, b: a });
    expect(c?.data).toEqual(Float32Array.of(7, 10, 15, 22));
    await session.release();
  });
});

/** An ONNX model that computes c = a b in float32. */
function matMulModel(a: number[], b: number[]): Uint8Array {
  const { root } = protobuf.parse(
    `syntax = "proto3";
    message Model { int64 ir_version = 1; Graph graph = 7; repeated Opset opset_import = 8; }
    message Opset { string domain = 1; int64 version = 2; }
    message Graph { repeated Node node = 1; string name = 2; repeated ValueInfo input = 11; repeated ValueInfo output = 12; }
    message Node { repeated string input = 1; repeated string output = 2; string op_type = 4; }
    message ValueInfo { string name = 1; Type type = 2; }
    message Type { Tensor tensor_type = 1; }
    message Tensor { int32 elem_type = 1; Shape shape = 2; }
    message Shape { repeated Dim dim = 1; }
    message Dim { int64 dim_value = 1; }`,
    { keepCase: true },
  );
  const value = (name: string, shape: number[]): object => ({
    name,
    type: { tensor_type: { elem_type: 1, shape: { dim: shape.map((size) => ({ dim_value: size })) } } },
  });
  const model = root.lookupType("Model");
  return model
    .encode(
      model.fromObject({
        ir_version: 8,
        opset_import: [{ domain: "", version: 17 }],
        graph: {
          name: "product",
          node: [{ input: ["a", "b"], output: ["c"], op_type: "MatMul" }],
          input: [value("a", a), value("b", b)],
          output: [value("c", [a[0] ?? 1, b[1] ?? 1])],
        },
      }),
    )
    .finish();
}
