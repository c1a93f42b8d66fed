import { basename, dirname } from "node:path";
import * as vscode from "vscode";
import type { Place } from "../sidecar/protocol/analysis";
import type { ModelRef } from "../sidecar/protocol/messages";

/** Shows a place of the user's code, where its file is not shown already in that column. Lines and columns count from 1. */
export async function reveal(place: Place, viewColumn = vscode.ViewColumn.One): Promise<void> {
  await revealLine(vscode.Uri.file(place.file), place.line, place.column, viewColumn);
}

export async function revealLine(
  uri: vscode.Uri,
  line: number,
  column = 1,
  viewColumn = vscode.ViewColumn.One,
): Promise<void> {
  if (isBinaryModel(uri.path)) {
    await vscode.commands.executeCommand("vscode.open", uri);
    return;
  }
  const position = new vscode.Position(Math.max(0, line - 1), Math.max(0, column - 1));
  // A model that was exported on another machine names files that are not here
  if (!(await exists(uri))) {
    void vscode.window.showInformationMessage(`${uri.fsPath} is not on this machine.`);
    return;
  }
  const shown = vscode.window.visibleTextEditors.find(({ document }) => document.uri.fsPath === uri.fsPath);
  await vscode.window.showTextDocument(uri, {
    selection: new vscode.Range(position, position),
    viewColumn: shown?.viewColumn ?? viewColumn,
  });
}

async function exists(uri: vscode.Uri): Promise<boolean> {
  try {
    await vscode.workspace.fs.stat(uri);
    return true;
  } catch {
    return false;
  }
}

/** Whether a file is a model that is no text: it is never a document, and has no lines. */
export function isBinaryModel(path: string): boolean {
  return /\.(onnx|pt2)$/i.test(path);
}

/** Whether a file's models are made by the user's own Python. */
export function isPythonFile(path: string): boolean {
  return /\.py$/i.test(path);
}

export function folderOf(model: ModelRef): string {
  return dirname(vscode.Uri.parse(model.uri).fsPath);
}

/** `residual-net.ts#model` */
export function titleOf({ uri, export: name }: ModelRef): string {
  const file = basename(vscode.Uri.parse(uri).fsPath);
  return name === null ? file : `${file}#${name}`;
}
