import type { Builder } from "./builder";
import { argumentsOf, type Graph, type Value } from "./graph";

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
  for (const equation of graph.equations) {
    const inputs = equation.inputs.map((input) => known.get(input)!);
    const emit = () => builder.emit(equation.primitive, inputs, equation.attributes);
    const outputs = equation.source ? builder.at(equation.source, emit) : emit();
    equation.outputs.forEach((output, index) => known.set(output, outputs[index]));
  }
  return graph.outputs.map((output) => known.get(output)!);
}
