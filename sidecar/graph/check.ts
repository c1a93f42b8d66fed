import type { ShapeInference } from "./builder";
import { argumentsOf, type Graph, type Value } from "./graph";
import { formatShape, sameShape, sizeOf } from "./types";

/**
 * Throws unless the graph is well formed: each value is defined once and before its use, constants have as many
 * elements as their shapes say, and every equation's outputs are what its primitive yields for its inputs.
 */
export function checkGraph(graph: Graph, infer: ShapeInference): void {
  const defined = new Set<Value>();
  const define = (value: Value, where: string): void => {
    if (defined.has(value)) throw new Error(`${where}: a value is defined twice`);
    defined.add(value);
  };

  for (const member of argumentsOf(graph)) define(member.value, `argument ${member.name}`);
  for (const { value, data } of graph.constants) {
    define(value, "constant");
    if (data.length !== sizeOf(value.shape)) {
      throw new Error(`constant of shape ${formatShape(value.shape)} has ${data.length} elements`);
    }
  }
  graph.equations.forEach((equation, index) => {
    const where = `equation ${index} (${equation.primitive})`;
    for (const input of equation.inputs) {
      if (!defined.has(input)) throw new Error(`${where}: an input is used before it is defined`);
    }
    const expected = infer(equation.primitive, equation.inputs, equation.attributes);
    if (expected.length !== equation.outputs.length) throw new Error(`${where}: wrong number of outputs`);
    equation.outputs.forEach((output, position) => {
      const type = expected[position];
      if (type.dtype !== output.dtype || !sameShape(type.shape, output.shape)) {
        throw new Error(
          `${where}: output ${position} is ${output.dtype}${formatShape(output.shape)} but should be ` +
            `${type.dtype}${formatShape(type.shape)}`,
        );
      }
      define(output, where);
    });
  });
  for (const output of graph.outputs) {
    if (!defined.has(output)) throw new Error("an output is not defined");
  }
}
