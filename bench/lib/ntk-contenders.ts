import { ntkMethods } from "../../sidecar/quantities/ntk";
import { node, THREADS, type Contender } from "./contenders";
import { allocator } from "./machine";
import type { KernelCase } from "./ntk-cases";
import type { KernelTask } from "./protocol";

/** Who computes a neural tangent kernel. */

/** Our method that the planner chooses. */
export const AUTO = "auto";

export const ownMethods = [AUTO, ...ntkMethods];

/** Long calls are not repeated often, for there are many contenders; short ones are, for they are soon disturbed. */
const repeat = { seconds: 3, least: 1, most: 50 };

/** @param data the file that lib/ntk-data.ts wrote for the case; the first contender is what others are compared with */
export function kernelContenders(subject: KernelCase, data: string): readonly Contender[] {
  const { model, form, columns } = subject;
  const task = (method: string): Omit<KernelTask, "case" | "batch"> => {
    return { engine: "onnxruntime", method, threads: THREADS, repeat, form, columns, data };
  };
  const ours = (method: string): Contender => ({
    title: `Kernelscope, ${method}`,
    command: node("kernelscope-ntk"),
    environment: allocator,
    task: task(method),
  });
  const python = (library: "torch" | "jax", title: string, method: string, tuned: boolean): Contender => ({
    title: `${title}, ${method}${tuned ? "" : ", as users run it"}`,
    command: [process.env.KERNELSCOPE_PYTHON ?? "", `bench/${library}_ntk.py`],
    environment: tuned ? allocator : {},
    task: task(method),
    missing: process.env.KERNELSCOPE_PYTHON ? undefined : "no Python with PyTorch and JAX (KERNELSCOPE_PYTHON)",
  });
  const pytorch = (method: string): Contender[] =>
    [true, false].map((tuned) => python("torch", "PyTorch's tutorial", method, tuned));
  const jax = (method: string): Contender => python("jax", "JAX, jit", method, true);
  return [
    ...ownMethods.map(ours),
    ...pytorch("contraction"),
    // For each pair of examples and each output a whole set of weights: 160 GB for the perceptron's first layer
    ...(model === "cnn" ? pytorch("vector-products") : []),
    jax("contraction"),
    ...(model === "mlp" ? [jax("structured")] : []),
  ];
}
