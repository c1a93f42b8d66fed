import type { Graph, Value } from "../../graph/graph";

/**
 * For each equation, the values that nobody needs once it has run: those it was the last to use and outputs of its own
 * that are never used. Arguments, constants and the graph's outputs are not among them; they outlive the run of the graph.
 */
export function valuesToFree(graph: Graph): Value[][] {
  const needed = new Set<Value>(graph.outputs);
  const freed: Value[][] = graph.equations.map(() => []);
  const computed = new Set<Value>(graph.equations.flatMap((equation) => equation.outputs));
  for (let index = graph.equations.length - 1; index >= 0; index--) {
    const { inputs, outputs } = graph.equations[index];
    for (const value of [...outputs, ...inputs]) {
      if (!computed.has(value) || needed.has(value)) continue;
      needed.add(value);
      freed[index].push(value);
    }
  }
  return freed;
}
