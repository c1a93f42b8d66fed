import { EngineError } from "../../engine";
import type { OnnxModel } from "./messages";
import { modelProto } from "./schema";

/** Protobuf's own limit, which onnxruntime shares. */
const largestModel = 2 ** 31 - 1;

/** The bytes of a model. Tensors' data are copied once, into the result. */
export function encodeModel(model: OnnxModel): Uint8Array {
  let weight = 0;
  for (const tensor of model.graph.initializer) weight += tensor.rawData?.length ?? 0;
  if (weight > largestModel - (1 << 24)) {
    throw new EngineError(
      `the graph holds ${(weight / 2 ** 30).toFixed(1)} GiB of constants, and an ONNX model cannot be larger than 2 GiB; ` +
        "pass them as inputs instead",
    );
  }
  return modelProto().encode(model).finish();
}
