import { describe, expect, it } from "vitest";
import { withFile } from "../../sidecar/formats/file";
import { readNpy } from "../../sidecar/formats/npy";
import { kernelscope, temporaryFolder } from "./kernelscope";

/** Examples from code: the kernel of f(x) = x w is x1 . x2, whatever kind of value the examples are. */

const { path, write } = temporaryFolder();

const file = write(
  "both.ts",
  `import * as tf from "@tensorflow/tfjs";
const weights = tf.variable(tf.ones([2, 1]), true, "weights");
export const linear = (x: tf.Tensor) => tf.matMul(x as tf.Tensor2D, weights as tf.Tensor2D);
const rows = [[1, 2], [3, 4], [5, 6]];
export const tensor = tf.tensor2d(rows);
export const numbers = rows;
export const tensors = rows.map((row) => tf.tensor1d(row));
export const whole = tf.tensor2d(rows, [3, 2], "int32");
export const named = { x: tensor };
export const labelled = { xs: tensor, ys: [0, 1, 1] };
export const dataset = tf.data.array(rows).map((row) => tf.tensor1d(row as unknown as number[]));
export const pairs = tf.data.array(rows.map((xs, ys) => ({ xs, ys })));
export const bounded = tf.data.array(rows).repeat().take(3);
export const make = async () => tensor;
export const some = (count: number) => rows.slice(0, count);
export const endless = tf.data.array(rows).repeat();
export const ragged = [[1, 2], [3]];
export const wide = tf.ones([3, 5]);
export const scalar = tf.scalar(1);
export const words = "words";
export const throws = () => {
  throw new Error("no digits");
};
export const spins = () => {
  for (;;);
};
export const large = () => {
  return new Float32Array(2 ** 28);
};
`,
);
write("data.ts", `import { rows } from "./shared";\nexport const examples = rows;\n`);
write("shared.ts", "export const rows = [[1, 2], [3, 4], [5, 6]];\n");

const run = (x1: string, ...options: string[]): ReturnType<typeof kernelscope> =>
  kernelscope(["ntk", `${file}#linear`, "--input", "x=N,2", "--x1", x1, "--out", path("k.npy"), "--json", ...options]);

/** Of the matrix of the rows' products, of rank 2: its trace is 91, and its principal minors of two rows add up to 24. */
const eigenvalues = [(91 + Math.sqrt(91 ** 2 - 4 * 24)) / 2, (91 - Math.sqrt(91 ** 2 - 4 * 24)) / 2];

describe("examples from code", () => {
  it.each([
    ...[
      "tensor",
      "numbers",
      "tensors",
      "whole",
      "named",
      "labelled",
      "dataset",
      "pairs",
      "bounded",
      "make",
      "some(3)",
    ].map((name) => `${file}#${name}`),
    path("data.ts#examples"),
  ])("%s", async (x1) => {
    const { status, out, err } = await run(x1);
    expect(err).toBe("");
    expect(status).toBe(0);
    const report = JSON.parse(out) as { shape: number[]; eigenvalues: number[]; layers: unknown };
    expect(report.shape).toEqual([3, 3, 1, 1]);
    expect(report.layers).toEqual([{ parameter: "weights", share: 1 }]);
    expect(report.eigenvalues[0]).toBeCloseTo(eigenvalues[0], 3);
    expect(report.eigenvalues[1]).toBeCloseTo(eigenvalues[1], 3);
  });

  it.each([
    ["nothing", /both\.ts:1: the file has no top-level binding nothing; it has .*tensor \(line 5\)/],
    ["endless", /both\.ts:16: endless has more than 10000 examples, or no end; .*\.take\(100\)/],
    ["ragged", /both\.ts:17: ragged cannot be made one array/],
    ["wide", /both\.ts#wide: has shape \[3,5\], but the input x takes \[N,2\]/],
    ["scalar", /both\.ts:19: scalar is one number/],
    ["words", /both\.ts:20: words is of the type String/],
    ["throws", /both\.ts:22: no digits/],
    ["spins", /both\.ts:25: .*not evaluated within 3 s/],
    ["large", /both\.ts:28: this allocates 1\.00 GiB/],
  ])("%s is an error at its line", async (name, message) => {
    const { status, out, err, left } = await run(
      `${file}#${name}`,
      ...["--time-limit", "3", "--code-memory", "512MiB"],
    );
    expect(err).toMatch(message);
    expect(err.trim().split("\n")).toHaveLength(1);
    expect({ status, out, left }).toEqual({ status: 1, out: "", left: [] });
  });

  it("want a name, and a file that is there", async () => {
    expect((await run(file)).err).toMatch(/both\.ts: name what holds the examples, as in .*both\.ts#examples/);
    expect((await run(path("gone.ts#x"))).err).toMatch(/gone\.ts does not exist/);
  });
});

it("of real digits have kernels that tell their classes apart", async () => {
  const net = "examples/digits.ts";
  const out = path("digits.npy");
  const asked = ["--x1", `${net}#digits`, "--form", "trace", "--out", out, "--json"];
  const { status, out: printed } = await kernelscope(["ntk", `${net}#model`, ...asked]);
  expect(status).toBe(0);
  const report = JSON.parse(printed) as { shape: number[]; spectrum: { centeredAlignment: number } };
  expect(report.shape).toEqual([100, 100]);
  // It is about 0 for labels that have nothing to do with the images
  expect(report.spectrum.centeredAlignment).toBeGreaterThan(0.3);
  const { data } = withFile(out, readNpy);
  const mean = (isCounted: (row: number, column: number) => boolean): number => {
    const entries = Array.from(data, Number).filter((_, at) => isCounted(Math.floor(at / 100), at % 100));
    return entries.reduce((total, entry) => total + entry, 0) / entries.length;
  };
  // 10 of each digit, one after the other
  const isOfClass = (row: number, column: number): boolean => Math.floor(row / 10) === Math.floor(column / 10);
  const within = mean((row, column) => row !== column && isOfClass(row, column));
  expect(within).toBeGreaterThan(1.2 * mean((row, column) => !isOfClass(row, column)));
});
