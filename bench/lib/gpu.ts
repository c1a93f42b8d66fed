import { spawn } from "node:child_process";
import { resolve } from "node:path";
import type { NtkForm, NtkMethod } from "../../sidecar/quantities/ntk";
import { parseInputOption, type LoadRequest } from "../../sidecar/sources";

/** What `npm run bench:gpu` computes on a GPU, and what its programs print: lines of JSON. */

export interface GpuNet {
  readonly name: string;
  readonly title: string;
  /** Examples of a Jacobian. */
  readonly batch: number;
  /** N1 and N2 of a kernel; N2 is null for the kernel of the examples with themselves. */
  readonly rows: number;
  readonly columns: number | null;
  readonly model: Omit<LoadRequest, "batch">;
}

const net = (file: string, binding: string, inputs: readonly string[] = []): GpuNet["model"] => ({
  file: resolve(file),
  export: binding,
  inputs: inputs.map(parseInputOption),
});

export const gpuNets: readonly GpuNet[] = [
  {
    name: "cnn",
    title: "Convolutional net of PyTorch's NTK tutorial (`examples/tutorial-cnn.ts`)",
    batch: 20,
    rows: 20,
    columns: 5,
    model: net("examples/tutorial-cnn.ts", "model"),
  },
  {
    name: "mlp",
    title: "Multilayer perceptron 784-512-512-10 (`examples/mlp.ts`)",
    batch: 100,
    rows: 100,
    columns: null,
    model: net("examples/mlp.ts", "model"),
  },
  {
    name: "residual",
    title: "Wide residual net with batch normalisation (`examples/residual-net.ts`)",
    batch: 8,
    rows: 8,
    columns: null,
    model: net("examples/residual-net.ts", "model"),
  },
  {
    name: "attention",
    title: "Self-attention over 16 vectors of 24 numbers, 384 outputs (`examples/function.ts#attention`)",
    batch: 8,
    rows: 8,
    columns: null,
    model: net("examples/function.ts", "attention", ["x=N,16,24"]),
  },
  {
    name: "lstm",
    title: "Two small LSTM layers (`test/jacobian/nets.ts#lstm()`)",
    batch: 100,
    rows: 100,
    columns: null,
    model: net("test/jacobian/nets.ts", "lstm()"),
  },
];

export function gpuNet(name: string): GpuNet {
  const found = gpuNets.find((each) => each.name === name);
  if (!found) throw new Error(`there is no net ${name}; there are ${gpuNets.map((each) => each.name).join(", ")}`);
  return found;
}

/** What is computed of a net. */
export type Quantity =
  { readonly kind: "jacobian" } | { readonly kind: "kernel"; readonly form: NtkForm; readonly method: NtkMethod };

export const quantities: readonly Quantity[] = [
  { kind: "jacobian" },
  { kind: "kernel", form: "full", method: "structured" },
  { kind: "kernel", form: "trace", method: "structured" },
  { kind: "kernel", form: "full", method: "contraction" },
  { kind: "kernel", form: "trace", method: "contraction" },
];

export function nameOfQuantity(quantity: Quantity): string {
  return quantity.kind === "jacobian" ? "Jacobian" : `NTK, ${quantity.form}, ${quantity.method}`;
}

export interface GpuTask {
  readonly net: string;
  readonly quantity: Quantity;
  readonly threads: number;
}

/** Seconds: of compiling, of the first run, and of each run after it, with results in the host's memory. */
export interface Timed {
  readonly compile: number;
  readonly first: number;
  readonly seconds: readonly number[];
}

export interface GpuResult {
  readonly elements: number;
  /** The sum of the absolute values of a Jacobian or kernel, as the GPU computed it. */
  readonly checksum: number;
  readonly cpu: Timed;
  readonly gpu: Timed;
  /** The largest difference between both, relative to the largest magnitude of the array that it is in. */
  readonly difference: number;
  /** Memory of the GPU that was taken meanwhile; null where nobody tells. */
  readonly gpuBytes: number | null;
}

export interface CatalogueResult {
  /** Of a case of the catalogue. */
  readonly name: string;
  /** How it differs from the reference, or why it could not be run. */
  readonly error: string | null;
  readonly seconds: number;
}

/**
 * Follows how much of the GPU's memory is taken, by all its users, as NVIDIA's driver tells. The function that is returned
 * tells by how much that has been more than at the start.
 */
export function watchGpuMemory(): () => Promise<number | null> {
  const query = ["--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", "0", "-lms", "20"];
  const child = spawn("nvidia-smi", query, { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  child.stdout.on("data", (part: Buffer) => (text += part.toString()));
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("close", () => resolve());
  });
  return async () => {
    child.kill();
    await ended;
    const mebibytes = text.split("\n").slice(0, -1).map(Number);
    return mebibytes.length === 0 ? null : (Math.max(...mebibytes) - mebibytes[0]) * 2 ** 20;
  };
}
