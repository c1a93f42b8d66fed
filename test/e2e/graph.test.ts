import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeDigits } from "../onnx/digits";
import { id, models, startKernelscope, status } from "./kernelscope";
import { keepEvidence, type ColorTheme, type EditorWindow, type VSCode, type Webview } from "./lib";

/** Model files that are data: an ONNX file opens as the outline of its graph, and all commands work on it. */
describe("a model's file", () => {
  let vscode: VSCode;
  let window: EditorWindow;
  let editor: Webview;
  let file: string;
  let python: string;

  beforeAll(async () => {
    vscode = await startKernelscope();
    window = await vscode.open({ workspace: models });
    file = join(window.folder, "digits.onnx");
    python = join(window.folder, "net.py");
    writeFileSync(python, Array.from({ length: 20 }, (_, index) => `line_${index + 1} = ${index + 1}\n`).join(""));
    writeDigits(file, { python });
    editor = window.webview(id);
  });
  afterAll(() => vscode?.close());
  keepEvidence(() => window);

  const rows = (): ReturnType<Webview["content"]["locator"]> => editor.content.locator(".outline-rows [role=row]");
  const names = (): Promise<string[]> => rows().locator(".row-name").allInnerTexts();
  const focused = (): Promise<string> => editor.content.locator(".outline-row:focus .row-name").innerText();

  it("opens as an outline of its graph, by modules", async () => {
    await window.quickInput.goTo("digits.onnx", "digits.onnx");
    await expect
      .poll(names)
      .toEqual(["features", ...["conv", "weight", "bias", "relu"], "Flatten", ...["head", "weight", "bias"]]);
    await expect.poll(() => editor.content.locator(".status").innerText()).toMatch(/^Up to date, evaluated in/);
    expect(await editor.content.locator("h1").innerText()).toBe("digits.onnx");
    expect((await rows().nth(1).innerText()).replaceAll(/\s+/g, " ")).toMatch(
      /^conv Conv \[100, 4, 6, 6\] 40 .*156\.25 KiB \d+\.\d% net\.py:11$/,
    );
    await window.statusBar.item(status).waitFor();
    await window.screenshot("graph");
  });

  it("is searched", async () => {
    const field = editor.content.getByRole("searchbox", { name: "Search the graph" });
    await field.fill("144 gemm");
    await expect.poll(names).toEqual([]);
    await field.fill("144, 10");
    await expect.poll(names).toEqual(["head", "weight"]);
    expect(await editor.content.locator(".graph [role=status]").innerText()).toBe("1 of 9 rows");
    await window.screenshot("graph, searched");
    await field.press("Escape");
    await expect.poll(names).toHaveLength(9);
  });

  it("is gone through by keys, and leads to the line of Python beside it", async () => {
    await rows().first().press("ArrowLeft");
    await expect.poll(names).toEqual(["features", "Flatten", "head", "weight", "bias"]);
    await window.page.keyboard.press("ArrowRight");
    await expect.poll(names).toHaveLength(9);
    await window.page.keyboard.press("End");
    expect(await focused()).toBe("bias");
    await window.page.keyboard.press("h");
    expect(await focused()).toBe("head");
    await window.page.keyboard.press("Enter");
    await expect.poll(() => window.editor.area("net.py").isVisible()).toBe(true);
    await expect.poll(() => window.page.locator('[id="status.editor.selection"]').innerText()).toMatch(/^Ln 14, Col 1/);
    expect(await editor.isShown()).toBe(true);
    await window.screenshot("graph, beside the code");
    await window.runCommand("View: Close All Editors in Group");
    await window.quickInput.goTo("digits.onnx", "digits.onnx");
  });

  it.each<ColorTheme>(["Light Modern", "Default High Contrast", "Dark Modern"])(
    "is accessible in %s",
    async (theme) => {
      await window.setColorTheme(theme);
      await expect.poll(names).toHaveLength(9);
      expect(await editor.accessibilityViolations()).toEqual([]);
      await window.screenshot(`graph, ${theme}`);
    },
  );

  it("is a model of the workspace", async () => {
    const tree = await window.tree("Kernelscope", "Models");
    await expect
      .poll(async () => (await tree.rows()).map(({ label }) => label))
      .toEqual(expect.arrayContaining(["digits.onnx", "saved model"]));
    await window.screenshot("graph, in the side bar");
  });

  it("has its kernel computed, which is shown in its editor", async () => {
    await window.runCommand("Kernelscope: Analyze Model");
    await window.runCommand("Kernelscope: Compute NTK...");
    await window.quickInput.pick("Random Inputs");
    await window.quickInput.pick("The Same Examples");
    await window.quickInput.pick("Trace, mean");
    await window.quickInput.pick("Automatic");
    const message = await window.notifications.waitFor(/^NTK of digits\.onnx, .* in \d/);
    expect(message).toMatch(/\[100, 100\]/);
    await window.notifications.clear();
    await expect
      .poll(() => editor.content.getByRole("application").first().getAttribute("aria-label"))
      .toMatch(/100 × 100 pairs of examples/);
    expect(await editor.content.getByRole("tab", { name: "NTK" }).getAttribute("aria-selected")).toBe("true");
    await window.screenshot("graph, the kernel");
    await editor.content.getByRole("tab", { name: "Graph" }).click();
    await expect.poll(names).toHaveLength(9);
  });

  it("is read again when it changes on the disk", async () => {
    writeDigits(file, { classes: 3, python });
    await expect.poll(() => editor.content.locator(".figure.jacobian").innerText()).toContain("[100, 3, 475]");
    await expect.poll(() => rows().nth(6).innerText()).toMatch(/\[100, 3\]/);
  });

  it("says what is wrong with a damaged one, in its editor and among the problems", async () => {
    writeFileSync(join(window.folder, "damaged.onnx"), "This is no model.");
    await window.quickInput.goTo("damaged.onnx", "damaged.onnx");
    await expect.poll(() => editor.content.locator(".status").innerText()).toMatch(/ is no whole ONNX model/);
    await expect
      .poll(() => window.problems.list())
      .toContainEqual({
        severity: "Error",
        message: expect.stringMatching(/no (whole )?ONNX model/) as string,
        source: "Kernelscope",
        line: 1,
        column: 1,
      });
    await window.screenshot("graph, of a damaged file");
    await window.problems.close();
    rmSync(join(window.folder, "damaged.onnx"));
    await window.runCommand("View: Close All Editors");
  });

  it("of a model.json opens as text, and as a graph if one asks for it", async () => {
    await window.openFile("saved/model.json");
    await window.runCommand("View: Reopen Editor With...");
    await window.quickInput.pick("Model Graph");
    await expect.poll(names).toEqual(expect.arrayContaining(["hidden", "kernel", "bias", "logits"]));
    await window.screenshot("graph, of a model.json");
  });

  it("is there again after a reload", async () => {
    await window.quickInput.goTo("digits.onnx", "digits.onnx");
    await expect.poll(names).toHaveLength(9);
    await window.reload();
    await expect.poll(names).toHaveLength(9);
    await expect.poll(() => editor.content.locator(".status").innerText()).toMatch(/^Up to date/);
  });

  it("is read by a sidecar that took the place of another", async () => {
    await window.runCommand("Kernelscope: Restart Sidecar");
    await expect.poll(() => editor.content.locator(".status").innerText()).not.toMatch(/^Up to date/);
    await expect.poll(() => editor.content.locator(".status").innerText()).toMatch(/^Up to date/);
    await expect.poll(names).toHaveLength(9);
  });

  it("has told of no error", async () => {
    expect((await window.notifications.seen()).filter(({ severity }) => severity !== "info")).toEqual([]);
  });
});
