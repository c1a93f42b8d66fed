import { mkdtempSync, mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { singleGraph } from "../../test/engines/single";
import { availableEngines, engineNames, pickEngine } from "./index";
import { findTensorFlow } from "./tensorflow/find";

const variable = process.env.KERNELSCOPE_TFJS_NODE;

afterEach(() => {
  if (variable === undefined) delete process.env.KERNELSCOPE_TFJS_NODE;
  else process.env.KERNELSCOPE_TFJS_NODE = variable;
});

const float = singleGraph("sin", [{ shape: [2], dtype: "float32" }], {});

function installation(name: string, main: string): string {
  const folder = mkdtempSync(join(tmpdir(), "kernelscope-engines-"));
  const packageDir = join(folder, "node_modules", name);
  mkdirSync(packageDir, { recursive: true });
  writeFileSync(join(packageDir, "package.json"), JSON.stringify({ name, version: "4.22.0", main: "index.js" }));
  writeFileSync(join(packageDir, "index.js"), main);
  return folder;
}

test("every engine is listed, available or with the reason why not", async () => {
  delete process.env.KERNELSCOPE_TFJS_NODE;
  const statuses = await availableEngines();
  expect(statuses.map(({ name }) => name)).toEqual(engineNames);
  expect(statuses.find(({ name }) => name === "onnxruntime")).toMatchObject({ available: true });
  expect(statuses.find(({ name }) => name === "reference")).toMatchObject({ available: true });
  expect(statuses.find(({ name }) => name === "tensorflow")).toEqual({
    name: "tensorflow",
    available: false,
    reason: "neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed beside the model",
  });
});

test("without a GPU onnxruntime is picked, and it is said why not TensorFlow", async () => {
  delete process.env.KERNELSCOPE_TFJS_NODE;
  const picked = await pickEngine(null, float);
  expect(picked.name).toBe("onnxruntime");
  expect(picked.passedOver.map(({ name }) => name)).toEqual(["tensorflow"]);
});

test("an engine that is named is taken, or the error says why it cannot be", async () => {
  expect((await pickEngine("reference", float)).engine.name).toBe("reference");
  process.env.KERNELSCOPE_TFJS_NODE = "/nowhere";
  await expect(pickEngine("tensorflow", float)).rejects.toThrow("KERNELSCOPE_TFJS_NODE names /nowhere");
});

test("a native package that fails to load is an engine that is not available", async () => {
  delete process.env.KERNELSCOPE_TFJS_NODE;
  const folder = installation("@tensorflow/tfjs-node", `throw new Error("libtensorflow.so.2: cannot open");`);
  const statuses = await availableEngines({ folders: [folder] });
  expect(statuses[0]).toEqual({ name: "tensorflow", available: false, reason: "libtensorflow.so.2: cannot open" });
});

test("TensorFlow is looked for beside the model, the package for GPUs first", () => {
  delete process.env.KERNELSCOPE_TFJS_NODE;
  const cpu = installation("@tensorflow/tfjs-node", "");
  const gpu = installation("@tensorflow/tfjs-node-gpu", "");
  expect(findTensorFlow([join(cpu, "src")])).toEqual({
    packageDir: join(cpu, "node_modules", "@tensorflow", "tfjs-node"),
  });
  expect(findTensorFlow([cpu, gpu])).toEqual({
    packageDir: join(gpu, "node_modules", "@tensorflow", "tfjs-node-gpu"),
  });
});
