import type { GraphMessage } from "./messages";

/** Which inputs of an operator are its weights by their place, and which of these are statistics. */
const operandsOf: Readonly<Record<string, readonly ("parameter" | "buffer" | null)[]>> = {
  Conv: [null, "parameter", "parameter"],
  ConvTranspose: [null, "parameter", "parameter"],
  DeformConv: [null, "parameter", null, "parameter"],
  Gemm: [null, "parameter", "parameter"],
  MatMul: [null, "parameter"],
  BatchNormalization: [null, "parameter", "parameter", "buffer", "buffer"],
  InstanceNormalization: [null, "parameter", "parameter"],
  LayerNormalization: [null, "parameter", "parameter"],
  GroupNormalization: [null, "parameter", "parameter"],
  RMSNormalization: [null, "parameter"],
  PRelu: [null, "parameter"],
  RNN: [null, "parameter", "parameter", "parameter"],
  GRU: [null, "parameter", "parameter", "parameter"],
  LSTM: [null, "parameter", "parameter", "parameter", null, null, null, "parameter"],
};

/**
 * The names that stand in the place of a weight somewhere in a graph. What is a buffer in one place (a moving average,
 * which no gradient changes) is one.
 */
export function weightOperands({ node: nodes }: GraphMessage): Map<string, "parameter" | "buffer"> {
  const roles = new Map<string, "parameter" | "buffer">();
  // The same array under another name, as exporters leave it where modules share one
  const origins = new Map<string, string>();
  const originOf = (name: string): string => origins.get(name) ?? name;
  for (const { opType = "", domain = "", input, output } of nodes) {
    if (domain !== "" && domain !== "ai.onnx") continue;
    if (opType === "Identity" && input.length === 1 && output.length === 1) origins.set(output[0], originOf(input[0]));
    const operands = Object.hasOwn(operandsOf, opType) ? operandsOf[opType] : [];
    operands.forEach((role, index) => {
      const name = originOf(input[index] ?? "");
      if (role !== null && name !== "" && roles.get(name) !== "buffer") roles.set(name, role);
    });
  }
  return roles;
}
