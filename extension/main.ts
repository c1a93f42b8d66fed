import * as vscode from "vscode";
import { activateAnalyze } from "./analyze";
import type { App } from "./app";
import { activateChooseDevice } from "./choose-device";
import { activateComputeJacobian } from "./compute-jacobian";
import { activateComputeNtk } from "./compute-ntk";
import { Devices } from "./devices";
import { activateExportResults } from "./export-results";
import { activateGraphEditor } from "./graph-editor";
import { activateChoosePython, Interpreters } from "./interpreters";
import { Kernels } from "./kernels";
import { activateModelOptions } from "./model-options";
import { mayHoldModel } from "./models";
import { activateOpenExample } from "./open-example";
import { activatePanel } from "./panel";
import { isPythonFile } from "./places";
import { Runs } from "./runs";
import { onSettings, readSettings } from "./settings";
import { Sidecar } from "./sidecar";
import { activateSetUpGpu } from "./set-up-gpu";
import { activateStatus } from "./status";
import { activateStrategy } from "./strategy";
import { Store } from "./store";
import { activateDevicesView } from "./views/devices";
import { activateModelsView } from "./views/models";
import { activateRunsView } from "./views/runs";

/** Commands that hovers may link to. */
const LINKED = ["showOverview", "setBatchSize", "chooseDevice", "analyze"].map((name) => `kernelscope.${name}`);

let store: Store | undefined;

/** Wires the features. The sidecar is started when a file with a model is opened, or a command or view wants it. */
export function activate(context: vscode.ExtensionContext): void {
  const start = performance.now();
  const log = vscode.window.createOutputChannel("Kernelscope", { log: true });
  const known = new Store(context.storageUri);
  store = known;
  const loaded = known.load();
  const interpreters = new Interpreters(log);
  const sidecar = new Sidecar({
    program: vscode.Uri.joinPath(context.extensionUri, "dist", "cli.js").fsPath,
    log,
    commands: LINKED,
    settings: () => readSettings(interpreters.byFolder),
    known: async () => {
      await loaded;
      return known.all();
    },
    showLog: () => log.show(),
  });
  sidecar.on("kernelscope/file", (file) => known.set(file));
  const devices = new Devices(sidecar);
  // Beside the results of models where there is a workspace
  const kernelsFolder = vscode.Uri.joinPath(context.storageUri ?? context.globalStorageUri, "kernels");
  const kernels = new Kernels(sidecar, known, kernelsFolder, context.workspaceState);
  const app: App = { context, log, sidecar, store: known, devices, runs: new Runs(sidecar), kernels, interpreters };
  const startFor = (document: vscode.TextDocument): void => {
    if (!mayHoldModel(document)) return;
    // A failure has been shown
    if (sidecar.state === "stopped") sidecar.start().catch(() => undefined);
    if (isPythonFile(document.uri.path)) void interpreters.known();
  };
  context.subscriptions.push(
    log,
    known,
    sidecar,
    app.runs,
    kernels,
    devices,
    sidecar.onDidChangeState((state) => {
      if (state !== "running" && state !== "starting") known.markRestored();
    }),
    interpreters,
    onSettings(() => sidecar.configure(readSettings(interpreters.byFolder))),
    interpreters.onDidChange(() => sidecar.configure(readSettings(interpreters.byFolder))),
    vscode.workspace.onDidOpenTextDocument(startFor),
    vscode.workspace.onDidSaveTextDocument(startFor),
    vscode.commands.registerCommand("kernelscope.restartSidecar", () => sidecar.restart()),
    vscode.commands.registerCommand("kernelscope.showLog", () => log.show()),
    activateAnalyze(app),
    activateModelOptions(app),
    activateChoosePython(),
    activateComputeJacobian(app),
    activateComputeNtk(app),
    activateChooseDevice(app),
    activateExportResults(app),
    activateSetUpGpu(app),
    activateOpenExample(app),
    activatePanel(app),
    activateGraphEditor(app),
    activateStatus(app),
    activateStrategy(app),
    activateModelsView(app),
    activateDevicesView(app),
    activateRunsView(app),
  );
  vscode.workspace.textDocuments.forEach(startFor);
  log.info(`activated in ${(performance.now() - start).toFixed(1)} ms`);
}

export async function deactivate(): Promise<void> {
  await store?.save();
}
