import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import type { DeviceInfo } from "../sidecar/protocol/analysis";
import type { ModelRef, ModelState } from "../sidecar/protocol/messages";
import type { FromPanel, PanelCommand, PanelState, ToPanel } from "../sidecar/protocol/panel";
import type { App } from "./app";
import { startKernel, startPart } from "./compute-ntk";
import { Questions, removeKernel, saveEntries, saveFile, saveKernel } from "./panel-kernels";
import { panelHtml } from "./panel-html";
import { isBinaryModel, reveal, titleOf } from "./places";
import { batchOf, modelOptions, onSettings, writeModelOptions, writeSetting } from "./settings";
import { useStrategy } from "./strategy";

/** The page that shows one model and follows what is known of it, in the panel beside the code or as a file's editor. */

export function webviewOptions({ context }: App): vscode.WebviewOptions {
  return { enableScripts: true, localResourceRoots: [vscode.Uri.joinPath(context.extensionUri, "dist")] };
}

export type Shown = Pick<Extract<ToPanel, { type: "show" }>, "view" | "kernel">;

/** The panel is beside the code; an editor has the file's graph before all else. */
export type PagePlace = PanelState["place"];

export class ModelPage {
  private readonly subscriptions: vscode.Disposable[];
  private readonly questions: Questions;
  private isReady = false;
  private waiting: NodeJS.Timeout | null = null;
  /** The question of the page that is being answered. */
  private planning: { readonly id: string; readonly token: vscode.CancellationTokenSource } | null = null;

  constructor(
    private readonly app: App,
    readonly panel: vscode.WebviewPanel,
    private readonly place: PagePlace,
    private model: ModelRef,
    private shown: Shown | null,
  ) {
    const { store, runs, devices, sidecar, kernels } = app;
    this.questions = new Questions(app, (message) => this.post(message));
    const update = (): void => this.update();
    this.subscriptions = [
      store.onDidChange(update),
      runs.onDidChange(update),
      devices.onDidChange(update),
      sidecar.onDidChangeState(update),
      onSettings(update),
      kernels.onDidChange((id) => {
        if (this.isReady) this.post({ type: "kernel", id, info: kernels.find(id) ?? null });
        // Whether it is stale
        update();
      }),
      sidecar.on("kernelscope/plan", ({ id, plan }) => {
        if (id === this.planning?.id) this.post({ type: "plan", id, plan });
      }),
      panel.webview.onDidReceiveMessage((message: FromPanel) => void this.received(message)),
    ];
    panel.webview.html = this.html();
    // The page lets one choose among them; where they cannot be looked for, that has been shown
    devices.find().catch(() => undefined);
  }

  /** Whether it is this model that it shows. */
  shows({ uri, export: name }: ModelRef): boolean {
    return fileOf(uri) === fileOf(this.model.uri) && name === this.model.export;
  }

  show(model: ModelRef, shown: Shown | null): void {
    this.model = model;
    this.panel.reveal(undefined, true);
    this.send();
    if (shown !== null && this.isReady) this.post({ type: "show", ...shown });
    else this.shown = shown ?? this.shown;
  }

  dispose(): void {
    if (this.waiting) clearTimeout(this.waiting);
    this.planning?.token.cancel();
    this.questions.dispose();
    for (const subscription of this.subscriptions) subscription.dispose();
  }

  private html(): string {
    const { webview } = this.panel;
    const dist = (name: string): string =>
      webview.asWebviewUri(vscode.Uri.joinPath(this.app.context.extensionUri, "dist", name)).toString();
    return panelHtml({
      title: "Kernelscope",
      nonce: randomBytes(16).toString("base64"),
      cspSource: webview.cspSource,
      script: dist("webview.js"),
      style: dist("webview.css"),
      codicons: dist("codicon.css"),
    });
  }

  /** Gathers changes that come together. */
  private update(): void {
    this.waiting ??= setTimeout(() => {
      this.waiting = null;
      this.send();
    }, 20);
  }

  private send(): void {
    if (this.place === "panel") this.panel.title = titleOf(this.model);
    if (this.isReady) this.post({ type: "state", state: this.state() });
  }

  private post(message: ToPanel): void {
    void this.panel.webview.postMessage(message);
  }

  /** As the sidecar spells it: by that kernels and runs are of the same model. */
  private ref(): ModelRef {
    const { uri, export: name } = this.app.store.find(this.model) ?? this.model;
    return { uri, export: name };
  }

  private state(): PanelState {
    const { store, runs, devices, sidecar, kernels } = this.app;
    const model = store.find(this.model) ?? unknown(this.model);
    return {
      place: this.place,
      model,
      title: titleOf(this.model),
      batch: batchOf(this.model),
      device: devices.current,
      devices: devicesOf(this.app),
      chosen: chosenFor(this.model),
      staleKernels: kernels
        .all()
        .filter((info) => kernels.isStale(info))
        .map(({ id }) => id),
      runs: runs.all().filter((run) => this.shows(run.model)),
      trusted: vscode.workspace.isTrusted,
      running: sidecar.state !== "failed",
    };
  }

  private async plan({ id, batch, device }: Extract<FromPanel, { type: "plan" }>): Promise<void> {
    this.planning?.token.cancel();
    const token = new vscode.CancellationTokenSource();
    const planning = { id, token };
    this.planning = planning;
    const model = this.ref();
    try {
      const outcome = await this.app.sidecar.request("kernelscope/plan", { id, model, batch, device }, token.token);
      if (outcome.kind === "done") this.post({ type: "plan", id, plan: outcome.result });
      if (outcome.kind === "failed") this.post({ type: "noPlan", id, message: outcome.fault.message });
    } catch (error) {
      // The sidecar ended, which the page is told by its state
      this.app.log.debug(`no plan: ${String(error)}`);
    } finally {
      if (this.planning === planning) this.planning = null;
      token.dispose();
    }
  }

  private async outline(id: string): Promise<void> {
    const model = this.ref();
    try {
      const outcome = await this.app.sidecar.request("kernelscope/outline", { model });
      if (outcome.kind === "done") this.post({ type: "outline", id, outline: outcome.result });
      if (outcome.kind === "failed") this.post({ type: "noOutline", id, message: outcome.fault.message });
    } catch (error) {
      // The sidecar ended, which the page is told by its state
      this.app.log.debug(`no outline: ${String(error)}`);
    }
  }

  private async received(message: FromPanel): Promise<void> {
    switch (message.type) {
      case "ready":
        this.isReady = true;
        this.post({ type: "kernels", kernels: this.app.kernels.all() });
        this.send();
        if (this.shown !== null) this.post({ type: "show", ...this.shown });
        this.shown = null;
        break;
      case "reveal":
        await reveal(message.place, this.place === "editor" ? vscode.ViewColumn.Beside : vscode.ViewColumn.One);
        break;
      case "setBatch":
        await writeModelOptions(this.model, { batch: message.batch });
        break;
      case "plan":
        await this.plan(message);
        break;
      case "outline":
        await this.outline(message.id);
        break;
      case "useStrategy":
        await useStrategy(this.model, message.strategy, message.chunk);
        break;
      case "useDevice": {
        const [own] = this.app.devices.known?.detected ?? [];
        await writeSetting("device", message.name === own?.name ? "auto" : message.name);
        break;
      }
      case "cancel":
        this.app.runs.cancel(message.run);
        break;
      case "openResult":
        await revealFile(this.app.runs.find(message.run)?.out);
        break;
      case "ask":
        await this.questions.ask(message);
        break;
      case "giveUp":
        this.questions.giveUp(message.id);
        break;
      case "continueKernel": {
        const request = this.app.kernels.requestOf(message.kernel);
        if (request) await startKernel(this.app, request);
        break;
      }
      case "cancelKernel":
        this.app.runs.cancelWriting(this.app.kernels.fileOf(message.kernel));
        break;
      case "computePart":
        await startPart(this.app, message.part);
        break;
      case "saveKernel":
        await saveKernel(this.app, message.kernel);
        break;
      case "removeKernel":
        await removeKernel(this.app, message.kernel);
        break;
      case "saveEntries":
        await saveEntries(this.app, this.model, message.selection);
        break;
      case "saveFile":
        await saveFile(this.model, message);
        break;
      case "command":
        await vscode.commands.executeCommand(commands[message.command], this.ref());
    }
  }
}

/** This machine's, cards, and what the settings make of one of them. */
function devicesOf({ devices }: App): readonly DeviceInfo[] {
  const { known, current } = devices;
  const all = [...(known?.detected ?? []), ...(known?.profiles ?? [])];
  return current === null || all.some(({ name }) => name === current.name) ? all : [current, ...all];
}

function chosenFor(model: ModelRef): PanelState["chosen"] {
  const { strategy, chunk = null } = modelOptions(model);
  return strategy === undefined ? null : { strategy, chunk };
}

const commands: Record<PanelCommand, string> = {
  analyze: "kernelscope.analyze",
  setInputs: "kernelscope.setInputs",
  choosePython: "kernelscope.choosePython",
  computeJacobian: "kernelscope.computeJacobian",
  computeNtk: "kernelscope.computeNtk",
  chooseDevice: "kernelscope.chooseDevice",
  exportResults: "kernelscope.exportResults",
  restartSidecar: "kernelscope.restartSidecar",
  trust: "workbench.trust.manage",
};

/** The file that a run has written, in the Explorer where it is in the workspace, else in the system's. */
async function revealFile(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  const uri = vscode.Uri.file(path);
  const inWorkspace = vscode.workspace.getWorkspaceFolder(uri) !== undefined;
  await vscode.commands.executeCommand(inWorkspace ? "revealInExplorer" : "revealFileInOS", uri);
}

/** A model of which nothing is known: its file may have been renamed since the panel was last open. */
function unknown({ uri, export: name }: ModelRef): ModelState {
  return {
    uri,
    export: name,
    // What a code file holds is not known yet
    kind: isBinaryModel(uri) ? "saved" : "unknown",
    takes: [],
    inputs: [],
    isPart: false,
    line: null,
    activity: "idle",
    analysis: null,
    planning: false,
    stale: null,
    fault: null,
    milliseconds: null,
    digests: {},
  };
}

function fileOf(uri: string): string {
  return vscode.Uri.parse(uri).fsPath;
}
