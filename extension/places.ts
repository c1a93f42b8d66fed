import { basename, dirname } from "node:path";
import * as vscode from "vscode";
import type { Place } from "../sidecar/protocol/analysis";
import type { ModelRef } from "../sidecar/protocol/messages";

/** Shows a place of the user's code beside whatever is shown now. Lines and columns count from 1. */
export async function reveal(place: Place): Promise<void> {
  await revealLine(vscode.Uri.file(place.file), place.line, place.column);
}

export async function revealLine(uri: vscode.Uri, line: number, column = 1): Promise<void> {
  const position = new vscode.Position(Math.max(0, line - 1), Math.max(0, column - 1));
  const shown = vscode.window.visibleTextEditors.find(({ document }) => document.uri.fsPath === uri.fsPath);
  await vscode.window.showTextDocument(uri, {
    selection: new vscode.Range(position, position),
    viewColumn: shown?.viewColumn ?? vscode.ViewColumn.One,
  });
}

export function folderOf(model: ModelRef): string {
  return dirname(vscode.Uri.parse(model.uri).fsPath);
}

/** `residual-net.ts#model` */
export function titleOf({ uri, export: name }: ModelRef): string {
  const file = basename(vscode.Uri.parse(uri).fsPath);
  return name === null ? file : `${file}#${name}`;
}
