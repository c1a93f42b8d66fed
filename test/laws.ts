import { argumentsOf, type Graph, type Value } from "../sidecar/graph/graph";
import { tensor, type Tensor } from "../sidecar/graph/tensor";
import { isFloat, sizeOf } from "../sidecar/graph/types";
import { createReferenceEngine } from "../sidecar/engines/reference";
import { jvp, vjp, vmap } from "../sidecar/transforms";
import type { OpaqueHost } from "../sidecar/engines/engine";

/** Laws that hold for the transforms of any graph, checked in 64 bits with the reference engine. */

const engine = createReferenceEngine();

/**
 * The results of a random graph may cancel: a mean over equal rows, less a row, is zero but for rounding. Arguments
 * are of order one, and so is what is summed; below this magnitude a difference counts as it is.
 */
export const cancelled = 1e-3;

export async function evaluate(graph: Graph, values: readonly Tensor[], opaque?: OpaqueHost): Promise<Tensor[]> {
  const executable = await engine.compile(graph, opaque ? { opaque } : undefined);
  try {
    return await executable.run(values);
  } finally {
    await executable.dispose();
  }
}

export function randomLike(value: Value, random: () => number): Tensor {
  const data = Float64Array.from({ length: sizeOf(value.shape) }, () => 2 * random() - 1);
  return tensor(value.shape, "float64", data);
}

function dot(a: readonly Tensor[], b: readonly Tensor[]): number {
  let sum = 0;
  a.forEach(({ data }, index) => {
    for (let i = 0; i < data.length; i++) sum += data[i] * b[index].data[i];
  });
  return sum;
}

/** The largest finite magnitude. */
function scale(tensors: readonly Tensor[]): number {
  let largest = 1e-30;
  for (const { data } of tensors) {
    for (const x of data) if (Number.isFinite(x)) largest = Math.max(largest, Math.abs(x));
  }
  return largest;
}

/**
 * The largest difference, relative to the largest magnitude among the expected, or to `least` where that is more;
 * infinities and NaN must be the same.
 */
export function difference(actual: readonly Tensor[], expected: readonly Tensor[], least = 0): number {
  let largest = 0;
  expected.forEach(({ data, shape }, index) => {
    if (actual[index].shape.join() !== shape.join()) {
      throw new Error(`shape [${actual[index].shape.join()}] instead of [${shape.join()}]`);
    }
    for (let i = 0; i < data.length; i++) {
      const [x, y] = [actual[index].data[i], data[i]];
      if (x === y || (Number.isNaN(x) && Number.isNaN(y))) continue;
      largest = Number.isFinite(x) && Number.isFinite(y) ? Math.max(largest, Math.abs(x - y)) : Infinity;
    }
  });
  return largest / Math.max(least, scale(expected));
}

export function floatArguments(graph: Graph): Value[] {
  return argumentsOf(graph)
    .map(({ value }) => value)
    .filter(({ dtype }) => isFloat(dtype));
}

function floatPositions(values: readonly Value[]): number[] {
  return values.map((_, index) => index).filter((index) => isFloat(values[index].dtype));
}

export interface Residuals {
  /** Tangents against central differences; relative. */
  finiteDifference: number;
  /** <u, J v> against <J^T u, v>; relative. */
  adjoint: number;
}

/** Compares jvp with central finite differences, and vjp with jvp, at the given values along random directions. */
export async function derivativeResiduals(
  graph: Graph,
  values: readonly Tensor[],
  random: () => number,
  opaque?: OpaqueHost,
): Promise<Residuals> {
  const wrt = floatArguments(graph);
  const members = argumentsOf(graph).map(({ value }) => value);
  const v = wrt.map((value) => randomLike(value, random));
  const pushed = await evaluate(jvp(graph, wrt), withAdded(graph, values, v), opaque);
  const count = graph.outputs.length;
  const floats = floatPositions(graph.outputs);
  const jv = floats.map((index) => pushed[count + index]);

  const step = 1e-5;
  const shiftedBy = (sign: number): Tensor[] =>
    values.map((value, index) => {
      const direction = wrt.indexOf(members[index]);
      if (direction < 0) return value;
      const data = Float64Array.from(value.data, (x, i) => x + sign * step * v[direction].data[i]);
      return tensor(value.shape, "float64", data);
    });
  const [plus, minus] = [await evaluate(graph, shiftedBy(1), opaque), await evaluate(graph, shiftedBy(-1), opaque)];
  const slopes = floats.map((index) =>
    tensor(
      plus[index].shape,
      "float64",
      Float64Array.from(plus[index].data, (x, i) => (x - minus[index].data[i]) / (2 * step)),
    ),
  );

  const u = graph.outputs.map((value) => randomLike(value, random));
  const pulled = await evaluate(vjp(graph, wrt), withAdded(graph, values, u), opaque);
  const jtu = pulled.slice(count);
  const left = dot(
    floats.map((index) => u[index]),
    jv,
  );
  const right = dot(jtu, v);
  return {
    finiteDifference: difference(jv, slopes, cancelled),
    adjoint: Math.abs(left - right) / Math.max(1, Math.abs(left), scale(jv), scale(jtu)),
  };
}

/** Values for a transformed graph, whose added inputs come behind the original ones. */
export function withAdded(graph: Graph, values: readonly Tensor[], added: readonly Tensor[]): Tensor[] {
  const count = graph.inputs.length;
  return [...values.slice(0, count), ...added, ...values.slice(count)];
}

export function stack(slices: readonly Tensor[], axis: number): Tensor {
  const [{ shape, dtype }] = slices;
  const outer = sizeOf(shape.slice(0, axis));
  const inner = sizeOf(shape.slice(axis));
  const result = tensor([...shape.slice(0, axis), slices.length, ...shape.slice(axis)], dtype);
  slices.forEach(({ data }, slice) => {
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) result.data[(o * slices.length + slice) * inner + i] = data[o * inner + i];
    }
  });
  return result;
}

/** Compares vmap(graph) with the graph on every slice; each argument is batched along a random axis, or not at all. */
export async function vmapResidual(
  graph: Graph,
  values: readonly Tensor[],
  random: () => number,
  size = 3,
  opaque?: OpaqueHost,
): Promise<number> {
  const members = argumentsOf(graph).map(({ value }) => value);
  const axes = new Map<Value, number>();
  members.forEach((value) => {
    if (random() < 0.6) axes.set(value, Math.floor(random() * (value.shape.length + 1)));
  });
  if (axes.size === 0 && members.length > 0) axes.set(members[0], 0);
  const slices = members.map((member, index) =>
    Array.from({ length: size }, (_, slice) =>
      slice === 0 || !axes.has(member) ? values[index] : variation(values[index], member, random),
    ),
  );
  const batched = members.map((member, index) => {
    const axis = axes.get(member);
    return axis === undefined ? values[index] : stack(slices[index], axis);
  });
  const actual = await evaluate(vmap(graph, axes, size), batched, opaque);
  const expected: Tensor[][] = [];
  for (let slice = 0; slice < size; slice++) {
    expected.push(
      await evaluate(
        graph,
        slices.map((all) => all[slice]),
        opaque,
      ),
    );
  }
  return difference(
    actual,
    graph.outputs.map((_, index) =>
      stack(
        expected.map((outputs) => outputs[index]),
        0,
      ),
    ),
    cancelled,
  );
}

/** Another value of the same kind: floats are permuted and nudged, so that ranges (of indices, logarithms) stay valid. */
function variation(value: Tensor, member: Value, random: () => number): Tensor {
  const data = value.data.slice();
  for (let i = data.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [data[i], data[j]] = [data[j], data[i]];
  }
  if (isFloat(member.dtype)) for (let i = 0; i < data.length; i++) data[i] *= 0.9 + 0.1 * random();
  return tensor(value.shape, value.dtype, data);
}
