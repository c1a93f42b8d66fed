import type { Analysis, ParameterAnalysis, Place, StrategyAnalysis } from "../../protocol/analysis";
import {
  formatBytes,
  formatCount,
  formatKernelFit,
  formatRuns,
  formatShape,
  formatWay,
  kernelsToTake,
  takenBytes,
  formatMany,
} from "../../protocol/text";
import {
  formatPytorch,
  formatPytorchError,
  formatPytorchLoop,
  pytorchFixes,
  pytorchLoops,
  pytorchRows,
} from "../../protocol/pytorch";
import { placeOfLargest, verdict, wayOf } from "./memory";
import { jacobianOf, sharesByLine, type Share } from "./share";
import { commands, titleOf, type Shown } from "./shown";

/** Rows of a hover's table; a longer one is for the panel. */
const MOST_ROWS = 24;

/** The hover over a line, as Markdown with command links; null where there is nothing to say. Lines count from 1. */
export function hover(path: string, models: readonly Shown[], line: number): string | null {
  const shares = sharesByLine(path, models).get(line) ?? [];
  const here = models.filter(
    (shown) => shown.path === path && shown.state.line === line && shown.state.analysis !== null,
  );
  const memory = models.flatMap((shown) => memoryTexts(path, shown, line));
  const parts = [...here.map(modelText), ...shares.map(shareText), ...memory];
  return parts.length > 0 ? parts.join("\n\n---\n\n") : null;
}

/** The strategies whose largest array this line makes, and what runs as a loop on it. */
function memoryTexts(path: string, shown: Shown, line: number): string[] {
  const { analysis } = shown.state;
  if (analysis === null) return [];
  const isHere = (place: Place | null): boolean => {
    const now = shown.place(place);
    return now?.file === path && now.line === line;
  };
  const more = link("Memory over time", commands.showOverview, [refOf(shown), "memory"]);
  const made = analysis.strategies.filter((each) => isHere(placeOfLargest(each)));
  const rows = made.map((each) => {
    const { shape, bytes, share } = each.largest!;
    const array = `${code(shape)} ${size(bytes)}, ${Math.round(100 * share)}\u00a0%`;
    return row([`\`${formatWay(each)}\``, array, size(takenBytes(each)), each.fits ? "fits" : "too large"]);
  });
  const head = ["| strategy | largest array, made here | at its fullest | |", "| --- | --- | ---: | --- |"];
  const loops = analysis.fallbacks
    .filter(({ source }) => isHere(source))
    .map(
      (loop) =>
        `- \`${loop.operation}\` under \`${loop.strategy}\`: ${formatRuns(loop)}, about ${loop.slowdown.toFixed(1)} times as slow as at once`,
    );
  return [
    ...(rows.length > 0 ? [[`**Memory** — ${more}`, [...head, ...rows].join("\n")].join("\n\n")] : []),
    ...(loops.length > 0 ? [[`**Runs as a loop** — ${more}`, loops.join("\n")].join("\n\n")] : []),
    ...pytorchTexts(analysis, isHere, more),
  ];
}

/** What the user's own PyTorch runs as a loop, or raises, on a line. */
function pytorchTexts({ batch, pytorch }: Analysis, isHere: (place: Place | null) => boolean, more: string): string[] {
  if (!pytorch) return [];
  const named = (name: string): string => `\`${name}\``;
  const loops = pytorchLoops(pytorch)
    .filter(([{ source }]) => source !== null && isHere(source))
    .map((group) => [`- ${formatPytorchLoop(group, named)}`, ...pytorchFixes(group)].join("; "));
  const errors = pytorch.errors
    .filter(({ source }) => source !== null && isHere(source))
    .map((error) => [`- ${formatPytorchError(error, named)}`, ...pytorchFixes([error])].join("; "));
  if (loops.length + errors.length === 0) return [];
  const title = `**PyTorch ${formatPytorch(pytorch)}**, for ${formatMany(batch, "example")} — ${more}`;
  return [[title, [...loops, ...errors].join("\n")].join("\n\n")];
}

function modelText(shown: Shown): string {
  const analysis = shown.state.analysis!;
  const { jacobian, batch, device } = analysis;
  const ports = (members: Analysis["inputs"]): string =>
    members.map(({ name, shape, dtype }) => `\`${name}\` ${dtype}${formatShape(shape)}`).join(", ");
  const trainable = analysis.parameters.filter((parameter) => parameter.trainable);
  const elements = trainable.reduce((sum, parameter) => sum + parameter.elements, 0);
  return [
    `**${titleOf(shown)}** — Jacobian ${code(jacobian.shape)}, ${formatBytes(jacobian.bytes)}, for ${formatMany(batch, "example")}${staleText(shown)}`,
    [
      `- inputs ${ports(analysis.inputs)}; outputs ${ports(analysis.outputs)}`,
      `- ${formatCount(elements)} trainable parameters in ${trainable.length} tensors, ${analysis.buffers.length} buffers`,
      `- ${device.name}, ${formatBytes(device.memoryBytes)}${verdictText(shown)}`,
    ].join("\n"),
    ...strategyTable(shown, analysis),
    ...pytorchTable(analysis),
    ...kernelTable(analysis),
    [
      link("Overview", commands.showOverview, [refOf(shown)]),
      link("Memory", commands.showOverview, [refOf(shown), "memory"]),
      link("Batch size", commands.setBatch, [refOf(shown)]),
      link("Device", commands.chooseDevice, []),
    ].join(" · "),
  ].join("\n\n");
}

function verdictText(shown: Shown): string {
  const text = verdict(shown);
  return text === null ? "" : `: ${text}`;
}

function strategyTable(shown: Shown, { strategies }: Analysis): string[] {
  if (strategies.length === 0) return [];
  const way = wayOf(shown);
  const word = (each: StrategyAnalysis): string => {
    const is = each === way ? (shown.chosen === null ? "**recommended**" : "**chosen**") : "";
    return [each.fits ? "fits" : "too large", is].filter(Boolean).join(", ");
  };
  const rows = strategies.map((each) => {
    const { strategy, chunk, largest } = each;
    const most = largest === null ? "" : `${code(largest.shape)} ${size(largest.bytes)}`;
    return row([
      `\`${strategy}\``,
      chunk === null ? "" : formatCount(chunk),
      formatBytes(takenBytes(each)),
      most,
      word(each),
    ]);
  });
  return [["| strategy | chunk | memory | largest array | |", "| --- | ---: | ---: | --- | --- |", ...rows].join("\n")];
}

/** What the user's own PyTorch would take, beside what it takes here. */
function pytorchTable(analysis: Analysis): string[] {
  const { pytorch } = analysis;
  if (!pytorch) return [];
  const name = `PyTorch ${formatPytorch(pytorch)}`;
  const rows = pytorchRows(analysis, pytorch).map(({ strategy, chunk, peakBytes, fits, own }) =>
    row([
      `\`${strategy}\``,
      chunk === null ? "" : formatCount(chunk),
      peakBytes === null ? "" : size(peakBytes),
      own === null ? "" : size(own),
      peakBytes === null ? "raises an error" : fits ? "fits" : "too large",
    ]),
  );
  const head = [`| in ${name} | chunk | takes | here | |`, "| --- | ---: | ---: | ---: | --- |"];
  return rows.length === 0 ? [] : [[...head, ...rows].join("\n")];
}

/** Of each form of the neural tangent kernel, the method to take. */
function kernelTable({ ntk }: Analysis): string[] {
  if (ntk.length === 0) return [];
  const rows = kernelsToTake(ntk).map((each) =>
    row([each.form, code(each.shape), `\`${each.method}\``, size(takenBytes(each)), formatKernelFit(each)]),
  );
  return [["| NTK | shape | method | memory | |", "| --- | --- | --- | ---: | --- |", ...rows].join("\n")];
}

function shareText(share: Share): string {
  const { shown, analysis, layers, parameters } = share;
  const title =
    layers.length === 0
      ? `**${titleOf(shown)}**`
      : layers.length === 1
        ? `**${layers[0].name}** (${layers[0].kind}) → ${layers[0].outputs.map(code).join(", ")}`
        : `**${layers.length} layers** of ${titleOf(shown)}`;
  const jacobian = jacobianOf(analysis, parameters);
  const sum =
    jacobian &&
    `Jacobian ${code(jacobian.shape)}, ${formatBytes(jacobian.bytes)}, for ${formatMany(analysis.batch, "example")}`;
  const rows = layers.length > 1 ? layerRows(share) : parameters.map(parameterRow);
  const head =
    layers.length > 1
      ? ["| layer | output | parameters | Jacobian | |", "| --- | --- | ---: | --- | ---: |"]
      : ["| parameter | shape | Jacobian | |", "| --- | --- | --- | ---: |"];
  const table = rows.length === 0 ? [] : [[...head, ...rows.slice(0, MOST_ROWS)].join("\n")];
  const more =
    rows.length > MOST_ROWS
      ? [
          `${rows.length - MOST_ROWS} more: ${link("see all in the panel", commands.showOverview, [refOf(shown), "parameters"])}`,
        ]
      : [];
  return [`${title}${staleText(shown)}`, ...(sum ? [sum] : []), ...table, ...more].join("\n\n");
}

function parameterRow({ name, shape, dtype, trainable, jacobian }: ParameterAnalysis): string {
  const derivative = trainable ? [code(jacobian.shape), size(jacobian.bytes)] : ["frozen", ""];
  return row([`\`${name}\``, `${dtype}${formatShape(shape)}`, ...derivative]);
}

function layerRows({ analysis, layers }: Share): string[] {
  const byName = new Map(analysis.parameters.map((parameter) => [parameter.name, parameter]));
  return layers.map(({ name, outputs, parameters }) => {
    const own = parameters.flatMap((parameter) => byName.get(parameter) ?? []);
    const elements = own.reduce((sum, parameter) => sum + parameter.elements, 0);
    const jacobian = jacobianOf(analysis, own);
    return row([
      `\`${name}\``,
      outputs.map(code).join(", "),
      formatCount(elements),
      jacobian ? code(jacobian.shape) : "",
      jacobian ? size(jacobian.bytes) : "",
    ]);
  });
}

function staleText({ state }: Shown): string {
  switch (state.stale) {
    case null:
      return "";
    case "edited":
      return " — *stale: edited since, save to refresh*";
    case "failed":
      return " — *stale: the last evaluation failed*";
    case "restored":
      return " — *stale: from before a restart*";
  }
}

function refOf({ state }: Shown): object {
  return { uri: state.uri, export: state.export };
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** A shape is not broken over lines. */
function code(shape: readonly number[]): string {
  return `\`${formatShape(shape).replaceAll(" ", "\u00a0")}\``;
}

/** Nor is a size. */
function size(bytes: number): string {
  return formatBytes(bytes).replace(" ", "\u00a0");
}

function link(text: string, command: string, args: readonly unknown[]): string {
  return `[${text}](command:${command}?${encodeURIComponent(JSON.stringify(args))})`;
}
