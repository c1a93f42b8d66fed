import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import { withFile } from "../../sidecar/formats/file";
import { readNpy, tensorOf } from "../../sidecar/formats/npy";
import { readNpz } from "../../sidecar/formats/npz";
import { readZip, ZipWriter } from "../../sidecar/formats/zip";
import { argumentsOf, type Source } from "../../sidecar/graph/graph";
import type { Tensor } from "../../sidecar/graph/tensor";
import type { Model } from "../../sidecar/sources";
import { vmap } from "../../sidecar/transforms";
import { jacobianOf } from "../jacobian/whole-nets";
import { difference, evaluate } from "../laws";
import { loadArchive } from "./archives";

/** Archives that older versions have packed otherwise: what is read of them is what these versions compute (fixtures/save.py). */

const saved = "test/torch/fixtures/torch_2_6_0";
const script = readFileSync("test/torch/fixtures/save.py", "utf8").split("\n");
const lineOf = (text: string): Source => {
  return { file: "/home/user/models/save.py", line: script.findIndex((line) => line.includes(text)) + 1, column: 1 };
};
const CLOSE = 1e-6;

const folder = mkdtempSync(join(tmpdir(), "kernelscope-older-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The archive's parts as PyTorch 2.8 packs them: in the folders of later versions, with all weights in one file. */
function repacked(name: string): string {
  const places: Readonly<Record<string, string>> = {
    "serialized_exported_program.json": "models/model.json",
    "serialized_state_dict.pt": "data/weights/model.pt",
    "serialized_constants.pt": "data/constants/model.pt",
    "serialized_example_inputs.pt": "data/sample_inputs/model.pt",
  };
  const file = join(folder, `${name}.pt2`);
  const descriptor = openSync(file, "w");
  const writer = new ZipWriter(descriptor);
  withFile(`${saved}/${name}.pt2`, (source) => {
    const members = readZip(source);
    for (const [path, place] of Object.entries(places)) {
      const member = members.get(path)!;
      const bytes = Buffer.alloc(member.size);
      member.read(bytes, 0);
      writer.add(`${name}/${place}`, [bytes]);
    }
  });
  for (const [path, text] of [
    ["archive_format", "pt2"],
    ["archive_version", "0"],
    ["byteorder", "little"],
  ]) {
    writer.add(`${name}/${path}`, [Buffer.from(text)]);
  }
  writer.finish();
  closeSync(descriptor);
  return file;
}

describe.each([
  ["as PyTorch 2.6 packs them", (name: string) => `${saved}/${name}.pt2`],
  ["as PyTorch 2.8 packs them", repacked],
])("archives %s", (_packing, fileOf) => {
  let expected: ReadonlyMap<string, Tensor>;
  beforeAll(() => {
    expected = withFile(`${saved}/expected.npz`, (archive) => {
      return new Map(Array.from(readNpz(archive), ([name, npy]) => [name, tensorOf(readNpy(npy), "float64")!]));
    });
  });

  it.each(["mlp", "conv", "lstm", "states"])("give what that version computes: %s", async (name) => {
    const model: Model = await loadArchive(fileOf(name));
    expect(model.framework).toBe("PyTorch 2.6.0");
    expect(model.batch).toEqual({ coupled: false });
    const x = expected.get(`${name}<`)!;
    const inputs: Tensor[] = [{ ...x, dtype: "float32", data: Float32Array.from(x.data) }];
    const whole = vmap(model.graph, new Map(model.graph.inputs.map(({ value }) => [value, 0])), x.shape[0]);
    const outputs = await evaluate(
      whole,
      argumentsOf(whole).map(({ name: each }, index) => inputs[index] ?? model.weights[each]),
    );
    expect(difference(outputs, [expected.get(`${name}=`)!])).toBeLessThan(CLOSE);

    const wrt = model.parameters.filter(({ trainable }) => trainable).map((parameter) => parameter.name);
    const keys = [...expected.keys()].filter((key) => key.startsWith(`${name}:`));
    expect(wrt.map((parameter) => `${name}:${parameter}`)).toEqual(keys);
    const blocks = await jacobianOf({ name, model, inputs, wrt }, createReferenceEngine());
    for (const parameter of wrt) {
      const block = expected.get(`${name}:${parameter}`)!;
      expect(difference([blocks.get(parameter)!], [block]), parameter).toBeLessThan(CLOSE);
    }
  });

  it("that the command line has exported have final states as they are, and lines of functions", async () => {
    const model = await loadArchive(fileOf("states"));
    expect(model.outputs.map(({ shape }) => shape)).toEqual([[2]]);
    const cells = model.layers.find(({ name }) => name === "cells")!;
    expect([cells.source, cells.outputs]).toEqual([lineOf("_, (hidden, _) = self.cells(x)"), [[2, 2]]]);
    expect(model.operations.find(({ kind }) => kind === "aten.cat")!.source).toEqual(lineOf("torch.cat((states[-2]"));
  });

  it("have weights that are one, frozen ones, buffers that are not saved, and lines", async () => {
    const model = await loadArchive(fileOf("mlp"));
    expect(model.parameters.map(({ name, trainable }) => [name, trainable])).toEqual([
      ["scale", true],
      ["encode.weight", true],
      ["encode.bias", true],
      ["norm.weight", true],
      ["norm.bias", true],
      ["decode.bias", false],
    ]);
    expect(model.graph.buffers.map(({ name }) => name)).toEqual(["shift", "norm.running_mean", "norm.running_var"]);
    const [encoded, decoded] = ["self.norm(self.encode(x))", "self.decode("].map(lineOf);
    expect(model.layers.map(({ name, kind, source, parameters }) => [name, kind, source, parameters])).toEqual([
      ["MLP", "MLP", encoded, ["scale"]],
      ["encode", "Linear", encoded, ["encode.weight", "encode.bias"]],
      ["norm", "BatchNorm1d", encoded, ["norm.weight", "norm.bias"]],
      ["decode", "Linear", decoded, ["decode.bias"]],
    ]);
  });
});
