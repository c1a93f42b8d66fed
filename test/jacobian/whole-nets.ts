import { resolve } from "node:path";
import type { Engine } from "../../sidecar/engines/engine";
import { argumentsOf } from "../../sidecar/graph/graph";
import type { Tensor } from "../../sidecar/graph/tensor";
import { newArray, sizeOf } from "../../sidecar/graph/types";
import { jacobianGraph, type Strategy } from "../../sidecar/quantities/jacobian";
import { loadModel, parseInputOption, type LoadRequest, type Model } from "../../sidecar/sources";
import { TfjsOpaqueHost } from "../../sidecar/sources/tfjs/opaque";
import { generator } from "../../sidecar/sources/random";

/** The networks of nets.ts, and their Jacobians as the command line computes them. */

export interface Net {
  readonly name: string;
  /** What names it behind `nets.ts#`. */
  readonly export: string;
  /** As `--input` takes them, where the net does not know its own shapes. */
  readonly inputs: readonly string[];
}

export const nets: readonly Net[] = [
  ...["mlp", "cnn", "padded", "residual", "lstm", "gru", "shared"].map((name) => ({
    name,
    export: `${name}()`,
    inputs: [],
  })),
  { name: "grouped", export: "grouped", inputs: ["x=N,7,6,4"] },
  { name: "attention", export: "attention", inputs: ["ids=N,5:int32"] },
];

/** Examples of a batch. */
export const BATCH = 3;

export interface Loaded {
  readonly name: string;
  readonly model: Model;
  /** With the batch axis first, in the model's order. */
  readonly inputs: readonly Tensor[];
  /** What is differentiated with respect to. */
  readonly wrt: readonly string[];
}

export function loadNet({ name, export: binding, inputs }: Net): Promise<Loaded> {
  return load(name, { file: "nets.ts", export: binding, inputs: inputs.map(parseInputOption) });
}

/** The net of coupled-model.ts. */
export function loadCoupled(): Promise<Loaded> {
  return load("coupled", { file: "coupled-model.ts", export: "model", inputs: [] });
}

async function load(name: string, { file, ...rest }: Omit<LoadRequest, "batch">): Promise<Loaded> {
  const model = await loadModel({ ...rest, file: resolve("test/jacobian", file), batch: BATCH });
  const wrt = model.parameters.filter(({ trainable }) => trainable).map((parameter) => parameter.name);
  return { name, model, inputs: randomInputs(model, BATCH), wrt };
}

/** Floats around zero; integers are indices below 7. */
function randomInputs(model: Model, batch: number): Tensor[] {
  const random = generator(11);
  return model.inputs.map(({ shape, dtype }) => {
    const data = newArray(dtype, batch * sizeOf(shape));
    for (let i = 0; i < data.length; i++) data[i] = dtype === "float32" ? 3 * random() - 1.5 : Math.floor(7 * random());
    return { shape: [batch, ...shape], dtype, data };
  });
}

export interface Way {
  readonly strategy: Strategy;
  readonly chunk?: number;
}

/** One array [N, ...output, ...parameter] for each parameter, by name. */
export type Blocks = ReadonlyMap<string, Tensor>;

export async function jacobianOf(
  { model, inputs, wrt }: Loaded,
  engine: Engine,
  { strategy, chunk }: Way = { strategy: model.batch.coupled ? "jacrev" : "vmap(jacrev)" },
): Promise<Blocks> {
  const { graph, blocks } = jacobianGraph(model.graph, {
    strategy,
    chunk: chunk ?? null,
    batch: inputs[0].shape[0],
    wrt,
    coupled: model.batch.coupled,
  });
  const executable = await engine.compile(graph, { opaque: new TfjsOpaqueHost() });
  try {
    const values = argumentsOf(graph).map(({ name }, index) =>
      index < inputs.length ? inputs[index] : model.weights[name],
    );
    const outputs = await executable.run(values);
    return new Map(blocks.map(({ parameter }, index) => [parameter, outputs[index]]));
  } finally {
    await executable.dispose();
  }
}
