import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { examples, id, lens, startKernelscope, status } from "./kernelscope";
import { keepEvidence, type EditorWindow, type VSCode } from "./lib";

/** The way of a user who has just installed the extension: with nothing to configure, and nothing that frightens. */
describe("first start", () => {
  let vscode: VSCode;
  let window: EditorWindow;

  beforeAll(async () => {
    vscode = await startKernelscope();
    window = await vscode.open({ workspace: examples });
  });
  afterAll(() => vscode?.close());
  keepEvidence(() => window);

  it("costs nothing before a model is opened", () => {
    expect(vscode.server.processes(/dist\/cli\.js serve/)).toEqual([]);
  });

  it("offers to analyze the model of a file that is opened", async () => {
    await window.openFile("residual-net.ts");
    await window.editor.goTo(47);
    expect(await lens(window, /./)).toBe("Analyze");
    await window.statusBar.waitForText(status, /GiB/);
    await window.screenshot("first start, before");
  });

  it("shows the Jacobian after one click", async () => {
    await window.editor.clickCodeLens("Analyze");
    await lens(window, /^Jacobian \[100, 10, \d+k\] · 1\.\d\d GiB · fits$/);
    await expect
      .poll(() => window.editor.codeLenses())
      .toEqual([
        expect.stringMatching(/^Jacobian/),
        expect.stringMatching(/^NTK \[100, 100, 10, 10\] · 3\.81 MiB$/),
        "Analyze",
      ]);
    await window.editor.goTo(12);
    await expect.poll(() => window.editor.inlayHints()).not.toEqual([]);
    await window.screenshot("first start, analyzed");
  });

  it("has told of no error", async () => {
    expect(await window.notifications.seen()).toEqual([]);
    expect(vscode.server.log(id, "Kernelscope")).not.toMatch(/\[(error|warning)\]/);
  });
});
