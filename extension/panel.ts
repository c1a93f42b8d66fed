import * as vscode from "vscode";
import type { ModelRef } from "../sidecar/protocol/messages";
import type { PanelMemory, PanelView } from "../sidecar/protocol/panel";
import type { App } from "./app";
import { activeGraphEditor } from "./graph-editor";
import { ModelPage, webviewOptions, type Shown } from "./model-page";
import { targetModel, type ModelArgument } from "./models";

/** The panel beside the code: one page, which shows one model at a time. */

const TYPE = "kernelscope.panel";

export function activatePanel(app: App): vscode.Disposable {
  let panel: ModelPage | null = null;
  const adopt = (webview: vscode.WebviewPanel, model: ModelRef, shown: Shown | null): void => {
    const created = new ModelPage(app, webview, "panel", model, shown);
    const icon = (theme: string): vscode.Uri =>
      vscode.Uri.joinPath(app.context.extensionUri, "media", `panel-${theme}.svg`);
    webview.iconPath = { light: icon("light"), dark: icon("dark") };
    panel = created;
    webview.onDidDispose(() => {
      created.dispose();
      if (panel === created) panel = null;
    });
  };
  const show = (model: ModelRef, shown: Shown | null): void => {
    // The file's own editor, if that is what the user looks at
    const editor = activeGraphEditor(model);
    if (editor !== null) {
      editor.show(model, shown ?? { view: "overview" });
      return;
    }
    if (panel !== null) {
      panel.show(model, shown);
      return;
    }
    const column = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    adopt(vscode.window.createWebviewPanel(TYPE, "Kernelscope", column, webviewOptions(app)), model, shown);
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
        webview.webview.options = webviewOptions(app);
        if (memory?.model) adopt(webview, memory.model, { view: memory.view });
        else webview.dispose();
        return Promise.resolve();
      },
    }),
    { dispose: () => panel?.dispose() },
  );
}
