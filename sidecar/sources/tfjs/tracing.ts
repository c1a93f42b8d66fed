import { messageOf, ModelError } from "../../graph/errors";
import { argument } from "../../graph/builder";
import type { Argument, Graph, Source, Value } from "../../graph/graph";
import { formatShape, type Shape } from "../../graph/types";
import { newBuilder } from "../../primitives";
import { reshape } from "../../primitives/ops";
import { dropUnused } from "../../transforms";
import { NoBatchAxis } from "../independence";
import { variableParameter } from "./function";
import { failedCallOf, forgetCalls, noteCalls, type CalledLayer } from "./layers";
import { placeOfError } from "./places";
import { symbolicTensor, valueOfTensor } from "./runtime";
import { uniqueNames } from "../unique-names";
import { type Subject, type Weight } from "./subject";
import { Trace, tracing } from "./trace";
import { nameOfVariable } from "./variables";

export interface Traced {
  readonly graph: Graph;
  /** Those of the graph's inputs that have the batch as their first axis. */
  readonly batchedInputs: readonly Value[];
  readonly outputNames: readonly string[];
  /** The weights in the graph: parameters, then buffers. */
  readonly weights: readonly Weight[];
  /** In the order in which they were called. */
  readonly layers: readonly CalledLayer[];
  readonly emitted: Trace["emitted"];
}

/**
 * Traces a subject. With `batch: null` the graph is the function of one example: inputs and outputs lose the batch axis
 * with which the model itself runs, at a batch of one; `exampleShapes` says what shapes to give the outputs where they
 * have no such axis to lose.
 */
export async function traceSubject(
  subject: Subject,
  batch: number | null,
  exampleShapes: readonly Shape[] | null = null,
): Promise<Traced> {
  const builder = newBuilder();
  const trace = new Trace(builder);
  const weights: Weight[] = [...subject.weights];
  const values = new Map<Weight, Value>();
  const restore: (() => void)[] = [];
  const called = noteCalls();

  const substitute = (weight: Weight): void => {
    const { shape, dtype } = weight.tensor;
    const value: Value = { shape: [...shape], dtype: dtype as Value["dtype"] };
    values.set(weight, value);
    const tensor = symbolicTensor(trace, value);
    trace.weightNames.set(tensor.dataId, weight.name);
    restore.push(weight.replace(tensor));
  };
  // A variable that the function makes while it runs is a parameter like any other.
  trace.onVariable = (variable) => {
    const weight = variableParameter(variable, nameOfVariable(variable));
    weights.push(weight);
    substitute(weight);
  };

  const inputs = subject.inputs.map(({ name, shape, dtype, batched }) =>
    argument(name, batch === null || !batched ? shape : [batch, ...shape], dtype),
  );
  try {
    subject.weights.forEach(substitute);
    const outputs = await tracing(trace, async () => {
      const tensors = inputs.map(({ value }, index) => {
        const hidden = batch === null && subject.inputs[index].batched;
        return symbolicTensor(trace, hidden ? reshape(builder, value, [1, ...value.shape]) : value);
      });
      return (await subject.call(tensors)).map(({ name, tensor }) => ({ name, value: valueOfTensor(trace, tensor) }));
    });
    const isBatched = subject.inputs.some(({ batched }) => batched);
    const results = outputs.map(({ name, value }, index) =>
      batch === null && isBatched
        ? reshape(builder, value, exampleShapes?.[index] ?? withoutBatch(value.shape, name, subject.source))
        : value,
    );
    const kept = weights.filter((weight) => !subject.onlyUsedWeights || trace.used.has(values.get(weight)!));
    const names = uniqueNames(kept.map(({ name }) => name));
    const members = (role: Weight["role"]): Argument[] =>
      kept.flatMap((weight, index) =>
        weight.role === role ? [{ name: names[index], value: values.get(weight)! }] : [],
      );
    const graph = builder.build({
      inputs,
      parameters: members("parameter"),
      buffers: members("buffer"),
      outputs: results,
    });
    return {
      graph: dropUnused(graph),
      batchedInputs: inputs.filter((_, index) => subject.inputs[index].batched).map(({ value }) => value),
      outputNames: outputs.map(({ name }) => name),
      weights: kept
        .map((weight, index) => ({ ...weight, name: names[index] }))
        .sort((p, q) => Number(p.role === "buffer") - Number(q.role === "buffer")),
      layers: [...called.values()],
      emitted: trace.emitted,
    };
  } catch (error) {
    throw asModelError(error, subject.source);
  } finally {
    for (const undo of restore.reverse()) undo();
    forgetCalls();
  }
}

function withoutBatch(shape: Shape, name: string, source: Source | null): Shape {
  if (shape[0] === 1) return shape.slice(1);
  throw new NoBatchAxis(
    `the output ${name} has the shape ${formatShape(shape)} at a batch of one, without a batch axis`,
    source,
  );
}

/** What went wrong in user code or in TensorFlow.js, at the user's line. */
export function asModelError(error: unknown, fallback: Source | null): ModelError {
  if (error instanceof ModelError) return error;
  const failed = failedCallOf(error);
  const place = placeOfError(error) ?? failed?.constructed ?? fallback;
  const layer = failed && failed.path !== "" ? `layer ${failed.path}: ` : "";
  return new ModelError(`${layer}${messageOf(error)}`, place);
}
