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
    expect(err).toMatch(/^the Jacobian of 100 examples takes \d+\.\d GiB, and this machine has .*\n$/);
    expect(status).toBe(3);
    expect(out).toBe("");
    expect(left).toEqual([]);
  });
});
