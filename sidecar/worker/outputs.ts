import type { Executable } from "../engines/engine";
import { argumentsOf, type Graph } from "../graph/graph";
import type { Tensor } from "../graph/tensor";
import { newArray, sizeOf } from "../graph/types";
import type { Model } from "../sources";
import { vmap } from "../transforms";
import type { Inputs } from "./inputs";

/** Examples whose outputs are computed at once. */
export const AT_ONCE = 256;

/** The model's first output at each example, [N, ...output]. */
export async function outputsOfModel(
  model: Model,
  inputs: Inputs,
  count: number,
  compile: (graph: Graph) => Promise<Executable>,
): Promise<Tensor> {
  const [{ shape, dtype }] = model.graph.outputs;
  const whole: Tensor = { shape: [count, ...shape], dtype, data: newArray(dtype, count * sizeOf(shape)) };
  for (let start = 0; start < count; start += AT_ONCE) {
    const size = Math.min(AT_ONCE, count - start);
    const graph = vmap(model.graph, new Map(model.graph.inputs.map(({ value }) => [value, 0])), size);
    const executable = await compile(graph);
    try {
      const values = argumentsOf(graph).map(({ name }) => {
        const input = inputs.get(name);
        if (input === undefined) return model.weights[name];
        return part(input, { start, count: size });
      });
      const [outputs] = await executable.run(values);
      whole.data.set(outputs.data, start * sizeOf(shape));
    } finally {
      await executable.dispose();
    }
  }
  return whole;
}

/** Some of the examples, without a copy. */
export function part({ shape, dtype, data }: Tensor, { start, count }: { start: number; count: number }): Tensor {
  const size = sizeOf(shape.slice(1));
  return { shape: [count, ...shape.slice(1)], dtype, data: data.subarray(start * size, (start + count) * size) };
}
