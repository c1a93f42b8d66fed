import type { Analysis, Place } from "../protocol/analysis";
import {
  formatBytes,
  formatCount,
  formatKernelFit,
  formatRuns,
  kernelsToTake,
  takenBytes,
  formatMany,
} from "../protocol/text";
import { formatShape } from "../graph/types";
import type { Installed, SetupPlan } from "../setup/tensorflow";
import type { JacobianReport, NtkReport, PredictReport } from "../worker/messages";

/** What the commands print for people; it may change, unlike the JSON. */

function table(rows: readonly (readonly string[])[], alignRight: readonly number[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          alignRight.includes(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function analysisText(analysis: Analysis): string {
  const { model, batch, device } = analysis;
  const rows = analysis.parameters.map(({ name, shape, elements, jacobian, trainable, source }) => [
    name,
    formatShape(shape),
    elements.toLocaleString("en"),
    trainable ? formatShape(jacobian.shape) : "frozen",
    trainable ? formatBytes(jacobian.bytes) : "",
    source ? `line ${source.line}` : "",
  ]);
  const ports = (title: string, members: Analysis["inputs"]): string =>
    `${title}: ${members.map(({ name, shape, dtype }) => `${name} ${dtype}${formatShape(shape)}`).join(", ") || "none"}`;
  const lines = [
    `${model.file}${model.export ? `#${model.export}` : ""} (${model.framework}), a batch of ${batch}`,
    ports("inputs", analysis.inputs),
    ports("outputs", analysis.outputs),
    "",
    table([["parameter", "shape", "elements", "Jacobian", "size", "source"], ...rows], [2, 4]),
    "",
    `${analysis.parameters.length} parameter tensors, ${analysis.buffers.length} buffers`,
    `Jacobian with respect to all of them: ${formatShape(analysis.jacobian.shape)}, ${formatBytes(analysis.jacobian.bytes)}`,
    ...strategyLines(analysis),
    ...kernelLines(analysis),
    ...fallbackLines(analysis),
    ...pytorchLines(analysis),
    `device: ${device.name}, ${formatBytes(device.memoryBytes)}${device.detected ? "" : " (as sold)"}`,
    ...analysis.diagnostics.map(({ severity, message, source }) => {
      return `${severity}: ${source ? `${source.file}:${source.line}: ` : ""}${message}`;
    }),
  ];
  return lines.join("\n");
}

/** What each way to compute the Jacobian takes. */
function strategyLines({ strategies, device }: Analysis): string[] {
  if (strategies.length === 0) return [];
  const rows = strategies.map((each) => [
    each.strategy,
    each.chunk === null ? "" : String(each.chunk),
    formatBytes(takenBytes(each)),
    each.fits ? (each.recommended ? "fits, the one to take" : "fits") : "too large",
    each.largest ? `${formatBytes(each.largest.bytes)} by ${each.largest.operation}${lineOf(each.largest)}` : "",
  ]);
  const chosen = strategies.find(({ recommended }) => recommended);
  return [
    "",
    table([["strategy", "chunk", "peak memory", device.name, "largest array"], ...rows], [1, 2]),
    ...(chosen
      ? []
      : ["No strategy fits: take fewer examples or outputs, or the kernel (NTK) instead of the Jacobian."]),
    "",
  ];
}

/** What each form of the neural tangent kernel takes by the method to take. */
function kernelLines({ ntk, device }: Analysis): string[] {
  if (ntk.length === 0) return [];
  const rows = kernelsToTake(ntk).map((each) => [
    each.form,
    formatShape(each.shape),
    each.method,
    formatBytes(takenBytes(each)),
    formatKernelFit(each),
  ]);
  return [table([["NTK", "shape", "method", "peak memory", device.name], ...rows], [3]), ""];
}

/** The line of the user's own that led there: a call of a function that makes layers, or the operation itself. */
function lineOf({ source, callers }: NonNullable<Analysis["strategies"][number]["largest"]>): string {
  const place = callers.at(-1) ?? source;
  return place ? `, line ${place.line}` : "";
}

function fallbackLines({ fallbacks }: Analysis): string[] {
  return fallbacks.map((fallback) => {
    const { operation, strategy, source, slowdown } = fallback;
    const place = source ? ` (line ${source.line})` : "";
    return (
      `${operation}${place} runs as a loop within ${strategy}, ${formatRuns(fallback)}, ` +
      `about ${slowdown.toFixed(1)} times as slow as at once`
    );
  });
}

/** What the user's own PyTorch would do. */
function pytorchLines({ model, batch, pytorch }: Analysis): string[] {
  if (!pytorch) return [];
  const place = (source: Place | null): string =>
    source === null ? "" : source.file === model.file ? `, line ${source.line}` : `, ${source.file}:${source.line}`;
  const remedy = (fix: string | null): string => (fix === null ? "" : `; ${fix}`);
  const rows = pytorch.strategies.map(({ strategy, chunk, peakBytes }) => {
    return [strategy, chunk === null ? "" : String(chunk), formatBytes(peakBytes)];
  });
  return [
    `what PyTorch ${pytorch.version} itself would do with a batch of ${batch}:`,
    ...(rows.length > 0 ? [table([["strategy", "chunk", "peak memory"], ...rows], [1, 2])] : []),
    ...pytorch.fallbacks.map(({ operation, where, strategy, iterations, source, fix }) => {
      const times = iterations === null ? "" : `, ${formatCount(iterations)} times`;
      return `${operation} (${where}${place(source)}) runs as a loop within ${strategy}${times}${remedy(fix)}`;
    }),
    ...pytorch.errors.map(({ strategy, training, message, source, fix }) => {
      const what =
        strategy === null ? message : `${strategy}${training ? ", in training mode," : ""} raises: ${message}`;
      return `${what}${source === null ? "" : ` (${place(source).slice(2)})`}${remedy(fix)}`;
    }),
    "",
  ];
}

export function jacobianText(report: JacobianReport, out: string): string {
  const { strategy, chunk, blocks, batch, engine, device, seconds } = report;
  const rows = blocks.map(({ name, shape, dtype }) => [name, `${dtype}${formatShape(shape)}`]);
  return [
    `The Jacobian of ${formatMany(batch, "example")}, by ${strategy}${chunk === null ? "" : ` in chunks of ${chunk}`}:`,
    "",
    table([["parameter", "array [example, ...output, ...parameter]"], ...rows], []),
    "",
    `computed in ${seconds.toFixed(2)} s on ${device} (${engine})`,
    `written to ${out}; read it with numpy.load("${out}")`,
  ].join("\n");
}

export function ntkText(report: Omit<NtkReport, "curve">, out: string): string {
  const { shape, form, trace, method, tile, engine, device, seconds, layers, eigenvalues, spectrum } = report;
  const most = layers.filter(({ share }) => share > 0).sort((a, b) => b.share - a.share);
  const tiles = tile < Math.max(shape[0], shape[1]) ? `, in tiles of ${formatMany(tile, "example")}` : "";
  const told: [string, number | null | undefined][] = [
    ["largest eigenvalue", eigenvalues.at(0)],
    ["condition number", spectrum?.conditionNumber],
    ["effective rank", spectrum?.effectiveRank],
    ["largest stable learning rate", spectrum?.largestLearningRate],
  ];
  return [
    `The neural tangent kernel ${formatShape(shape)} (${form}${trace ? `, the ${trace} over outputs` : ""}), by ${method}${tiles}:`,
    "",
    ...(most.length === 0
      ? []
      : [table([["parameter", "part"], ...most.map((each) => [each.parameter, formatPart(each.share)])], [1]), ""]),
    ...told.flatMap(([name, value]) => (typeof value === "number" ? [`${name}: ${value.toPrecision(4)}`] : [])),
    `computed in ${seconds.toFixed(2)} s on ${device} (${engine})`,
    `written to ${out}; read it with numpy.load("${out}")`,
  ].join("\n");
}

function formatPart(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

export function predictText(report: PredictReport, out: string): string {
  const { times, trainLoss, testLoss, stable, largestLearningRate, form, engine, device, seconds } = report;
  const rows = times.map((time, index) => [
    time === null ? "inf" : String(time),
    trainLoss[index].toPrecision(4),
    ...(testLoss ? [testLoss[index].toPrecision(4)] : []),
  ]);
  const rate =
    largestLearningRate === null ? "" : `; the largest stable learning rate is ${largestLearningRate.toPrecision(4)}`;
  return [
    `What gradient ${report.training} makes of the linearised model, by its kernel (${form}):`,
    "",
    table([["time", "train loss", ...(testLoss ? ["test loss"] : [])], ...rows], [0, 1, 2]),
    "",
    stable ? `stable${rate}` : `it diverges${rate}`,
    ...report.linearity.flatMap(({ step, error }) =>
      error === null
        ? []
        : [`a random step of ${100 * step} % of the weights: ${formatPart(error)} of the change is not linear`],
    ),
    `computed in ${seconds.toFixed(2)} s on ${device} (${engine})`,
    `written to ${out}; read it with numpy.load("${out}")`,
  ].join("\n");
}

export function planText({ found, downloads, downloadBytes, diskBytes, missing }: SetupPlan, folder: string): string {
  if (found !== null) return `TensorFlow is there already, in ${found.packageDir}, and computes on ${processor(found)}`;
  return [
    `would be downloaded, about ${formatBytes(downloadBytes)}:`,
    ...downloads.map(({ name, bytes }) => `  ${name}, ${formatBytes(bytes)}`),
    `would be built and kept in ${folder}, about ${formatBytes(diskBytes)}`,
    ...missing.map((sentence) => `first: ${sentence}`),
  ].join("\n");
}

export function setupText(installed: Installed & { readonly note: string | null }, elsewhere: boolean): string {
  const { packageDir, note } = installed;
  return [
    `TensorFlow is set up in ${packageDir} and computes on ${processor(installed)}`,
    ...(note === null ? [] : [note]),
    ...(elsewhere ? ["to use it, set the environment variable KERNELSCOPE_TFJS_NODE to that folder"] : []),
  ].join("\n");
}

function processor({ usesGpu }: Installed): string {
  return usesGpu ? "a GPU" : "the CPU";
}
