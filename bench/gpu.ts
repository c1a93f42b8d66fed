import { spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { openOnWebgpu } from "../test/engines/agree";
import { primitiveCases } from "../test/engines/cases";
import { range } from "../sidecar/graph/types";
import { node } from "./lib/contenders";
import { Report } from "./lib/document";
import {
  gpuNet,
  gpuNets,
  quantities,
  watchGpuMemory,
  type CatalogueResult,
  type GpuResult,
  type GpuTask,
} from "./lib/gpu";
import { peers, type PeerResult, type PeerTask } from "./lib/gpu-peers";
import { catalogueText, netTable, peerTable, tilesTable, type PeerLine, type TilesLine } from "./lib/gpu-report";
import { allocator, circumstances, machineClass } from "./lib/machine";
import { writeKernelData } from "./lib/ntk-data";
import type { Failed, KernelTask, Measured } from "./lib/protocol";

/**
 * `npm run bench:gpu`: whether onnxruntime computes on this machine's GPU, by WebGPU, what it should, and how quickly, beside
 * the processor and, where KERNELSCOPE_PYTHON has them with CUDA, PyTorch and JAX on the same card. Options: `--stage NAME`
 * (catalogue, nets, peers, tiles) and `--net NAME`, which may be repeated, do only those; `--software` is content with a
 * GPU that a processor plays; `--log FILE` appends each result to a file when it is there, as a line of JSON; `--write`
 * puts the tables into docs/benchmarks.md.
 */

type Stage = "catalogue" | "nets" | "peers" | "tiles";

const { values: options } = parseArgs({
  options: {
    stage: { type: "string", multiple: true },
    net: { type: "string", multiple: true },
    software: { type: "boolean", default: false },
    log: { type: "string" },
    write: { type: "boolean", default: false },
  },
});

/** Examples of the kernel that is computed in tiles. */
const MANY = 10_000;

const threads = availableParallelism();
const python = process.env.KERNELSCOPE_PYTHON;

function log(kind: string, entry: object): void {
  const line = JSON.stringify({ kind, ...entry });
  process.stderr.write(`${line.length > 300 ? `${line.slice(0, 300)}...` : line}\n`);
  if (options.log !== undefined) appendFileSync(options.log, `${line}\n`);
}

/** Runs a program and hands on each line of its output that is JSON; resolves with how it ended, null if well. */
function linesOf(command: readonly string[], onLine: (line: string) => void): Promise<string | null> {
  return new Promise((resolve) => {
    const [program, ...args] = command;
    const env = { ...process.env, ...allocator };
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env });
    let errors = "";
    child.stderr.on("data", (text: Buffer) => (errors = (errors + text.toString()).slice(-4000)));
    const reader = createInterface(child.stdout);
    reader.on("line", (line) => {
      if (line.startsWith("{") || line.startsWith("[")) onLine(line);
    });
    const done = (status: string | null): void => {
      const reason = errors.trim().split("\n").at(-1);
      resolve(status === null ? null : `${status}${reason ? `: ${reason}` : ""}`);
    };
    child.once("error", (error) => done(error.message));
    child.once("close", (code, signal) => {
      done(signal ? `ended by ${signal}` : code === 0 ? null : `exit code ${String(code)}`);
    });
  });
}

/** The last line of what a program prints, or why there is none. */
async function answerOf<T>(command: readonly string[]): Promise<T | Failed> {
  let answer: T | Failed | null = null;
  const ended = await linesOf(command, (line) => (answer = JSON.parse(line) as T | Failed));
  return answer ?? { cannot: ended ?? "it printed nothing" };
}

interface VulkanDevice {
  readonly name: string;
  readonly kind: string;
  readonly driverVersion: string;
}

/** What WebGPU computes on, where that can be told: on Linux, by Vulkan. */
async function adapter(): Promise<string> {
  if (process.platform !== "linux") return "GPU";
  if (python === undefined) throw new Error("no Python (KERNELSCOPE_PYTHON) to ask Vulkan for its devices with");
  const found = await answerOf<readonly VulkanDevice[]>([python, "bench/vulkan_devices.py"]);
  if ("cannot" in found) throw new Error(`Vulkan has no devices: ${found.cannot}`);
  log("devices", { found });
  const real = found.filter(({ kind }) => kind !== "cpu");
  const [taken] = [...real.filter(({ kind }) => kind === "discrete"), ...real, ...found] as (
    VulkanDevice | undefined
  )[];
  if (taken === undefined) throw new Error("Vulkan has no devices");
  if (real.length === 0 && !options.software) {
    throw new Error(
      `Vulkan has no GPU, only ${taken.name}, which is a processor: --software if that is what is wanted`,
    );
  }
  return `${taken.name} (driver ${taken.driverVersion})`;
}

async function catalogue(): Promise<CatalogueResult[]> {
  const total = primitiveCases().length;
  // Compiling shaders, which takes most of the time, is the processor's work
  const processes = Math.min(8, Math.ceil(threads / 2));
  const size = Math.ceil(total / processes);
  const parts = await Promise.all(
    range(processes).map((part) => casesOf(part * size, Math.min(total, (part + 1) * size))),
  );
  const results = parts.flat();
  const failed = results.filter(({ name, error }) => error !== null && !openOnWebgpu.test(name));
  log("catalogue", { cases: results.length, failed: failed.length });
  return results;
}

/** In a process of their own, and where a case ends that, in another from the next one on. */
async function casesOf(from: number, to: number): Promise<CatalogueResult[]> {
  const results: CatalogueResult[] = [];
  while (from + results.length < to) {
    let begun: string | null = null;
    const ended = await linesOf([...node("gpu-catalogue"), String(from + results.length), String(to)], (line) => {
      const entry = JSON.parse(line) as CatalogueResult | { begun: string };
      begun = "begun" in entry ? entry.begun : null;
      if ("begun" in entry) return;
      results.push(entry);
      if (entry.error !== null) log("case", entry);
    });
    if (from + results.length === to) break;
    if (begun === null) throw new Error(`the catalogue could not be begun: ${ended}`);
    const lost = { name: begun, error: ended ?? "ended without a result", seconds: 0 };
    results.push(lost);
    log("case", lost);
  }
  return results;
}

function netsOf(): typeof gpuNets {
  return options.net === undefined ? gpuNets : options.net.map(gpuNet);
}

async function nets(report: Report): Promise<void> {
  for (const { name: net, title } of netsOf()) {
    const lines = [];
    for (const quantity of quantities) {
      const task: GpuTask = { net, quantity, threads };
      const result = await answerOf<GpuResult>([...node("gpu-net"), JSON.stringify(task)]);
      log("net", { net, quantity, result });
      lines.push({ quantity, result });
    }
    report.print(netTable(gpuNet(net), title, lines));
  }
}

/** The data of the nets that peers are asked for. */
async function dataFiles(folder: string): Promise<Record<"cnn" | "mlp" | "many", string>> {
  const files = { cnn: join(folder, "cnn.npz"), mlp: join(folder, "mlp.npz"), many: join(folder, "many.npz") };
  const common = { title: "", form: "trace" } as const;
  for (const name of ["cnn", "mlp"] as const) {
    const { rows, columns } = gpuNet(name);
    await writeKernelData(files[name], { ...common, model: name, rows, columns });
  }
  await writeKernelData(files.many, { ...common, model: "mlp", rows: MANY, columns: null });
  return files;
}

async function askPeers(files: Record<"cnn" | "mlp" | "many", string>): Promise<PeerLine[]> {
  const lines: PeerLine[] = [];
  for (const { title, program, tasks } of peers(files, options.software ? "cpu" : "cuda")) {
    const command = [python ?? "python3", program, JSON.stringify(tasks)];
    const ended = await linesOf(command, (line) => {
      const { task, result } = JSON.parse(line) as { task: PeerTask; result: PeerResult | Failed };
      const entry = { title, task, result, isMany: task.data === files.many };
      log("peer", entry);
      lines.push(entry);
    });
    if (ended !== null) log("peer", { title, ended });
  }
  return lines;
}

/** The perceptron's kernel of many examples as the worker process computes it. */
async function tiles(data: string): Promise<TilesLine[]> {
  const lines: TilesLine[] = [];
  for (const engine of ["onnxruntime-webgpu", "onnxruntime"] as const) {
    const task: KernelTask = {
      case: "mlp",
      batch: MANY,
      columns: null,
      engine,
      form: "trace",
      method: "auto",
      threads,
      data,
      repeat: { seconds: 5, least: 1, most: 3 },
    };
    const memory = watchGpuMemory();
    const result = await answerOf<Measured>([...node("kernelscope-ntk"), JSON.stringify(task)]);
    const line = { engine, result, gpuBytes: await memory() };
    log("tiles", line);
    lines.push(line);
  }
  return lines;
}

async function main(folder: string): Promise<void> {
  const wanted = (stage: Stage): boolean => options.stage === undefined || options.stage.includes(stage);
  const report = new Report();
  report.print(await circumstances(machineClass(`one ${await adapter()}`)));
  if (wanted("catalogue")) report.print(catalogueText(await catalogue()));
  if (wanted("nets")) await nets(report);
  if (wanted("peers") || wanted("tiles")) {
    const files = await dataFiles(folder);
    if (wanted("peers")) report.print(peerTable(await askPeers(files)));
    if (wanted("tiles")) report.print(tilesTable(MANY, await tiles(files.many)));
  }
  if (options.write) await report.write("gpu");
}

const folder = mkdtempSync(join(tmpdir(), "kernelscope-bench-"));
void main(folder)
  .catch((error: unknown) => {
    process.stderr.write(`bench:gpu: ${(error as Error).message}\n`);
    process.exitCode = 1;
  })
  .finally(() => rmSync(folder, { recursive: true }));
