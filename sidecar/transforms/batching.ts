import type { Builder } from "../graph/builder";
import type { Attributes, Graph, Value } from "../graph/graph";
import { inline } from "../graph/inline";
import { isFloat, type Shape } from "../graph/types";
import { newBuilder } from "../primitives";
import type { OpaqueAttributes } from "../primitives/attributes";
import { materializeBatch } from "../primitives/makers";
import { emit, reduceSum, reshape } from "../primitives/ops";
import type { Batched, GraphTransforms } from "../primitives/primitive";
import { emitAtSize } from "./sized";

/**
 * The same operation on inputs of which some have one more axis, of extent `size`, at the places given (`null` for an
 * input that is the same for every slice). As a primitive's own `batch`, for an operation that only a framework can run.
 * `null` where there is no better way than a loop.
 */
export type BatchingRule = (
  builder: Builder,
  inputs: readonly Value[],
  axes: readonly (number | null)[],
  size: number,
  attributes: OpaqueAttributes,
  transforms: GraphTransforms,
) => Batched | null;

const rules = new Map<string, BatchingRule>();

/**
 * Registers the batching rule of a framework's operation, by the name of its kernel. Without one the operation runs as a
 * loop over its slices. The last one registered counts.
 *
 *     // A batch of images more or less is all the same to the kernel
 *     registerBatchingRule("RotateWithOffset", joinedIntoFirstAxis());
 *
 * @returns takes the rule back
 */
export function registerBatchingRule(kernel: string, rule: BatchingRule): () => void {
  rules.set(kernel, rule);
  return () => {
    if (rules.get(kernel) === rule) rules.delete(kernel);
  };
}

export function batchingRuleOf(primitive: string, attributes: Attributes): BatchingRule | undefined {
  if (primitive !== "opaque") return undefined;
  const { kernel, batching } = attributes as OpaqueAttributes;
  return rules.get(kernel) ?? (batching && usersOwn);
}

/** Why an operation without a way to run for all slices at once is a loop. */
export function reasonOfLoop(operation: string, attributes: Attributes): string {
  return (attributes as Partial<OpaqueAttributes>).batching?.reason ?? `${operation} has no batching rule`;
}

/** The rule that came with the operation, from a file of the user's own. Inputs for which it has no case of their own are repeated. */
const usersOwn: BatchingRule = (builder, inputs, axes, size, { batching }) => {
  const { cases } = batching!;
  const isOwn = (batched: boolean, index: number): boolean => batched === (axes[index] !== null);
  const own = cases.find(({ batched }) => batched.every(isOwn));
  const wider = cases.find(({ batched }) => batched.every((each, index) => each || axes[index] === null));
  const { graph, batched } = own ?? wider ?? { graph: null, batched: [] };
  if (graph === null) return null;
  const values = inputs.map((input, index) =>
    batched[index] ? materializeBatch(builder, input, axes[index], size) : input,
  );
  const outputs = emitAtSize(builder, graph, values, size);
  return { outputs, axes: outputs.map(() => 0) };
};

/**
 * The rule of an operation for which every element along the first axis of its inputs and outputs stands for itself, as
 * images of a batch do: the new axis becomes a part of that one. Where an input is `shared` by all of these elements, as a
 * filter is, and differs from slice to slice, there is no such way, and it remains a loop.
 *
 * @param shared positions of such inputs
 */
export function joinedIntoFirstAxis(shared: readonly number[] = []): BatchingRule {
  return (builder, inputs, axes, size, attributes, transforms) => {
    if (shared.some((position) => axes[position] !== null)) return null;
    const joined = inputs.map((input, index) => {
      if (shared.includes(index)) return input;
      const repeated = materializeBatch(builder, input, axes[index], size);
      return reshape(builder, repeated, joinedShape(repeated.shape));
    });
    const results = emit(builder, "opaque", joined, {
      ...attributes,
      outputs: attributes.outputs.map(({ shape, dtype }) => ({ shape: joinedShape([size, ...shape]), dtype })),
      vjp: attributes.vjp && joinedDerivative(attributes.vjp, inputs, shared, size, transforms),
    });
    return {
      outputs: results.map((result, index) => reshape(builder, result, [size, ...attributes.outputs[index].shape])),
      axes: results.map(() => 0),
    };
  };
}

function joinedShape([first, second, ...rest]: Shape): number[] {
  return [first * second, ...rest];
}

/** The derivative for joined arrays: that of the slices, apart again; what they share gets the sum. */
function joinedDerivative(
  derivative: Graph,
  operands: readonly Value[],
  shared: readonly number[],
  size: number,
  transforms: GraphTransforms,
): Graph {
  const isShared = derivative.inputs.map((_, index) => shared.includes(index));
  const apart = transforms.vmap(
    derivative,
    isShared.map((whole) => (whole ? null : 0)),
    size,
  );
  const builder = newBuilder();
  const inputs = derivative.inputs.map(({ name, value: { shape, dtype } }, index) => {
    return { name, value: { shape: isShared[index] ? shape : joinedShape([size, ...shape]), dtype } };
  });
  const split = inputs.map(({ value }, index) => reshape(builder, value, apart.inputs[index].value.shape));
  const differentiable = operands.map((_, index) => index).filter((index) => isFloat(operands[index].dtype));
  const outputs = inline(builder, apart, split).map((output, index) => {
    if (shared.includes(differentiable[index])) return reduceSum(builder, output, [0]);
    return reshape(builder, output, joinedShape(output.shape));
  });
  return builder.build({ inputs, outputs });
}
