import type { Builder } from "../graph/builder";
import type { Equation, Graph, Value } from "../graph/graph";
import { isFloat } from "../graph/types";
import { jvpInto } from "./jvp";
import { splitByDependence, transposeInto } from "./transpose";

/** A graph evaluated at some point, with its derivative there as a linear map in both directions. */
export interface Linearized {
  readonly outputs: Value[];
  /** The outputs' cotangents (`null` for zero) to those of the arguments that were asked for (`null` for zero). */
  pullback(this: void, builder: Builder, cotangents: readonly (Value | null)[]): (Value | null)[];
  /** Its tangent equations, linear in `tangents`, in order. All else that they read is in the builder. */
  readonly equations: readonly Equation[];
  /** Of the arguments that were asked for. */
  readonly tangents: readonly Value[];
  /**
   * As `pullback`, stopping short of the given equations: what passes through these is left out of the arguments'
   * cotangents, and their own outputs' cotangents are returned.
   */
  pullbackTo(
    this: void,
    builder: Builder,
    cotangents: readonly (Value | null)[],
    cut: readonly Equation[],
  ): { arguments: (Value | null)[]; cut: (Value | null)[] };
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
  const split = splitByDependence(scratch.equations, inputs);
  const inBuilder = builder.append(split.independent, scratch.constants);
  const known = (value: Value): Value => inBuilder.get(value) ?? value;
  const dependent =
    inBuilder.size === 0
      ? split.dependent
      : split.dependent.map((equation) => ({ ...equation, inputs: equation.inputs.map(known) }));

  const pullbackTo: Linearized["pullbackTo"] = (into, cotangents, cut) => {
    const ends = result.tangents.map((value, index) => ({ value, cotangent: cotangents[index] }));
    const results = transposeInto(
      into,
      dependent.filter((equation) => !cut.includes(equation)),
      [...inputs, ...cut.map(({ outputs }) => outputs[0])],
      ends.filter((end): end is { value: Value; cotangent: Value | null } => end.value !== null),
    );
    return { arguments: results.slice(0, inputs.length), cut: results.slice(inputs.length) };
  };
  return {
    outputs: result.outputs.map(known),
    pullback: (into, cotangents) => pullbackTo(into, cotangents, []).arguments,
    equations: dependent,
    tangents: inputs,
    pullbackTo,
  };
}
