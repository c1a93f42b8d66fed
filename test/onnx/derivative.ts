import type { Engine } from "../../sidecar/engines/engine";
import type { Graph } from "../../sidecar/graph/graph";
import type { Tensor } from "../../sidecar/graph/tensor";
import { isFloat } from "../../sidecar/graph/types";
import { jvp } from "../../sidecar/transforms";
import { generator } from "../../sidecar/sources/random";

const STEP = 1e-6;

/**
 * How far the derivative along a random direction of the inputs is from the difference of two values, relative to the
 * largest one; null where there is nothing to differentiate. Where the difference is no number (at infinities), nothing
 * is asked of the derivative.
 *
 * @param engine computes in 64 bits
 */
export async function derivativeError(graph: Graph, values: readonly Tensor[], engine: Engine): Promise<number | null> {
  const wrt = graph.inputs.flatMap(({ value }, index) => (isFloat(value.dtype) ? [index] : []));
  const outputs = graph.outputs.flatMap(({ dtype }, index) => (isFloat(dtype) ? [index] : []));
  if (wrt.length === 0 || outputs.length === 0) return null;
  const random = generator(3);
  const directions = new Map(
    wrt.map((index) => {
      const data = Float64Array.from(values[index].data, () => 2 * random() - 1);
      return [index, { shape: values[index].shape, dtype: "float64", data } satisfies Tensor];
    }),
  );
  const moved = (by: number): Tensor[] =>
    values.map((value, index): Tensor => {
      const direction = directions.get(index);
      if (!direction) return value;
      return { ...direction, data: Float64Array.from(value.data, (x, i) => x + by * direction.data[i]) };
    });
  const run = async (of: Graph, inputs: readonly Tensor[]): Promise<Tensor[]> => {
    const executable = await engine.compile(of);
    const results = await executable.run(inputs);
    await executable.dispose();
    return results;
  };
  const [after, before] = [await run(graph, moved(STEP)), await run(graph, moved(-STEP))];
  const tangents = jvp(
    graph,
    wrt.map((index) => graph.inputs[index].value),
  );
  const count = graph.inputs.length;
  const point = moved(0);
  const results = await run(tangents, [...point.slice(0, count), ...directions.values(), ...point.slice(count)]);
  let [worst, scale] = [0, 1e-3];
  for (const index of outputs) {
    const { data } = results[graph.outputs.length + index];
    after[index].data.forEach((x, i) => {
      const difference = (x - before[index].data[i]) / (2 * STEP);
      if (!Number.isFinite(difference)) return;
      scale = Math.max(scale, Math.abs(difference));
      const error = Math.abs(difference - data[i]);
      worst = Number.isNaN(error) ? Infinity : Math.max(worst, error);
    });
  }
  return worst / scale;
}
