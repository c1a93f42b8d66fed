import type { ModelFault } from "../protocol/messages";

/** What the editor can do about a fault: decides the quick fix, and is the diagnostic's code. */
export type FaultCode = "input-shape" | "time-limit" | "code-memory" | "model-error";

/** Faults are worded for the command line, and name its options; the editor has settings and commands instead. */
export function faultForEditor(fault: ModelFault, path: string): ModelFault {
  const message = fault.message
    .replace(new RegExp(`^${escaped(path)}: `), "")
    .replaceAll("--time-limit", "the setting kernelscope.timeLimit")
    .replaceAll("--code-memory", "the setting kernelscope.codeMemory")
    .replaceAll("add --input ", "set the input shape ")
    .replaceAll("correct --input", "correct the input shapes")
    .replace(/--input (\w+)/g, "the input shape of $1");
  return { ...fault, message: message.charAt(0).toUpperCase() + message.slice(1) };
}

export function faultCode({ message }: ModelFault): FaultCode {
  if (message.includes("input shape")) return "input-shape";
  if (message.includes("kernelscope.timeLimit")) return "time-limit";
  if (message.includes("kernelscope.codeMemory")) return "code-memory";
  return "model-error";
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
