import { describe, expect, it } from "vitest";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import { argumentsOf } from "../../sidecar/graph/graph";
import type { Tensor } from "../../sidecar/graph/tensor";
import { sizeOf } from "../../sidecar/graph/types";
import { linearityGraph } from "../../sidecar/quantities/linearity";
import { generator } from "../../sidecar/sources/random";
import { loadNet, nets, type Loaded } from "../jacobian/whole-nets";

/** The departure from the linearised model and the size of its own change, for one random direction. */
async function departures({ model, inputs, wrt }: Loaded, steps: readonly number[]): Promise<[number, number][]> {
  const graph = linearityGraph(model.graph, { batch: inputs[0].shape[0], wrt });
  const executable = await createReferenceEngine().compile(graph, {});
  const random = generator(3);
  const directions = new Map<string, Tensor>();
  for (const name of wrt) {
    const { shape } = model.weights[name];
    const data = Float32Array.from({ length: sizeOf(shape) }, () => random() - 0.5);
    directions.set(`direction of ${name}`, { shape, dtype: "float32", data });
  }
  const results: [number, number][] = [];
  for (const step of steps) {
    const values = argumentsOf(graph).map(({ name }, index): Tensor => {
      if (name === "step") return { shape: [], dtype: "float32", data: Float32Array.of(step) };
      return inputs[index] ?? directions.get(name) ?? model.weights[name];
    });
    const [error, change] = await executable.run(values);
    results.push([Math.sqrt(error.data[0]), Math.sqrt(change.data[0])]);
  }
  return results;
}

describe("the departure from the linearised model", () => {
  it.each(nets.filter(({ name }) => ["mlp", "residual", "attention", "lstm"].includes(name)))(
    "of $name shrinks with the square of the step, its own change with the step",
    async (net) => {
      const [large, small] = await departures(await loadNet(net), [0.02, 0.01]);
      // A quarter and a half, but for higher orders of a step of a hundredth
      expect(large[0] / small[0]).toBeGreaterThan(3.5);
      expect(large[0] / small[0]).toBeLessThan(4.6);
      expect(large[1] / small[1]).toBeCloseTo(2, 3);
    },
  );
});
