import type { Engine } from "../../sidecar/engines/engine";
import { argumentsOf } from "../../sidecar/graph/graph";
import type { Tensor } from "../../sidecar/graph/tensor";
import { sizeOf } from "../../sidecar/graph/types";
import { ntkGraph, type NtkForm, type NtkGraph, type NtkOptions } from "../../sidecar/quantities/ntk";
import { TfjsOpaqueHost } from "../../sidecar/sources/tfjs/opaque";
import { jacobianOf, loadNet, type Loaded, type Net } from "../jacobian/whole-nets";

/** Kernels of the whole nets of test/jacobian, and what they are compared with. */

export interface Choice {
  readonly form: NtkForm;
  /** Whether there is a second set of examples, fewer than the first. */
  readonly columns: boolean;
}

export type KernelOptions = Pick<NtkOptions, "method" | "choose"> & Partial<Pick<NtkOptions, "trace">>;

/** The structure of every use that has one, however long it takes. */
export const structuredWhereverPossible: NtkOptions["choose"] = (leaves) =>
  leaves.map(({ uses }) => (uses.length > 0 ? "structured" : "dense"));

export interface KernelNet extends Loaded {
  /** The first examples of `inputs`, in reverse order: another number of them, so that axes cannot be exchanged unseen. */
  readonly second: readonly Tensor[];
}

export async function loadKernelNet(net: Net): Promise<KernelNet> {
  const loaded = await loadNet(net);
  return { ...loaded, second: loaded.inputs.map((input) => reversed(input, 2)) };
}

/** The first `count` examples, the last of them first. */
function reversed({ shape, dtype, data }: Tensor, count: number): Tensor {
  const size = sizeOf(shape.slice(1));
  const chosen = data.slice(0, count * size);
  for (let row = 0; row < count; row++)
    chosen.set(data.subarray((count - 1 - row) * size, (count - row) * size), row * size);
  return { shape: [count, ...shape.slice(1)], dtype, data: chosen };
}

export async function kernelOf(
  { model, inputs, second, wrt }: KernelNet,
  engine: Engine,
  { form, columns, method, trace = "sum", choose }: Choice & KernelOptions,
): Promise<{ readonly kernel: Tensor; readonly norms: Tensor | undefined; readonly made: NtkGraph }> {
  const made = ntkGraph(model.graph, {
    form,
    trace,
    method,
    rows: inputs[0].shape[0],
    columns: columns ? second[0].shape[0] : null,
    wrt,
    norms: method !== "vector-products",
    choose,
  });
  const given = new Map<string, Tensor>();
  model.inputs.forEach(({ name }, index) => {
    given.set(name, inputs[index]);
    given.set(`${name}'`, second[index]);
  });
  const executable = await engine.compile(made.graph, { opaque: new TfjsOpaqueHost() });
  try {
    const [kernel, norms] = await executable.run(
      argumentsOf(made.graph).map(({ name }) => given.get(name) ?? model.weights[name]),
    );
    return { kernel, norms, made };
  } finally {
    await executable.dispose();
  }
}

/** The kernel as the definition has it: Jacobians, multiplied number by number. */
export async function jacobianProduct(loaded: KernelNet, engine: Engine, { form, columns }: Choice): Promise<Tensor> {
  const rows = await jacobianOf(loaded, engine);
  const others = columns ? await jacobianOf({ ...loaded, inputs: loaded.second }, engine) : rows;
  const n1 = loaded.inputs[0].shape[0];
  const n2 = columns ? loaded.second[0].shape[0] : n1;
  const size = loaded.model.outputs.reduce((total, { shape }) => total + sizeOf(shape), 0);
  const full = new Float64Array(n1 * n2 * size * size);
  for (const [name, { data }] of rows) {
    const other = others.get(name)!.data;
    const elements = data.length / n1 / size;
    for (let row = 0; row < n1 * size; row++) {
      for (let column = 0; column < n2 * size; column++) {
        let sum = 0;
        for (let k = 0; k < elements; k++) sum += data[row * elements + k] * other[column * elements + k];
        const [n, o] = [Math.floor(row / size), row % size];
        const [m, p] = [Math.floor(column / size), column % size];
        full[((n * n2 + m) * size + o) * size + p] += sum;
      }
    }
  }
  if (form === "full") return { shape: [n1, n2, size, size], dtype: "float64", data: full };
  const diagonal = new Float64Array(n1 * n2 * size);
  for (let pair = 0; pair < n1 * n2; pair++) {
    for (let o = 0; o < size; o++) diagonal[pair * size + o] = full[(pair * size + o) * size + o];
  }
  if (form === "diagonal") return { shape: [n1, n2, size], dtype: "float64", data: diagonal };
  const trace = new Float64Array(n1 * n2);
  diagonal.forEach((value, index) => (trace[Math.floor(index / size)] += value));
  return { shape: [n1, n2], dtype: "float64", data: trace };
}

/** Relative to the largest entry. */
export function largestDifference(actual: Tensor, expected: Tensor): number {
  let [difference, scale] = [0, 0];
  for (let index = 0; index < expected.data.length; index++) {
    difference = Math.max(difference, Math.abs(actual.data[index] - expected.data[index]));
    scale = Math.max(scale, Math.abs(expected.data[index]));
    if (!Number.isFinite(actual.data[index])) return Infinity;
  }
  return difference / scale;
}
