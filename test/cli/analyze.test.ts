import { describe, expect, it } from "vitest";
import type { Analysis } from "../../sidecar/protocol/analysis";
import { kernelscope, temporaryFolder } from "./kernelscope";

const { write } = temporaryFolder();

const model = write(
  "net.js",
  `const tf = require("@tensorflow/tfjs");
module.exports.model = tf.sequential({ layers: [
  tf.layers.dense({ units: 16, activation: "tanh", inputShape: [8] }), tf.layers.dense({ units: 3 }) ] });
`,
);

describe("kernelscope analyze", () => {
  it("has in its JSON each form and method of the kernel, with the fields of the contract", async () => {
    const { status, out } = await kernelscope(["analyze", model, "--batch", "50", "--memory", "1GiB", "--json"]);
    expect(status).toBe(0);
    const { ntk } = JSON.parse(out) as Analysis;
    expect(ntk.map(({ form, method, shape, fits }) => ({ form, method, shape, fits }))).toEqual(
      [
        { form: "full", shape: [50, 50, 3, 3] },
        { form: "diagonal", shape: [50, 50, 3] },
        { form: "trace", shape: [50, 50] },
      ].flatMap((form) =>
        ["contraction", "vector-products", "structured"].map((method) => ({ ...form, method, fits: true })),
      ),
    );
    for (const { peakBytes, flops } of ntk) for (const number of [peakBytes, flops]) expect(number).toBeGreaterThan(0);
  });

  it("prints the method to take for each form", async () => {
    const fitting = await kernelscope(["analyze", model, "--batch", "50", "--memory", "1GiB"]);
    expect(fitting.out).toMatch(/^NTK +shape +method +peak memory +a device with 1GiB$/m);
    expect(fitting.out).toMatch(/^trace +\[50,50\] +structured +\d+\.\d\d KiB +fits$/m);
    const small = await kernelscope(["analyze", model, "--batch", "5000", "--memory", "16MiB"]);
    expect(small.out).toMatch(/^full +\[5000,5000,3,3\] +\S+ +\d+\.\d\d GiB +in tiles of \d+$/m);
  });
});
