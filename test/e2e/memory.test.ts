import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Analysis } from "../../sidecar/protocol/analysis";
import { examples, id, lens, models, saveAs, startKernelscope } from "./kernelscope";
import { keepEvidence, type ColorTheme, type EditorWindow, type VSCode, type Webview } from "./lib";

/** Whether it will fit: the question that Kernelscope began with, on the card that it was asked for. */
describe("memory", () => {
  let vscode: VSCode;
  let window: EditorWindow;
  let panel: Webview;

  beforeAll(async () => {
    vscode = await startKernelscope();
    window = await vscode.open({ workspace: models, settings: { "kernelscope.device": "Tesla V100 16GB" } });
    copyFileSync(join(examples, "residual-net.ts"), join(window.folder, "residual-net.ts"));
  });
  afterAll(() => vscode?.close());
  keepEvidence(() => window);

  it("of a way that does not fit is told on the line that allocates the most", async () => {
    await window.openFile("residual-net.ts");
    await window.editor.goTo(47);
    await window.editor.clickCodeLens("Analyze");
    await lens(window, /^Jacobian .* · fits$/);
    await expect
      .poll(() => window.problems.list())
      .toContainEqual({
        severity: "Info",
        line: 37,
        message: expect.stringMatching(
          /^jacrev would take 9\d\.\d\d GiB for 100 examples, more than the 16\.00 GiB of Tesla V100 16GB; its largest array, .* 30\.52 GiB, is made here\. vmap\(jacrev\) takes \d/,
        ) as string,
        source: "Kernelscope",
        column: expect.any(Number) as number,
      });
    await window.screenshot("memory, a problem");
    await window.problems.close();
  });

  it("has its reasons in the hover", async () => {
    await window.editor.goTo(37, 8);
    expect(await window.editor.hoverAtCursor(/Memory/)).toMatch(/jacrev would take 9\d\.\d\d GiB/);
    await window.screenshot("memory, the hover");
    await window.editor.closeHover();
  });

  it("is warned of where that way is chosen, and a quick fix takes the one that fits", async () => {
    await window.runCommand("Kernelscope: Choose Strategy...");
    await window.quickInput.pick(/^jacrev$/);
    await lens(window, /^Jacobian .* · does not fit 16\.00 GiB$/);
    await window.editor.goTo(37, 8);
    expect(await window.editor.quickFixes()).toEqual(
      expect.arrayContaining([
        "Compute the Jacobian by vmap(jacrev)",
        "Set the batch size…",
        "Choose another device…",
        "Show memory over time",
      ]),
    );
    await window.screenshot("memory, quick fixes");
    await window.editor.applyQuickFix("Compute the Jacobian by vmap(jacrev)");
    await lens(window, /^Jacobian .* · fits$/);
  });

  describe("in the panel", () => {
    it("has the strategies side by side, and the one in use over time", async () => {
      await window.runCommand("Kernelscope: Show Overview");
      panel = window.webview(id);
      await panel.content.getByRole("tab", { name: /^Memory/ }).click();
      await expect.poll(() => panel.content.locator(".strategy-table .row:not(.head)").count()).toBeGreaterThan(3);
      await expect.poll(() => headline()).toMatch(/vmap\(jacrev\)/);
      await expect.poll(() => panel.content.getByRole("img").count()).toBeGreaterThan(0);
      await window.screenshot("memory, panel");
    });

    it("goes to the line of an array that is clicked", async () => {
      await panel.content.getByRole("button", { name: "jacrev", exact: true }).click();
      await expect.poll(() => panel.content.locator(".timeline h2").innerText()).toMatch(/: jacrev$/);
      await panel.content.locator(".array-table .link").first().click();
      await expect.poll(() => window.editor.area().getAttribute("data-uri")).toMatch(/residual-net\.ts$/);
      await expect.poll(() => window.statusBar.text("status.editor.selection")).toMatch(/^Ln [1-9]\d?,/);
      await window.screenshot("memory, jacrev");
    });

    it("answers while one plays with the number of examples, and leaves the settings as they are", async () => {
      const slider = panel.content.getByRole("slider", { name: "Examples" });
      const before = await headline();
      await slider.focus();
      for (let step = 0; step < 4; step++) await slider.press("ArrowRight");
      await expect.poll(() => headline()).not.toBe(before);
      await window.screenshot("memory, more examples");
      await panel.content.getByRole("button", { name: "Reset" }).click();
      await expect.poll(() => headline()).toBe(before);
      await window.openFile("residual-net.ts");
      await window.editor.goTo(47);
      await lens(window, /^Jacobian \[100, /);
    });

    it.each<ColorTheme>(["Light Modern", "Default High Contrast", "Dark Modern"])(
      "is accessible in %s",
      async (theme) => {
        await window.setColorTheme(theme);
        expect(await panel.accessibilityViolations()).toEqual([]);
        await window.screenshot(`memory, ${theme}`);
      },
    );

    function headline(): Promise<string> {
      return panel.content.locator(".headline .sentence").innerText();
    }
  });

  it("is exported with its timelines", async () => {
    await window.openFile("residual-net.ts");
    await window.runCommand("Kernelscope: Export Results...");
    await window.quickInput.pick("JSON");
    const target = join(window.folder, "plan.json");
    await saveAs(window, /^Export Results/, target);
    await window.notifications.waitFor(/written to/);
    const { strategies } = JSON.parse(readFileSync(target, "utf8")) as Analysis;
    expect(strategies.map(({ timeline }) => timeline.length > 0)).not.toContain(false);
    await window.notifications.clear();
  });

  it("has told of no error", async () => {
    expect((await window.notifications.seen()).filter(({ severity }) => severity !== "info")).toEqual([]);
  });
});
