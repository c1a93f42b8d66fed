import { argumentsOf, type Attributes, type Equation, type Graph, type Value } from "../../graph/graph";
import { bytesOf, type TypedArray } from "../../graph/types";
import type { MapAttributes } from "../../primitives/attributes";
import { valuesToFree } from "../interpreter/liveness";
import { lowerings } from "./lower/index";
import type { Lowering } from "./lower/lowering";
import { Paper, type PaperTensor } from "./paper";

/**
 * The most bytes of arrays that a run of the graph makes TensorFlow.js hold at once, arguments, constants and whatever
 * lowerings need on their way included: the run itself, on paper. Of a loop one iteration is looked at, the last, before
 * which all others have left their results.
 */
export function tensorflowPeakBytes(graph: Graph): number {
  const paper = new Paper();
  paper.hold(constantBytes(graph, new Set()));
  const values = argumentsOf(graph).map(({ value }) => paper.make(value.shape, value.dtype));
  run(paper, graph, values);
  return paper.peakBytes;
}

function constantBytes(graph: Graph, counted: Set<TypedArray>): number {
  let bytes = 0;
  for (const { value, data } of graph.constants) {
    if (counted.has(data)) continue;
    counted.add(data);
    bytes += bytesOf(value);
  }
  for (const { primitive, attributes } of graph.equations) {
    if (primitive === "map") bytes += constantBytes((attributes as MapAttributes).body, counted);
  }
  return bytes;
}

/** As the interpreter does it: every value is freed after its last use; what is returned has one hold more. */
function run(paper: Paper, graph: Graph, inputs: readonly PaperTensor[]): PaperTensor[] {
  const freed = valuesToFree(graph);
  const values = new Map<Value, PaperTensor>();
  argumentsOf(graph).forEach(({ value }, index) => values.set(value, inputs[index]));
  const constant = { bytes: 0, holds: 1 };
  for (const { value } of graph.constants) values.set(value, paper.view(constant, value.shape, value.dtype));
  const computed = new Set<Value>();
  graph.equations.forEach((equation, index) => {
    const operands = equation.inputs.map((input) => values.get(input)!);
    const results = runEquation(paper, equation, operands);
    equation.outputs.forEach((output, position) => {
      values.set(output, results[position]);
      computed.add(output);
    });
    for (const value of freed[index]) {
      values.get(value)!.dispose();
      computed.delete(value);
    }
  });
  const outputs = graph.outputs.map((output) => {
    const { elements, shape, dtype } = values.get(output)!;
    return paper.view(elements, shape, dtype);
  });
  for (const value of computed) values.get(value)!.dispose();
  return outputs;
}

function runEquation(paper: Paper, equation: Equation, operands: readonly PaperTensor[]): PaperTensor[] {
  const { primitive, attributes, outputs, source } = equation;
  if (primitive === "map") return loop(paper, equation, operands);
  if (primitive === "opaque") return outputs.map(({ shape, dtype }) => paper.make(shape, dtype));
  const lowering = (lowerings as Record<string, Lowering<Attributes>>)[primitive];
  const inputs = operands.map((operand) => paper.asTensor(operand));
  return [paper.tidy(() => lowering(paper.tf, inputs, attributes, outputs[0], source) as unknown as PaperTensor)];
}

function loop(paper: Paper, { attributes, outputs }: Equation, operands: readonly PaperTensor[]): PaperTensor[] {
  const { body, length, mapped, combine } = attributes as MapAttributes;
  if (length === 0) return outputs.map(({ shape, dtype }) => paper.make(shape, dtype));
  // A stacked output's slices stay apart until the end; of a sum there is the sum so far
  const earlier = body.outputs.map((output, index) =>
    combine[index] === "stack" ? (length - 1) * bytesOf(output) : length > 1 ? bytesOf(output) : 0,
  );
  for (const bytes of earlier) paper.hold(bytes);
  const slices = operands.map((operand, index) =>
    mapped[index] ? paper.make(operand.shape.slice(1), operand.dtype) : null,
  );
  const results = run(
    paper,
    body,
    operands.map((operand, index) => slices[index] ?? operand),
  );
  results.forEach((result, index) => {
    if (combine[index] === "stack" || length === 1) return;
    const sum = paper.make(result.shape, result.dtype);
    paper.hold(-earlier[index]);
    result.dispose();
    results[index] = sum;
  });
  for (const slice of slices) slice?.dispose();
  return results.map((result, index) => {
    if (combine[index] === "sum") return result;
    const stacked = paper.make(outputs[index].shape, outputs[index].dtype);
    result.dispose();
    paper.hold(-earlier[index]);
    return stacked;
  });
}
