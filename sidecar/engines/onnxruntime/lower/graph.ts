import type { Constant, Equation, Value } from "../../../graph/graph";
import type { Shape } from "../../../graph/types";
import type { OnnxGraph, OnnxModel } from "../onnx/messages";
import { elementTypes } from "../onnx/schema";
import { loweringOf } from "./index";
import { Operands } from "./lowering";
import { Writer, type OnnxType, type Provider, type Ref } from "./writer";

/** ONNX's operator set that lowered graphs use, and the IR version that came with it. */
const opset = 21;
const irVersion = 10;

/** A lowered piece of a graph. Names are given in the order of the values; `null` is an input that nothing reads. */
export interface LoweredPiece {
  readonly model: OnnxModel;
  readonly inputs: readonly (string | null)[];
  /** Outputs have as many elements as their values, in the same order, but maybe another shape. */
  readonly outputs: readonly { readonly name: string; readonly shape: Shape }[];
  /** What initializers and the outputs of nodes are, by name. */
  readonly types: Map<string, { readonly shape: Shape; readonly type: OnnxType }>;
  /** Names of nodes that have to run on the CPU, whatever the provider is. */
  readonly onCpu: readonly string[];
}

/** GPUs may compute these with an absolute error of 5e-4 (WGSL, "accuracy of built-in functions"). */
const impreciseOnGpu = new Set([
  "Sin",
  "Cos",
  "Tan",
  "Asin",
  "Acos",
  "Atan",
  "Sinh",
  "Cosh",
  "Asinh",
  "Acosh",
  "Atanh",
]);

/**
 * Equations as one ONNX model. Nodes are named after the equation that they come from (`12:exp/3` is of equation 12), so
 * that an error at run time can be traced to it.
 */
export function lowerPiece(
  equations: readonly Equation[],
  inputs: readonly Value[],
  outputs: readonly Value[],
  constants: readonly Constant[],
  provider: Provider,
): LoweredPiece {
  const writer = new Writer(provider);
  const refs = new Map<Value, Ref>();
  inputs.forEach((value, index) => refs.set(value, { name: `x${index}`, shape: value.shape, type: value.dtype }));
  const data = new Map(constants.map((constant) => [constant.value, constant.data]));
  const refOf = (value: Value): Ref => {
    const known = refs.get(value);
    if (known) return known;
    const elements = data.get(value);
    if (!elements) throw new Error("a value is used before it is defined");
    // Numbers are shared with those that lowerings use, so that onnxruntime sees them as equal.
    const ref =
      elements.length === 1
        ? writer.scalar(elements[0], value.dtype, value.shape.length)
        : writer.initializer(elements, value.shape, value.dtype);
    refs.set(value, ref);
    return ref;
  };

  equations.forEach((equation, index) => {
    const lower = loweringOf(equation);
    if (!lower) throw new Error(`there is no lowering of ${equation.primitive}`);
    writer.label = `${index}:${equation.primitive}`;
    const operands = new Operands(writer, equation.inputs, equation.inputs.map(refOf));
    const [output] = equation.outputs;
    refs.set(output, lower(writer, operands, equation.attributes, output));
  });

  writer.label = "output";
  const taken = new Set(inputs.map((_, index) => `x${index}`));
  const results = outputs.map((value) => {
    // A reshape into memory that is given would be a copy; the caller views the memory in its own shape instead.
    const whole = writer.beneathReshape(writer.expand(refOf(value), value.shape));
    const own = taken.has(whole.name) || whole.name.startsWith("c") ? writer.copy(whole) : whole;
    taken.add(own.name);
    return own;
  });
  const graph = writer.finish("kernelscope", inputs.map(refOf), results);
  addSentinel(graph);
  const read = new Set(graph.input.map((input) => input.name));
  return {
    model: { irVersion, producerName: "kernelscope", opsetImport: [{ domain: "", version: opset }], graph },
    inputs: inputs.map((_, index) => (read.has(`x${index}`) ? `x${index}` : null)),
    outputs: results.map(({ name, shape }) => ({ name, shape })),
    types: writer.types,
    onCpu:
      provider === "cpu" ? [] : graph.node.filter(({ opType }) => impreciseOnGpu.has(opType)).map(({ name }) => name),
  };
}

/**
 * The name of an output that comes before all others and is an empty sequence.
 *
 * onnxruntime-node 1.30 has results written into the memory that a run is given for them, but then copies each into a
 * fresh array all the same (microsoft/onnxruntime#32346), which doubles the memory of a large result and may take longer
 * than the computation. It converts outputs in the graph's order, once the run is complete, and stops at the first that
 * is not a tensor: this one. `Piece.run` knows the error that it raises.
 */
export const sentinel = "done";
export const sentinelError = "Non tensor type is temporarily not supported";

function addSentinel(graph: OnnxGraph): void {
  graph.node.push({ opType: "SequenceEmpty", name: "output/done", input: [], output: [sentinel], attribute: [] });
  const elemType = { tensorType: { elemType: elementTypes.float32 } };
  graph.output.unshift({ name: sentinel, type: { sequenceType: { elemType } } });
}
