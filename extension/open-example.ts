import * as vscode from "vscode";
import type { App } from "./app";
import { askToPick } from "./ask";

/** Open Example: a copy of one of the models that come with the extension, in the workspace where there is one. */

const FOLDER = "kernelscope-examples";

const examples = [
  { label: "Residual net", description: "387 thousand parameters, batch normalisation", file: "residual-net.ts" },
  { label: "Tutorial CNN", description: "the convolutional net of PyTorch's NTK tutorial", file: "tutorial-cnn.ts" },
  { label: "Multilayer perceptron", description: "784-512-512-10", file: "mlp.ts" },
  { label: "MobileNet", description: "a factory with optional arguments", file: "mobilenet.ts" },
  {
    label: "Wide residual net in PyTorch",
    description: "a Python file, for images N,3,32,32",
    file: "wide_residual.py",
  },
  { label: "Self-attention", description: "a plain function on tensors", file: "function.ts" },
];

export function activateOpenExample({ context }: App): vscode.Disposable {
  return vscode.commands.registerCommand("kernelscope.openExample", async (wanted?: string) => {
    const file = wanted ?? (await pick());
    if (file === undefined) return;
    const target = vscode.Uri.joinPath(folder(context), file);
    if (!(await exists(target))) {
      await vscode.workspace.fs.copy(vscode.Uri.joinPath(context.extensionUri, "examples", file), target);
    }
    await vscode.window.showTextDocument(target);
  });
}

async function pick(): Promise<string | undefined> {
  const placeHolder = vscode.workspace.workspaceFolders
    ? `Which model? It is copied into ${FOLDER} in this workspace`
    : "Which model?";
  return (await askToPick(examples, { title: "Open Example", placeHolder, matchOnDescription: true }))?.file;
}

function folder(context: vscode.ExtensionContext): vscode.Uri {
  const root = vscode.workspace.workspaceFolders?.[0]?.uri ?? context.globalStorageUri;
  return vscode.Uri.joinPath(root, FOLDER);
}

async function exists(uri: vscode.Uri): Promise<boolean> {
  try {
    await vscode.workspace.fs.stat(uri);
    return true;
  } catch {
    return false;
  }
}
