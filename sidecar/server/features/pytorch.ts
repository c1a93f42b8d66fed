import type { Analysis, Place, PytorchAnalysis } from "../../protocol/analysis";
import {
  formatPytorch,
  formatPytorchLoops,
  pytorchFixes,
  pytorchLoops,
  type PytorchError,
  type PytorchFallback,
} from "../../protocol/pytorch";
import { formatBytes, formatMany } from "../../protocol/text";
import { memoryText, type Remark } from "./memory";
import type { Shown } from "./shown";

/** What the user's own PyTorch would do: its loops and errors at their lines, and what does not fit at the model's. */
export function pytorchRemarks({ state: { analysis } }: Shown): Remark[] {
  const pytorch = analysis?.pytorch;
  if (!analysis || !pytorch) return [];
  const remark = (place: Place | null, severity: Remark["severity"], code: Remark["code"], text: string): Remark => {
    return { place, severity, code, message: `${text}.`, use: null, parameters: [] };
  };
  const large = tooLarge(analysis, pytorch);
  return [
    ...pytorchLoops(pytorch).map((group) =>
      remark(group[0].source, "warning", "pytorch-fallback", loopText(group, analysis, pytorch)),
    ),
    ...pytorch.errors.map((error) => {
      const isRaised = error.strategy !== null && !error.training;
      return remark(error.source, isRaised ? "warning" : "information", "pytorch-error", errorText(error, pytorch));
    }),
    ...(large === null ? [] : [remark(null, large.isAll ? "warning" : "information", "pytorch-memory", large.text)]),
  ];
}

function loopText(group: readonly PytorchFallback[], { batch }: Analysis, pytorch: PytorchAnalysis): string {
  const [{ operation, where, source }] = group;
  const here = where === "backward" ? ", in the backward pass of this line" : source === null ? "" : " here";
  const text =
    `PyTorch ${formatPytorch(pytorch)} has no batching rule for ${operation}, and runs it as a loop${here}: ` +
    `${formatPytorchLoops(group)} for ${formatMany(batch, "example")}`;
  return [text, ...pytorchFixes(group)].join("; ");
}

function errorText(error: PytorchError, pytorch: PytorchAnalysis): string {
  const { strategy, training, message } = error;
  const inTraining = training ? " while the model is in training mode" : "";
  const text =
    strategy === null ? message : `${strategy} raises in PyTorch ${formatPytorch(pytorch)}${inTraining}: ${message}`;
  return [text, ...pytorchFixes([error])].join("; ");
}

/** What is larger than the device, and what is not; null where all is well. */
function tooLarge(
  { batch, device }: Analysis,
  pytorch: PytorchAnalysis,
): { readonly text: string; readonly isAll: boolean } | null {
  const { strategies } = pytorch;
  const large = strategies.filter(({ chunk, peakBytes }) => chunk === null && peakBytes > device.memoryBytes);
  if (large.length === 0) return null;
  const fitting = strategies.filter(({ peakBytes }) => peakBytes <= device.memoryBytes);
  // Rows one by one are the last resort
  const other = fitting.find(({ strategy }) => strategy !== "grad-loop") ?? fitting.at(0);
  const list = large.map(({ strategy, peakBytes }) => `${strategy} takes ${formatBytes(peakBytes)}`).join(" and ");
  const text = `In PyTorch ${formatPytorch(pytorch)} ${list} for ${formatMany(batch, "example")}, more than the ${memoryText(device)}`;
  if (other === undefined) return { text, isAll: true };
  const { strategy, chunk, peakBytes } = other;
  const way = chunk === null ? strategy : `${strategy} with chunk_size=${chunk}`;
  return { text: `${text}; ${way} takes ${formatBytes(peakBytes)}`, isAll: false };
}
