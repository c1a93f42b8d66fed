import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";

/**
 * Optimised models on disk: onnxruntime then reads a graph as it left it, instead of optimising it again. A file is a
 * digest of the model and the model; one that is damaged is deleted and made anew. The least recently used go once all
 * together are larger than `limit` bytes. Several processes may share a folder: files appear under their names only when
 * they are complete. Nothing that goes wrong with the disk is an error, it is only slower.
 */
export class ModelCache {
  constructor(
    private readonly folder: string,
    private readonly limit = 512 * 2 ** 20,
  ) {}

  /** The name under which the optimised form of a model is kept: it holds for one library, provider and processor. */
  static key(model: Uint8Array, setting: string): string {
    const hash = createHash("sha256").update(`${setting} ${process.arch} ${cpus()[0]?.model ?? ""}\n`);
    return hash.update(model).digest("hex");
  }

  private path(key: string): string {
    return join(this.folder, `${key}.model`);
  }

  async read(key: string): Promise<Uint8Array | null> {
    try {
      const path = this.path(key);
      const content = await readFile(path);
      const model = content.subarray(digestLength);
      if (!content.subarray(0, digestLength).equals(digest(model))) {
        await this.remove(key);
        return null;
      }
      const now = new Date();
      await utimes(path, now, now);
      return model;
    } catch {
      return null;
    }
  }

  async remove(key: string): Promise<void> {
    await rm(this.path(key), { force: true }).catch(() => undefined);
  }

  /** Lets `make` write a model to the path that it is given, and keeps that. */
  async keep<T>(key: string, make: (path: string) => Promise<T>): Promise<T> {
    const temporary = join(this.folder, `${randomUUID()}.tmp`);
    await mkdir(this.folder, { recursive: true });
    try {
      const result = await make(temporary);
      const model = await readFile(temporary);
      await writeFile(temporary, Buffer.concat([digest(model), model]));
      await rename(temporary, this.path(key));
      await this.evict();
      return result;
    } finally {
      await rm(temporary, { force: true }).catch(() => undefined);
    }
  }

  private async evict(): Promise<void> {
    const names = (await readdir(this.folder)).filter((name) => name.endsWith(".model") || name.endsWith(".tmp"));
    const files = await Promise.all(
      names.map(async (name) => {
        const path = join(this.folder, name);
        const { size, mtimeMs } = await stat(path);
        return { path, size, used: mtimeMs };
      }),
    );
    files.sort((a, b) => b.used - a.used);
    let total = 0;
    for (const { path, size } of files) {
      total += size;
      if (total > this.limit) await rm(path, { force: true });
    }
  }
}

const digestLength = 32;

function digest(model: Uint8Array): Buffer {
  return createHash("sha256").update(model).digest();
}
