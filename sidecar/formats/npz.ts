import { closeSync, openSync } from "node:fs";
import { ModelError } from "../graph/errors";
import type { Tensor } from "../graph/tensor";
import { reasonOf, writeFully, type ByteSource } from "./file";
import { bytesOfTensor, npyHeader } from "./npy";
import { readZip, ZipWriter } from "./zip";

/** NumPy's .npz format: a zip archive in which the array `name` is the member `name.npy`. */

/** The arrays of an archive, by name. */
export function readNpz(source: ByteSource): Map<string, ByteSource> {
  const arrays = new Map<string, ByteSource>();
  for (const [name, member] of readZip(source)) {
    if (name.endsWith(".npy")) arrays.set(name.slice(0, -".npy".length), member);
  }
  if (arrays.size === 0) throw new ModelError(`${source.name}: holds no arrays; save them with numpy.savez.`);
  return arrays;
}

/** Writes arrays to a new file, one at a time. `numpy.load` reads it. */
export class NpzWriter {
  private readonly descriptor: number;
  private readonly zip: ZipWriter;

  constructor(
    private readonly path: string,
    zip64From?: number,
  ) {
    this.descriptor = attempt(path, () => openSync(path, "w"));
    this.zip = new ZipWriter(this.descriptor, zip64From);
  }

  add(name: string, tensor: Tensor): void {
    attempt(this.path, () => this.zip.add(`${name}.npy`, [npyHeader(tensor), bytesOfTensor(tensor)]));
  }

  /** Completes the archive. */
  finish(): void {
    attempt(this.path, () => this.zip.finish());
  }

  /** Closes the file; what is in it is an archive only if `finish` was called before. */
  close(): void {
    closeSync(this.descriptor);
  }
}

/** Writes one array to a new file. */
export function writeNpy(path: string, tensor: Tensor): void {
  attempt(path, () => {
    const descriptor = openSync(path, "w");
    try {
      writeFully(descriptor, npyHeader(tensor));
      writeFully(descriptor, bytesOfTensor(tensor));
    } finally {
      closeSync(descriptor);
    }
  });
}

function attempt<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    throw new ModelError(`${path}: cannot be written (${reasonOf(error)}).`);
  }
}
