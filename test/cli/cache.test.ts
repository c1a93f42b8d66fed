import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { writeNpy } from "../../sidecar/formats/npz";
import { tensor } from "../../sidecar/graph/tensor";
import { kernelscope, temporaryFolder } from "./kernelscope";

const { path, write } = temporaryFolder();

const model = write(
  "model.js",
  `const tf = require("@tensorflow/tfjs");
const units = JSON.parse(require("node:fs").readFileSync(__dirname + "/units.json", "utf8"));
const kernelInitializer = tf.initializers.glorotUniform({ seed: 1 });
module.exports.model = tf.sequential({ layers: [tf.layers.dense({ units, inputShape: [3], kernelInitializer })] });
`,
);
write("units.json", "2");
const x = path("x.npy");
writeNpy(x, tensor([2, 3], "float32", Float32Array.of(1, 2, 3, 4, 5, 6)));

const cache = path("cache");
const jacobian = async (...options: string[]): Promise<Buffer> => {
  const out = path("out.npz");
  const args = ["jacobian", model, "--inputs", x, "--out", out, ...options];
  const { status, err } = await kernelscope(args, { KERNELSCOPE_CACHE: cache });
  expect(err).toBe("");
  expect(status).toBe(0);
  return readFileSync(out);
};

it("a second run takes what the first one kept, and is never misled by it", async () => {
  const first = await jacobian("--no-cache");
  expect(existsSync(cache)).toBe(false);
  expect(await jacobian()).toEqual(first);
  const code = readdirSync(join(cache, "code"));
  expect(code).toHaveLength(1);
  expect(await jacobian()).toEqual(first);
  expect(readdirSync(join(cache, "code"))).toEqual(code);

  // A file that the model's code reads has changed, and nothing else
  write("units.json", "4");
  const wider = await jacobian();
  expect(wider.length).toBeGreaterThan(first.length);
  write("units.json", "2");

  for (const part of readdirSync(cache)) {
    for (const name of readdirSync(join(cache, part))) writeFileSync(join(cache, part, name), "damaged");
  }
  expect(await jacobian()).toEqual(first);
});

it("a cache that cannot be written is done without", async () => {
  mkdirSync(path("home"));
  writeFileSync(path("home/file"), "");
  const { status, err } = await kernelscope(["analyze", model], { KERNELSCOPE_CACHE: path("home/file/cache") });
  expect(err).toBe("");
  expect(status).toBe(0);
});
