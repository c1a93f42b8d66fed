import { resolve } from "node:path";
import type { LoadRequest } from "../../sidecar/sources";
import { parseInputOption } from "../../sidecar/sources";
import type { KernelTask } from "./protocol";

/** Neural tangent kernels with respect to all trainable parameters. */

export interface KernelCase extends Pick<KernelTask, "form" | "columns"> {
  /** A key of `kernelModels`. */
  readonly model: string;
  readonly title: string;
  /** N1. */
  readonly rows: number;
}

type KernelModel = Omit<LoadRequest, "batch">;

const example = (file: string, binding: string, inputs: readonly string[] = []): KernelModel => ({
  file: resolve("examples", file),
  export: binding,
  inputs: inputs.map(parseInputOption),
});

const kernelModels: Readonly<Record<string, KernelModel | undefined>> = {
  mlp: example("mlp.ts", "model"),
  cnn: example("tutorial-cnn.ts", "model"),
  residual: example("residual-net.ts", "model"),
  attention: example("function.ts", "attention", ["x=N,16,24"]),
};

export function kernelModelOf(name: string): KernelModel {
  const found = kernelModels[name];
  if (!found) throw new Error(`there is no model ${name}; there are ${Object.keys(kernelModels).join(", ")}`);
  return found;
}

const mlp = {
  model: "mlp",
  title: "Multilayer perceptron 784-512-512-10 (`examples/mlp.ts`)",
  rows: 100,
  columns: null,
};
const cnn = {
  model: "cnn",
  title: "Convolutional net of PyTorch's NTK tutorial (`examples/tutorial-cnn.ts`)",
  rows: 20,
  columns: 5,
};

export const kernelCases: readonly KernelCase[] = [
  { ...mlp, form: "full" },
  { ...mlp, form: "trace" },
  { ...cnn, form: "full" },
  { ...cnn, form: "trace" },
  {
    model: "residual",
    title: "Wide residual net with batch normalisation (`examples/residual-net.ts`)",
    rows: 8,
    columns: null,
    form: "trace",
  },
  {
    model: "attention",
    title: "Self-attention over 16 vectors of 24 numbers, 384 outputs (`examples/function.ts#attention`)",
    rows: 8,
    columns: null,
    form: "trace",
  },
];

/** As it is asked for on the command line. */
export function nameOfKernelCase({ model, form }: KernelCase): string {
  return `${model}-${form}`;
}
