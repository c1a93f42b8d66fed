import type { Equation, Graph, Value } from "../graph/graph";
import { sizeOf } from "../graph/types";

/**
 * The same graph with each equation that makes less than it reads moved to where its operands are first known: what it
 * reads can then be let go of. The order of all others stays.
 */
export function inOrderOfNeed(graph: Graph): Graph {
  const waiting = new Set<Equation>(graph.equations.filter(shrinks));
  const readers = new Map<Value, Equation[]>();
  for (const equation of waiting) {
    for (const input of equation.inputs) {
      const known = readers.get(input);
      if (known) known.push(equation);
      else readers.set(input, [equation]);
    }
  }
  const made = new Set<Value>();
  const known = new Set<Value>();
  for (const equation of graph.equations) equation.outputs.forEach((output) => made.add(output));
  const ordered: Equation[] = [];
  const place = (equation: Equation): void => {
    ordered.push(equation);
    waiting.delete(equation);
    equation.outputs.forEach((output) => known.add(output));
    for (const output of equation.outputs) {
      for (const reader of readers.get(output) ?? []) {
        if (waiting.has(reader) && reader.inputs.every((input) => known.has(input) || !made.has(input))) place(reader);
      }
    }
  };
  for (const equation of graph.equations) if (!known.has(equation.outputs[0])) place(equation);
  return { ...graph, equations: ordered };
}

function shrinks({ inputs, outputs }: Equation): boolean {
  const read = inputs.reduce((total, { shape }) => total + sizeOf(shape), 0);
  return inputs.length > 0 && outputs.reduce((total, { shape }) => total + sizeOf(shape), 0) < read;
}
