import { randomBytes } from "node:crypto";
import * as vscode from "vscode";
import type { DeviceInfo } from "../sidecar/protocol/analysis";
import type { ModelRef, ModelState } from "../sidecar/protocol/messages";
import type { FromPanel, PanelCommand, PanelMemory, PanelState, PanelView, ToPanel } from "../sidecar/protocol/panel";
import type { App } from "./app";
import { targetModel, type ModelArgument } from "./models";
import { startKernel, startPart } from "./compute-ntk";
import { Questions, removeKernel, saveEntries, saveFile, saveKernel } from "./panel-kernels";
import { panelHtml } from "./panel-html";
import { reveal, titleOf } from "./places";
import { batchOf, modelOptions, onSettings, writeModelOptions, writeSetting } from "./settings";
import { useStrategy } from "./strategy";

/** The panel beside the code: one page, which shows one model at a time, and follows what is known of it. */

const TYPE = "kernelscope.panel";

export function activatePanel(app: App): vscode.Disposable {
  let panel: Panel | null = null;
  const adopt = (webview: vscode.WebviewPanel, model: ModelRef, shown: Shown | null): void => {
    const created = new Panel(app, webview, model, shown);
    panel = created;
    webview.onDidDispose(() => {
      created.dispose();
      if (panel === created) panel = null;
    });
  };
  const show = (model: ModelRef, shown: Shown | null): void => {
    if (panel !== null) {
      panel.show(model, shown);
      return;
    }
    const column = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    adopt(vscode.window.createWebviewPanel(TYPE, "Kernelscope", column, optionsOf(app)), model, shown);
  };
  return vscode.Disposable.from(
    vscode.commands.registerCommand(
      "kernelscope.showOverview",
      async (ref?: ModelArgument, view?: PanelView, kernel?: string) => {
        const model = await targetModel(app, ref);
        if (model !== undefined)
          show({ uri: model.uri, export: model.export }, view === undefined ? null : { view, kernel });
      },
    ),
    vscode.commands.registerCommand("kernelscope.openResult", (run: string) => {
      const found = app.runs.find(run);
      if (found?.result?.kind === "ntk") show(found.model, { view: "ntk", kernel: found.result.summary.kernel });
      else if (found) show(found.model, { view: "runs" });
    }),
    vscode.window.registerWebviewPanelSerializer(TYPE, {
      deserializeWebviewPanel(webview, memory: PanelMemory | undefined) {
        webview.webview.options = optionsOf(app);
        if (memory?.model) adopt(webview, memory.model, { view: memory.view });
        else webview.dispose();
        return Promise.resolve();
      },
    }),
    { dispose: () => panel?.dispose() },
  );
}

function optionsOf({ context }: App): vscode.WebviewOptions {
  return { enableScripts: true, localResourceRoots: [vscode.Uri.joinPath(context.extensionUri, "dist")] };
}

type Shown = Pick<Extract<ToPanel, { type: "show" }>, "view" | "kernel">;

class Panel {
  private readonly subscriptions: vscode.Disposable[];
  private readonly questions: Questions;
  private isReady = false;
  private waiting: NodeJS.Timeout | null = null;
  /** The question of the page that is being answered. */
  private planning: { readonly id: string; readonly token: vscode.CancellationTokenSource } | null = null;

  constructor(
    private readonly app: App,
    private readonly panel: vscode.WebviewPanel,
    private model: ModelRef,
    private shown: Shown | null,
  ) {
    const { store, runs, devices, sidecar, context, kernels } = app;
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
    const icon = (theme: string): vscode.Uri =>
      vscode.Uri.joinPath(context.extensionUri, "media", `panel-${theme}.svg`);
    panel.iconPath = { light: icon("light"), dark: icon("dark") };
    panel.webview.html = this.html();
    // The page lets one choose among them; where they cannot be looked for, that has been shown
    devices.find().catch(() => undefined);
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
    this.panel.title = titleOf(this.model);
    if (this.isReady) this.post({ type: "state", state: this.state() });
  }

  private post(message: ToPanel): void {
    void this.panel.webview.postMessage(message);
  }

  private state(): PanelState {
    const { store, runs, devices, sidecar, kernels } = this.app;
    const { uri, export: name } = this.model;
    return {
      model: store.find(this.model) ?? unknown(this.model),
      title: titleOf(this.model),
      batch: batchOf(this.model),
      device: devices.current,
      devices: devicesOf(this.app),
      chosen: chosenFor(this.model),
      staleKernels: kernels
        .all()
        .filter((info) => kernels.isStale(info))
        .map(({ id }) => id),
      runs: runs.all().filter(({ model }) => model.uri === uri && model.export === name),
      trusted: vscode.workspace.isTrusted,
      running: sidecar.state !== "failed",
    };
  }

  private async plan({ id, batch, device }: Extract<FromPanel, { type: "plan" }>): Promise<void> {
    this.planning?.token.cancel();
    const token = new vscode.CancellationTokenSource();
    const planning = { id, token };
    this.planning = planning;
    const model = { uri: this.model.uri, export: this.model.export };
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
        await reveal(message.place);
        break;
      case "setBatch":
        await writeModelOptions(this.model, { batch: message.batch });
        break;
      case "plan":
        await this.plan(message);
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
        await vscode.commands.executeCommand(commands[message.command], this.model);
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
    kind: "unknown",
    takes: [],
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
