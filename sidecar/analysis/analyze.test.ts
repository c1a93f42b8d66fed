import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Analysis, Diagnostic } from "../protocol/analysis";
import { loadModel } from "../sources";
import { analyze } from "./analyze";

const folder = mkdtempSync(join(tmpdir(), "kernelscope-analyze-"));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;

async function analysis(code: string, batch: number, memoryBytes = 2 ** 30): Promise<Analysis> {
  const file = join(folder, `model${++count}.ts`);
  writeFileSync(file, `import * as tf from "@tensorflow/tfjs";\n${code}\n`);
  const model = await loadModel({ file, export: null, inputs: [], batch });
  return analyze(model, { batch, device: { name: "Small card", memoryBytes, detected: false } });
}

const told = ({ diagnostics }: Analysis, code: string): Diagnostic[] =>
  diagnostics.filter((diagnostic) => diagnostic.code === code);

/** One example's Jacobian: 2 outputs, 8 parameters, 4 bytes each: 64 bytes. */
const dense = `export const model = tf.sequential({
  layers: [tf.layers.dense({ units: 2, inputShape: [3] })],
});`;

describe("a Jacobian that the device cannot hold", () => {
  it("is told at the model's own line, with the largest batch that fits", async () => {
    const { diagnostics, model } = await analysis(dense, 100, 4096);
    expect(diagnostics).toEqual([
      {
        severity: "warning",
        code: "result-too-large",
        message:
          "The Jacobian of 100 examples takes 6.25 KiB, more than the 4.00 KiB of Small card, where at most 64 examples fit.",
        source: model.source,
      },
    ]);
    expect(model.source).toMatchObject({ line: 2, column: 25 });
  });

  it("is not told of one that fits to the byte", async () => {
    expect((await analysis(dense, 64, 4096)).diagnostics).toEqual([]);
  });

  it("may be that of a single example", async () => {
    const [{ message }] = told(await analysis(dense, 1, 63), "result-too-large");
    expect(message).toBe(
      "The Jacobian of 1 example takes 64 B, more than the 63 B of Small card, and not even that of one example fits.",
    );
  });

  it("cannot be cut where examples are coupled", async () => {
    const code = `const x = tf.input({ batchShape: [3, 2] });
      export const model = tf.model({ inputs: x, outputs: tf.layers.dense({ units: 2 }).apply(x) as tf.SymbolicTensor });`;
    const [{ message }] = told(await analysis(code, 3, 100), "result-too-large");
    expect(message).toMatch(
      /^The Jacobian of 3 examples takes \d+ B, .* its examples depend on one another, so that it cannot be had in parts\.$/,
    );
  });
});

describe("what else is told", () => {
  it("frozen parameters, at the first of them", async () => {
    const code = `export const model = tf.sequential({ layers: [
      tf.layers.dense({ units: 2, inputShape: [3] }),
      tf.layers.dense({ units: 2, trainable: false }),
      tf.layers.dense({ units: 2, trainable: false, useBias: false }),
    ] });`;
    const [{ message, source }] = told(await analysis(code, 1), "frozen-parameters");
    expect(message).toBe("3 frozen parameters are not part of the Jacobian's total.");
    expect(source?.line).toBe(4);
  });

  it("an operation that runs in TensorFlow.js, once for each of its lines", async () => {
    const code = `class Shake extends tf.layers.Layer {
      computeOutputShape(shape: tf.Shape) { return shape; }
      call(x: tf.Tensor | tf.Tensor[]) {
        let y = (Array.isArray(x) ? x[0] : x) as tf.Tensor4D;
        for (let i = 0; i < 3; i++) y = tf.image.rotateWithOffset(y, 0.5);
        return tf.image.rotateWithOffset(y, 0.5);
      }
    }
    export const model = tf.sequential({ layers: [
      tf.layers.conv2d({ filters: 1, kernelSize: 1, inputShape: [4, 4, 1] }), new Shake({ name: "shake" }) ] });`;
    const found = told(await analysis(code, 1), "opaque-operation");
    expect(found.map(({ source }) => source?.line)).toEqual([6, 7]);
  });
});

it("layers have the batch axis in front, and files are listed", async () => {
  const { layers, files, model, parameters } = await analysis(dense, 5);
  expect(layers).toEqual([
    {
      name: expect.stringMatching(/^dense/) as string,
      kind: "Dense",
      source: { file: model.file, line: 3, column: 22 },
      callers: [],
      outputs: [[5, 2]],
      parameters: parameters.map(({ name }) => name),
    },
  ]);
  expect(files).toEqual([model.file]);
});
