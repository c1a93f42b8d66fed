import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { withFile } from "../../sidecar/formats/file";
import { readNpy, tensorOf } from "../../sidecar/formats/npy";
import { readNpz } from "../../sidecar/formats/npz";
import type { Tensor } from "../../sidecar/graph/tensor";
import type { Model } from "../../sidecar/sources";
import { loadModel } from "../../sidecar/sources";
import { python } from "../tools";

/** Archives that a Python script of this folder exports, and the arrays that it computes. One process: it takes seconds to start. */

export interface Exported {
  readonly path: (name: string) => string;
  /** Of `expected.npz`, in 64 bits. */
  readonly expected: ReadonlyMap<string, Tensor>;
  readonly remove: () => void;
}

export async function exported(script: string): Promise<Exported> {
  const folder = mkdtempSync(join(tmpdir(), "kernelscope-torch-"));
  await promisify(execFile)(python!, [`test/torch/${script}`, folder], { maxBuffer: 1 << 26 });
  const expected = withFile(join(folder, "expected.npz"), (archive) => {
    return new Map(Array.from(readNpz(archive), ([name, npy]) => [name, tensorOf(readNpy(npy), "float64")!]));
  });
  return { path: (name) => join(folder, name), expected, remove: () => rmSync(folder, { recursive: true }) };
}

/** The model of an archive, for 3 examples where these are coupled. */
export function loadArchive(file: string): Promise<Model> {
  return loadModel({ file, export: null, inputs: [], batch: 3 });
}
