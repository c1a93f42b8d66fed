import type { Builder } from "../graph/builder";
import { ModelError } from "../graph/errors";
import { argumentsOf, type Argument, type Graph, type Value } from "../graph/graph";
import { formatShape, isFloat, range, sizeOf, type Shape } from "../graph/types";
import type { LoopAxis } from "../primitives/attributes";
import { convert, eq, iota, reshape, transpose, zerosLike } from "../primitives/ops";
import { dropUnused, evaluateInto, linearizeInto, pushInto, SimplifyingBuilder, vmap } from "../transforms";
import { inChunks, mapOver, vmapOver } from "./loops";

/**
 * Jacobians of a model's outputs with respect to its parameters. Every strategy computes the same numbers: they differ in
 * what is vectorised (`vmap`) and what is a loop (`map`), hence in memory and time. With N examples, O outputs, P
 * parameters:
 *
 * - `jacrev`: one forward pass of the whole batch, and N*O cotangents pulled back through it at once. Each has an entry
 *   for every example, so intermediates have N*O*N examples. The only vectorised one that coupled examples allow.
 *   A chunk is a number of cotangents.
 * - `vmap(jacrev)`: for all examples at once, O cotangents. A chunk is a number of examples.
 * - `vmap(jacfwd)`: for all examples at once, P tangents pushed forward. A chunk is a number of tangents.
 * - `grad-loop`: one cotangent of one example (of the batch, where examples are coupled) after the other; no chunks.
 */
export const strategies = ["jacrev", "vmap(jacrev)", "vmap(jacfwd)", "grad-loop"] as const;

export type Strategy = (typeof strategies)[number];

export interface JacobianOptions {
  readonly strategy: Strategy;
  readonly chunk: number | null;
  /** Number of examples. */
  readonly batch: number;
  /** Names of the parameters to differentiate with respect to. */
  readonly wrt: readonly string[];
  /** Whether the graph is the function of the whole batch (its inputs have the batch axis) rather than of one example. */
  readonly coupled: boolean;
}

/** One array of the result. */
export interface JacobianBlock {
  /** Position among the model's outputs. */
  readonly output: number;
  readonly parameter: string;
  /** [N, ...output, ...parameter] */
  readonly shape: Shape;
}

export interface JacobianGraph {
  /** Its inputs have the batch axis first; its outputs are the blocks. */
  readonly graph: Graph;
  readonly blocks: readonly JacobianBlock[];
}

/** Throws a ModelError where an output has no elements: there are no rows then. */
export function checkOutputs({ outputs }: Pick<Graph, "outputs">): void {
  const empty = outputs.find(({ shape, dtype }) => isFloat(dtype) && sizeOf(shape) === 0);
  if (empty === undefined) return;
  const shape = formatShape(empty.shape);
  throw new ModelError(
    `an output has no elements (${shape}), and so no derivative; leave it out, or give larger inputs`,
  );
}

/**
 * The graph that computes the Jacobian of every floating-point output with respect to every parameter in `wrt`.
 *
 * @param graph of one example without a batch axis or, where `coupled`, of the whole batch
 */
export function jacobianGraph(graph: Graph, options: JacobianOptions): JacobianGraph {
  const { strategy, batch, coupled } = options;
  checkOutputs(graph);
  if (coupled && strategy.startsWith("vmap")) {
    throw new ModelError(
      `${strategy} needs examples that are independent of one another: use the strategy jacrev or grad-loop`,
    );
  }
  const builder = new SimplifyingBuilder();
  const inputs = graph.inputs.map(({ name, value }): Argument => {
    return { name, value: { shape: coupled ? value.shape : [batch, ...value.shape], dtype: value.dtype } };
  });
  const parameters = graph.parameters.map(({ name, value }) => ({ name, value: { ...value } }));
  const buffers = graph.buffers.map(({ name, value }) => ({ name, value: { ...value } }));

  const places = wrtPlaces(graph, options.wrt);
  const differentiable = range(graph.outputs.length).filter((index) => isFloat(graph.outputs[index].dtype));
  const setting: Setting = {
    graph,
    batch,
    chunk: options.chunk,
    coupled,
    examples: inputs.map(({ value }) => value),
    weights: [...parameters, ...buffers].map(({ value }) => value),
    wrt: argumentsOf(graph).map((_, index) => places.includes(index)),
    over: {
      examples: { axis: "examples", extent: batch },
      outputs: {
        axis: "outputs",
        extent: total(differentiable.map((index) => graph.outputs[index])) / (coupled ? batch : 1),
      },
      parameters: { axis: "parameters", extent: total(places.map((place) => argumentsOf(graph)[place].value)) },
    },
  };
  const blocks = differentiable.flatMap((output) =>
    places.map((place): JacobianBlock => {
      const { name, value } = argumentsOf(graph)[place];
      const outputShape = graph.outputs[output].shape;
      return { output, parameter: name, shape: [...(coupled ? [] : [batch]), ...outputShape, ...value.shape] };
    }),
  );
  const rows = differentiable.flatMap((output) => emitters[strategy](builder, setting, output));
  const outputs = rows.map((value, index) => reshape(builder, value, blocks[index].shape));
  return { graph: dropUnused(builder.build({ inputs, parameters, buffers, outputs })), blocks };
}

/** What an emitter needs: the model, and the values of its arguments in the builder. */
interface Setting {
  readonly graph: Graph;
  readonly batch: number;
  readonly chunk: number | null;
  readonly coupled: boolean;
  readonly examples: readonly Value[];
  /** Parameters and buffers. */
  readonly weights: readonly Value[];
  /** For each argument of the graph, whether it is differentiated with respect to. */
  readonly wrt: readonly boolean[];
  /** What is vectorised over: N examples, all O elements of one example's outputs, all P of the parameters. */
  readonly over: Readonly<Record<LoopAxis["axis"], LoopAxis>>;
}

/**
 * For one output, the Jacobian with respect to each parameter asked for, in the order of the graph's arguments: an array
 * whose elements are in the order [N, ...output, ...parameter].
 */
type Emitter = (builder: Builder, setting: Setting, output: number) => Value[];

const emitters: Record<Strategy, Emitter> = {
  jacrev(builder, setting, output) {
    const graph = wholeBatch(setting);
    const values = [...setting.examples, ...setting.weights];
    const { outputs, pullback } = linearizeInto(builder, graph, values, setting.wrt);
    const rows = sizeOf(outputs[output].shape);
    const over = [setting.over.examples, setting.over.outputs];
    return inChunks(builder, [iota(builder, [rows], 0, "int32")], rows, setting.chunk, (b, [indices], count) => {
      const basis = oneHot(b, indices, outputs[output]);
      const emitRow = (body: Builder, [cotangent]: Value[]): Value[] =>
        pull(body, setting, pullback, outputs, output, cotangent);
      return vmapOver(b, [basis], count, emitRow, over);
    });
  },

  "vmap(jacrev)"(builder, setting, output) {
    const emitExample = (body: Builder, example: Value[]): Value[] => {
      const { outputs, pullback } = linearizeInto(body, setting.graph, [...example, ...setting.weights], setting.wrt);
      const rows = sizeOf(outputs[output].shape);
      const basis = oneHot(body, iota(body, [rows], 0, "int32"), outputs[output]);
      const emitRow = (inner: Builder, [cotangent]: Value[]): Value[] =>
        pull(inner, setting, pullback, outputs, output, cotangent);
      return vmapOver(body, [basis], rows, emitRow, [setting.over.outputs]);
    };
    return inChunks(builder, setting.examples, setting.batch, setting.chunk, (b, examples, count) =>
      vmapOver(b, examples, count, emitExample, [setting.over.examples]),
    );
  },

  "vmap(jacfwd)"(builder, setting, output) {
    const graph = wholeBatch(setting);
    const values = [...setting.examples, ...setting.weights];
    const known = evaluateInto(builder, graph, values);
    return range(values.length)
      .filter((index) => setting.wrt[index])
      .map((place) => {
        const parameter = values[place];
        const size = sizeOf(parameter.shape);
        const emitColumn = (body: Builder, [tangent]: Value[]): Value[] => {
          const tangents = values.map((_, index) => (index === place ? tangent : null));
          const pushed = pushInto(body, graph, known, tangents)[output];
          return [pushed ?? zerosLike(body, graph.outputs[output])];
        };
        const indices = iota(builder, [size], 0, "int32");
        const [columns] = inChunks(builder, [indices], size, setting.chunk, (b, [some], count) =>
          vmapOver(b, [oneHot(b, some, parameter)], count, emitColumn, [setting.over.parameters]),
        );
        // [P, N, ...output] to [N, ...output, P]
        return transpose(builder, columns, [...range(columns.shape.length - 1).map((axis) => axis + 1), 0]);
      });
  },

  "grad-loop"(builder, setting, output) {
    const rowByRow = (b: Builder, graph: Graph, examples: readonly Value[]): Value[] => {
      const { outputs, pullback } = linearizeInto(b, graph, [...examples, ...setting.weights], setting.wrt);
      const rows = sizeOf(outputs[output].shape);
      return mapOver(b, [iota(b, [rows], 0, "int32")], rows, (body, [index]) => {
        const cotangent = oneHot(body, reshape(body, index, [1]), outputs[output]);
        return pull(body, setting, pullback, outputs, output, reshape(body, cotangent, outputs[output].shape));
      });
    };
    if (setting.coupled) return rowByRow(builder, setting.graph, setting.examples);
    return mapOver(builder, setting.examples, setting.batch, (body, example) => rowByRow(body, setting.graph, example));
  },
};

/** The cotangents of the parameters for one cotangent of one output. */
function pull(
  builder: Builder,
  setting: Setting,
  pullback: ReturnType<typeof linearizeInto>["pullback"],
  outputs: readonly Value[],
  output: number,
  cotangent: Value,
): Value[] {
  const cotangents = outputs.map((_, index) => (index === output ? cotangent : null));
  const parameters = argumentsOf(setting.graph).filter((_, index) => setting.wrt[index]);
  return pullback(builder, cotangents).map((result, index) => result ?? zerosLike(builder, parameters[index].value));
}

/** The function of the whole batch. */
function wholeBatch({ graph, batch, coupled, over }: Setting): Graph {
  if (coupled) return graph;
  return vmap(graph, new Map(graph.inputs.map(({ value }) => [value, 0])), batch, [over.examples]);
}

/** Elements of all these values together. */
function total(values: readonly Value[]): number {
  return values.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** For each index, the array of `like`'s type that is 1 there and 0 elsewhere: [count, ...like.shape]. */
function oneHot(b: Builder, indices: Value, like: Value): Value {
  const [count] = indices.shape;
  const size = sizeOf(like.shape);
  const positions = iota(b, [1, size], 1, "int32");
  return reshape(b, convert(b, eq(b, reshape(b, indices, [count, 1]), positions), like.dtype), [count, ...like.shape]);
}

/** Positions of the named parameters among the graph's arguments, in the graph's order. */
function wrtPlaces(graph: Graph, wrt: readonly string[]): number[] {
  const names = graph.parameters.map(({ name }) => name);
  const unknown = wrt.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`there is no parameter ${unknown}`);
  return range(names.length)
    .filter((index) => wrt.includes(names[index]))
    .map((index) => graph.inputs.length + index);
}
