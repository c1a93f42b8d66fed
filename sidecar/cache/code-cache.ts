import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Script } from "node:vm";

/**
 * V8's compiled form of our own programs, on disk: Node then need not compile megabytes of JavaScript at each start. The
 * name of a file is a digest of the program's text, of Node's version and of V8's flags, so that it can never be stale;
 * what is damaged or refused by V8 is made anew. Nothing that goes wrong with the disk is an error, it is only slower.
 */

/** So many programs are kept; each takes a few megabytes, and only those of older versions are of no use. */
const KEPT = 6;
const DIGEST = 32;

export interface LoadedProgram {
  readonly exports: unknown;
  /** Keeps what V8 has compiled by now, if it was not there already. */
  keep(): void;
}

/** Runs a CommonJS program of ours, which must not use `import()`: functions that V8 had not compiled yet when it was kept lose it. */
export function loadProgram(file: string, folder: string | null): LoadedProgram {
  const text = readFileSync(file, "utf8");
  const path = folder === null ? null : join(folder, `${keyOf(text)}.code`);
  const cachedData = path === null ? undefined : readEntry(path);
  const script = new Script(`(function (exports, require, module, __filename, __dirname) { ${text}\n})`, {
    filename: file,
    cachedData,
  });
  const run = script.runInThisContext() as (...args: unknown[]) => void;
  const module = { exports: {} as unknown };
  run(module.exports, createRequire(file), module, file, dirname(file));
  const isKnown = cachedData !== undefined && script.cachedDataRejected === false;
  return {
    exports: module.exports,
    keep() {
      if (path !== null && !isKnown) writeEntry(path, script.createCachedData());
    },
  };
}

function keyOf(text: string): string {
  const setting = [process.version, process.arch, process.versions.v8, ...process.execArgv].join(" ");
  return createHash("sha256").update(`${setting}\n`).update(text).digest("hex");
}

function digestOf(content: Uint8Array): Buffer {
  return createHash("sha256").update(content).digest();
}

function readEntry(path: string): Buffer | undefined {
  try {
    const content = readFileSync(path);
    const code = content.subarray(DIGEST);
    return digestOf(code).equals(content.subarray(0, DIGEST)) ? code : undefined;
  } catch {
    return undefined;
  }
}

/** Under its name only when it is complete, since others may read it at any time. */
function writeEntry(path: string, code: Buffer): void {
  const partial = `${path}.${randomUUID()}`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(partial, Buffer.concat([digestOf(code), code]));
    renameSync(partial, path);
    removeOld(dirname(path));
  } catch {
    // A disk that is full or must not be written; what was begun goes with the old entries.
  }
}

/** Takes away all but the newest entries, unfinished ones among them. */
function removeOld(folder: string): void {
  const files = readdirSync(folder).map((name) => ({ name, made: statSync(join(folder, name)).mtimeMs }));
  files.sort((a, b) => b.made - a.made);
  for (const { name } of files.slice(KEPT)) rmSync(join(folder, name), { force: true });
}
