import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withFile } from "../../sidecar/formats/file";
import { readNpy, tensorOf } from "../../sidecar/formats/npy";
import { readNpz, writeNpy } from "../../sidecar/formats/npz";
import type { Tensor } from "../../sidecar/graph/tensor";
import type { Analysis } from "../../sidecar/protocol/analysis";
import { difference } from "../laws";
import { python } from "../tools";
import { exported, type Exported } from "../torch/archives";
import { kernelscope } from "./kernelscope";

/** The command line on exported PyTorch models: the small ones of test/torch/models.py. */

const PYTHON_TIMEOUT = 300_000;

describe.skipIf(python === undefined)("kernelscope with models of torch.export", () => {
  const folder = mkdtempSync(join(tmpdir(), "kernelscope-cli-torch-"));
  const script = readFileSync("test/torch/models.py", "utf8").split("\n");
  const lineOf = (text: string): number => script.findIndex((line) => line.includes(text)) + 1;
  let files: Exported;
  let x: string;

  beforeAll(async () => {
    files = await exported("models.py");
    const { shape, data } = files.expected.get("evaluated<0")!;
    x = join(folder, "x.npy");
    writeNpy(x, { shape, dtype: "float32", data: Float32Array.from(data) });
  }, PYTHON_TIMEOUT);
  afterAll(() => {
    files.remove();
    rmSync(folder, { recursive: true });
  });

  function readArrays(file: string): Map<string, Tensor> {
    return withFile(file, (archive) => {
      return new Map(Array.from(readNpz(archive), ([name, npy]) => [name, tensorOf(readNpy(npy), "float32")!]));
    });
  }

  it("analyze says what the model has, at the lines of its Python code", async () => {
    const { status, out, err } = await kernelscope(["analyze", files.path("evaluated.pt2"), "--batch", "5", "--json"]);
    expect([status, err]).toEqual([0, ""]);
    const analysis = JSON.parse(out) as Analysis;
    expect(analysis.model).toMatchObject({
      format: "torch-export",
      examplesCoupled: false,
      framework: "PyTorch 2.13.0",
    });
    expect(analysis.pytorch).toBeNull();
    expect(analysis.inputs).toEqual([{ name: "x", shape: [5, 3], dtype: "float32" }]);
    expect(analysis.outputs).toEqual([{ name: "output", shape: [5, 4], dtype: "float32" }]);
    expect(analysis.parameters.map(({ name, source }) => [name, source?.line])).toEqual(
      ["linear.weight", "linear.bias", "norm.weight", "norm.bias"].map((name) => [
        name,
        lineOf("self.norm(self.linear(x))"),
      ]),
    );
    expect(analysis.strategies.find(({ strategy }) => strategy === "vmap(jacrev)")!.largest!.source).toMatchObject({
      line: lineOf("self.norm(self.linear(x))"),
    });
  });

  it("jacobian and ntk agree", async () => {
    const [jacobian, kernel] = [join(folder, "jac.npz"), join(folder, "ntk.npy")];
    const one = await kernelscope(["jacobian", files.path("evaluated.pt2"), "--inputs", x, "--out", jacobian]);
    expect([one.status, one.err]).toEqual([0, ""]);
    const two = await kernelscope(["ntk", files.path("evaluated.pt2"), "--x1", x, "--out", kernel]);
    expect([two.status, two.err]).toEqual([0, ""]);
    const product = new Float64Array(3 * 3 * 4 * 4);
    for (const { shape, data } of readArrays(jacobian).values()) {
      const size = data.length / 12;
      expect(shape.slice(0, 2)).toEqual([3, 4]);
      for (let at = 0; at < product.length; at++) {
        const [n, m, p, q] = [at / 48, (at / 16) % 3, (at / 4) % 4, at % 4].map(Math.floor);
        for (let k = 0; k < size; k++) product[at] += data[(4 * n + p) * size + k] * data[(4 * m + q) * size + k];
      }
    }
    const found = withFile(kernel, (file) => tensorOf(readNpy(file), "float32")!);
    expect(difference([found], [{ shape: [3, 3, 4, 4], dtype: "float64", data: product }])).toBeLessThan(1e-5);
  });

  it.each([[[]], [["--x2"]]])("kernels are in the type of the outputs, %j", async (second) => {
    const { shape, data } = files.expected.get("double<0")!;
    const wide = join(folder, "wide.npy");
    writeNpy(wide, { shape, dtype: "float64", data: Float64Array.from(data) });
    const out = join(folder, "double.npy");
    const others = second.flatMap((option) => [option, wide]);
    const { status, err } = await kernelscope(["ntk", files.path("double.pt2"), "--x1", wide, ...others, "--out", out]);
    expect([status, err]).toEqual([0, ""]);
    // Of x W^T + b: (x1 . x2 + 1) for each output with itself
    const expected = new Float64Array(3 * 3 * 2 * 2);
    for (let n = 0; n < 3; n++) {
      for (let m = 0; m < 3; m++) {
        const product = [0, 1, 2].reduce((sum, k) => sum + data[3 * n + k] * data[3 * m + k], 1);
        for (const output of [0, 1]) expected[4 * (3 * n + m) + 3 * output] = product;
      }
    }
    const kernel = withFile(out, (file) => tensorOf(readNpy(file), "float64")!);
    expect(difference([kernel], [{ shape: [3, 3, 2, 2], dtype: "float64", data: expected }])).toBeLessThan(1e-14);
  });

  it("predictions of float64 models are as exact as these", async () => {
    const { shape, data } = files.expected.get("double<0")!;
    const [wide, y, out] = ["wide.npy", "y.npy", "predicted.npz"].map((name) => join(folder, name));
    writeNpy(wide, { shape, dtype: "float64", data: Float64Array.from(data) });
    const targets: Tensor = { shape: [3, 2], dtype: "float64", data: Float64Array.of(1, 2, 3, 5, 8, 13) };
    writeNpy(y, targets);
    const asked = ["--x-train", wide, "--y-train", y, "--x-test", wide, "--learning-rate", "0.1", "--times", "0,inf"];
    const {
      status,
      err,
      out: printed,
    } = await kernelscope(["predict", files.path("double.pt2"), ...asked, ...["--out", out, "--json"]]);
    expect([status, err]).toEqual([0, ""]);
    // A linear model with a bias takes any targets of three examples
    const train = withFile(out, (file) => tensorOf(readNpy(readNpz(file).get("train")!), "float64")!);
    const at = (time: number): Tensor => ({ ...targets, data: train.data.slice(6 * time, 6 * time + 6) });
    expect(difference([at(0)], [files.expected.get("double=0")!])).toBeLessThan(1e-14);
    expect(difference([at(1)], [targets])).toBeLessThan(1e-10);
    const { linearity } = JSON.parse(printed) as { linearity: { error: number }[] };
    for (const { error } of linearity) expect(error).toBeLessThan(1e-10);
  });

  it("coupled examples have a Jacobian of the whole batch, and no kernel", async () => {
    const out = join(folder, "coupled.npz");
    const { status } = await kernelscope(["jacobian", files.path("training.pt2"), "--inputs", x, "--out", out]);
    expect(status).toBe(0);
    expect(readArrays(out).get("norm.bias")!.shape).toEqual([3, 4, 4]);
    const { status: refused, err } = await kernelscope(["ntk", files.path("training.pt2"), "--x1", x, "--out", out]);
    expect(refused).toBe(1);
    expect(err).toContain("batch normalisation in training mode");
  });

  it("what cannot be read is an error with the user's line", async () => {
    const { status, err } = await kernelscope(["analyze", files.path("unknown.pt2")]);
    expect(status).toBe(1);
    expect(err).toContain(
      `models.py:${lineOf("torch.linalg.svd")}: the operator aten.linalg_svd.default is not supported`,
    );
    expect(err.trim().split("\n")).toHaveLength(1);
  });
});
