import type { Builder } from "../graph/builder";
import { argumentsOf, type Constant, type Equation, type Graph, type Value } from "../graph/graph";
import { newBuilder, primitiveOf } from "../primitives";
import type { LoopAxis, OpaqueAttributes } from "../primitives/attributes";
import { map } from "../primitives/ops";
import { batchingRuleOf, reasonOfLoop } from "./batching";
import { materializeBatch, batchToFront } from "../primitives/makers";
import type { GraphTransforms } from "../primitives/primitive";
import { graphTransforms } from "./graph-transforms";

/**
 * Vectorisation: emits the graph for `size` slices at once into a builder. An operation without a batching rule runs as
 * a loop (`map`) over its slices, which is marked as a fallback.
 *
 * @param values the graph's arguments; those that are batched have one more axis
 * @param axes that axis (`null` for an argument that is the same for every slice)
 * @param over what the slices are, for what is said of loops
 * @returns the outputs and their batch axes (`null` for an output that is the same for every slice)
 */
export function vmapInto(
  builder: Builder,
  graph: Graph,
  values: readonly Value[],
  axes: readonly (number | null)[],
  size: number,
  over: readonly LoopAxis[] = [],
): { outputs: Value[]; axes: (number | null)[] } {
  const valueOf = new Map<Value, Value>();
  const axisOf = new Map<Value, number>();
  argumentsOf(graph).forEach(({ value }, index) => {
    valueOf.set(value, values[index]);
    const axis = axes[index];
    if (axis !== null) axisOf.set(value, axis);
  });
  emitBatched(builder, graph, valueOf, axisOf, size, over);
  return {
    outputs: graph.outputs.map((output) => valueOf.get(output)!),
    axes: graph.outputs.map((output) => axisOf.get(output) ?? null),
  };
}

/** Equations with the constants that they read, as a graph or a builder has them. */
interface Body {
  readonly constants: readonly Constant[];
  readonly equations: readonly Equation[];
}

/**
 * @param valueOf what values are in the builder, where they are not themselves; gets to know those of the equations
 * @param axisOf along which axes they are batched
 */
function emitBatched(
  builder: Builder,
  { constants, equations }: Body,
  valueOf: Map<Value, Value>,
  axisOf: Map<Value, number>,
  size: number,
  over: readonly LoopAxis[],
): void {
  const transforms: GraphTransforms = {
    ...graphTransforms,
    vmap: (inner, innerAxes, innerSize) => graphTransforms.vmap(inner, innerAxes, innerSize, over),
  };
  for (const { value, data } of constants) valueOf.set(value, builder.constant(data, value.shape, value.dtype));
  for (const equation of equations) {
    builder.at(equation.source, () => {
      const inputs = equation.inputs.map((input) => valueOf.get(input) ?? input);
      const inputAxes = equation.inputs.map((input) => axisOf.get(input) ?? null);
      if (inputAxes.every((axis) => axis === null)) {
        const outputs = builder.emit(equation.primitive, inputs, equation.attributes);
        equation.outputs.forEach((output, index) => valueOf.set(output, outputs[index]));
        return;
      }
      const { batch } = primitiveOf(equation.primitive);
      const registered = batchingRuleOf(equation.primitive, equation.attributes);
      const attributes = equation.attributes as OpaqueAttributes;
      const batched =
        registered?.(builder, inputs, inputAxes, size, attributes, transforms) ??
        batch?.(builder, inputs, inputAxes, size, attributes, transforms) ??
        loop(builder, equation, inputs, inputAxes, size, over);
      equation.outputs.forEach((output, index) => {
        valueOf.set(output, batched.outputs[index]);
        axisOf.set(output, batched.axes[index]);
      });
    });
  }
}

/** The fallback: one equation as a loop over its slices. */
function loop(
  builder: Builder,
  equation: Equation,
  inputs: readonly Value[],
  axes: readonly (number | null)[],
  size: number,
  over: readonly LoopAxis[],
) {
  const body = newBuilder();
  const slices = equation.inputs.map(({ shape, dtype }) => ({ shape, dtype }));
  const outputs = body.at(equation.source, () => body.emit(equation.primitive, slices, equation.attributes));
  const operation = "kernel" in equation.attributes ? String(equation.attributes.kernel) : equation.primitive;
  const results = map(
    builder,
    body.build({ inputs: slices.map((value, index) => ({ name: `slice${index}`, value })), outputs }),
    inputs.map((input, index) => (axes[index] === null ? input : batchToFront(builder, input, axes[index]))),
    axes.map((axis) => axis !== null),
    size,
    { fallback: { operation, reason: reasonOfLoop(operation, equation.attributes), over } },
  );
  return { outputs: results, axes: results.map(() => 0) };
}

/** As `vmapInto`, with every output batched along its first axis; one that is the same for every slice is repeated. */
export function vmapToFront(
  builder: Builder,
  graph: Graph,
  values: readonly Value[],
  axes: readonly (number | null)[],
  size: number,
  over: readonly LoopAxis[] = [],
): Value[] {
  const result = vmapInto(builder, graph, values, axes, size, over);
  return result.outputs.map((output, index) => materializeBatch(builder, output, result.axes[index], size));
}

/**
 * As `vmapToFront`, of a body that may read any value of the builder: what is not among its slices is the same for all.
 *
 * @param slices those values of the body that are batched along the first axis, and what they are in the builder
 */
export function vmapBodyToFront(
  builder: Builder,
  body: Body,
  slices: ReadonlyMap<Value, Value>,
  outputs: readonly Value[],
  size: number,
  over: readonly LoopAxis[],
): Value[] {
  const valueOf = new Map(slices);
  const axisOf = new Map<Value, number>();
  for (const slice of slices.keys()) axisOf.set(slice, 0);
  emitBatched(builder, body, valueOf, axisOf, size, over);
  return outputs.map((output) =>
    materializeBatch(builder, valueOf.get(output) ?? output, axisOf.get(output) ?? null, size),
  );
}
