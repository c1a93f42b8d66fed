import { execFile } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { Analysis } from "../../sidecar/protocol/analysis";
import { withFile } from "../../sidecar/formats/file";
import { readNpy, tensorOf } from "../../sidecar/formats/npy";
import { readNpz } from "../../sidecar/formats/npz";
import type { Tensor } from "../../sidecar/graph/tensor";
import { writeNpy } from "../../sidecar/formats/npz";
import { difference } from "../laws";
import { python } from "../tools";

/** The commands as a user runs them, on small models. */

const folder = mkdtempSync(join(tmpdir(), "kernelscope-test-"));

/** Never synchronously: the test runner must be able to answer meanwhile. */
function run(program: string, args: readonly string[]): Promise<{ status: number; out: string; err: string }> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { encoding: "utf8" }, (error, out, err) => {
      const status = error?.code ?? 0;
      if (typeof status === "number") resolve({ status, out, err });
      else reject(error ?? new Error(program));
    });
  });
}

const kernelscope = (...args: string[]): ReturnType<typeof run> => run(process.execPath, ["dist/cli.js", ...args]);

function modelFile(name: string, code: string): string {
  const file = join(folder, name);
  writeFileSync(file, code);
  return file;
}

async function jacobian(model: string, inputs: string, ...options: string[]): Promise<Map<string, Tensor>> {
  const out = join(folder, "jacobian.npz");
  const { status, err } = await kernelscope("jacobian", model, "--inputs", inputs, "--out", out, ...options);
  expect(err).toBe("");
  expect(status).toBe(0);
  return withFile(out, (source) => {
    return new Map(Array.from(readNpz(source), ([name, member]) => [name, tensorOf(readNpy(member), "float32")!]));
  });
}

function randomInputs(name: string, shape: number[]): string {
  const file = join(folder, name);
  const size = shape.reduce((a, b) => a * b, 1);
  writeNpy(file, { shape, dtype: "float32", data: Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7)) });
  return file;
}

const dense = modelFile(
  "dense.js",
  `import * as tf from "@tensorflow/tfjs";
export const model = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [3] })] });
`,
);

const small = modelFile(
  "small.ts",
  `import * as tf from "@tensorflow/tfjs";
export const model = tf.sequential({
  layers: [
    tf.layers.conv2d({ filters: 3, kernelSize: 3, strides: 2, padding: "same", activation: "relu", inputShape: [6, 5, 2],
      kernelInitializer: tf.initializers.glorotUniform({ seed: 3 }) }),
    tf.layers.batchNormalization({ name: "norm" }),
    tf.layers.maxPooling2d({ poolSize: 2, strides: 1 }),
    tf.layers.flatten(),
    tf.layers.dense({ units: 4, activation: "tanh", kernelInitializer: tf.initializers.glorotUniform({ seed: 4 }) }),
  ],
});
`,
);

describe("analyze", () => {
  it("gives the shapes of a dense layer's Jacobian and the line of its parameters", async () => {
    const { status, out } = await kernelscope("analyze", dense, "--batch", "100", "--json");
    expect(status).toBe(0);
    const analysis = JSON.parse(out) as Analysis;
    expect(analysis.parameters.map(({ jacobian: { shape } }) => shape)).toEqual([
      [100, 3, 3, 3],
      [100, 3, 3],
    ]);
    expect(analysis.parameters[0].source?.line).toBe(2);
    expect(analysis.jacobian).toEqual({ shape: [100, 3, 12], bytes: 14400 });
    expect(analysis.model.examplesCoupled).toBe(false);
  });

  it("keeps the residual net's moving statistics apart from its 44 parameters", async () => {
    const { status, out } = await kernelscope("analyze", "examples/residual-net.ts", "--batch", "100", "--json");
    expect(status).toBe(0);
    const analysis = JSON.parse(out) as Analysis;
    expect(analysis.parameters).toHaveLength(44);
    expect(analysis.buffers).toHaveLength(28);
    for (const { shape, jacobian } of analysis.parameters) expect(jacobian.shape).toEqual([100, 10, ...shape]);
  });
});

describe("jacobian", () => {
  const inputs = randomInputs("small.npy", [3, 6, 5, 2]);
  let expected = new Map<string, Tensor>();
  beforeAll(async () => {
    expected = await jacobian(small, inputs, "--engine", "reference");
  });

  const ways = [
    ["--strategy", "vmap(jacrev)"],
    ["--strategy", "vmap(jacrev)", "--chunk", "2"],
    ["--strategy", "jacrev"],
    ["--strategy", "jacrev", "--chunk", "5"],
    ["--strategy", "vmap(jacfwd)"],
    ["--strategy", "vmap(jacfwd)", "--chunk", "7"],
    ["--strategy", "grad-loop"],
  ];
  it.each(ways.map((options) => ({ options, name: options.join(" ") })))("agrees: $name", async ({ options }) => {
    const actual = await jacobian(small, inputs, ...options);
    expect([...actual.keys()]).toEqual([...expected.keys()]);
    // Of the largest magnitude: float32 sums in another order
    for (const [name, block] of expected) expect(difference([actual.get(name)!], [block]), name).toBeLessThan(1e-5);
  });

  // Without Python only the comparison with PyTorch is left out; CI always has it (test/tools.ts)
  it.skipIf(python === undefined)("equals torch.func's for a dense layer", async () => {
    const x = randomInputs("dense.npy", [5, 3]);
    const blocks = await jacobian(dense, x);
    const script = `
import json, sys, torch, numpy as np
from torch.func import functional_call, jacrev, vmap
net = torch.nn.Linear(3, 3)
x = torch.from_numpy(np.load(sys.argv[1]))
params = dict(net.named_parameters())
f = lambda p, x: functional_call(net, p, (x,))
J = vmap(jacrev(f), (None, 0))(params, x)
print(json.dumps({"kernel": J["weight"].permute(0, 1, 3, 2).flatten().tolist(), "bias": J["bias"].flatten().tolist()}))
`;
    const torch = JSON.parse((await run(python!, ["-c", script, x])).out) as Record<string, number[]>;
    const [kernel, bias] = [...blocks.values()];
    expect(difference([kernel], [{ ...kernel, data: Float32Array.from(torch.kernel) }])).toBeLessThan(1e-5);
    expect(difference([bias], [{ ...bias, data: Float32Array.from(torch.bias) }])).toBeLessThan(1e-5);
  });
});
