import { isAbsolute } from "node:path";
import * as vscode from "vscode";
import { askForText } from "./ask";
import { programPath, readSettings, writeSetting } from "./settings";

/**
 * Which Python runs the user's Python files: the setting's, else the one that the user has chosen for their workspace folder
 * in the Python extension, where that is installed. Without either the sidecar looks as the command line does.
 */

const PYTHON_EXTENSION = "ms-python.python";

/** As much of the Python extension's API as is used here. */
interface PythonApi {
  readonly environments: {
    getActiveEnvironmentPath(resource?: vscode.Uri): { readonly path: string };
    resolveEnvironment(environment: { readonly path: string }): Promise<PythonEnvironment | undefined>;
    readonly onDidChangeActiveEnvironmentPath: vscode.Event<unknown>;
  };
}

interface PythonEnvironment {
  readonly executable: { readonly uri: vscode.Uri | undefined };
}

export class Interpreters implements vscode.Disposable {
  private pythons: Readonly<Record<string, string>> = {};
  private asked: Promise<void> | null = null;
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changes.event;
  private readonly subscriptions: vscode.Disposable[] = [];

  constructor(private readonly log: vscode.LogOutputChannel) {}

  /** By the path of the workspace folder, as far as they are known. */
  get byFolder(): Readonly<Record<string, string>> {
    return this.pythons;
  }

  /** Resolves when it is known what the Python extension says. It is activated where it has to be, at the first call. */
  known(): Promise<void> {
    // Nothing is run for a workspace that is not trusted
    if (!vscode.workspace.isTrusted) return Promise.resolve();
    this.asked ??= this.ask();
    return this.asked;
  }

  private async ask(): Promise<void> {
    const extension = vscode.extensions.getExtension<PythonApi>(PYTHON_EXTENSION);
    if (extension === undefined) return;
    try {
      const { environments } = await extension.activate();
      const read = (): Promise<void> => this.read(environments);
      this.subscriptions.push(
        environments.onDidChangeActiveEnvironmentPath(() => void read()),
        vscode.workspace.onDidChangeWorkspaceFolders(() => void read()),
      );
      await read();
    } catch (error) {
      this.log.warn(`the Python extension does not say which interpreter is chosen: ${String(error)}`);
    }
  }

  private async read(environments: PythonApi["environments"]): Promise<void> {
    const found = await Promise.all(
      (vscode.workspace.workspaceFolders ?? []).map(async ({ uri }) => {
        const environment = await environments.resolveEnvironment(environments.getActiveEnvironmentPath(uri));
        const executable = environment?.executable.uri?.fsPath;
        return executable === undefined ? [] : [[uri.fsPath, executable] as const];
      }),
    );
    const pythons = Object.fromEntries(found.flat());
    if (JSON.stringify(pythons) === JSON.stringify(this.pythons)) return;
    this.pythons = pythons;
    this.changes.fire();
  }

  dispose(): void {
    this.changes.dispose();
    for (const subscription of this.subscriptions) subscription.dispose();
  }
}

/** Choose Python Interpreter...: in the Python extension, unless the setting says which. */
export function activateChoosePython(): vscode.Disposable {
  return vscode.commands.registerCommand("kernelscope.choosePython", async () => {
    const isOfExtension =
      readSettings().python === "" && vscode.extensions.getExtension(PYTHON_EXTENSION) !== undefined;
    if (isOfExtension) await vscode.commands.executeCommand("python.setInterpreter");
    else await askForPython();
  });
}

async function askForPython(): Promise<void> {
  const text = await askForText({
    title: "Python that runs Python files",
    prompt: "A path, or the name of a program, of a Python with PyTorch 2.4 or later; empty for the usual one",
    value: readSettings().python,
    validateInput: async (value) => ((await isThere(value)) ? null : "There is no such file"),
  });
  if (text !== undefined) await writeSetting("python", text.trim());
}

/** The name of a program is looked for when it is run. */
async function isThere(text: string): Promise<boolean> {
  const path = programPath(text.trim());
  if (!isAbsolute(path)) return true;
  try {
    const { type } = await vscode.workspace.fs.stat(vscode.Uri.file(path));
    return type !== vscode.FileType.Directory;
  } catch {
    return false;
  }
}
