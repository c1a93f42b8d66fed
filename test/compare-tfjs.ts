import { expect } from "vitest";
import { createReferenceEngine } from "../sidecar/engines/reference";
import { checkGraph } from "../sidecar/graph/check";
import { argumentsOf, type Graph } from "../sidecar/graph/graph";
import type { Tensor } from "../sidecar/graph/tensor";
import { newArray, sizeOf, type TypedArray } from "../sidecar/graph/types";
import { inferShapes } from "../sidecar/primitives";
import { TfjsOpaqueHost } from "../sidecar/sources/tfjs/opaque";
import { recordingBackend } from "../sidecar/sources/tfjs/runtime";
import type { Subject } from "../sidecar/sources/tfjs/subject";
import { tf } from "../sidecar/sources/tfjs/tensorflow";
import { typedArray } from "../sidecar/sources/tfjs/trace";
import { traceSubject } from "../sidecar/sources/tfjs/tracing";

/** Compares what TensorFlow.js computes with what the graph traced from the same code computes on the reference engine. */

export interface Given {
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int32" | "bool";
  readonly data: TypedArray;
}

let state = 1;

/** Repeatable numbers, uniform between `low` and `high`. */
export function uniform(shape: readonly number[], low = -2, high = 2): Given {
  const data = new Float32Array(sizeOf(shape)).map(() => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return low + ((high - low) * state) / 0x7fffffff;
  });
  return { shape, dtype: "float32", data };
}

export function integers(shape: readonly number[], low: number, high: number): Given {
  const { data } = uniform(shape, low, high + 1);
  return { shape, dtype: "int32", data: Int32Array.from(data, (x) => Math.min(high, Math.floor(x))) };
}

export function booleans(shape: readonly number[]): Given {
  const { data } = uniform(shape, 0, 1);
  return { shape, dtype: "bool", data: Uint8Array.from(data, (x) => (x < 0.5 ? 0 : 1)) };
}

export function given(shape: readonly number[], elements: readonly number[], dtype: Given["dtype"] = "float32"): Given {
  const data = newArray(dtype, elements.length);
  data.set(elements);
  return { shape, dtype, data };
}

export type TensorFunction = (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];

/** Kernels that the graph leaves to TensorFlow.js. */
export function opaqueKernels(graph: Graph): string[] {
  return graph.equations
    .filter(({ primitive }) => primitive === "opaque")
    .map(({ attributes }) => (attributes as { kernel: string }).kernel);
}

export async function run(graph: Graph, values: readonly Tensor[]): Promise<Tensor[]> {
  const executable = await createReferenceEngine({ precision: 32 }).compile(graph, { opaque: new TfjsOpaqueHost() });
  return executable.run(values);
}

/** Relative to the largest element of the expected array. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void {
  expect(actual.length).toBe(expected.length);
  const wanted = Array.from(expected);
  const scale = Math.max(1e-30, ...wanted.filter(Number.isFinite).map(Math.abs));
  const wrong = wanted.findIndex((element, index) => {
    if (!Number.isFinite(element)) return !Object.is(element, actual[index]);
    return !(Math.abs(element - actual[index]) <= tolerance * scale);
  });
  if (wrong >= 0) {
    expect.fail(`element ${wrong} is ${String(actual[wrong])}, TensorFlow.js has ${String(expected[wrong])}`);
  }
}

/** Traces `compute` and checks the graph's results. Returns the graph. */
export async function compare(compute: TensorFunction, inputs: readonly Given[], tolerance = 1e-5): Promise<Graph> {
  recordingBackend();
  const subject: Subject = {
    inputs: inputs.map(({ shape, dtype }, index) => ({ name: `x${index}`, shape, dtype, batched: false })),
    weights: [],
    onlyUsedWeights: true,
    isLayered: false,
    frozenBatch: null,
    source: null,
    call(tensors) {
      const outputs = compute(...tensors);
      return (Array.isArray(outputs) ? outputs : [outputs]).map((tensor, index) => ({ name: `y${index}`, tensor }));
    },
  };
  const { graph } = await traceSubject(subject, null);
  checkGraph(graph, inferShapes);
  const outputs = await run(graph, inputs);
  const results = compute(
    ...inputs.map(({ shape, dtype, data }) => tf.tensor(data as Float32Array, [...shape], dtype)),
  );
  const eager = Array.isArray(results) ? results : [results];
  expect(outputs.length).toBe(eager.length);
  eager.forEach((tensor, index) => {
    expect(outputs[index].shape).toEqual(tensor.shape);
    expect(outputs[index].dtype).toBe(tensor.dtype);
    expectClose(outputs[index].data, typedArray(tensor.dataSync(), outputs[index].dtype), tolerance);
  });
  return graph;
}

/** As `compare`, and the graph leaves nothing to TensorFlow.js. */
export async function compareLowered(
  compute: TensorFunction,
  inputs: readonly Given[],
  tolerance?: number,
): Promise<Graph> {
  const graph = await compare(compute, inputs, tolerance);
  expect(opaqueKernels(graph)).toEqual([]);
  expect(argumentsOf(graph).length).toBe(inputs.length);
  return graph;
}
