import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { withFile } from "../../sidecar/formats/file";
import { readNpy, tensorOf } from "../../sidecar/formats/npy";
import { NpzWriter, readNpz } from "../../sidecar/formats/npz";
import type { Tensor } from "../../sidecar/graph/tensor";
import { newArray, sizeOf } from "../../sidecar/graph/types";
import { loadModel, parseInputOption } from "../../sidecar/sources";
import { generator } from "../../sidecar/sources/random";
import { python } from "../tools";
import { nets } from "../jacobian/whole-nets";
import { loadKernelNet, structuredWhereverPossible, type KernelNet, type KernelOptions } from "./kernels";

/** Nets whose kernels are computed elsewhere too, and how they get there: weights and examples as files, kernels back. */

export const methods: Readonly<Record<string, KernelOptions>> = {
  contraction: { method: "contraction" },
  "vector-products": { method: "vector-products" },
  structured: { method: "structured" },
  "structured wherever possible": { method: "structured", choose: structuredWhereverPossible },
};

interface FileNet {
  readonly name: string;
  readonly file: string;
  readonly export: string;
  /** As `--input` takes them. */
  readonly inputs?: readonly string[];
  /** Examples of the first set and the second. */
  readonly rows: number;
  readonly columns: number;
}

/** A net of any file, with two sets of random examples: floats around zero, and integers below 7. */
export async function loadFileNet({ name, rows, columns, ...net }: FileNet): Promise<KernelNet> {
  const model = await loadModel({
    file: resolve(net.file),
    export: net.export,
    inputs: (net.inputs ?? []).map(parseInputOption),
    batch: rows,
  });
  const random = generator(5);
  const examples = (count: number): Tensor[] =>
    model.inputs.map(({ shape, dtype }) => {
      const data = newArray(dtype, count * sizeOf(shape));
      for (let i = 0; i < data.length; i++) {
        data[i] = dtype === "float32" ? 3 * random() - 1.5 : Math.floor(7 * random());
      }
      return { shape: [count, ...shape], dtype, data };
    });
  const wrt = model.parameters.filter(({ trainable }) => trainable).map((parameter) => parameter.name);
  return { name, model, inputs: examples(rows), second: examples(columns), wrt };
}

/** Nets small enough for every method on every engine. */
export const smallNets = [...nets.map(({ name }) => name), "tied"];

/** The nets of test/jacobian, one whose output projection is its embedding, and the tutorial's CNN, by name. */
export async function loadReferenceNets(): Promise<ReadonlyMap<string, KernelNet>> {
  const loaded: KernelNet[] = [];
  for (const net of nets) loaded.push(await loadKernelNet(net));
  const sizes = { rows: 3, columns: 2 };
  const tied = { name: "tied", file: "test/ntk/tied-net.ts", export: "tied", inputs: ["ids=N,4:int32"] };
  loaded.push(await loadFileNet({ ...tied, ...sizes }));
  const tutorial = { name: "tutorial", file: "examples/tutorial-cnn.ts", export: "model" };
  loaded.push(await loadFileNet({ ...tutorial, ...sizes }));
  return new Map(loaded.map((net) => [net.name, net]));
}

/**
 * Kernels that a Python script computes in 64 bit, by `net:columns:form` and `net:rows:form` (kernel_files.py says more).
 * One process for all nets: it takes seconds to start.
 */
export async function kernelsByPython(
  script: string,
  loaded: Iterable<KernelNet>,
): Promise<ReadonlyMap<string, Tensor>> {
  const folder = mkdtempSync(join(tmpdir(), "kernelscope-ntk-"));
  try {
    const [source, target] = ["nets.npz", "kernels.npz"].map((name) => join(folder, name));
    writeNets(source, loaded);
    await promisify(execFile)(python!, [script, source, target]);
    return withFile(target, (archive) => {
      return new Map(Array.from(readNpz(archive), ([name, npy]) => [name, tensorOf(readNpy(npy), "float64")!]));
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Parameters as `net:name`, what is not summed over as `net!name`, the sets of examples as `net<name` and `net>name`. */
function writeNets(file: string, loaded: Iterable<KernelNet>): void {
  const writer = new NpzWriter(file);
  for (const { name: net, model, inputs, second, wrt } of loaded) {
    for (const [name, weight] of Object.entries(model.weights)) {
      writer.add(`${net}${wrt.includes(name) ? ":" : "!"}${name}`, weight);
    }
    model.inputs.forEach(({ name }, index) => {
      writer.add(`${net}<${name}`, inputs[index]);
      writer.add(`${net}>${name}`, second[index]);
    });
  }
  writer.finish();
  writer.close();
}
