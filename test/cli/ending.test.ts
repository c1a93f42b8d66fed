import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { writeNpy } from "../../sidecar/formats/npz";
import { tensor } from "../../sidecar/graph/tensor";
import { kernelscope, started, temporaryFolder, until } from "./kernelscope";

/** However a command ends, it leaves no process and no half a file behind. */

const { path, write } = temporaryFolder();

const spinning = write("spinning.js", "for (;;);\n");

/** Minutes of work for the reference engine, with a small result. */
const long = write(
  "long.js",
  `const tf = require("@tensorflow/tfjs");
const frozen = { units: 1500, kernelInitializer: "ones", trainable: false };
module.exports.model = tf.sequential({ layers: [
  tf.layers.dense({ ...frozen, inputShape: [1500] }), tf.layers.dense(frozen), tf.layers.dense({ units: 1 }) ] });
`,
);
const inputs = path("x.npy");
writeNpy(inputs, tensor([5000, 1500], "float32"));
const longJob = ["jacobian", long, "--inputs", inputs, "--out", path("out.npz"), "--engine", "reference"];
const slowly = [...longJob, "--strategy", "grad-loop"];

const isWorker = (line: string): boolean => line.includes("worker.js");

async function startedWith(args: readonly string[]): Promise<ReturnType<typeof started> & { worker: () => number }> {
  const command = started(args);
  const worker = (): number => Number.parseInt(command.processes().find(isWorker) ?? "");
  expect(await until(() => worker() > 0)).toBe(true);
  return { ...command, worker };
}

/** Long enough for the worker to be in the midst of it. */
const amidst = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1500));

describe.skipIf(process.platform !== "linux")("no process is left", () => {
  it.each([
    ["SIGKILL", spinning],
    ["SIGINT", spinning],
    ["SIGTERM", long],
    ["SIGKILL", long],
  ] as const)("after %s", async (signal, model) => {
    const { process: command, processes } = await startedWith(model === long ? slowly : ["analyze", model]);
    await amidst();
    const exit = once(command, "exit");
    command.kill(signal);
    const [status] = (await exit) as [number | null];
    if (signal !== "SIGKILL") expect(status).toBe(signal === "SIGINT" ? 130 : 143);
    expect(await until(() => processes().length === 0, 5)).toBe(true);
    expect(readdirSync(dirname(inputs)).filter((name) => name.includes("out.npz"))).toEqual([]);
  });
});

describe.skipIf(process.platform !== "linux")("a worker that is killed", () => {
  it("is an engine that failed, not a silence", async () => {
    const { process: command, worker } = await startedWith(slowly);
    let err = "";
    command.stderr!.on("data", (text: Buffer) => (err += text.toString()));
    await amidst();
    const close = once(command, "close");
    process.kill(worker(), "SIGKILL");
    expect((await close)[0]).toBe(4);
    expect(err).toMatch(/^the worker process was killed \(SIGKILL\).*\n$/);
  });
});

describe("code that ends the process when it is done", () => {
  const done = (name: string, later: string): string =>
    write(
      name,
      `const { setTimeout: sleep } = require("node:timers/promises");\n${later}\n${readFileSync(long, "utf8")}`,
    );

  it("is named, though the model has been read already", async () => {
    const file = done("later.js", "sleep(1000).then(() => process.exit(0));");
    const { status, err, left } = await kernelscope(["jacobian", file, ...slowly.slice(2)]);
    expect(err).toMatch(/later\.js:2: the model's code ends the process \(process\.exit\).*\n$/);
    expect(status).toBe(1);
    expect(left).toEqual([]);
  });
});

describe("a result", () => {
  const small = write(
    "small.js",
    `const tf = require("@tensorflow/tfjs");
module.exports.model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] });
`,
  );

  it("replaces an older one only when it is whole", async () => {
    const x = path("small.npy");
    writeNpy(x, tensor([2, 3], "float32"));
    const out = write("old.npz", "old");
    const bad = await kernelscope(["jacobian", small, "--inputs", inputs, "--out", out]);
    expect(bad.status).toBe(1);
    expect(readFileSync(out, "latin1")).toBe("old");
    const good = await kernelscope(["jacobian", small, "--inputs", x, "--out", out]);
    expect(good.status).toBe(0);
    expect(readFileSync(out, "latin1").startsWith("PK")).toBe(true);
  });

  it("for a folder that is not there is refused before any work", async () => {
    const out = path("none/out.npz");
    const { status, err } = await kernelscope(["jacobian", spinning, "--inputs", inputs, "--out", out]);
    expect(err).toBe(`${out}: cannot be written (there is no such file or folder).\n`);
    expect(status).toBe(1);
    expect(existsSync(out)).toBe(false);
  });
});
