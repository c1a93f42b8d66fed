import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { analyze } from "../../sidecar/analysis/analyze";
import { ModelError } from "../../sidecar/graph/errors";
import { loadModel } from "../../sidecar/sources";
import { generator } from "../../sidecar/sources/random";
import { mutateArchive, mutateBytes, mutateJson, mutateOnnx, pick, type Random } from "./mutations";

/**
 * Reads mutated files for some time, in a process of its own, whose memory can be measured and which can be ended where
 * a file holds it.
 *
 *     program.js FOLDER SCRATCH SECONDS SEED
 *
 * FOLDER has the real files, and SCRATCH gets `current.*`, the file that is being read, and those that are at fault.
 */

export interface Progress {
  readonly read: number;
  readonly models: number;
  readonly refused: number;
  readonly analyzed: number;
  /** Seconds of processor time that one file took at most, and which. */
  readonly slowest: { readonly seconds: number; readonly file: string };
  /** Most bytes that the process has held. */
  readonly peakBytes: number;
  readonly faults: readonly string[];
  readonly done: boolean;
}

const [folder, scratch, seconds, seed] = process.argv.slice(2);

/** Files of more bytes say nothing that small ones do not, and take longer. */
const LARGEST = 1 << 20;

/** Seconds that a file may take that is read or refused. */
const LIMIT = 2;

async function main(): Promise<void> {
  const files = readdirSync(folder).filter((name) => /\.(onnx|pt2|json)$/.test(name));
  const real = files
    .map((name) => ({ name, bytes: readFileSync(join(folder, name)) }))
    .filter(({ bytes }) => bytes.length <= LARGEST);
  const kinds = [...new Set(real.map(({ name }) => extname(name)))];
  const state = {
    read: 0,
    models: 0,
    refused: 0,
    analyzed: 0,
    slowest: { seconds: 0, file: "" },
    faults: [] as string[],
  };
  const report = (done: boolean): void => {
    const progress: Progress = { ...state, peakBytes: process.resourceUsage().maxRSS * 1024, done };
    process.send!(progress);
  };
  const end = performance.now() + 1000 * Number(seconds);
  let reported = 0;
  for (let index = 0; performance.now() < end; index++) {
    const random = generator(Number(seed) * 1_000_003 + index);
    const kind = pick(random, kinds);
    const { name, bytes } = pick(
      random,
      real.filter(({ name }) => extname(name) === kind),
    );
    const file = join(scratch, `current${kind}`);
    mutate(random, kind, bytes, file);
    const before = process.cpuUsage();
    const fault = await read(file, random, state);
    const { user, system } = process.cpuUsage(before);
    const spent = (user + system) / 1e6;
    state.read++;
    const label = `${name} ${seed}.${index}`;
    if (spent > state.slowest.seconds) state.slowest = { seconds: spent, file: label };
    const problem = fault ?? (spent > LIMIT ? `took ${spent.toFixed(1)} s` : null);
    if (problem !== null) {
      copyFileSync(file, join(scratch, `${seed}.${index}.${name}`));
      state.faults.push(`${label}: ${problem}`);
    }
    if (performance.now() - reported > 500) {
      reported = performance.now();
      report(false);
      // So that the report leaves
      await new Promise(setImmediate);
    }
  }
  report(true);
}

function mutate(random: Random, kind: string, bytes: Buffer, file: string): void {
  if (random() < 0.2) writeFileSync(file, mutateBytes(random, bytes));
  else if (kind === ".pt2") mutateArchive(random, bytes, file);
  else if (kind === ".onnx") writeFileSync(file, mutateOnnx(random, bytes));
  else writeFileSync(file, mutateJson(random, bytes.toString()));
}

/** What is wrong with how it was read; null if nothing is. */
async function read(
  file: string,
  random: Random,
  state: { models: number; refused: number; analyzed: number },
): Promise<string | null> {
  try {
    const model = await loadModel({ file, export: null, inputs: [], batch: 2 });
    state.models++;
    if (random() < 0.25) {
      analyze(model, { batch: 2, device: { name: "CPU", memoryBytes: 16 * 2 ** 30, detected: false }, plan: true });
      state.analyzed++;
    }
    return null;
  } catch (error) {
    if (!(error instanceof ModelError)) return error instanceof Error ? (error.stack ?? error.message) : String(error);
    state.refused++;
    const { message } = error;
    if (message.trim() === "") return "is refused without a word";
    if (message.length > 2000) return `is refused with ${message.length} characters: ${message.slice(0, 200)}`;
    return null;
  }
}

mkdirSync(scratch, { recursive: true });
void main();
