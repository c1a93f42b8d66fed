import { dirname, join } from "node:path";
import * as vscode from "vscode";
import type { Analysis } from "../sidecar/protocol/analysis";
import type { ModelRef } from "../sidecar/protocol/messages";
import { formatBytes, formatCount, formatShape, formatMany } from "../sidecar/protocol/text";
import { analyze } from "./analyze";
import type { App } from "./app";
import { askToPick } from "./ask";
import { targetModel, type ModelArgument } from "./models";
import { titleOf } from "./places";

/** Export Results...: what is known of a model, as a file. */

interface Format extends vscode.QuickPickItem {
  readonly extension: string;
  /** Whether it has the timelines of the strategies, which are not told with every change. */
  readonly needsPlan: boolean;
  write(analysis: Analysis): string;
}

const formats: readonly Format[] = [
  {
    label: "JSON",
    description: "all of it, in the form of `kernelscope analyze --json`",
    extension: "json",
    needsPlan: true,
    write: (analysis) => `${JSON.stringify(analysis, null, 2)}\n`,
  },
  { label: "CSV", description: "a line for each parameter", extension: "csv", needsPlan: false, write: csv },
  { label: "Markdown", description: "a table of the parameters", extension: "md", needsPlan: false, write: markdown },
];

export function activateExportResults(app: App): vscode.Disposable {
  return vscode.commands.registerCommand("kernelscope.exportResults", async (ref?: ModelArgument) => {
    const model = await targetModel(app, ref);
    if (model !== undefined) await exportResults(app, model);
  });
}

async function exportResults(app: App, model: ModelRef): Promise<void> {
  const state = app.store.find(model);
  const known = state?.analysis ?? (await analyze(app, model))?.analysis;
  if (!known) return;
  const format = await askToPick(formats, { title: "Export Results", placeHolder: "As what?" });
  if (format === undefined) return;
  const { fsPath } = vscode.Uri.parse(model.uri);
  const target = await vscode.window.showSaveDialog({
    title: "Export Results",
    defaultUri: vscode.Uri.file(join(dirname(fsPath), `${model.export ?? "model"}-jacobian.${format.extension}`)),
    filters: { [format.label]: [format.extension] },
  });
  if (target === undefined) return;
  const analysis = format.needsPlan ? await withPlan(app, model, known) : known;
  await vscode.workspace.fs.writeFile(target, new TextEncoder().encode(format.write(analysis)));
  const action = await vscode.window.showInformationMessage(`${titleOf(model)}: written to ${target.fsPath}.`, "Open");
  if (action) await vscode.window.showTextDocument(target);
}

/** Results of an earlier window have no model behind them to plan with: they are exported without timelines. */
async function withPlan(app: App, model: ModelRef, analysis: Analysis): Promise<Analysis> {
  const { batch, device } = analysis;
  const ref = { uri: model.uri, export: model.export };
  const outcome = await app.sidecar.request("kernelscope/plan", { id: "export", model: ref, batch, device });
  if (outcome.kind !== "done") return analysis;
  const { strategies, fallbacks } = outcome.result;
  return { ...analysis, strategies, fallbacks };
}

function csv({ parameters }: Analysis): string {
  const rows = parameters.map(({ name, shape, dtype, elements, trainable, jacobian, source }) => [
    name,
    shape.join("x"),
    dtype,
    elements,
    trainable,
    jacobian.shape.join("x"),
    jacobian.bytes,
    source ? `${source.file}:${source.line}` : "",
  ]);
  const head = ["parameter", "shape", "dtype", "elements", "trainable", "jacobian shape", "jacobian bytes", "source"];
  return [head, ...rows].map((cells) => `${cells.map(csvCell).join(",")}\n`).join("");
}

function csvCell(cell: string | number | boolean): string {
  const text = String(cell);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function markdown({ parameters, jacobian, batch, model }: Analysis): string {
  const rows = parameters.map(
    ({ name, shape, elements, trainable, jacobian: block }) =>
      `| \`${name}\` | ${formatShape(shape)} | ${formatCount(elements)} | ${trainable ? formatShape(block.shape) : "frozen"} | ${trainable ? formatBytes(block.bytes) : ""} |\n`,
  );
  const title = `# Jacobian of ${model.export ?? "the model"}, ${formatMany(batch, "example")}\n`;
  const head = "| parameter | shape | elements | Jacobian | size |\n| --- | --- | ---: | --- | ---: |\n";
  return `${title}\n${head}${rows.join("")}\nTogether ${formatShape(jacobian.shape)}, ${formatBytes(jacobian.bytes)}.\n`;
}
