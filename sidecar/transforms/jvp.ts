import type { Builder } from "../graph/builder";
import { argumentsOf, type Graph, type Value } from "../graph/graph";
import { ModelError } from "../graph/errors";
import { isFloat } from "../graph/types";
import { primitiveOf } from "../primitives";
import { graphTransforms } from "./graph-transforms";

/**
 * Forward-mode differentiation: emits the graph and its tangents into a builder.
 *
 * @param values the graph's arguments (inputs, parameters, buffers in order)
 * @param tangents their tangents, of the same types; `null` for zero
 * @returns the outputs and their tangents (`null` for zero)
 */
export function jvpInto(
  builder: Builder,
  graph: Graph,
  values: readonly Value[],
  tangents: readonly (Value | null)[],
): { outputs: Value[]; tangents: (Value | null)[] } {
  const primalOf = evaluateInto(builder, graph, values);
  return {
    outputs: graph.outputs.map((output) => primalOf.get(output)!),
    tangents: pushInto(builder, graph, primalOf, tangents),
  };
}

/** Emits the graph, and returns what each of its values is in the builder. */
export function evaluateInto(builder: Builder, graph: Graph, values: readonly Value[]): Map<Value, Value> {
  const known = new Map<Value, Value>();
  argumentsOf(graph).forEach(({ value }, index) => known.set(value, values[index]));
  for (const { value, data } of graph.constants) known.set(value, builder.constant(data, value.shape, value.dtype));
  for (const { source, primitive, inputs, attributes, outputs } of graph.equations) {
    const emitted = builder.at(source, () =>
      builder.emit(
        primitive,
        inputs.map((input) => known.get(input)!),
        attributes,
      ),
    );
    outputs.forEach((output, index) => known.set(output, emitted[index]));
  }
  return known;
}

/**
 * Emits the tangents alone, where the graph has been evaluated already, in this builder or in one around it.
 *
 * @returns the tangents of the outputs (`null` for zero)
 */
export function pushInto(
  builder: Builder,
  graph: Graph,
  primalOf: ReadonlyMap<Value, Value>,
  tangents: readonly (Value | null)[],
): (Value | null)[] {
  const tangentOf = new Map<Value, Value>();
  argumentsOf(graph).forEach(({ value }, index) => {
    const tangent = tangents[index];
    if (tangent !== null) tangentOf.set(value, tangent);
  });

  const hasTangent = (value: Value): boolean => tangentOf.has(value);
  for (const equation of graph.equations) {
    if (!equation.inputs.some(hasTangent)) continue;
    const inputTangents = equation.inputs.map((input) => tangentOf.get(input) ?? null);
    builder.at(equation.source, () => {
      const primals = equation.inputs.map((input) => primalOf.get(input)!);
      const outputs = equation.outputs.map((output) => primalOf.get(output)!);
      const { jvp } = primitiveOf(equation.primitive);
      // Without a rule (comparisons, positions) the operation has no derivative to pass on
      if (jvp === undefined) return;
      let outputTangents: (Value | null)[];
      try {
        outputTangents = jvp(builder, primals, inputTangents, outputs, equation.attributes, graphTransforms);
      } catch (error) {
        throw new ModelError((error as Error).message, equation.source);
      }
      equation.outputs.forEach((output, index) => {
        const tangent = outputTangents[index];
        if (tangent !== null && isFloat(output.dtype)) tangentOf.set(output, tangent);
      });
    });
  }

  return graph.outputs.map((output) => tangentOf.get(output) ?? null);
}
