import * as vscode from "vscode";
import type { FileState, ModelRef, ModelState } from "../sidecar/protocol/messages";

/**
 * What is known of models: told by the sidecar, kept here so that it outlives one, and on disk so that it outlives a
 * window. Whoever shows models reads them here.
 */
export class Store implements vscode.Disposable {
  private readonly files = new Map<string, FileState>();
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changes.event;
  private saving: NodeJS.Timeout | null = null;

  /** @param folder where results are kept for the next window; undefined without a workspace */
  constructor(private readonly folder: vscode.Uri | undefined) {}

  /** Reads what the last window knew. What the sidecar has told meanwhile is newer. */
  async load(): Promise<void> {
    if (this.folder === undefined) return;
    let text: Uint8Array;
    try {
      text = await vscode.workspace.fs.readFile(this.file(this.folder));
    } catch {
      // There was no window before
      return;
    }
    try {
      for (const file of JSON.parse(new TextDecoder().decode(text)) as FileState[]) {
        if (!this.files.has(keyOf(file.uri))) this.files.set(keyOf(file.uri), asRestored(file));
      }
    } catch {
      // Cut off in the middle, or of another version: what was known is lost, and computed anew when it is wanted
      return;
    }
    this.changes.fire();
  }

  set(file: FileState): void {
    if (file.models.length === 0) this.files.delete(keyOf(file.uri));
    else this.files.set(keyOf(file.uri), file);
    this.changed();
  }

  /** The sidecar has ended: nothing is being evaluated any more, and nobody will say when results become wrong. */
  markRestored(): void {
    for (const [key, file] of this.files) this.files.set(key, asRestored(file));
    this.changed();
  }

  all(): FileState[] {
    return [...this.files.values()].sort((a, b) => a.uri.localeCompare(b.uri));
  }

  modelsOf(uri: vscode.Uri | string): readonly ModelState[] {
    return this.files.get(keyOf(uri))?.models ?? [];
  }

  find(ref: ModelRef): ModelState | undefined {
    return this.modelsOf(ref.uri).find((model) => model.export === ref.export);
  }

  dispose(): void {
    if (this.saving) clearTimeout(this.saving);
    this.changes.dispose();
  }

  private changed(): void {
    this.changes.fire();
    this.saving ??= setTimeout(() => {
      this.saving = null;
      void this.save();
    }, 1000);
  }

  /** Writes what is worth keeping. */
  async save(): Promise<void> {
    if (this.folder === undefined) return;
    const files = this.all()
      .map((file) => ({ ...file, models: file.models.filter(({ analysis }) => analysis !== null) }))
      .filter(({ models }) => models.length > 0);
    await vscode.workspace.fs.createDirectory(this.folder);
    await vscode.workspace.fs.writeFile(this.file(this.folder), new TextEncoder().encode(JSON.stringify(files)));
  }

  private file(folder: vscode.Uri): vscode.Uri {
    return vscode.Uri.joinPath(folder, "models.json");
  }
}

function asRestored(file: FileState): FileState {
  return {
    ...file,
    models: file.models.map((model) => ({
      ...model,
      // Missing in what an earlier version has kept
      inputs: model.inputs ?? [],
      isPart: model.isPart ?? false,
      activity: "idle" as const,
      planning: false,
      stale: model.analysis === null ? null : (model.stale ?? "restored"),
    })),
  };
}

/** One key for one file, however its URI is spelt. */
function keyOf(uri: vscode.Uri | string): string {
  return (typeof uri === "string" ? vscode.Uri.parse(uri) : uri).fsPath;
}
