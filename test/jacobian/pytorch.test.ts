import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createOnnxruntimeEngine } from "../../sidecar/engines/onnxruntime";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import { withFile } from "../../sidecar/formats/file";
import { readNpy, tensorOf } from "../../sidecar/formats/npy";
import { NpzWriter, readNpz } from "../../sidecar/formats/npz";
import type { Tensor } from "../../sidecar/graph/tensor";
import { difference } from "../laws";
import { python } from "../tools";
import { jacobianOf, loadCoupled, loadNet, nets, type Loaded } from "./whole-nets";

/**
 * Jacobians of whole networks equal those of torch.func, with the same weights (torch_nets.py). One Python process for
 * all of them: it takes seconds to start.
 */

const folder = mkdtempSync(join(tmpdir(), "kernelscope-torch-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Parameters as `net:name`, what is not differentiated as `net!name`, inputs as `net<name`. */
function writeNets(file: string, loaded: readonly Loaded[]): void {
  const writer = new NpzWriter(file);
  for (const { name: net, model, inputs, wrt } of loaded) {
    for (const [name, weight] of Object.entries(model.weights)) {
      writer.add(`${net}${wrt.includes(name) ? ":" : "!"}${name}`, weight);
    }
    inputs.forEach((input, index) => writer.add(`${net}<${model.inputs[index].name}`, input));
  }
  writer.finish();
  writer.close();
}

describe.skipIf(python === undefined)("Jacobians equal torch.func's", () => {
  const all = new Map<string, Loaded>();
  let torch = new Map<string, Tensor>();

  beforeAll(async () => {
    for (const net of nets) all.set(net.name, await loadNet(net));
    all.set("coupled", await loadCoupled());
    const [source, target] = ["nets.npz", "jacobians.npz"].map((name) => join(folder, name));
    writeNets(source, [...all.values()]);
    await promisify(execFile)(python!, ["test/jacobian/torch_nets.py", source, target]);
    torch = withFile(target, (archive) => {
      return new Map(Array.from(readNpz(archive), ([name, npy]) => [name, tensorOf(readNpy(npy), "float64")!]));
    });
  });

  const names = [...nets.map(({ name }) => name), "coupled"];

  it.each(names)("%s", async (name) => {
    const net = all.get(name)!;
    const expected = [...torch.keys()].filter((key) => key.startsWith(`${name}:`));
    expect(net.wrt.map((parameter) => `${name}:${parameter}`).sort()).toEqual(expected.sort());

    // Relative to a block's largest magnitude. In 64 bits what differs is numbers written in the model, such as a hard
    // sigmoid's 0.2, which TensorFlow.js has rounded to 32 bits before they are traced.
    const engines = [
      { engine: createReferenceEngine(), tolerance: 1e-7 },
      { engine: await createOnnxruntimeEngine(), tolerance: 1e-5 },
    ];
    for (const { engine, tolerance } of engines) {
      const blocks = await jacobianOf(net, engine);
      for (const [parameter, block] of blocks) {
        const wanted = torch.get(`${name}:${parameter}`)!;
        expect(difference([block], [wanted]), `${engine.name}: ${parameter}`).toBeLessThan(tolerance);
      }
    }
  });
});
