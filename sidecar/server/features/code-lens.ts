import type { CodeLens, Command } from "vscode-languageserver/node";
import type { Analysis } from "../../protocol/analysis";
import type { ModelRef } from "../../protocol/messages";
import { formatBytes, formatShortShape, formatWay, takenBytes, formatMany } from "../../protocol/text";
import { memoryText, verdict, wayOf } from "./memory";
import { commands, titleOf, type Shown } from "./shown";

/** CodeLens over each model: what its Jacobian and its NTK are like, and the command that finds out. */
export function codeLenses(path: string, models: readonly Shown[], trusted: boolean): CodeLens[] {
  return models.filter((shown) => shown.path === path).flatMap((shown) => lensesOf(shown, trusted));
}

function lensesOf(shown: Shown, trusted: boolean): CodeLens[] {
  const { state } = shown;
  const { line } = state;
  if (line === null) return [];
  const position = { line: line - 1, character: 0 };
  const range = { start: position, end: position };
  return commandsOf(shown, trusted).map((command) => ({ range, command }));
}

function commandsOf(shown: Shown, trusted: boolean): Command[] {
  const { state } = shown;
  const model: ModelRef = { uri: state.uri, export: state.export };
  const analyze = (title: string): Command => ({
    title,
    tooltip: `Evaluate ${titleOf(shown)} and show what its Jacobian looks like`,
    command: commands.analyze,
    arguments: [model],
  });
  const lenses: Command[] = [];
  if (state.analysis !== null) lenses.push(jacobianLens(shown, state.analysis, model), ntkLens(state.analysis, model));
  if (state.activity !== "idle") {
    const what = state.activity === "evaluating" ? "Evaluating" : "Asking PyTorch";
    lenses.push({ title: `$(loading~spin) ${what}`, command: "" });
    lenses.push({ title: "Cancel", command: commands.cancelAnalysis, arguments: [model] });
    return lenses;
  }
  if (state.fault !== null) {
    lenses.push({
      title: "$(error) Could not be evaluated",
      tooltip: state.fault.message,
      command: commands.showProblem,
      arguments: [model],
    });
  }
  if (!trusted && state.kind !== "saved") {
    lenses.push({
      title: "$(workspace-untrusted) Trust this workspace to analyze the model",
      tooltip: "The code of a model is run to analyze it, which is not done before you trust this workspace",
      command: commands.trust,
    });
  } else {
    lenses.push(analyze(lenses.length === 0 ? "$(play) Analyze" : "Analyze"));
  }
  return lenses;
}

function jacobianLens(shown: Shown, analysis: Analysis, model: ModelRef): Command {
  const { shape, bytes } = analysis.jacobian;
  const isStale = shown.state.stale !== null;
  const way = wayOf(shown);
  const taken =
    way &&
    `${formatWay(way)} takes ${formatBytes(takenBytes(way))} of the ${memoryText(analysis.device)} to compute it.`;
  return {
    title: [`Jacobian ${formatShortShape(shape)}`, formatBytes(bytes), isStale ? "stale" : verdict(shown)]
      .filter((part) => part !== null)
      .join(" · "),
    tooltip: [
      `Jacobian of ${formatMany(analysis.batch, "example")} with respect to all trainable parameters.`,
      taken,
      "Click for the overview.",
    ]
      .filter((sentence) => sentence !== null)
      .join(" "),
    command: commands.showOverview,
    arguments: [model],
  };
}

function ntkLens(analysis: Analysis, model: ModelRef): Command {
  const { shape, bytes } = ntkShape(analysis);
  return {
    title: `NTK ${formatShortShape(shape)} · ${formatBytes(bytes)}`,
    tooltip: "Neural tangent kernel of the batch with itself, [N, N, outputs, outputs]. Click for its other forms.",
    command: commands.showOverview,
    arguments: [model, "ntk"],
  };
}

/** Of N examples with themselves, every output with every other: [N, N, O, O]. */
function ntkShape({ jacobian }: Analysis): { shape: number[]; bytes: number } {
  const examples = jacobian.shape[0];
  const parameters = jacobian.shape[jacobian.shape.length - 1];
  const outputs = jacobian.shape.slice(1, -1).reduce((product, extent) => product * extent, 1);
  const bytesEach = parameters * examples * outputs > 0 ? jacobian.bytes / (parameters * examples * outputs) : 0;
  return { shape: [examples, examples, outputs, outputs], bytes: (examples * outputs) ** 2 * bytesEach };
}
