import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { analyze, id, lens, models, startKernelscope } from "./kernelscope";
import { keepEvidence, type ColorTheme, type EditorWindow, type TreeView, type VSCode, type Webview } from "./lib";

/** What is shown beside the code: the side bar and the panel. */
describe("views", () => {
  let vscode: VSCode;
  let window: EditorWindow;

  beforeAll(async () => {
    vscode = await startKernelscope();
    window = await vscode.open({ workspace: models });
  });
  afterAll(() => vscode?.close());
  keepEvidence(() => window);

  describe("the tree of models", () => {
    let tree: TreeView;

    it("lists the models of the workspace without running them", async () => {
      tree = await window.tree("Kernelscope", "Models");
      for (const other of ["Devices", "Runs"]) {
        await window.page.locator(".pane-header", { has: window.page.getByText(other, { exact: true }) }).click();
      }
      await expect
        .poll(() => tree.rows())
        .toContainEqual({ label: "net", description: "not analyzed", level: 2, expanded: null });
      // While the views make room for one another, rows come and go
      await expect
        .poll(async () => (await tree.rows()).filter(({ level }) => level === 1).map(({ label }) => label))
        .toEqual(expect.arrayContaining(["coupled.ts", "endless.ts", "function.ts", "importing.ts", "maker.ts"]));
      await window.screenshot("views, models");
    });

    it("analyzes a model by its button", async () => {
      await tree.clickAction("net", "Analyze Model");
      await expect
        .poll(() => tree.rows())
        .toContainEqual({ label: "net", description: "J [100, 2, 23] · 17.97 KiB", level: 2, expanded: false });
    });

    it("has layers and parameters with their shapes and bytes", async () => {
      await tree.expand("net");
      await tree.expand("hidden");
      await expect
        .poll(() => tree.rows())
        .toEqual(
          expect.arrayContaining([
            { label: "hidden", description: "[100, 3] · 11.72 KiB", level: 3, expanded: true },
            { label: "kernel", description: "[4, 3] · J [100, 2, 4, 3] · 9.38 KiB", level: 4, expanded: null },
            { label: "bias", description: "[3] · J [100, 2, 3] · 2.34 KiB", level: 4, expanded: null },
            { label: "logits", description: "[100, 2] · 6.25 KiB", level: 3, expanded: false },
          ]),
        );
      await window.screenshot("views, a model's layers");
    });

    it("goes to the line of what is clicked", async () => {
      await tree.click("net");
      await expectCursor("maker.ts", 8);
      await tree.click("kernel");
      await expectCursor("maker.ts", 3);
    });
  });

  it("shows two files of models beside each other, each with its own", async () => {
    await analyze(window, "tiny.ts");
    await window.runCommand("View: Split Editor Right");
    await window.editor.open("maker.ts");
    await expect.poll(() => window.editor.inlayHints()).toHaveLength(3);
    await window.editor.goTo(2);
    await window.editor.press("Enter");
    await lens(window, /^Jacobian .* stale$/);
    await window.screenshot("views, two files");
    await window.editor.open("tiny.ts");
    await lens(window, /^Jacobian .* fits$/);
    await expect.poll(() => window.editor.inlayHints()).toHaveLength(2);
    await window.editor.open("maker.ts");
    await window.editor.undo();
    await lens(window, /^Jacobian .* fits$/);
  });

  describe("the panel", () => {
    let panel: Webview;

    it("opens from the CodeLens, beside the code", async () => {
      await window.runCommand("View: Close All Editors");
      await window.openFile("tiny.ts");
      await window.editor.clickCodeLens(/^Jacobian/);
      panel = window.webview(id);
      await expect.poll(() => panel.content.getByRole("heading", { level: 1 }).innerText()).toBe("tiny.ts#model");
      await expect.poll(() => figure("jacobian")).toMatch(/\[100, 2, 23\]\s+17\.97 KiB/);
      await expect.poll(() => figure("parameters")).toMatch(/23\s+4 tensors/);
      await expect.poll(() => panel.content.locator(".status").innerText()).toMatch(/^Up to date/);
      const table = panel.content.getByRole("table", { name: "Layers and their share of the Jacobian" });
      await expect
        .poll(() => table.locator(".row").nth(1).getByRole("cell").allTextContents())
        .toEqual(["hiddenDense", "[100, 3]", "11.72 KiB", "65.2%"]);
      await window.screenshot("views, panel");
    });

    it("goes to the line of a layer that is clicked", async () => {
      await panel.content.getByRole("button", { name: "hidden" }).click();
      await expectCursor("tiny.ts", 6);
    });

    it("changes all numbers with the batch size while it is typed", async () => {
      await panel.content.getByRole("spinbutton", { name: "Examples (N)" }).fill("10");
      await expect.poll(() => figure("jacobian")).toMatch(/\[10, 2, 23\]\s+1\.80 KiB/);
      await window.openFile("tiny.ts");
      await lens(window, /^Jacobian \[10, 2, 23\]/);
      await expect
        .poll(() => window.editor.inlayHints())
        .toContainEqual({ line: 7, text: "→ [10, 2]  J [10, 2, 8] 640 B" });
    });

    it("lists all parameters", async () => {
      await panel.content.getByRole("tab", { name: /Parameters/ }).click();
      const rows = panel.content.locator(".parameter-table .row:not(.head)");
      await expect.poll(() => rows.count()).toBe(4);
      await expect.poll(() => rows.first().innerText()).toMatch(/hidden\/kernel\s+\[4, 3\]\s+\[10, 2, 4, 3\]\s+960 B/);
      await window.screenshot("views, parameters");
    });

    it("tells the forms of the NTK, also from its CodeLens", async () => {
      await window.openFile("tiny.ts");
      await window.editor.clickCodeLens(/^NTK/, async () => (await panel.content.locator(".form").count()) > 0);
      await expect
        .poll(() => panel.content.locator(".form").allInnerTexts())
        .toEqual([
          expect.stringMatching(/\[10, 10, 2, 2\]\s+1\.56 KiB/),
          expect.stringMatching(/\[10, 10, 2\]\s+800 B/),
          expect.stringMatching(/\[10, 10\]\s+400 B/),
        ]);
      await window.screenshot("views, NTK");
    });

    it.each<ColorTheme>(["Light Modern", "Default High Contrast", "Dark Modern"])(
      "is accessible in %s, every view of it",
      async (theme) => {
        await window.setColorTheme(theme);
        for (const view of ["Graph", "Memory", "Parameters", "NTK", "Runs", "Overview"]) {
          await panel.content.getByRole("tab", { name: new RegExp(`^${view}`) }).click();
          await expect
            .poll(() => panel.content.getByRole("tab", { name: new RegExp(`^${view}`) }).getAttribute("aria-selected"))
            .toBe("true");
          expect(await panel.accessibilityViolations(), view).toEqual([]);
        }
        await window.screenshot(`views, ${theme}`);
      },
    );

    it("is there after a reload, with the view and the results, which can be refreshed", async () => {
      await panel.content.getByRole("tab", { name: /Parameters/ }).click();
      await expect.poll(() => panel.content.locator(".parameter-table").count()).toBe(1);
      await window.reload();
      await expect.poll(() => panel.content.locator(".parameter-table .row:not(.head)").count()).toBe(4);
      await expect.poll(() => panel.content.locator(".status").innerText()).toMatch(/^From an earlier session/);
      await window.openFile("tiny.ts");
      await lens(window, /^Jacobian \[10, 2, 23\] · 1\.80 KiB · stale$/);
      await expect.poll(() => window.editor.inlayHints()).toHaveLength(2);
      await window.screenshot("views, after a reload");
      const actions = panel.content.getByRole("group", { name: "Actions" });
      await expect.poll(() => panel.content.locator(".status").innerText()).toMatch(/^From an earlier session/);
      await actions.getByRole("button", { name: "Analyze" }).click();
      await expect.poll(() => panel.content.locator(".status").innerText()).toMatch(/^Up to date/);
      await window.openFile("tiny.ts");
      await lens(window, /^Jacobian .* fits$/);
    });

    it("has told of no error", async () => {
      expect(await window.notifications.seen()).toEqual([]);
    });

    function figure(name: string): Promise<string> {
      return panel.content.locator(`.figure.${name}`).innerText();
    }
  });

  async function expectCursor(file: string, line: number): Promise<void> {
    await expect.poll(() => window.editor.area().getAttribute("data-uri")).toMatch(new RegExp(`/${file}$`));
    await expect.poll(() => window.statusBar.text("status.editor.selection")).toMatch(new RegExp(`^Ln ${line},`));
  }
});
