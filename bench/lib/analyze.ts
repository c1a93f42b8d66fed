import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median } from "./report";
import { run } from "./run";

/** The command `analyze` as a user waits for it: the first time, and again with what the first run left in the cache. */

const models = ["examples/residual-net.ts", "examples/mobilenet.ts"];
const ROUNDS = 5;

export interface Analyzed {
  readonly model: string;
  readonly first: number;
  readonly second: number;
}

export async function analyzeTimes(): Promise<Analyzed[]> {
  const results: Analyzed[] = [];
  for (const model of models) {
    const rounds: [number, number][] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const cache = mkdtempSync(join(tmpdir(), "kernelscope-bench-"));
      rounds.push([await wall(model, cache), await wall(model, cache)]);
      rmSync(cache, { recursive: true, force: true });
    }
    results.push({
      model,
      first: median(rounds.map(([first]) => first)),
      second: median(rounds.map(([, second]) => second)),
    });
  }
  return results;
}

async function wall(model: string, cache: string): Promise<number> {
  const start = performance.now();
  const { status, errors } = await run(process.execPath, ["dist/cli.js", "analyze", model], { KERNELSCOPE_CACHE: cache }); // prettier-ignore
  if (status !== "exit code 0") throw new Error(`analyze ${model}: ${status} ${errors}`);
  return (performance.now() - start) / 1000;
}
