import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeDigits } from "../onnx/digits";
import { id, lens, models, startKernelscope } from "./kernelscope";
import { keepEvidence, type EditorWindow, type VSCode } from "./lib";

/** A workspace of strangers: data is read, code is not run. */
describe("trust", () => {
  let vscode: VSCode;
  let window: EditorWindow;
  /** A file that the model's code writes when it is run. */
  let trace: string;

  beforeAll(async () => {
    vscode = await startKernelscope();
    window = await vscode.open({ workspace: models, trust: "asked" });
    trace = join(window.folder, "trace");
    const file = join(window.folder, "tiny.ts");
    const leaveTrace = `\nimport { writeFileSync } from "node:fs";\nwriteFileSync(${JSON.stringify(trace)}, "");\n`;
    writeFileSync(file, readFileSync(file, "utf8") + leaveTrace);
  });
  afterAll(() => vscode?.close());
  keepEvidence(() => window);

  it("is asked for by the editor, and can be denied", async () => {
    await window.screenshot("trust, the question");
    await window.dialog.answerTrust(false);
    await window.statusBar.waitForText("status.workspaceTrust", /Restricted Mode/);
  });

  it("is not needed to read a saved model, which holds no code", async () => {
    await window.openFile("saved/model.json");
    await lens(window, /^Jacobian \[100, 3, 53\] · 62\.11 KiB · fits$/);
    await window.screenshot("trust, a saved model in restricted mode");
  });

  it("nor an ONNX file", async () => {
    writeDigits(join(window.folder, "digits.onnx"));
    await window.quickInput.goTo("digits.onnx", "digits.onnx");
    const { content } = window.webview(id);
    await expect.poll(() => content.locator(".status").innerText()).toMatch(/^Up to date/);
    await expect.poll(() => content.locator(".outline-rows [role=row]").count()).toBe(9);
    await window.screenshot("trust, an ONNX file in restricted mode");
    await window.runCommand("View: Close Editor");
  });

  it("is offered where code would have to be run, which is not done without it", async () => {
    await window.openFile("tiny.ts");
    await lens(window, /^Trust this workspace to analyze the model$/);
    await expect.poll(() => window.editor.codeLenses()).toHaveLength(1);
    await window.runCommand("Kernelscope: Analyze Model");
    expect(await window.notifications.waitFor(/tiny\.ts#model/)).toMatch(/not trusted, so its code is not run/);
    expect(await window.notifications.buttons(/tiny\.ts#model/)).toEqual(["Manage Trust"]);
    await window.screenshot("trust, code in restricted mode");
    expect(existsSync(trace)).toBe(false);
  });

  it("tells so in the side bar and in the panel", async () => {
    const tree = await window.tree("Kernelscope", "Models");
    await expect.poll(() => tree.rows()).toContainEqual(expect.objectContaining({ label: "saved model" }));
    await window.runCommand("Kernelscope: Show Overview");
    const { content } = window.webview(id);
    await expect.poll(() => content.locator(".status").innerText()).toMatch(/^Restricted Mode: code is not run/);
    await window.screenshot("trust, side bar and panel in restricted mode");
  });

  it("is followed by an analysis once it is granted from the CodeLens", async () => {
    await window.openFile("tiny.ts");
    const trust = window.page.locator(".workspace-trust-editor");
    await window.editor.clickCodeLens(/Trust this workspace/, async () => (await trust.count()) > 0);
    await trust.getByRole("button", { name: "Trust", exact: true }).click();
    await expect.poll(() => window.statusBar.item("status.workspaceTrust").count()).toBe(0);
    await window.openFile("tiny.ts");
    await window.editor.clickCodeLens("Analyze");
    await lens(window, /^Jacobian \[100, 2, 23\] · 17\.97 KiB · fits$/);
    expect(existsSync(trace)).toBe(true);
    await window.screenshot("trust, granted");
  });
});
