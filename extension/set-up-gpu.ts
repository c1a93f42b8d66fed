import * as vscode from "vscode";
import { formatBytes } from "../sidecar/protocol/text";
import type { App } from "./app";

/** Set Up GPU Backend: finds a native TensorFlow.js, or builds one with the user's consent. */

const RUN = "setup";

export function activateSetUpGpu(app: App): vscode.Disposable {
  return vscode.commands.registerCommand("kernelscope.setUpGpuBackend", () => setUpGpu(app));
}

async function setUpGpu(app: App): Promise<void> {
  const { sidecar, context } = app;
  const folder = vscode.Uri.joinPath(context.globalStorageUri, "tensorflow").fsPath;
  const near = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
  const plan = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Window, title: "Looking for TensorFlow" },
    () => sidecar.request("kernelscope/planSetup", { folder, near }),
  );
  if (plan.found !== null) {
    const on = plan.found.usesGpu ? "the GPU" : "the CPU, as it finds no GPU";
    await use(app, plan.found.packageDir);
    void vscode.window.showInformationMessage(
      `TensorFlow is set up already and computes on ${on}: ${plan.found.packageDir}`,
    );
    return;
  }
  if (plan.missing.length > 0) {
    const action = await vscode.window.showErrorMessage(
      "The GPU backend cannot be set up yet.",
      { modal: true, detail: plan.missing.join("\n\n") },
      "Try Again",
    );
    if (action === "Try Again") await setUpGpu(app);
    return;
  }
  const downloads = plan.downloads.map(({ name, bytes }) => `- ${name}: about ${formatBytes(bytes)}`);
  const detail = [
    "TensorFlow.js for Node is built on this machine against the library of TensorFlow's Python package. npm and pip download:",
    downloads.join("\n"),
    `It takes about ${formatBytes(plan.diskBytes)} of disk, in ${folder}, and some minutes. It can be cancelled at any time.`,
  ].join("\n\n");
  const go = "Download and Build";
  if ((await vscode.window.showInformationMessage("Set up the GPU backend?", { modal: true, detail }, go)) !== go)
    return;
  await build(app, folder);
}

async function build(app: App, folder: string): Promise<void> {
  const outcome = await vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title: "Setting up the GPU backend", cancellable: true },
    async (progress, token) => {
      let shown = 0;
      const watching = app.sidecar.on("kernelscope/progress", ({ run, fraction, message }) => {
        if (run !== RUN) return;
        progress.report({ increment: Math.max(0, 100 * fraction - shown), message });
        shown = Math.max(shown, 100 * fraction);
      });
      try {
        return await app.sidecar.request("kernelscope/setUp", { run: RUN, folder }, token);
      } finally {
        watching.dispose();
      }
    },
  );
  if (outcome.kind === "done") {
    const { packageDir, usesGpu, advice } = outcome.result;
    await use(app, packageDir);
    const done = `TensorFlow is set up and computes on the ${usesGpu ? "GPU" : "CPU"}.`;
    void vscode.window.showInformationMessage([done, advice].filter(Boolean).join(" "));
  } else if (outcome.kind === "failed") {
    const action = await vscode.window.showErrorMessage(
      `The GPU backend was not set up: ${outcome.fault.message}`,
      "Try Again",
      "Show Log",
    );
    if (action === "Try Again") await setUpGpu(app);
    if (action === "Show Log") app.log.show();
  }
}

/** From now on it is the one that is used, in all workspaces of this machine. */
async function use({ devices }: App, packageDir: string): Promise<void> {
  await vscode.workspace
    .getConfiguration("kernelscope")
    .update("tensorflowPath", packageDir, vscode.ConfigurationTarget.Global);
  await devices.find(true);
}
