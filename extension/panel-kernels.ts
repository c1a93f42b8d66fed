import { join } from "node:path";
import * as vscode from "vscode";
import type { ModelRef, SentKernelSelection } from "../sidecar/protocol/messages";
import type { FromPanel, KernelQuestion, ToPanel } from "../sidecar/protocol/panel";
import type { App } from "./app";
import { folderOf } from "./places";

/** What the panel's page asks of kernels, and does with them. */

/** Passes on the page's questions to the sidecar, and its answers. */
export class Questions implements vscode.Disposable {
  private readonly asked = new Map<number, vscode.CancellationTokenSource>();

  constructor(
    private readonly app: App,
    private readonly post: (message: ToPanel) => void,
  ) {}

  async ask({ id, method, params }: KernelQuestion): Promise<void> {
    const source = new vscode.CancellationTokenSource();
    this.asked.set(id, source);
    try {
      const answer = await this.app.sidecar.request(method, params, source.token);
      this.post({ type: "answer", id, answer });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (!source.token.isCancellationRequested) this.post({ type: "noAnswer", id, message });
    } finally {
      this.asked.delete(id);
      source.dispose();
    }
  }

  giveUp(id: number): void {
    this.asked.get(id)?.cancel();
  }

  dispose(): void {
    for (const source of this.asked.values()) source.cancel();
  }
}

/** A copy of the kernel's file, where the user wants it. */
export async function saveKernel({ kernels }: App, id: string): Promise<void> {
  const info = kernels.find(id);
  if (info === undefined) return;
  const out = await askWhere(info.model, "ntk.npy", "Save the kernel as");
  if (out === undefined) return;
  await vscode.workspace.fs.copy(vscode.Uri.file(kernels.fileOf(id)), out, { overwrite: true });
  tellWritten(out);
}

export async function removeKernel({ kernels }: App, id: string): Promise<void> {
  const info = kernels.find(id);
  if (info === undefined) return;
  const detail = "Its file and its pictures are removed from the disk. It can be computed again.";
  const question = `Remove the kernel of ${info.title}?`;
  const answer = await vscode.window.showWarningMessage(question, { modal: true, detail }, "Remove");
  if (answer === undefined) return;
  try {
    await kernels.remove(id);
  } catch (error) {
    void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
  }
}

/** Some pairs of a kernel as an array. */
export async function saveEntries({ sidecar }: App, model: ModelRef, selection: SentKernelSelection): Promise<void> {
  const out = await askWhere(model, "ntk-entries.npy", "Save the selected entries as");
  if (out === undefined) return;
  try {
    await sidecar.request("kernelscope/saveKernelEntries", { selection, out: out.fsPath });
    tellWritten(out);
  } catch (error) {
    void vscode.window.showErrorMessage(error instanceof Error ? error.message : String(error));
  }
}

/** A picture or a table that the page has made. */
export async function saveFile(
  model: ModelRef,
  { name, content }: Pick<Extract<FromPanel, { type: "saveFile" }>, "name" | "content">,
): Promise<void> {
  const out = await askWhere(model, name, "Save as");
  if (out === undefined) return;
  await vscode.workspace.fs.writeFile(out, typeof content === "string" ? new TextEncoder().encode(content) : content);
  tellWritten(out);
}

function askWhere(model: ModelRef, name: string, title: string): Thenable<vscode.Uri | undefined> {
  const ending = name.slice(name.lastIndexOf(".") + 1);
  return vscode.window.showSaveDialog({
    title,
    defaultUri: vscode.Uri.file(join(folderOf(model), name)),
    filters: { [ending.toUpperCase()]: [ending] },
  });
}

function tellWritten(out: vscode.Uri): void {
  void vscode.window.showInformationMessage(`Written to ${out.fsPath}.`);
}
