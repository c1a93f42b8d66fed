import { allocator } from "./machine";
import type { KernelTask, Task } from "./protocol";

/** Who computes a case's Jacobian, and how its process is started. */
export interface Contender {
  readonly title: string;
  readonly command: readonly [program: string, ...args: string[]];
  readonly environment: Readonly<Record<string, string>>;
  readonly task: Omit<Task, "case" | "batch"> | Omit<KernelTask, "case" | "batch">;
  /** Cases that it is asked for; all by default. */
  readonly cases?: readonly string[];
  /** Why it cannot be asked on this machine. */
  readonly missing?: string;
}

/** All cores of the machine are two in most places where this is run; a fixed number can be compared between machines. */
export const THREADS = 2;

const repeat = { seconds: 20, least: 2, most: 9 };

export const node = (program: string): Contender["command"] => [
  process.execPath,
  "--expose-gc",
  `dist/bench/${program}.js`,
];

function ours(engine: string, threads: number, more: Partial<Contender> = {}): Contender {
  return {
    title: `Kernelscope, ${engine}${engine === "onnxruntime" ? `, ${threads} thread${threads > 1 ? "s" : ""}` : ""}`,
    command: node("kernelscope"),
    environment: allocator,
    task: { method: engine, threads, repeat },
    ...more,
  };
}

function pytorch(method: string, threads: number, tuned: boolean): Contender {
  const python = process.env.KERNELSCOPE_PYTHON;
  return {
    title: `PyTorch, ${method}, ${threads} thread${threads > 1 ? "s" : ""}${tuned ? "" : ", as users run it"}`,
    command: [python ?? "", "bench/torch_jacobian.py"],
    environment: tuned ? allocator : {},
    task: { method, threads, repeat },
    missing: python ? undefined : "no Python with PyTorch (KERNELSCOPE_PYTHON)",
  };
}

/** The first one is what the others are compared with. */
export const contenders: readonly Contender[] = [
  ours("onnxruntime", THREADS),
  ours("onnxruntime", 1),
  ours("tensorflow", THREADS, {
    missing: process.env.KERNELSCOPE_TFJS_NODE ? undefined : "no native TensorFlow.js (KERNELSCOPE_TFJS_NODE)",
  }),
  ours("reference", 1, { cases: ["attention"] }),
  {
    title: "jax-js, vmap(vmap(grad)), wasm",
    command: node("jax-js"),
    environment: allocator,
    task: { method: "vmap(vmap(grad))", threads: 1, repeat },
    cases: ["cnn", "mlp"],
  },
  pytorch("vmap(jacrev)", THREADS, true),
  pytorch("vmap(jacrev)", 1, true),
  pytorch("autograd.grad loop", THREADS, true),
  pytorch("vmap(jacrev)", THREADS, false),
  pytorch("autograd.grad loop", THREADS, false),
];
