import type { Builder } from "./builder";
import { argumentsOf, type Equation, type Graph, type Value } from "./graph";

/**
 * Emits a graph's equations into a builder, with `values` for its arguments (inputs, parameters, buffers in order), and
 * returns its outputs. Equations keep their own source; those without one get the builder's.
 */
export function inline(builder: Builder, graph: Graph, values: readonly Value[]): Value[] {
  const members = argumentsOf(graph);
  if (members.length !== values.length) {
    throw new Error(`a graph with ${members.length} arguments was given ${values.length}`);
  }
  const known = new Map<Value, Value>();
  members.forEach((member, index) => known.set(member.value, values[index]));
  for (const { value, data } of graph.constants) known.set(value, builder.constant(data, value.shape, value.dtype));
  inlineEquations(builder, graph.equations, known);
  return graph.outputs.map((output) => known.get(output)!);
}

/** The same with equations. `known` says what values are in the builder, where they are not themselves, and gets to know theirs. */
export function inlineEquations(builder: Builder, equations: readonly Equation[], known: Map<Value, Value>): void {
  for (const { primitive, inputs, attributes, outputs, source } of equations) {
    const operands = inputs.map((input) => known.get(input) ?? input);
    const emit = () => builder.emit(primitive, operands, attributes);
    const emitted = source ? builder.at(source, emit) : emit();
    outputs.forEach((output, index) => known.set(output, emitted[index]));
  }
}
