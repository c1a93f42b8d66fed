import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EngineError, type Engine } from "../../sidecar/engines/engine";
import { modelProto } from "../../sidecar/engines/onnxruntime/onnx/schema";
import { messageOf, ModelError } from "../../sidecar/graph/errors";
import type { Graph } from "../../sidecar/graph/graph";
import type { Tensor } from "../../sidecar/graph/tensor";
import { formatShape, isFloat, sameShape } from "../../sidecar/graph/types";
import { ElementsNeeded } from "../../sidecar/sources/onnx/call";
import { dtypeOfElements, elementTypeOf } from "../../sidecar/sources/onnx/element-types";
import { readModelFile } from "../../sidecar/sources/onnx/file";
import type { OnnxInput } from "../../sidecar/sources/onnx/inputs";
import type { GraphMessage, TensorMessage, TypeMessage } from "../../sidecar/sources/onnx/messages";
import { FileTensors, readTensor, type TypedTensor } from "../../sidecar/sources/onnx/tensors";
import { traceOnnx } from "../../sidecar/sources/onnx/trace";

/** ONNX's own operator tests, as export_cases.py writes them: how one is run, and what is the right answer. */

export interface CaseResult {
  readonly name: string;
  readonly operator: string;
  /** Null where it passed. */
  readonly reason: string | null;
  /** Which inputs had to be constants of the model, as sizes and axes have. */
  readonly constants: "none" | "integers" | "all";
}

/** The end of the names of cases whose operator is written out in simpler ones. */
export const WRITTEN_OUT = /_expanded(_ver\d+)?$/;

export function caseNames(folder: string): string[] {
  return readdirSync(folder).sort();
}

/** Runs a case through the source and an engine, and compares with the outputs that ONNX gives. */
export async function runCase(folder: string, name: string, engine: Engine): Promise<CaseResult> {
  const path = join(folder, name);
  let constants: CaseResult["constants"] = "none";
  const operator = operatorOf(folder, name);
  try {
    for (;;) {
      try {
        await runOnce(path, constants, engine);
        return { name, operator, reason: null, constants };
      } catch (error) {
        if (!(error instanceof ElementsNeeded) || constants === "all") throw error;
        constants = constants === "none" ? "integers" : "all";
      }
    }
  } catch (error) {
    const prefix = error instanceof ModelError || error instanceof EngineError ? "" : "fault: ";
    return { name, operator, reason: prefix + messageOf(error), constants };
  }
}

/** What a case is of; one that is written out in simpler operators is of the one that it stands for. */
function operatorOf(folder: string, name: string): string {
  const { graph } = readModelFile(join(folder, name.replace(WRITTEN_OUT, ""), "model.onnx"));
  const nodes = graph!.node.filter(({ opType }) => opType !== "Constant");
  const { opType = "", domain = "" } = nodes.at(-1) ?? { opType: "Constant" };
  return domain === "" ? opType : `${domain}.${opType}`;
}

/** A case's graph, with the values of its arguments in one of its sets of data. */
export function traceCase(
  path: string,
  constants: CaseResult["constants"],
  set = 0,
): { graph: Graph; values: Tensor[] } {
  const file = join(path, "model.onnx");
  const message = readModelFile(file);
  const initialized = new Set(message.graph!.initializer.map(({ name }) => name));
  const whole = { ...message.graph!, input: message.graph!.input.filter(({ name }) => !initialized.has(name)) };
  const messages = whole.input.map(({ name = "", type }, index) =>
    readMessage(path, `input_${set}_${index}`, name, type),
  );
  const isConstant = messages.map(({ dataType }) => {
    const dtype = dtypeOfElements(elementTypeOf(dataType));
    return constants === "all" || (constants === "integers" && (dtype === null || !isFloat(dtype)));
  });
  const graph: GraphMessage = {
    ...whole,
    initializer: [...whole.initializer, ...messages.filter((_, index) => isConstant[index])],
    input: whole.input.filter((_, index) => !isConstant[index]),
  };
  const given = messages.filter((_, index) => !isConstant[index]).map((each) => readTensor(each, file));
  const inputs = graph.input.map(({ name = "" }, index) => inputFor(name, given[index]));
  const tensors = new FileTensors(file);
  const traced = traceOnnx({ tensors, message, graph, inputs, frozenBatch: null, batchSymbol: null }, null);
  return { graph: traced.graph, values: [...given, ...traced.weights.map(({ tensor }) => tensor)] };
}

async function runOnce(path: string, constants: CaseResult["constants"], engine: Engine): Promise<void> {
  const file = join(path, "model.onnx");
  const { output } = readModelFile(file).graph!;
  const { rtol, atol } = JSON.parse(readFileSync(join(path, "tolerance.json"), "utf8")) as Tolerance;
  for (let set = 0; existsSync(join(path, `output_${set}_0.pb`)); set++) {
    const { graph, values } = traceCase(path, constants, set);
    const executable = await engine.compile(graph);
    const outputs = await executable.run(values);
    await executable.dispose();
    output.forEach(({ name = "", type }, index) => {
      const expected = readTensor(readMessage(path, `output_${set}_${index}`, name, type), file);
      compare(outputs[index], expected, { rtol, atol }, name);
    });
  }
}

interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

function readMessage(path: string, file: string, name: string, type: TypeMessage | undefined): TensorMessage {
  if (type?.tensorType === undefined) throw new ModelError(`${name} is a sequence or an optional, not a tensor`);
  const proto = modelProto().root.lookupType("onnx.TensorProto");
  const bytes = readFileSync(join(path, `${file}.pb`));
  return { ...(proto.toObject(proto.decode(bytes), { longs: Number, arrays: true }) as TensorMessage), name };
}

function inputFor(name: string, { shape, dtype, type }: TypedTensor): OnnxInput {
  return { name, shape, dtype, type, batched: false, batchAxis: null, shapeAt: () => [...shape] };
}

/** As numpy.testing.assert_allclose has it: |actual - expected| <= atol + rtol |expected|, and no number equals none. */
function compare(actual: Tensor, expected: TypedTensor, { rtol, atol }: Tolerance, name: string): void {
  if (!sameShape(actual.shape, expected.shape)) {
    throw new ModelError(
      `${name} has the shape ${formatShape(actual.shape)} instead of ${formatShape(expected.shape)}`,
    );
  }
  const exact = !isFloat(expected.dtype);
  for (let index = 0; index < expected.data.length; index++) {
    const [got, wanted] = [actual.data[index], expected.data[index]];
    if (Object.is(got, wanted) || got === wanted || (Number.isNaN(got) && Number.isNaN(wanted))) continue;
    if (!exact && Math.abs(got - wanted) <= atol + rtol * Math.abs(wanted)) continue;
    throw new ModelError(`${name} is ${got} instead of ${wanted} at element ${index}`);
  }
}
