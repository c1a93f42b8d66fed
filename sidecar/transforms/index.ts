import type { Builder } from "../graph/builder";
import { argumentsOf, type Argument, type Graph, type Value } from "../graph/graph";
import { newBuilder } from "../primitives";
import type { LoopAxis } from "../primitives/attributes";
import { zerosLike } from "../primitives/ops";
import { jvpInto } from "./jvp";
import { simplify } from "./simplify";
import { linearizeInto } from "./vjp";
import { vmapToFront } from "./vmap";

/**
 * Transforms from graph to graph. Arguments keep their roles and names; what a transform adds (tangents, cotangents)
 * becomes an input. Each can be applied to the result of another, in any order.
 */

interface Roles {
  inputs: Argument[];
  parameters: Argument[];
  buffers: Argument[];
}

/** The arguments anew, each with the type that `retype` gives it. */
function renewed(graph: Graph, retype: (value: Value, index: number) => Value): Roles & { values: Value[] } {
  let index = 0;
  const renew = ({ name, value }: Argument): Argument => {
    const { shape, dtype } = retype(value, index++);
    return { name, value: { shape, dtype } };
  };
  const inputs = graph.inputs.map(renew);
  const parameters = graph.parameters.map(renew);
  const buffers = graph.buffers.map(renew);
  return { inputs, parameters, buffers, values: [...inputs, ...parameters, ...buffers].map(({ value }) => value) };
}

function finish(builder: Builder, roles: Roles, added: readonly Argument[], outputs: readonly Value[]): Graph {
  return simplify(
    builder.build({
      inputs: [...roles.inputs, ...added],
      parameters: roles.parameters,
      buffers: roles.buffers,
      outputs,
    }),
  );
}

/** Positions of values among a graph's arguments. */
function positions(graph: Graph, wrt: readonly Value[]): number[] {
  const values = argumentsOf(graph).map(({ value }) => value);
  return wrt.map((value) => {
    const position = values.indexOf(value);
    if (position < 0) throw new Error("not an argument of the graph");
    return position;
  });
}

/**
 * Forward mode: a graph of (arguments, tangents of `wrt`) -> (outputs, tangents of the outputs).
 *
 * @param wrt arguments of the graph, floating point
 */
export function jvp(graph: Graph, wrt: readonly Value[]): Graph {
  const builder = newBuilder();
  const roles = renewed(graph, (value) => value);
  const where = positions(graph, wrt);
  const added = where.map((position): Argument => {
    const { shape, dtype } = roles.values[position];
    return { name: `${argumentsOf(graph)[position].name}'`, value: { shape, dtype } };
  });
  const tangents = roles.values.map((_, index) => {
    const position = where.indexOf(index);
    return position < 0 ? null : added[position].value;
  });
  const result = jvpInto(builder, graph, roles.values, tangents);
  const outputTangents = result.tangents.map((tangent, index) => tangent ?? zerosLike(builder, result.outputs[index]));
  return finish(builder, roles, added, [...result.outputs, ...outputTangents]);
}

/**
 * Reverse mode: a graph of (arguments, cotangents of the outputs) -> (outputs, cotangents of `wrt`).
 *
 * @param wrt arguments of the graph, floating point
 */
export function vjp(graph: Graph, wrt: readonly Value[]): Graph {
  const builder = newBuilder();
  const roles = renewed(graph, (value) => value);
  const where = positions(graph, wrt);
  const linearized = linearizeInto(
    builder,
    graph,
    roles.values,
    roles.values.map((_, index) => where.includes(index)),
  );
  const added = linearized.outputs.map(({ shape, dtype }, index): Argument => {
    return { name: `cotangent ${index}`, value: { shape, dtype } };
  });
  const inOrder = roles.values.map((_, index) => index).filter((index) => where.includes(index));
  const cotangents = linearized.pullback(
    builder,
    added.map(({ value }) => value),
  );
  const results = where.map((position) => {
    return cotangents[inOrder.indexOf(position)] ?? zerosLike(builder, roles.values[position]);
  });
  return finish(builder, roles, added, [...linearized.outputs, ...results]);
}

/**
 * Vectorisation: the graph for `size` slices at once. Arguments in `axes` have one more axis at the place given; every
 * output has one more axis in front. `over` says what the slices are, for what is said of loops.
 */
export function vmap(
  graph: Graph,
  axes: ReadonlyMap<Value, number>,
  size: number,
  over: readonly LoopAxis[] = [],
): Graph {
  const builder = newBuilder();
  const mapped = argumentsOf(graph).map(({ value }) => axes.get(value) ?? null);
  const roles = renewed(graph, (value, index) => {
    const axis = mapped[index];
    if (axis === null) return value;
    return { shape: [...value.shape.slice(0, axis), size, ...value.shape.slice(axis)], dtype: value.dtype };
  });
  return finish(builder, roles, [], vmapToFront(builder, graph, roles.values, mapped, size, over));
}

export { joinedIntoFirstAxis, registerBatchingRule, type BatchingRule } from "./batching";
export { followExamples, type Followed } from "./examples";
export { flopsOf } from "./graph-transforms";
export { evaluateInto, jvpInto, pushInto } from "./jvp";
export { dropUnused, simplify, SimplifyingBuilder } from "./simplify";
export { linearizeInto } from "./vjp";
export { vmapBodyToFront, vmapInto, vmapToFront } from "./vmap";
