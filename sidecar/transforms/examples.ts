import type { Equation, Graph, Value } from "../graph/graph";
import { primitiveOf } from "../primitives";
import type { ExampleAxis } from "../primitives/primitive";

export interface Followed {
  readonly state: "independent" | "lost" | "coupled";
  /** The operation that mixes the examples, or behind which they cannot be followed. */
  readonly equation: Equation | null;
}

/**
 * Proves that the examples of a batch do not see one another, by following the batch axis of the inputs through every
 * operation. Independent: each output holds the examples on its first axis (or is the same for all).
 *
 * @param graph traced at `batch` examples (at least 2: in a batch of one, a mean over the batch is the identity)
 * @param batchedInputs those of the graph's inputs that have the batch as their first axis
 */
export function followExamples(graph: Graph, batchedInputs: readonly Value[], batch: number): Followed {
  const placeOf = new Map<Value, ExampleAxis>();
  for (const value of batchedInputs) placeOf.set(value, { axis: 0, inner: 1 });

  for (const equation of graph.equations) {
    const places = equation.inputs.map((input) => placeOf.get(input) ?? null);
    if (places.every((place) => place === null)) continue;
    const { examples } = primitiveOf(equation.primitive);
    const result = examples?.(equation.inputs, places, equation.outputs, equation.attributes, batch) ?? "lost";
    if (typeof result === "string") return { state: result, equation };
    equation.outputs.forEach((output) => placeOf.set(output, result));
  }
  for (const output of graph.outputs) {
    const place = placeOf.get(output);
    if (place !== undefined && !(place.axis === 0 && output.shape[0] === batch)) {
      return { state: "lost", equation: graph.equations.find((equation) => equation.outputs.includes(output)) ?? null };
    }
  }
  return { state: "independent", equation: null };
}
