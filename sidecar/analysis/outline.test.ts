import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { writeDigits } from "../../test/onnx/digits";
import type { Outline, OutlineRow } from "../protocol/outline";
import { loadModel } from "../sources";
import { analyze, type AnalyzeOptions } from "./analyze";
import { outlineOf } from "./outline";

const folder = mkdtempSync(join(tmpdir(), "kernelscope-outline-"));
afterAll(() => rmSync(folder, { recursive: true }));

const device = { name: "card", memoryBytes: 2 ** 34, detected: false };

async function outline(file: string, name: string | null, options: Partial<AnalyzeOptions> = {}): Promise<Outline> {
  const model = await loadModel({ file, export: name, inputs: [], batch: 5 });
  return outlineOf(model, analyze(model, { batch: 5, device, plan: false, ...options }));
}

/** `  conv Conv [5,4,6,6] 40 J[5,10,40]` */
function line({ depth, name, kind, shapes, elements, jacobian }: OutlineRow): string {
  const parts = [name, kind, ...shapes.map((shape) => `[${shape.join(",")}]`), elements || ""];
  const derivative = jacobian === null ? "" : `J[${jacobian.shape.join(",")}]`;
  return `${"  ".repeat(depth)}${[...parts, derivative].filter((part) => part !== "").join(" ")}`;
}

describe("the outline of an ONNX file", () => {
  const file = join(folder, "digits.onnx");
  writeDigits(file);

  it("has the file's operations within their modules, and the parameters with what uses them first", async () => {
    const { rows, batch } = await outline(file, null);
    expect(batch).toBe(5);
    expect(rows.map(line)).toEqual([
      "features [5,4,6,6] 40 J[5,10,40]",
      "  conv Conv [5,4,6,6] 40 J[5,10,40]",
      "    weight float32 [4,1,3,3] 36 J[5,10,4,1,3,3]",
      "    bias float32 [4] 4 J[5,10,4]",
      "  relu Relu [5,4,6,6]",
      "Flatten Flatten [5,144]",
      "head Gemm [5,10] 1450 J[5,10,1450]",
      "  weight float32 [144,10] 1440 J[5,10,144,10]",
      "  bias float32 [10] 10 J[5,10,10]",
    ]);
    expect(rows[0].jacobian!.bytes).toBe(4 * 5 * 10 * 40);
    expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
  });

  it("says which part of the floating-point operations each takes", async () => {
    const { rows, flops } = await outline(file, null);
    const share = (name: string): number => rows.find((row) => row.name === name)!.share;
    // A multiply-add is two: 9 for each of 4 x 36 outputs, and 144 for each of 10
    expect(share("conv") * flops).toBeGreaterThanOrEqual(5 * 2 * 9 * 144);
    expect(share("head") * flops).toBeGreaterThanOrEqual(5 * 2 * 144 * 10);
    expect(share("features")).toBeCloseTo(share("conv") + share("relu"), 12);
    expect(share("features") + share("Flatten") + share("head")).toBeCloseTo(1, 12);
  });

  it("leaves out of the Jacobian what is excluded from it", async () => {
    const { rows } = await outline(file, null, { exclude: ["features.conv.weight"] });
    expect(rows.slice(0, 3).map(line)).toEqual([
      "features [5,4,6,6] 40 J[5,10,4]",
      "  conv Conv [5,4,6,6] 40 J[5,10,4]",
      "    weight float32 [4,1,3,3] 36",
    ]);
  });
});

describe("the outline of a model of code", () => {
  const file = join(folder, "net.mjs");
  writeFileSync(
    file,
    `import * as tf from "@tensorflow/tfjs";
class Tripled extends tf.layers.Layer {
  static className = "Tripled";
  computeOutputShape(shape) { return shape; }
  call(x) { return tf.mul(tf.sin(Array.isArray(x) ? x[0] : x), 3); }
}
const inner = tf.input({ shape: [2] });
const hidden = tf.layers.dense({ name: "hidden", units: 3, activation: "relu" }).apply(inner);
const block = tf.model({ name: "block", inputs: inner, outputs: hidden });
const input = tf.input({ shape: [2] });
const tripled = new Tripled({ name: "doubled" }).apply(block.apply(input));
const logits = tf.layers.dense({ name: "logits", units: 4, useBias: false }).apply(tripled);
export const model = tf.model({ inputs: input, outputs: logits });
`,
  );

  it("has the kernels that are called within their layers", async () => {
    const { rows } = await outline(file, "model");
    expect(rows.map(line)).toEqual([
      "block Model [5,3] 9 J[5,4,9]",
      "  hidden Dense [5,3] 9 J[5,4,9]",
      "    kernel float32 [2,3] 6 J[5,4,2,3]",
      "    bias float32 [3] 3 J[5,4,3]",
      "doubled Tripled [5,3]",
      "  Sin [5,3]",
      "  Multiply [5,3]",
      "logits Dense [5,4] 12 J[5,4,12]",
      "  kernel float32 [3,4] 12 J[5,4,3,4]",
    ]);
    const lines = rows.filter(({ form }) => form !== "parameter").map(({ source }) => source?.line);
    expect(lines).toEqual([8, 8, 11, 5, 5, 12]);
  });
});
