import * as ort from "onnxruntime-node";
import type { Tensor } from "../../sidecar/graph/tensor";

/** What onnxruntime itself makes of an ONNX file: its outputs, in order. */
export async function runWithOnnxruntime(file: string, inputs: Readonly<Record<string, Tensor>>): Promise<Tensor[]> {
  const session = await ort.InferenceSession.create(file, { logSeverityLevel: 3 });
  const feeds = Object.entries(inputs).map(([name, { shape, data }]) => {
    return [name, new ort.Tensor("float32", Float32Array.from(data), shape)] as const;
  });
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  return session.outputNames.map((name): Tensor => {
    const { dims, data } = results[name];
    return { shape: [...dims], dtype: "float32", data: Float32Array.from(data as Float32Array) };
  });
}
