import type { Builder } from "../graph/builder";
import type { Graph, Value } from "../graph/graph";
import { isFloat } from "../graph/types";
import { jvpInto } from "./jvp";
import { splitByDependence, transposeInto } from "./transpose";

/** A graph evaluated at some point, with its derivative there as a linear map in both directions. */
export interface Linearized {
  readonly outputs: Value[];
  /** The outputs' cotangents (`null` for zero) to those of the arguments that were asked for (`null` for zero). */
  pullback(this: void, builder: Builder, cotangents: readonly (Value | null)[]): (Value | null)[];
}

/**
 * Reverse-mode differentiation, by linearising and transposing: emits the graph at `values` into the builder, keeps its
 * tangent equations (which are linear in the tangents) aside, and transposes these when a pullback is asked for.
 *
 * @param wrt for each argument, whether its cotangent is wanted (floating-point ones only)
 */
export function linearizeInto(
  builder: Builder,
  graph: Graph,
  values: readonly Value[],
  wrt: readonly boolean[],
): Linearized {
  const scratch = builder.child();
  const tangents = values.map(({ shape, dtype }, index) => {
    if (!wrt[index]) return null;
    if (!isFloat(dtype)) throw new Error("only floating-point arguments have derivatives");
    return { shape, dtype };
  });
  const result = jvpInto(scratch, graph, values, tangents);
  const inputs = tangents.filter((tangent) => tangent !== null);
  const { dependent, independent } = splitByDependence(scratch.equations, inputs);
  builder.append(independent, scratch.constants);

  return {
    outputs: result.outputs,
    pullback(into, cotangents) {
      const ends = result.tangents.map((value, index) => ({ value, cotangent: cotangents[index] }));
      return transposeInto(
        into,
        dependent,
        inputs,
        ends.filter((end): end is { value: Value; cotangent: Value | null } => end.value !== null),
      );
    },
  };
}
