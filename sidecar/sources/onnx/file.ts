import { readFileSync, statSync } from "node:fs";
import { modelProto } from "../../engines/onnxruntime/onnx/schema";
import { messageOf, ModelError } from "../../graph/errors";
import type { ModelMessage } from "./messages";

/** Protobuf's own limit: what is larger has its weights in files beside it. */
const LARGEST_FILE = 2 ** 31 - 1;

/** Reads an ONNX file. Throws a ModelError where it is damaged, or is none. */
export function readModelFile(file: string): ModelMessage {
  const { size } = statSync(file);
  if (size > LARGEST_FILE) {
    throw new ModelError(`the file has ${size} bytes, more than an ONNX file can have; save it with external data`);
  }
  let model: ModelMessage;
  try {
    const type = modelProto();
    // Int64 as numbers: no size or index is beyond 2^53
    model = type.toObject(type.decode(readFileSync(file)), { longs: Number, arrays: true }) as ModelMessage;
  } catch (error) {
    throw new ModelError(`this is no whole ONNX model (${messageOf(error)}); export it again`);
  }
  if (model.graph === undefined || model.opsetImport.length === 0) {
    throw new ModelError(`this is no ONNX model: it has no ${model.graph ? "operator set" : "graph"}; export it again`);
  }
  return model;
}
