import { cpSync, existsSync, readFileSync } from "node:fs";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { KernelStore } from "../../sidecar/formats/kernel-store";
import { withFile } from "../../sidecar/formats/file";
import { readNpy } from "../../sidecar/formats/npy";
import { readNpz, writeNpy } from "../../sidecar/formats/npz";
import { tensor } from "../../sidecar/graph/tensor";
import type { NtkReport, PredictReport } from "../../sidecar/worker/messages";
import { generator } from "../../sidecar/sources/random";
import { kernelscope, started, temporaryFolder, until } from "./kernelscope";

const { path, write } = temporaryFolder();

const linear = write(
  "linear.js",
  `const tf = require("@tensorflow/tfjs");
const weights = tf.variable(tf.randomNormal([5, 7], 0, 1, "float32", 3), true, "weights");
module.exports.linear = (x) => tf.matMul(x, weights);
`,
);
const mlp = write(
  "mlp.js",
  `const tf = require("@tensorflow/tfjs");
const dense = (options) => tf.layers.dense({ kernelInitializer: tf.initializers.heNormal({ seed: 5 }), ...options });
module.exports.model = tf.sequential({ layers: [
  dense({ units: 16, activation: "tanh", inputShape: [8] }), dense({ units: 3 }) ] });
`,
);

function examples(name: string, shape: readonly number[], seed: number): string {
  const random = generator(seed);
  const array = tensor([...shape], "float32");
  for (let index = 0; index < array.data.length; index++) array.data[index] = 2 * random() - 1;
  writeNpy(path(name), array);
  return path(name);
}

const x1 = examples("x1.npy", [3, 5], 1);
const x2 = examples("x2.npy", [4, 5], 2);
const many = examples("many.npy", [50, 8], 3);
const few = examples("few.npy", [7, 8], 4);

async function ntk(args: readonly string[]): Promise<NtkReport & { out: string }> {
  const { status, out, err } = await kernelscope(["ntk", ...args, "--json"]);
  expect(err).toBe("");
  expect(status).toBe(0);
  return JSON.parse(out) as NtkReport & { out: string };
}

describe("kernelscope ntk", () => {
  it.each([
    ["full", [3, 4, 7, 7]],
    ["diagonal", [3, 4, 7]],
    ["trace", [3, 4]],
  ])("gives Linear(5 -> 7) between 3 and 4 examples in the form %s the shape %j", async (form, shape) => {
    const out = path(`${form}.npy`);
    const input = ["--input", "x=N,5"];
    const report = await ntk([`${linear}#linear`, ...input, "--x1", x1, "--x2", x2, "--form", form, "--out", out]);
    expect(report).toMatchObject({ shape, form, engine: "onnxruntime", eigenvalues: [], conditionNumber: null });
    expect(report.layers).toEqual([{ parameter: "weights", share: 1 }]);
    const [first, second, kernel] = [x1, x2, out].map((file) => withFile(file, readNpy));
    expect(kernel.shape).toEqual(shape);
    // A linear map's kernel is the product of the inputs, times the identity of outputs
    const entries = { full: 49, diagonal: 7, trace: 1 }[form]!;
    for (let n = 0; n < 3; n++) {
      for (let m = 0; m < 4; m++) {
        let product = 0;
        for (let k = 0; k < 5; k++) product += Number(first.data[n * 5 + k]) * Number(second.data[m * 5 + k]);
        for (let entry = 0; entry < entries; entry++) {
          const factor = form === "trace" ? 7 : form === "diagonal" || entry % 8 === 0 ? 1 : 0;
          expect(Number(kernel.data[(n * 4 + m) * entries + entry])).toBeCloseTo(factor * product, 5);
        }
      }
    }
    expect(existsSync(`${out}.tiles`)).toBe(false);
  });

  it("tells parts, eigenvalues and condition number of a kernel with itself", async () => {
    const report = await ntk([mlp, "--x1", few, "--out", path("own.npy")]);
    expect(report.shape).toEqual([7, 7, 3, 3]);
    expect(report.eigenvalues).toHaveLength(21);
    expect([...report.eigenvalues].sort((a, b) => b - a)).toEqual(report.eigenvalues);
    expect(report.conditionNumber).toBeGreaterThan(1);
    expect(report.layers.map(({ parameter }) => parameter)).toHaveLength(4);
    expect(report.layers.reduce((total, { share }) => total + share, 0)).toBeCloseTo(1, 10);
  });

  it("computes the same in tiles, and by every method", async () => {
    const whole = await ntk([mlp, "--x1", many, "--form", "trace", "--out", path("whole.npy")]);
    expect(whole.tile).toBe(50);
    for (const [name, args] of [
      ["tiles", ["--tile-memory", "40KiB"]],
      ["contraction", ["--method", "contraction"]],
      ["vector-products", ["--method", "vector-products"]],
    ] as const) {
      const out = path(`${name}.npy`);
      const report = await ntk([mlp, "--x1", many, "--form", "trace", "--out", out, "--engine", "reference", ...args]);
      if (name === "tiles") expect(report.tile).toBeLessThan(50);
      else expect(report.method).toBe(name);
      const [expected, actual] = [path("whole.npy"), out].map((file) => withFile(file, readNpy).data as Float32Array);
      const scale = Math.max(...expected.map(Math.abs));
      expect(Math.max(...actual.map((value, index) => Math.abs(value - expected[index])))).toBeLessThan(1e-5 * scale);
    }
  });

  it("averages over outputs where it is asked to", async () => {
    const trace = ["--x1", few, "--form", "trace"];
    const sum = await ntk([mlp, ...trace, "--out", path("sum.npy")]);
    const mean = await ntk([mlp, ...trace, "--trace", "mean", "--out", path("mean.npy")]);
    const [sums, means] = [sum.out, mean.out].map((file) => withFile(file, readNpy).data as Float32Array);
    sums.forEach((value, index) => expect(means[index]).toBeCloseTo(value / 3, 5));
  });

  it("goes on where it was interrupted, and comes to the same, bit for bit", async () => {
    // Of so many that seconds are left when the first tiles are there
    const slow = examples("slow.npy", [960, 8], 6);
    const common = [mlp, "--x1", slow, "--form", "full", "--engine", "reference", "--tile-memory", "500KiB"];
    const out = path("killed.npy");
    const tiles = `${out}.tiles`;
    const { process: command, processes } = started(["ntk", ...common, "--out", out]);
    const worker = (): number => Number.parseInt(processes().find((line) => line.includes("worker.js")) ?? "");
    const ended = once(command, "exit");
    expect(await until(() => existsSync(`${tiles}/kernel/c/0/2`), 60)).toBe(true);
    process.kill(worker(), "SIGKILL");
    await ended;
    expect(existsSync(out)).toBe(false);
    cpSync(tiles, `${tiles}.before`, { recursive: true });
    const before = (await KernelStore.open(`${tiles}.before`))!;
    expect(before.has(0, 1)).toBe(true);

    await ntk([...common, "--out", out, "--keep-tiles"]);
    await ntk([...common, "--out", path("undisturbed.npy")]);
    expect(readFileSync(out).equals(readFileSync(path("undisturbed.npy")))).toBe(true);
    // What was there has not been computed again
    const after = (await KernelStore.open(tiles))!;
    expect((await after.read(0, 1)).data).toEqual((await before.read(0, 1)).data);
  }, 240_000);

  it("stops within a second when it is interrupted, and keeps its tiles", async () => {
    const out = path("stopped.npy");
    const slow = path("slow.npy");
    const common = ["ntk", mlp, "--x1", slow, "--engine", "reference", "--tile-memory", "500KiB", "--out", out];
    const { process: command, processes } = started(common);
    const ended = once(command, "exit");
    expect(await until(() => existsSync(`${out}.tiles/kernel/c/0/1`), 60)).toBe(true);
    const start = performance.now();
    command.kill("SIGINT");
    await ended;
    expect(await until(() => processes().length === 0, 1)).toBe(true);
    expect(performance.now() - start).toBeLessThan(2000);
    expect(existsSync(`${out}.tiles/kernel/c/0/0`)).toBe(true);
  }, 120_000);

  it("says where what is not finite comes from", async () => {
    const bad = tensor([4, 8], "float32");
    bad.data[17] = NaN;
    writeNpy(path("bad.npy"), bad);
    const inputs = await kernelscope(["ntk", mlp, "--x1", path("bad.npy"), "--out", path("never.npy")]);
    expect(inputs).toMatchObject({ status: 1, out: "" });
    expect(inputs.err).toMatch(/bad\.npy: example 2 has NaN in the input .*; give finite numbers\n$/);

    const broken = write(
      "broken.js",
      `const tf = require("@tensorflow/tfjs");
const scale = tf.variable(tf.tensor1d([1, Infinity]), true, "scale");
module.exports.broken = (x) => tf.mul(x, scale);
`,
    );
    const args = ["--input", "x=N,2", "--x1", examples("two.npy", [3, 2], 7), "--out", path("never.npy")];
    const weights = await kernelscope(["ntk", `${broken}#broken`, ...args]);
    expect(weights).toMatchObject({ status: 1, out: "" });
    expect(weights.err).toMatch(/broken\.js:2: scale has the weight Infinity \(element 1\)/);

    const large = write(
      "large.js",
      `const tf = require("@tensorflow/tfjs");
const scale = tf.variable(tf.tensor1d([1e30, 1e30]), true, "scale");
module.exports.large = (x) => tf.mul(tf.mul(x, scale), scale);
`,
    );
    const overflow = await kernelscope(["ntk", `${large}#large`, ...args]);
    expect(overflow).toMatchObject({ status: 1, out: "" });
    expect(overflow.err).toMatch(
      /the kernel between the examples 0 and 0 is (Infinity|NaN), though weights and inputs/,
    );
  });

  it("is refused where not even one pair of examples fits", async () => {
    const args = ["--x1", few, "--out", path("never.npy"), "--tile-memory", "1KiB"];
    const { status, err } = await kernelscope(["ntk", mlp, ...args]);
    expect(status).toBe(3);
    expect(err).toMatch(/the kernel of a single pair of examples by any method would take more than 1\.00 KiB/);
  });

  it("is refused where the disk cannot hold it", async () => {
    const wide = write(
      "wide.js",
      `const tf = require("@tensorflow/tfjs");
const weights = tf.variable(tf.ones([8, 400000]), true, "weights");
module.exports.wide = (x) => tf.matMul(x, weights);
`,
    );
    const args = ["--input", "x=N,8", "--x1", many, "--form", "full", "--out", path("never.npy")];
    const { status, err } = await kernelscope(["ntk", `${wide}#wide`, ...args]);
    expect(status).toBe(3);
    expect(err).toMatch(
      /the kernel and its tiles take 2\.84 PiB on the disk, and .* has .* free; use --form trace, take/,
    );
    expect(existsSync(`${path("never.npy")}.tiles`)).toBe(false);
  });
});

describe("kernelscope predict", () => {
  it("writes what training makes of the outputs, which at infinity are the targets", async () => {
    const targets = tensor([7, 3], "float64");
    targets.data.forEach((_, index) => (targets.data[index] = index % 4 === 0 ? 1 : 0));
    writeNpy(path("y.npy"), targets);
    const out = path("pred.npz");
    const {
      status,
      out: printed,
      err,
    } = await kernelscope([
      ...["predict", mlp, "--x-train", few, "--y-train", path("y.npy"), "--x-test", many],
      ...["--learning-rate", "0.5", "--times", "0,10,1000,inf", "--out", out, "--json"],
    ]);
    expect(err).toBe("");
    expect(status).toBe(0);
    const report = JSON.parse(printed) as PredictReport;
    expect(report).toMatchObject({ times: [0, 10, 1000, null], form: "full", training: "flow", testLoss: null });
    expect([...report.trainLoss].sort((a, b) => b - a)).toEqual(report.trainLoss);
    expect(report.trainLoss[3]).toBeLessThan(1e-8);
    // The departure from the linearised model grows with the step
    const errors = report.linearity.map(({ error }) => error!);
    expect(errors).toHaveLength(3);
    expect(errors[0]).toBeLessThan(0.01);
    expect(errors[2] / errors[1]).toBeGreaterThan(5);
    const arrays = withFile(out, (file) => new Map(Array.from(readNpz(file), ([name, npy]) => [name, readNpy(npy)])));
    expect([...arrays].map(([name, { shape }]) => [name, shape])).toEqual([
      ["times", [4]],
      ["train", [4, 7, 3]],
      ["train_loss", [4]],
      ["test", [4, 50, 3]],
    ]);
    const trained = arrays.get("train")!.data as Float64Array;
    targets.data.forEach((value, index) => expect(trained[3 * 21 + index]).toBeCloseTo(value, 4));
  });

  it("asks for targets of the outputs' shape", async () => {
    writeNpy(path("labels.npy"), tensor([7], "int32"));
    const { status, err } = await kernelscope([
      ...["predict", mlp, "--x-train", few, "--y-train", path("labels.npy"), "--x-test", few],
      ...["--learning-rate", "1", "--times", "0", "--out", path("never.npz")],
    ]);
    expect(status).toBe(1);
    expect(err).toMatch(
      /labels\.npy: has shape \[7\], but 7 examples .* are \[7,3\]; of class numbers make numpy\.eye/,
    );
  });
});
