import { resolve } from "node:path";
import type { LoadRequest } from "../../sidecar/sources";
import { parseInputOption } from "../../sidecar/sources";

/** Models whose Jacobian is computed with respect to all parameters, for each example of a batch. */

export interface Case {
  readonly name: string;
  readonly title: string;
  readonly batch: number;
  readonly model: Omit<LoadRequest, "batch">;
}

const example = (file: string, binding: string, inputs: readonly string[] = []): Case["model"] => ({
  file: resolve("examples", file),
  export: binding,
  inputs: inputs.map(parseInputOption),
});

export const cases: readonly Case[] = [
  {
    name: "cnn",
    title: "Convolutional net of PyTorch's NTK tutorial (`examples/tutorial-cnn.ts`), 20 examples",
    batch: 20,
    model: example("tutorial-cnn.ts", "model"),
  },
  {
    name: "mlp",
    title: "Multilayer perceptron 784-512-512-10 (`examples/mlp.ts`), 100 examples",
    batch: 100,
    model: example("mlp.ts", "model"),
  },
  {
    name: "attention",
    title: "Self-attention over 16 vectors of 24 numbers (`examples/function.ts#attention`), 4 examples",
    batch: 4,
    model: example("function.ts", "attention", ["x=N,16,24"]),
  },
];

export function caseOf(name: string): Case {
  const found = cases.find((each) => each.name === name);
  if (!found) throw new Error(`there is no case ${name}; there are ${cases.map((each) => each.name).join(", ")}`);
  return found;
}
