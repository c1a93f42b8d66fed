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
  const primalOf = new Map<Value, Value>();
  const tangentOf = new Map<Value, Value>();
  argumentsOf(graph).forEach(({ value }, index) => {
    primalOf.set(value, values[index]);
    const tangent = tangents[index];
    if (tangent !== null) tangentOf.set(value, tangent);
  });
  for (const { value, data } of graph.constants) {
    primalOf.set(value, builder.constant(data, value.shape, value.dtype));
  }

  for (const equation of graph.equations) {
    builder.at(equation.source, () => {
      const primals = equation.inputs.map((input) => primalOf.get(input)!);
      const outputs = builder.emit(equation.primitive, primals, equation.attributes);
      equation.outputs.forEach((output, index) => primalOf.set(output, outputs[index]));

      const inputTangents = equation.inputs.map((input) => tangentOf.get(input) ?? null);
      if (inputTangents.every((tangent) => tangent === null)) return;
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

  return {
    outputs: graph.outputs.map((output) => primalOf.get(output)!),
    tangents: graph.outputs.map((output) => tangentOf.get(output) ?? null),
  };
}
