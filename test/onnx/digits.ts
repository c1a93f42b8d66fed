import { writeFileSync } from "node:fs";
import { modelProto } from "../../sidecar/engines/onnxruntime/onnx/schema";

/**
 * A small convolutional net for images of 8 by 8 pixels as an ONNX file, with the names that PyTorch's exporter gives nodes:
 * the modules `features`, with `conv` and `relu`, and `head`.
 *
 * @param classes outputs: for another file of the same name
 * @param python the file whose lines the nodes say that they come from: 11, 12, 13, 14
 */
export function writeDigits(file: string, { classes = 10, python }: { classes?: number; python?: string } = {}): void {
  const value = (name: string, ...dims: readonly (number | string)[]): object => {
    const dim = dims.map((extent) => (typeof extent === "number" ? { dimValue: extent } : { dimParam: extent }));
    return { name, type: { tensorType: { elemType: 1, shape: { dim } } } };
  };
  const weight = (name: string, ...dims: readonly number[]): object => {
    const count = dims.reduce((product, extent) => product * extent, 1);
    return { name, dims, dataType: 1, floatData: Array.from({ length: count }, (_, index) => Math.sin(index + 1) / 4) };
  };
  let line = 10;
  const node = (opType: string, name: string, input: readonly string[], output: string): object => {
    const trace = { key: "pkg.torch.onnx.stack_trace", value: `File "${python}", line ${++line}, in forward` };
    return { opType, name, input, output: [output], attribute: [], metadataProps: python ? [trace] : [] };
  };
  const graph = {
    name: "digits",
    input: [value("image", "batch", 1, 8, 8)],
    output: [value("logits", "batch", classes)],
    initializer: [
      weight("features.conv.weight", 4, 1, 3, 3),
      weight("features.conv.bias", 4),
      weight("head.weight", 144, classes),
      weight("head.bias", classes),
    ],
    node: [
      node("Conv", "/features/conv/Conv", ["image", "features.conv.weight", "features.conv.bias"], "convolved"),
      node("Relu", "/features/relu/Relu", ["convolved"], "rectified"),
      node("Flatten", "/Flatten", ["rectified"], "flat"),
      node("Gemm", "/head/Gemm", ["flat", "head.weight", "head.bias"], "logits"),
    ],
  };
  const message = { irVersion: 10, producerName: "test", opsetImport: [{ domain: "", version: 20 }], graph };
  writeFileSync(file, modelProto().encode(message).finish());
}
