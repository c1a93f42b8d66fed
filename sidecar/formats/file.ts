import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { ModelError } from "../graph/errors";

/** A run of bytes that can be read at any place: a file, or a member of an archive. */
export interface ByteSource {
  /** What messages call it: the file, or the file and the member. */
  readonly name: string;
  readonly size: number;
  /** Fills `target` from `position` on; the number of bytes that there were. */
  read(target: Uint8Array, position: number): number;
}

/** Node refuses single reads and writes of 2 GiB and more, and smaller ones stay in the processor's cache. */
const PIECE = 8 << 20;

/** Opens a file for the time of `use`. That it cannot be read is the data's fault, and said so. */
export function withFile<T>(path: string, use: (source: ByteSource) => T): T {
  let descriptor: number;
  let size: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    throw new ModelError(`${path}: cannot be opened (${reasonOf(error)}).`);
  }
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) throw new ModelError(`${path}: is not a file.`);
    size = status.size;
    return use({ name: path, size, read: (target, position) => readFully(descriptor, target, position) });
  } finally {
    closeSync(descriptor);
  }
}

function readFully(descriptor: number, target: Uint8Array, position: number): number {
  let done = 0;
  while (done < target.length) {
    const length = Math.min(PIECE, target.length - done);
    const read = readSync(descriptor, target, done, length, position + done);
    if (read === 0) break;
    done += read;
  }
  return done;
}

/** Writes all of `bytes`, at `position` or where the file stands; `each` sees the pieces as they go. */
export function writeFully(
  descriptor: number,
  bytes: Uint8Array,
  position: number | null = null,
  each?: (piece: Uint8Array) => void,
): void {
  let done = 0;
  while (done < bytes.length) {
    const piece = bytes.subarray(done, done + PIECE);
    const written = writeSync(descriptor, piece, 0, piece.length, position === null ? null : position + done);
    each?.(piece.subarray(0, written));
    done += written;
  }
}

/** "no such file", "permission denied": the system's reason in words, without its codes and paths. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case "ENOENT":
      return "there is no such file or folder";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "EISDIR":
      return "it is a folder";
    case "ENOTDIR":
      return "a part of the path is not a folder";
    case "ENOSPC":
      return "the disk is full";
    case "EROFS":
      return "the disk is read-only";
    default:
      return message;
  }
}
