import { describe, expect, it } from "vitest";
import { writeNpy } from "../../sidecar/formats/npz";
import { tensor } from "../../sidecar/graph/tensor";
import { kernelscope, temporaryFolder } from "./kernelscope";

const { path, write } = temporaryFolder();

describe("a Jacobian that is larger than the machine's memory", () => {
  it("is not started, and the command says how many examples would fit", async () => {
    const model = write(
      "wide.js",
      `const tf = require("@tensorflow/tfjs");
const kernelInitializer = "zeros";
module.exports.model = tf.sequential({ layers: [tf.layers.dense({ units: 3000, inputShape: [3000], kernelInitializer })] });
`,
    );
    const x = path("x.npy");
    writeNpy(x, tensor([100, 3000], "float32"));
    const { status, err, out, left } = await kernelscope(["jacobian", model, "--inputs", x, "--out", path("out.npz")]);
    expect(err).toMatch(/^the Jacobian of 100 examples takes \d+\.\d+ TiB, and this machine has .*\n$/);
    expect(status).toBe(3);
    expect(out).toBe("");
    expect(left).toEqual([]);
  });
});

describe("a strategy that would not fit", () => {
  it("is refused, and one that does is named", async () => {
    // All 60,000 cotangents at once are 13 GiB each time; the Jacobian itself is 240 KB
    const model = write(
      "many-outputs.js",
      `const tf = require("@tensorflow/tfjs");
const w = tf.variable(tf.scalar(2), true, "w");
module.exports.model = (x) => tf.mul(x, w);
`,
    );
    const x = path("wide.npy");
    writeNpy(x, tensor([30, 2000], "float32"));
    const out = path("wide.npz");
    const args = ["jacobian", model, "--inputs", x, "--input", "x=N,2000", "--out", out];
    const refused = await kernelscope([...args, "--strategy", "jacrev"]);
    expect(refused.err).toMatch(
      /^the strategy jacrev would take \d+\.\d+ GiB, and CPU \(.*\) has .* free; use --strategy "[^"]+", which takes [\d.]+ .?i?B\n$/,
    );
    expect([refused.status, refused.out, refused.left]).toEqual([3, "", []]);

    const named = /--strategy "([^"]+)"/.exec(refused.err)![1];
    const { status, out: text } = await kernelscope([...args, "--strategy", named, "--chunk", "auto", "--json"]);
    expect(status).toBe(0);
    const { predictedPeakBytes, measuredPeakBytes } = JSON.parse(text) as Record<string, number>;
    // What a process holds anyway varies by some MiB
    expect(measuredPeakBytes).toBeLessThan(1.05 * predictedPeakBytes + 32e6);
  });
});
