import { pathToFileURL } from "node:url";
import * as vscode from "vscode";
import type { ModelRef } from "../sidecar/protocol/messages";
import type { App } from "./app";
import { ModelPage, webviewOptions } from "./model-page";
import { GRAPH_EDITORS } from "./models";

/**
 * The editor of model files that are data: an `.onnx` file, an archive of torch.export, or a saved `model.json`. It cannot
 * change them. They hold no code, so that they are read as soon as they are opened.
 */

const editors = new Set<ModelPage>();

/** The editor of a model's file, if that is what the user looks at. */
export function activeGraphEditor(model: ModelRef): ModelPage | null {
  return [...editors].find((page) => page.panel.active && page.shows(model)) ?? null;
}

export function activateGraphEditor(app: App): vscode.Disposable {
  const provider = new GraphEditors(app);
  return vscode.Disposable.from(
    ...GRAPH_EDITORS.map((type) =>
      vscode.window.registerCustomEditorProvider(type, provider, { supportsMultipleEditorsPerDocument: true }),
    ),
  );
}

class GraphEditors implements vscode.CustomReadonlyEditorProvider {
  constructor(private readonly app: App) {}

  openCustomDocument(uri: vscode.Uri): vscode.CustomDocument {
    return { uri, dispose: () => undefined };
  }

  resolveCustomEditor({ uri }: vscode.CustomDocument, panel: vscode.WebviewPanel): void {
    panel.webview.options = webviewOptions(this.app);
    // As the sidecar spells it: files that are no texts have no spelling of the editor's own
    const model = { uri: pathToFileURL(uri.fsPath).href, export: null };
    const page = new ModelPage(this.app, panel, "editor", model, null);
    editors.add(page);
    const read = this.reader(model);
    // Also by a sidecar that took the place of another
    const restarts = this.app.sidecar.onDidChangeState((state) => {
      if (state === "running") void read();
    });
    panel.onDidDispose(() => {
      editors.delete(page);
      restarts.dispose();
      page.dispose();
    });
    void read();
  }

  /** What has a file read, unless that goes on already or what is known is of this very file. */
  private reader(model: ModelRef): () => Promise<void> {
    const { sidecar, store, log } = this.app;
    let isReading = false;
    return async () => {
      if (isReading) return;
      isReading = true;
      try {
        await sidecar.request("kernelscope/find", { uris: [model.uri] });
        const known = store.find(model);
        const isKnown = known?.activity === "evaluating" || (known?.analysis && known.stale === null);
        if (!isKnown) await sidecar.request("kernelscope/analyze", { model });
      } catch (error) {
        // The sidecar did not start or has ended, which has been shown
        log.warn(`${model.uri} was not read: ${String(error)}`);
      } finally {
        isReading = false;
      }
    };
  }
}
