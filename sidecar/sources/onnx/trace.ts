import { argument } from "../../graph/builder";
import type { Argument, Constant, Equation, Graph, Value } from "../../graph/graph";
import { formatShape, isFloat, newArray, sizeOf, type Shape } from "../../graph/types";
import { primitiveOf } from "../../primitives";
import * as ops from "../../primitives/ops";
import { dropUnused } from "../../transforms";
import { NoBatchAxis, type BatchTraced } from "../independence";
import type { TensorItem } from "./call";
import type { Emitted } from "../operations";
import { Evaluation, type EmittedNode, type ReadWeight } from "./evaluate";
import type { OnnxInputs } from "./inputs";
import type { GraphMessage, ModelMessage } from "./messages";
import type { FileTensors } from "./tensors";

export interface OnnxTraced extends BatchTraced {
  /** Those that the graph has: parameters, then buffers. */
  readonly weights: readonly ReadWeight[];
  readonly notes: readonly string[];
  readonly emitted: Emitted<EmittedNode>;
}

/** An ONNX model as something to trace. */
export interface OnnxSubject extends OnnxInputs {
  readonly tensors: FileTensors;
  readonly message: ModelMessage;
  readonly graph: GraphMessage;
}

/**
 * The graph of an ONNX model for so many examples; with `null` the function of one, whose inputs and outputs have no
 * batch axis. Where there is one, the graph has it first.
 */
export function traceOnnx(subject: OnnxSubject, batch: number | null, shapes?: readonly Shape[]): OnnxTraced {
  const evaluation = new Evaluation(subject.message, subject.graph, subject.tensors);
  const { builder } = evaluation;
  const size = batch ?? 1;
  const inputs = subject.inputs.map(({ name, shape, dtype, batchAxis }) =>
    argument(name, batch === null || batchAxis === null ? shape : [batch, ...shape], dtype),
  );
  const given = new Map<string, TensorItem>();
  subject.inputs.forEach(({ name, type, batchAxis, shapeAt }, index) => {
    const { value } = inputs[index];
    const own = shapeAt(size);
    const placed =
      batchAxis === null || batch === null
        ? ops.reshape(builder, value, own)
        : ops.moveAxis(builder, value, 0, batchAxis);
    given.set(name, { kind: "tensor", value: placed, type });
  });
  const outputs = evaluation.run(given);
  const isBatched = subject.inputs.some(({ batched }) => batched);
  const results = outputs.map(({ value }, index) => {
    const info = subject.graph.output[index];
    const axis = outputBatchAxis(subject, index, value.shape);
    if (batch !== null) return axis > 0 ? ops.moveAxis(builder, value, axis, 0) : value;
    if (!isBatched) return value;
    const hasBatch = shapes ? sizeOf(value.shape) === sizeOf(shapes[index]) : value.shape[axis] === 1;
    if (!hasBatch) {
      throw new NoBatchAxis(
        `the output ${info.name ?? ""} has the shape ${formatShape(value.shape)} at a batch of one, without a batch axis`,
      );
    }
    if (shapes) return ops.reshape(builder, value, shapes[index]);
    return ops.reshape(
      builder,
      value,
      value.shape.filter((_, other) => other !== axis),
    );
  });
  const graph = finish(evaluation, inputs, results);
  const weights = [...evaluation.weights.values()].filter(({ value }) =>
    [...graph.parameters, ...graph.buffers].some((member) => member.value === value),
  );
  return {
    graph,
    batchedInputs: inputs.filter((_, index) => subject.inputs[index].batched).map(({ value }) => value),
    outputNames: subject.graph.output.map(({ name = "" }) => name),
    weights: [...weights].sort((p, q) => Number(p.role === "buffer") - Number(q.role === "buffer")),
    notes: [...evaluation.notes],
    emitted: evaluation.emitted,
  };
}

/** The output's axis that has the batch's name, else the first. */
function outputBatchAxis({ batchSymbol, graph }: OnnxSubject, index: number, shape: Shape): number {
  const dims = graph.output[index].type?.tensorType?.shape?.dim ?? [];
  if (!batchSymbol || dims.length !== shape.length) return 0;
  return Math.max(
    0,
    dims.findIndex(({ dimParam }) => dimParam === batchSymbol),
  );
}

/** The graph of what was emitted: computed constants as numbers, and only those weights that a derivative reaches. */
function finish(evaluation: Evaluation, inputs: readonly Argument[], outputs: readonly Value[]): Graph {
  const whole = dropUnused(evaluation.builder.build({ inputs, outputs }));
  const folded = foldConstants(whole, evaluation);
  const reached = differentiated(folded);
  const used = new Set([...folded.equations.flatMap((equation) => equation.inputs), ...folded.outputs]);
  const parameters: Argument[] = [];
  const buffers: Argument[] = [];
  const constants: Constant[] = [...folded.constants];
  for (const { name, role, value, tensor } of evaluation.weights.values()) {
    if (!used.has(value)) continue;
    if (!reached.has(value)) constants.push({ value, data: tensor.data });
    else (role === "parameter" ? parameters : buffers).push({ name, value });
  }
  return { ...folded, constants, parameters, buffers };
}

/** Elements of what is folded; of more than these, an equation takes less space. */
const MOST_FOLDED = 1 << 16;
const FEW = 16;

/** Computes what depends on constants alone and takes no more space than they do. */
function foldConstants(graph: Graph, evaluation: Evaluation): Graph {
  const constant = new Set(graph.constants.map(({ value }) => value));
  const equations: Equation[] = [];
  const folded: Constant[] = [];
  const sizeOfAll = (values: readonly Value[]): number => values.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  for (const equation of graph.equations) {
    const { inputs, outputs } = equation;
    const size = sizeOfAll(outputs);
    const isSmall = size <= FEW || (size <= sizeOfAll(inputs) && size <= MOST_FOLDED);
    if (!isSmall || equation.primitive === "opaque" || !inputs.every((input) => constant.has(input))) {
      equations.push(equation);
      continue;
    }
    for (const value of outputs) {
      const tensor = evaluation.elementsOf(value)!;
      const data = newArray(value.dtype, tensor.data.length);
      data.set(tensor.data);
      folded.push({ value, data });
      constant.add(value);
    }
  }
  return dropUnused({ ...graph, constants: [...graph.constants, ...folded], equations });
}

const STEPS = new Set(["floor", "ceil", "round", "sign", "stop_gradient"]);

/** Values that some output has a derivative with respect to. */
function differentiated(graph: Graph): Set<Value> {
  const reached = new Set(graph.outputs.filter(({ dtype }) => isFloat(dtype)));
  for (const { primitive, inputs, outputs } of [...graph.equations].reverse()) {
    if (!outputs.some((output) => reached.has(output)) || STEPS.has(primitive)) continue;
    if (primitiveOf(primitive).jvp === undefined) continue;
    for (const input of inputs) if (isFloat(input.dtype)) reached.add(input);
  }
  return reached;
}
