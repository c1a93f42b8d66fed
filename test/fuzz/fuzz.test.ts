import { execFile, fork } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeBundle } from "../../scripts/build.mjs";
import { python } from "../tools";
import type { Progress } from "./program";

/**
 * Models of PyTorch's exporters and of TensorFlow.js with something wrong in them: each is read all the same or refused
 * with a sentence, at once and in bounded memory. The files that are not are kept in test-artifacts/fuzz.
 *
 *     KERNELSCOPE_FUZZ_SECONDS=3600 KERNELSCOPE_FUZZ_SEED=2 npx vitest run --project unit test/fuzz
 */
const seconds = Number(process.env.KERNELSCOPE_FUZZ_SECONDS ?? 60);
const seed = Number(process.env.KERNELSCOPE_FUZZ_SEED ?? 1);

/** Without a sign of life for so long, it is held by a file. */
const SILENCE = 30_000;

/** What the process may hold at most: itself, and the largest arrays that small files may ask for. */
const MOST_BYTES = 1.5 * 2 ** 30;

/** In the checkout, where the packages are found that it requires. */
const program = resolve("dist/test/fuzz.js");

const kept = resolve("test-artifacts/fuzz");

describe.skipIf(python === undefined)("mutated files", () => {
  const folder = mkdtempSync(join(tmpdir(), "kernelscope-fuzz-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeAll(async () => {
    for (const script of ["test/onnx/torch_models.py", "test/torch/models.py"]) {
      await promisify(execFile)(python!, [script, folder], { maxBuffer: 1 << 26 });
    }
    copyFileSync("test/e2e/fixtures/models/saved/model.json", join(folder, "model.json"));
    const older = "test/torch/fixtures/torch_2_6_0";
    for (const name of readdirSync(older).filter((name) => name.endsWith(".pt2"))) {
      copyFileSync(join(older, name), join(folder, `older-${name}`));
    }
    mkdirSync(kept, { recursive: true });
    // Beside the file that is read, where its weights are looked for
    copyFileSync("test/e2e/fixtures/models/saved/weights.bin", join(kept, "weights.bin"));
    for (const name of readdirSync(folder).filter((name) => name.endsWith(".onnx.data"))) {
      copyFileSync(join(folder, name), join(kept, name));
    }
    await build({ ...nodeBundle, entryPoints: ["test/fuzz/program.ts"], outfile: program });
  }, 240_000);

  it("are read or refused", { timeout: (seconds + 120) * 1000 }, async () => {
    const last = await run();
    console.log(
      `${last.read} mutated files: ${last.models} read, ${last.refused} refused, ${last.analyzed} analyzed; at most ` +
        `${last.slowest.seconds.toFixed(2)} s (${last.slowest.file}) and ${Math.round(last.peakBytes / 2 ** 20)} MiB`,
    );
    expect(last.faults.slice(0, 10)).toEqual([]);
    expect(last.peakBytes).toBeLessThan(MOST_BYTES);
    expect(last.models).toBeGreaterThan(0);
    expect(last.refused).toBeGreaterThan(0);
  });

  function run(): Promise<Progress> {
    return new Promise((done, fail) => {
      const child = fork(program, [folder, kept, String(seconds), String(seed)], {
        // TensorFlow.js warns of what is wrong, too
        silent: true,
      });
      let words = "";
      // Read, so that the pipe does not fill up
      child.stdout!.resume();
      child.stderr!.on("data", (piece: Buffer) => (words = (words + piece.toString()).slice(-2000)));
      let last: Progress | undefined;
      const silence = setTimeout(() => {
        child.kill("SIGKILL");
        fail(new Error(`a file holds the reader: ${kept}/current.*, after ${last?.read ?? 0} others`));
      }, SILENCE);
      child.on("message", (progress: Progress) => {
        last = progress;
        silence.refresh();
      });
      child.on("exit", (code, signal) => {
        clearTimeout(silence);
        if (last?.done) done(last);
        else fail(new Error(`the reader ended (${code ?? signal}) at ${kept}/current.*: ${words}`));
      });
    });
  }
});
