import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { npyHeader } from "../../sidecar/formats/npy";
import type { DType } from "../../sidecar/graph/types";
import { kernelscope, temporaryFolder, type Outcome } from "./kernelscope";

/** Whatever is wrong with the files of a model or with its inputs, the command says it in one line and does nothing. */

const { path, write } = temporaryFolder();

/** A file of bytes; the folders that it lies in are made. */
function writeBytes(name: string, bytes: Uint8Array): string {
  mkdirSync(dirname(path(name)), { recursive: true });
  writeFileSync(path(name), bytes);
  return path(name);
}

function expectOneLine({ err, out, status, seconds, left }: Outcome): void {
  expect(err.endsWith("\n"), err).toBe(true);
  expect(err.trimEnd().split("\n")).toHaveLength(1);
  expect(out).toBe("");
  expect(status).toBe(1);
  expect(seconds).toBeLessThan(15);
  expect(left).toEqual([]);
}

const layer = { name: "dense", units: 2, batch_input_shape: [null, 3] };
const saved = {
  modelTopology: {
    class_name: "Sequential",
    config: { name: "net", layers: [{ class_name: "Dense", config: layer }] },
  },
  weightsManifest: [
    {
      paths: ["weights.bin"],
      weights: [
        { name: "dense/kernel", shape: [3, 2], dtype: "float32" },
        { name: "dense/bias", shape: [2], dtype: "float32" },
      ],
    },
  ],
};
const text = JSON.stringify(saved, null, 1);
const weights = new Uint8Array(new Float32Array(8).fill(0.5).buffer);

interface BadModel {
  readonly what: string;
  readonly json: string;
  readonly weights: Uint8Array | null;
  /** A line with this is named; null: the first one. */
  readonly at: string | null;
  readonly says: RegExp;
}

const models: readonly BadModel[] = [
  {
    what: "a weight shard that is missing",
    json: text,
    weights: null,
    at: "weights.bin",
    says: /weights\.bin is missing/,
  },
  {
    what: "a weight shard that is cut short",
    json: text,
    weights: weights.subarray(5),
    at: "weights.bin",
    says: /weights\.bin holds 27 bytes.* take 32: the file is cut short/,
  },
  {
    what: "a weight shard that is damaged",
    json: text,
    weights: weights.map((byte, index) => (index > 22 ? 0xff : byte)),
    at: "dense/bias",
    says: /dense\/bias holds NaN/,
  },
  {
    what: "a text where the weights should be",
    json: text,
    weights: Buffer.from("version https://git-lfs.github.com/spec/v1\n"),
    at: "weights.bin",
    says: /weights\.bin holds 43 bytes/,
  },
  {
    what: "JSON that is cut short",
    json: text.slice(0, 100),
    weights,
    at: null,
    says: /the file is not JSON/,
  },
  { what: "JSON that is no model", json: '{ "name": "package" }', weights, at: null, says: /not a saved TensorFlow/ },
  {
    what: "a topology that makes no sense",
    json: text.replace('"Dense"', '"Frobnicate"'),
    weights,
    at: "Frobnicate",
    says: /a layer of the class Frobnicate/,
  },
  {
    what: "a topology that asks for terabytes",
    json: text.replace('"units": 2', '"units": 1000000000000'),
    weights,
    at: null,
    says: /model\.json:\d+: /,
  },
];

describe("a saved model with", () => {
  it.each(models.map((each, index) => ({ ...each, folder: `model${index}` })))(
    "$what",
    async ({ folder, json, weights, at, says }) => {
      const file = write(`${folder}/model.json`, json);
      if (weights !== null) writeBytes(`${folder}/weights.bin`, weights);
      const outcome = await kernelscope(["analyze", file]);
      expect(outcome.err).toMatch(says);
      const line = /^(.*?):(\d+): /.exec(outcome.err);
      expect(line?.[1], outcome.err).toBe(file);
      if (at !== null) expect(readFileSync(file, "utf8").split("\n")[Number(line![2]) - 1]).toContain(at);
      expectOneLine(outcome);
    },
  );

  it("nothing wrong is read", async () => {
    const file = write("good/model.json", text);
    writeBytes("good/weights.bin", weights);
    expect((await kernelscope(["analyze", file, "--json"])).status).toBe(0);
  });
});

describe("what is no model file:", () => {
  const cases = [
    { what: "nothing at all", file: path("nothing.ts"), says: /nothing\.ts does not exist/ },
    { what: "a folder", file: dirname(path("any")), says: /is no file/ },
    { what: "a device", file: "/dev/zero", says: /\/dev\/zero is no file|does not exist/ },
    { what: "another format", file: writeBytes("net.h5", weights), says: /net\.h5 is no model file that can be read/ },
    { what: "an empty file", file: write("empty.json", ""), says: /empty\.json:1: the file is not JSON/ },
  ];
  it.each(cases)("$what", async ({ file, says }) => {
    const outcome = await kernelscope(["analyze", file]);
    expect(outcome.err).toMatch(says);
    expectOneLine(outcome);
  });
});

/** A .npy file whose header says this and that is followed by so many bytes. */
function npy(name: string, shape: number[], dtype: DType, bytes: number): string {
  return writeBytes(name, Buffer.concat([npyHeader({ shape, dtype }), Buffer.alloc(bytes)]));
}

describe("inputs", () => {
  const model = write(
    "dense.js",
    `const tf = require("@tensorflow/tfjs");
module.exports.model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] });
`,
  );
  const cases = [
    { what: "that are not there", file: path("none.npy"), says: /none\.npy: cannot be opened/ },
    { what: "of another dtype", file: npy("dtype.npy", [4, 3], "float64", 96), says: /float64.*takes float32/ },
    { what: "of integers", file: npy("integers.npy", [4, 3], "int32", 48), says: /int32.*takes float32/ },
    { what: "of another shape", file: npy("shape.npy", [4, 5], "float32", 80), says: /\[4,5\].*takes \[N,3\]/ },
    { what: "without a batch axis", file: npy("rank.npy", [3], "float32", 12), says: /\[3\].*takes \[N,3\]/ },
    { what: "of no examples", file: npy("empty.npy", [0, 3], "float32", 0), says: /holds no examples/ },
    { what: "that are truncated", file: npy("short.npy", [4, 3], "float32", 40), says: /short\.npy: is truncated/ },
    { what: "that claim to be huge", file: npy("huge.npy", [2e9, 3], "float32", 48), says: /huge\.npy: is truncated/ },
    {
      what: "cut off in the header",
      file: writeBytes("cut.npy", npyHeader({ shape: [4, 3], dtype: "float32" }).subarray(0, 30)),
      says: /cut\.npy: is truncated/,
    },
    { what: "of no bytes", file: writeBytes("void.npy", new Uint8Array(0)), says: /void\.npy: is not a \.npy file/ },
    { what: "of text", file: write("text.npy", "1,2,3\n4,5,6\n7,8,9\n"), says: /text\.npy: is not a \.npy file/ },
    { what: "of a broken archive", file: writeBytes("zip.npz", Buffer.from("PK\x03\x04 and so on")), says: /zip\.npz/ },
  ];
  it.each(cases)("$what", async ({ file, says }) => {
    const out = path("out.npz");
    const outcome = await kernelscope(["jacobian", model, "--inputs", file, "--out", out]);
    expect(outcome.err).toMatch(says);
    expect(outcome.err.startsWith(file), outcome.err).toBe(true);
    expectOneLine(outcome);
    expect(() => readFileSync(out)).toThrow();
  });
});
