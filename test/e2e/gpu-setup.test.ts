import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tfjsNode } from "../tools";
import { examples, startKernelscope } from "./kernelscope";
import { keepEvidence, until, type EditorWindow, type VSCode } from "./lib";

const command = "Kernelscope: Set Up GPU Backend";

describe.skipIf(tfjsNode === undefined)("setting up the GPU backend where there is one", () => {
  let vscode: VSCode;
  let window: EditorWindow;

  beforeAll(async () => {
    vscode = await startKernelscope();
    window = await vscode.open({ workspace: examples });
  });
  afterAll(() => vscode?.close());
  keepEvidence(() => window);

  it("takes what is there and says what it computes on", async () => {
    await window.runCommand(command);
    expect(await window.notifications.waitFor(/TensorFlow is set up already/)).toContain(tfjsNode);
  });
});

describe("setting up the GPU backend where there is none", () => {
  const cache = mkdtempSync(join(tmpdir(), "kernelscope-no-tensorflow-"));
  let vscode: VSCode;
  let window: EditorWindow;

  beforeAll(async () => {
    vscode = await startKernelscope({ env: { KERNELSCOPE_TFJS_NODE: "", KERNELSCOPE_CACHE: cache } });
    window = await vscode.open({ workspace: examples });
  });
  afterAll(async () => {
    await vscode?.close();
    rmSync(cache, { recursive: true, force: true });
  });
  keepEvidence(() => window);

  it("downloads nothing without consent", async () => {
    await window.runCommand(command);
    expect(await window.dialog.text()).toMatch(
      /^Set up the GPU backend\?\s+TensorFlow\.js for Node is built on this machine.*tfjs-node-gpu 4\.22\.0.*: about \d+\.\d\d MiB.*of disk/s,
    );
    await window.screenshot("gpu setup, consent");
    await window.dialog.press("Cancel");
    expect(vscode.server.processes(/\bnpm\b|\bpip\b/)).toEqual([]);
  });

  it("shows progress, and can be cancelled without leaving anything", async () => {
    await window.runCommand(command);
    await window.dialog.press("Download and Build");
    await window.notifications.waitFor(/Setting up the GPU backend/);
    await until("the download to begin", () => vscode.server.processes(/\bnpm\b.*\binstall\b/).length > 0);
    await window.screenshot("gpu setup, progress");
    await window.notifications.press(/Setting up the GPU backend/, "Cancel");
    await until("npm to be gone", () => vscode.server.processes(/\bnpm\b.*\binstall\b/).length === 0);
    await until("what was begun to be gone", () => left(vscode.server.folder).length === 0);
    expect(await window.notifications.seen()).toEqual([
      expect.objectContaining({ severity: "info", message: expect.stringMatching(/^Setting up/) as string }),
    ]);
  });
});

/** What a setup has left on the disk. */
function left(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return files.filter((file) => /globalStorage[\\/]kernelscope\.kernelscope[\\/]tensorflow/.test(file));
}
