import { renameSync, rmSync } from "node:fs";
import { NpzWriter } from "../formats/npz";
import type { Tensor } from "../graph/tensor";
import { partialFile } from "./messages";

/** Writes a file beside its place and renames it, so that a file of that name is always whole. */
export async function writeWhole(path: string, write: (partial: string) => void | Promise<void>): Promise<void> {
  const partial = partialFile(path, process.pid);
  try {
    await write(partial);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

/** An .npz file of arrays by their names, in their order. */
export function writeNpz(path: string, arrays: Iterable<readonly [string, Tensor]>): Promise<void> {
  return writeWhole(path, (partial) => {
    const writer = new NpzWriter(partial);
    for (const [name, tensor] of arrays) writer.add(name, tensor);
    writer.finish();
    writer.close();
  });
}
