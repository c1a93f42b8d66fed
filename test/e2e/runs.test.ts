import { copyFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withFile } from "../../sidecar/formats/file";
import { readNpy } from "../../sidecar/formats/npy";
import { readNpz } from "../../sidecar/formats/npz";
import { analyze, examples, id, lens, models, saveAs, startKernelscope } from "./kernelscope";
import { keepEvidence, until, type EditorWindow, type TreeView, type VSCode } from "./lib";

/** Computing a Jacobian from the editor: to the end, or not. */
describe("runs", () => {
  let vscode: VSCode;
  let window: EditorWindow;
  let runs: TreeView;

  beforeAll(async () => {
    vscode = await startKernelscope();
    window = await vscode.open({ workspace: models });
    copyFileSync(join(examples, "residual-net.ts"), join(window.folder, "residual-net.ts"));
  });
  afterAll(() => vscode?.close());
  keepEvidence(() => window);

  it("have a view that says what to do as long as there are none", async () => {
    runs = await window.tree("Kernelscope", "Runs");
    await expect.poll(() => runs.welcome()).toMatch(/Nothing has been computed yet/);
  });

  it("compute a Jacobian at random inputs and write it to a file", async () => {
    await analyze(window, "tiny.ts");
    await start("Automatic", "jacobian.npz");
    const message = await window.notifications.waitFor(/Written to/);
    expect(message).toMatch(
      /^Jacobian of tiny\.ts#model, 100 examples: \[100, 2, 23\], 17\.97 KiB, in \d+\.\d\d s\. Written to .*jacobian\.npz\.$/,
    );
    await expect
      .poll(() => runs.rows())
      .toEqual([
        {
          label: "tiny.ts#model",
          description: expect.stringMatching(/^\d+\.\d\d s · Jacobian, 100 examples$/) as string,
          level: 1,
          expanded: null,
        },
      ]);
    const shapes = withFile(join(window.folder, "jacobian.npz"), (file) =>
      Array.from(readNpz(file), ([name, member]) => [name, readNpy(member).shape]),
    );
    expect(Object.fromEntries(shapes)).toEqual({
      "hidden/kernel": [100, 2, 4, 3],
      "hidden/bias": [100, 2, 3],
      "logits/kernel": [100, 2, 3, 2],
      "logits/bias": [100, 2, 2],
    });
    await window.screenshot("runs, done");
  });

  it("show their result in the panel", async () => {
    await window.notifications.press(/Written to/, "Open Result");
    const { content } = window.webview(id);
    await expect
      .poll(() => content.locator(".run").innerText())
      .toMatch(/Jacobian of tiny\.ts#model, 100 examples\s+Done/);
    await expect.poll(() => content.locator(".run").innerText()).toMatch(/vmap\(jacrev\)/);
    await window.screenshot("runs, result");
  });

  it("can be cancelled, and leave nothing behind", async () => {
    await window.runCommand("View: Close All Editors");
    window.changeSettings({ "kernelscope.models": { "residual-net.ts#model": { batch: 60 } } });
    await window.openFile("residual-net.ts");
    await window.editor.goTo(49);
    await window.editor.clickCodeLens("Analyze");
    await lens(window, /^Jacobian \[60, .* fits$/);
    await start("grad-loop", "long.npz");
    await until("progress", async () => /^[1-9]\d? % · /.test((await runs.rows())[0].description));
    await window.screenshot("runs, in progress");
    const workers = vscode.server.processes(/dist\/worker\.js/).map(({ pid }) => pid);
    expect(workers).not.toEqual([]);
    await runs.clickAction("residual-net.ts#model", "Cancel");
    const clicked = Date.now();
    await until("the run to be cancelled", async () => (await runs.rows())[0].description.startsWith("cancelled"));
    expect(Date.now() - clicked).toBeLessThan(2000);
    await expect
      .poll(() => vscode.server.processes(/dist\/worker\.js/).filter(({ pid }) => workers.includes(pid)))
      .toEqual([]);
    expect(readdirSync(window.folder).filter((name) => name.includes("long"))).toEqual([]);
    await window.screenshot("runs, cancelled");
  });

  it("can be cancelled from the notification as well", async () => {
    await start("grad-loop", "long.npz");
    await until("progress", async () => /^[1-9]\d? % · /.test((await runs.rows())[0].description));
    await window.notifications.press(/^Jacobian of residual-net\.ts#model/, "Cancel");
    await until("the run to be cancelled", async () => (await runs.rows())[0].description.startsWith("cancelled"));
    expect(readdirSync(window.folder).filter((name) => name.includes("long"))).toEqual([]);
  });

  it("have told of no error", async () => {
    const seen = await window.notifications.seen();
    expect(seen.filter(({ severity }) => severity !== "info")).toEqual([]);
  });

  /** Starts a computation at random inputs, by the palette. */
  async function start(strategy: string, out: string): Promise<void> {
    await window.runCommand("Kernelscope: Compute Jacobian...");
    await window.quickInput.pick("Random Inputs");
    await window.quickInput.pick(strategy);
    await saveAs(window, /Write the Jacobian to/, join(window.folder, out));
  }
});
