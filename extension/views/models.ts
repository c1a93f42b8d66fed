import { dirname } from "node:path";
import * as vscode from "vscode";
import type { Analysis, ParameterAnalysis, Place } from "../../sidecar/protocol/analysis";
import type { FileState, ModelState } from "../../sidecar/protocol/messages";
import { isCalled } from "../../sidecar/protocol/options";
import { formatBytes, formatShape, formatShortShape, formatMany } from "../../sidecar/protocol/text";
import type { App } from "../app";
import { revealLine } from "../places";

/** The side bar's view of all models of the workspace: file, model, layer, parameter. A click goes to the line. */

/** So many files are looked through; a workspace with more is no place to look for models in. */
const MOST_FILES = 5000;
const CODE = "**/*.{ts,mts,cts,tsx,js,mjs,cjs,jsx}";
const SAVED = "**/*.json";
const PYTHON = "**/*.py";
const BINARY = "**/*.{onnx,pt2}";
const LEFT_OUT = "**/{node_modules,dist,out,build,.git,coverage,.venv,venv,site-packages}/**";

type Node =
  | { readonly kind: "file"; readonly file: FileState }
  | { readonly kind: "model"; readonly model: ModelState }
  | {
      readonly kind: "layer";
      readonly model: ModelState;
      readonly name: string;
      readonly parameters: readonly ParameterAnalysis[];
    }
  | { readonly kind: "parameter"; readonly model: ModelState; readonly parameter: ParameterAnalysis };

export function activateModelsView(app: App): vscode.Disposable {
  const provider = new ModelsTree(app);
  const view = vscode.window.createTreeView<Node>("kernelscope.models", {
    treeDataProvider: provider,
    showCollapseAll: true,
  });
  const look = async (): Promise<void> => {
    const files = await find(app);
    view.message = files === 0 ? undefined : "";
  };
  let hasLooked = false;
  const lookOnce = ({ visible }: { readonly visible: boolean }): void => {
    if (!visible || hasLooked) return;
    hasLooked = true;
    void look();
  };
  lookOnce(view);
  return vscode.Disposable.from(
    view,
    view.onDidChangeVisibility(lookOnce),
    app.store.onDidChange(() => provider.changed()),
    vscode.commands.registerCommand("kernelscope.refreshModels", look),
    vscode.commands.registerCommand("kernelscope.goTo", (uri: string, line: number, column?: number) =>
      revealLine(vscode.Uri.parse(uri), line, column),
    ),
  );
}

/** Has the sidecar look through the workspace's files, in parts, so that it answers others meanwhile. */
async function find({ store, sidecar, log }: App): Promise<number> {
  const found = await Promise.all(
    [CODE, PYTHON, SAVED, BINARY].map((glob) => vscode.workspace.findFiles(glob, LEFT_OUT, MOST_FILES)),
  );
  const uris = found.flat().map((uri) => uri.toString());
  let count = 0;
  await vscode.window.withProgress({ location: { viewId: "kernelscope.models" } }, async () => {
    for (let start = 0; start < uris.length; start += 200) {
      try {
        const files = await sidecar.request("kernelscope/find", { uris: uris.slice(start, start + 200) });
        for (const file of files) store.set(file);
        count += files.length;
      } catch (error) {
        log.warn(`the workspace was not looked through: ${String(error)}`);
        return;
      }
    }
  });
  return count;
}

class ModelsTree implements vscode.TreeDataProvider<Node> {
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChangeTreeData = this.changes.event;

  constructor(private readonly app: App) {}

  changed(): void {
    this.changes.fire();
  }

  getChildren(node?: Node): Node[] {
    if (node === undefined) return this.app.store.all().map((file) => ({ kind: "file", file }));
    switch (node.kind) {
      case "file":
        return node.file.models.map((model) => ({ kind: "model", model }));
      case "model":
        return node.model.analysis === null ? [] : layersOf(node.model, node.model.analysis);
      case "layer":
        return node.parameters.map((parameter) => ({ kind: "parameter", model: node.model, parameter }));
      case "parameter":
        return [];
    }
  }

  getTreeItem(node: Node): vscode.TreeItem {
    switch (node.kind) {
      case "file":
        return fileItem(node.file);
      case "model":
        return modelItem(node.model);
      case "layer":
        return layerItem(node.model, node.name, node.parameters);
      case "parameter":
        return parameterItem(node.model, node.parameter);
    }
  }
}

/** Layers with parameters, in order; then the parameters that belong to none. */
function layersOf(model: ModelState, { layers, parameters }: Analysis): Node[] {
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const inLayers = new Set(layers.flatMap((layer) => layer.parameters));
  return [
    ...layers
      .filter((layer) => layer.parameters.length > 0)
      .map((layer): Node => ({
        kind: "layer",
        model,
        name: layer.name,
        parameters: layer.parameters.flatMap((name) => byName.get(name) ?? []),
      })),
    ...parameters
      .filter(({ name }) => !inLayers.has(name))
      .map((parameter): Node => ({ kind: "parameter", model, parameter })),
  ];
}

function fileItem({ uri, models }: FileState): vscode.TreeItem {
  const resource = vscode.Uri.parse(uri);
  const item = new vscode.TreeItem(resource, vscode.TreeItemCollapsibleState.Expanded);
  const folder = dirname(vscode.workspace.asRelativePath(resource));
  item.id = uri;
  item.description = folder === "." ? "" : folder;
  item.iconPath = vscode.ThemeIcon.File;
  item.contextValue = "file";
  item.tooltip = formatMany(models.length, "model");
  return item;
}

function modelItem(model: ModelState): vscode.TreeItem {
  const { analysis, uri, line, stale, fault, activity, kind } = model;
  const collapsed = vscode.TreeItemCollapsibleState;
  const item = new vscode.TreeItem(model.export ?? "saved model", analysis ? collapsed.Collapsed : collapsed.None);
  item.id = `${uri}#${model.export ?? ""}`;
  if (analysis) {
    const { shape, bytes } = analysis.jacobian;
    item.description = `J ${formatShortShape(shape)} · ${formatBytes(bytes)}${stale ? " · stale" : ""}`;
  } else {
    item.description = fault ? "could not be evaluated" : isCalled(kind) ? `${kind}, not analyzed` : "not analyzed";
  }
  item.iconPath = new vscode.ThemeIcon(
    activity !== "idle" ? "loading~spin" : fault ? "error" : analysis ? "symbol-class" : "circle-outline",
  );
  item.contextValue = analysis ? "model.analyzed" : "model";
  item.tooltip =
    fault?.message ??
    (analysis
      ? `Jacobian ${formatShape(analysis.jacobian.shape)} of ${formatMany(analysis.batch, "example")}`
      : "Analyze it to see its Jacobian");
  if (line !== null) item.command = goTo(uri, line);
  return item;
}

function layerItem(model: ModelState, name: string, parameters: readonly ParameterAnalysis[]): vscode.TreeItem {
  const item = new vscode.TreeItem(name, vscode.TreeItemCollapsibleState.Collapsed);
  item.id = `${model.uri}#${model.export ?? ""}/${name}`;
  const bytes = parameters.filter(({ trainable }) => trainable).reduce((sum, { jacobian }) => sum + jacobian.bytes, 0);
  const layer = model.analysis?.layers.find((each) => each.name === name);
  item.description = [layer?.outputs.map(formatShortShape).join(", ") ?? "", formatBytes(bytes)]
    .filter(Boolean)
    .join(" · ");
  item.iconPath = new vscode.ThemeIcon("layers");
  item.tooltip = `${layer?.kind ?? "Layer"}: output shape, and bytes of the Jacobian with respect to its parameters`;
  item.command = goToPlace(layer?.source ?? null);
  return item;
}

function parameterItem(
  model: ModelState,
  { name, shape, trainable, jacobian, source }: ParameterAnalysis,
): vscode.TreeItem {
  const item = new vscode.TreeItem(name.split("/").pop() ?? name, vscode.TreeItemCollapsibleState.None);
  item.id = `${model.uri}#${model.export ?? ""}:${name}`;
  const derivative = trainable ? `J ${formatShortShape(jacobian.shape)} · ${formatBytes(jacobian.bytes)}` : "frozen";
  item.description = `${formatShape(shape)} · ${derivative}`;
  item.iconPath = new vscode.ThemeIcon(trainable ? "symbol-array" : "lock");
  item.tooltip = name;
  item.command = goToPlace(source);
  return item;
}

function goToPlace(place: Place | null): vscode.Command | undefined {
  return place === null ? undefined : goTo(vscode.Uri.file(place.file).toString(), place.line, place.column);
}

function goTo(uri: string, line: number, column = 1): vscode.Command {
  return { title: "Go to Line", command: "kernelscope.goTo", arguments: [uri, line, column] };
}
