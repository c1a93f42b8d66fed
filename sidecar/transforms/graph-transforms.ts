import type { Graph, Value } from "../graph/graph";
import { inline } from "../graph/inline";
import { newBuilder, primitiveOf } from "../primitives";
import { zerosLike } from "../primitives/ops";
import type { GraphTransforms } from "../primitives/primitive";
import { jvpInto } from "./jvp";
import { simplify } from "./simplify";
import { splitByDependence, transposeInto } from "./transpose";
import { vmapToFront } from "./vmap";

/** Transforms of a graph whose arguments are all inputs, as the rules of `map` and `opaque` need them for their bodies. */

const copyOf = ({ shape, dtype }: Value): Value => ({ shape, dtype });

function named(values: readonly Value[]): { name: string; value: Value }[] {
  return values.map((value, index) => ({ name: `x${index}`, value }));
}

export const graphTransforms: GraphTransforms = {
  tangents(graph, varies) {
    const builder = newBuilder();
    const primals = graph.inputs.map(({ value }) => copyOf(value));
    const tangents = primals.map((primal, index) => (varies[index] ? copyOf(primal) : null));
    const result = jvpInto(builder, graph, primals, tangents);
    return {
      graph: simplify(
        builder.build({
          inputs: named([...primals, ...tangents.filter((tangent) => tangent !== null)]),
          outputs: result.tangents.filter((tangent) => tangent !== null),
        }),
      ),
      varies: result.tangents.map((tangent) => tangent !== null),
    };
  },

  transpose(graph, linear, present) {
    const builder = newBuilder();
    const inputs = graph.inputs.map(({ value }) => copyOf(value));
    const scratch = builder.child();
    const outputs = inline(scratch, graph, inputs);
    const linearInputs = inputs.filter((_, index) => linear[index]);
    const { dependent, independent, values } = splitByDependence(scratch.equations, linearInputs);
    builder.append(independent, scratch.constants);
    const cotangents = outputs.map((output, index) => (present[index] ? copyOf(output) : null));
    const results = transposeInto(
      builder,
      dependent,
      linearInputs,
      outputs.map((value, index) => ({ value, cotangent: cotangents[index] })).filter(({ value }) => values.has(value)),
    );
    return simplify(
      builder.build({
        inputs: named([
          ...inputs.filter((_, index) => !linear[index]),
          ...cotangents.filter((cotangent) => cotangent !== null),
        ]),
        outputs: results.map((result, index) => result ?? zerosLike(builder, linearInputs[index])),
      }),
    );
  },

  vmap(graph, axes, size, over = []) {
    const builder = newBuilder();
    const inputs = graph.inputs.map(({ value }, index) => {
      const axis = axes[index];
      if (axis === null) return copyOf(value);
      return { shape: [...value.shape.slice(0, axis), size, ...value.shape.slice(axis)], dtype: value.dtype };
    });
    const outputs = vmapToFront(builder, graph, inputs, axes, size, over);
    return simplify(builder.build({ inputs: named(inputs), outputs }));
  },

  flops: flopsOf,
};

/** Floating-point operations of one evaluation of the graph, a multiply-add counted as two. */
export function flopsOf(graph: Graph): number {
  let total = 0;
  for (const { primitive, inputs, outputs, attributes } of graph.equations) {
    total += primitiveOf(primitive).flops(inputs, outputs, attributes, graphTransforms);
  }
  return total;
}
