import { resolve } from "node:path";
import type { Strategy } from "../../sidecar/quantities/jacobian";
import { parseInputOption, type LoadRequest } from "../../sidecar/sources";

/** What one process predicts and measures. */
export interface MemoryTask {
  readonly engine: "tensorflow" | "onnxruntime";
  readonly model: string;
  readonly strategy: Strategy;
  readonly chunk: number | null;
  readonly batch: number;
}

const models: Record<string, Omit<LoadRequest, "batch">> = {
  mlp: { file: "examples/mlp.ts", export: "model", inputs: [] },
  cnn: { file: "examples/tutorial-cnn.ts", export: "model", inputs: [] },
  residual: { file: "examples/residual-net.ts", export: "model", inputs: [] },
  attention: { file: "examples/function.ts", export: "attention", inputs: [parseInputOption("x=N,16,24")] },
};

export function memoryModelOf(name: string): Omit<LoadRequest, "batch"> {
  const found = models[name];
  return { ...found, file: resolve(found.file) };
}

type Way = readonly [model: string, batch: number, strategy: Strategy, chunk: number | null];

const ways: readonly Way[] = [
  ["mlp", 40, "jacrev", null],
  ["mlp", 40, "jacrev", 64],
  ["mlp", 64, "vmap(jacrev)", null],
  ["mlp", 64, "vmap(jacrev)", 10],
  ["mlp", 64, "vmap(jacrev)", 16],
  ["mlp", 40, "grad-loop", null],
  ["cnn", 12, "jacrev", null],
  ["cnn", 12, "jacrev", 40],
  ["cnn", 80, "vmap(jacrev)", null],
  ["cnn", 80, "vmap(jacrev)", 16],
  ["cnn", 80, "vmap(jacrev)", 25],
  ["cnn", 64, "grad-loop", null],
  ["residual", 6, "jacrev", null],
  ["residual", 6, "jacrev", 20],
  ["residual", 24, "vmap(jacrev)", null],
  ["residual", 24, "vmap(jacrev)", 8],
  ["residual", 24, "vmap(jacrev)", 10],
  ["residual", 40, "grad-loop", null],
  ["attention", 16, "jacrev", null],
  ["attention", 16, "jacrev", 2000],
  ["attention", 200, "vmap(jacrev)", null],
  ["attention", 200, "vmap(jacrev)", 50],
  ["attention", 100, "vmap(jacfwd)", null],
  ["attention", 100, "vmap(jacfwd)", 100],
  ["attention", 100, "grad-loop", null],
];

export const memoryTasks: readonly MemoryTask[] = (["tensorflow", "onnxruntime"] as const).flatMap((engine) =>
  ways.map(([model, batch, strategy, chunk]) => ({ engine, model, batch, strategy, chunk })),
);
