import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadProgram } from "./code-cache";

const folder = mkdtempSync(join(tmpdir(), "kernelscope-code-cache-"));
afterAll(() => rmSync(folder, { recursive: true }));

const file = join(folder, "program.js");
const cache = join(folder, "cache");
const write = (value: number): void =>
  writeFileSync(file, `const { basename } = require("node:path"); exports.value = [basename(__filename), ${value}];`);
const entries = (): string[] => readdirSync(cache).sort();
const value = (folder: string | null): unknown => {
  const program = loadProgram(file, folder);
  program.keep();
  return (program.exports as { value: unknown }).value;
};

describe("a program of ours", () => {
  it("runs the same from text and from the cache, in which it is kept once", () => {
    write(1);
    expect(value(null)).toEqual(["program.js", 1]);
    expect(value(cache)).toEqual(["program.js", 1]);
    const [entry] = entries();
    const { ino } = statSync(join(cache, entry));
    expect(value(cache)).toEqual(["program.js", 1]);
    expect(entries()).toEqual([entry]);
    expect(statSync(join(cache, entry)).ino).toBe(ino);
  });

  it("is never an older one, and old ones are taken away", () => {
    for (let version = 10; version < 20; version++) {
      write(version);
      expect(value(cache)).toEqual(["program.js", version]);
    }
    expect(entries().length).toBeLessThanOrEqual(6);
  });

  it("runs where its entry is damaged, which is then made anew", () => {
    write(30);
    rmSync(cache, { recursive: true });
    value(cache);
    const entry = join(cache, entries()[0]);
    const whole = readFileSync(entry);
    for (const damaged of [
      whole.subarray(0, 100),
      Buffer.alloc(0),
      Buffer.concat([whole.subarray(0, -1), Buffer.of(7)]),
    ]) {
      writeFileSync(entry, damaged);
      expect(value(cache)).toEqual(["program.js", 30]);
      expect(readFileSync(entry).length).toBe(whole.length);
    }
  });

  it("runs where the cache cannot be written", () => {
    expect(value(join(file, "no folder"))).toEqual(["program.js", 30]);
  });
});
