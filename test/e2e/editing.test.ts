import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addHeldModel, analyze, lens, models, startKernelscope } from "./kernelscope";
import { keepEvidence, until, type EditorWindow, type VSCode } from "./lib";

/** What is shown follows the text, or says that it does not. */
describe("editing", () => {
  let vscode: VSCode;
  let window: EditorWindow;

  beforeAll(async () => {
    vscode = await startKernelscope();
    window = await vscode.open({ workspace: models });
  });
  afterAll(() => vscode?.close());
  keepEvidence(() => window);

  describe("after an analysis", () => {
    it("moves the hints along, marked as stale, and leaves none on a wrong line", async () => {
      await analyze(window, "tiny.ts");
      await expect.poll(() => window.editor.inlayHints()).toHaveLength(2);
      await window.editor.goTo(2);
      for (let line = 0; line < 5; line++) {
        await window.page.keyboard.press("Enter");
        // Hints that were on their way to the editor when the key came are put where they were for, and asked for again
        await expect.poll(linesWithWrongHints, { interval: 20 }).toEqual([]);
      }
      await expect
        .poll(() => window.editor.inlayHints())
        .toEqual([
          { line: 11, text: "~ → [100, 3]  J [100, 2, 15] 11.72 KiB" },
          { line: 12, text: "~ → [100, 2]  J [100, 2, 8] 6.25 KiB" },
        ]);
      await lens(window, /^Jacobian .* stale$/);
      await window.screenshot("editing, stale");
    });

    it("shows none on a line that was changed", async () => {
      await window.editor.replace(11, "units: 3", "units: 5");
      await expect
        .poll(() => window.editor.inlayHints())
        .toEqual([{ line: 12, text: "~ → [100, 2]  J [100, 2, 8] 6.25 KiB" }]);
      await window.screenshot("editing, a changed line");
    });

    it("is fresh again when all is undone", async () => {
      await until("all to be undone", async () => {
        await window.editor.undo();
        return !(await window.editor.isDirty());
      });
      await expect
        .poll(() => window.editor.inlayHints())
        .toEqual([
          { line: 6, text: "→ [100, 3]  J [100, 2, 15] 11.72 KiB" },
          { line: 7, text: "→ [100, 2]  J [100, 2, 8] 6.25 KiB" },
        ]);
      await lens(window, /^Jacobian .* fits$/);
    });

    it("comes back with a model that an edit has hidden for a moment", async () => {
      await window.editor.goTo(1);
      await window.editor.type("// ");
      await expect.poll(() => window.editor.codeLenses()).toEqual([]);
      await expect.poll(() => window.editor.inlayHints()).toEqual([]);
      await window.editor.press("Enter");
      await lens(window, /^Jacobian .* stale$/);
      await expect.poll(() => window.editor.inlayHints()).toHaveLength(2);
      await window.editor.undo();
      await until("all to be undone", async () => {
        await window.editor.undo();
        return !(await window.editor.isDirty());
      });
      await lens(window, /^Jacobian .* fits$/);
    });

    it("is refreshed when the file is saved", async () => {
      await window.editor.replace(6, "units: 3", "units: 5");
      await window.editor.save();
      await expect
        .poll(() => window.editor.inlayHints())
        .toEqual([
          { line: 6, text: "→ [100, 5]  J [100, 2, 25] 19.53 KiB" },
          { line: 7, text: "→ [100, 2]  J [100, 2, 12] 9.38 KiB" },
        ]);
    });

    it("keeps the last results beside an error in the syntax, and has fresh ones when it is corrected", async () => {
      await window.editor.replace(7, "units: 2 }", "units: 2");
      await window.editor.save();
      await expect
        .poll(() => window.problems.list())
        .toContainEqual({
          severity: "Error",
          line: 7,
          message: expect.stringMatching(/correct the syntax$/) as string,
          source: "Kernelscope",
          column: expect.any(Number) as number,
        });
      await expect
        .poll(() => window.editor.inlayHints())
        .toEqual([{ line: 6, text: "~ → [100, 5]  J [100, 2, 25] 19.53 KiB" }]);
      await lens(window, /^Could not be evaluated$/);
      await window.screenshot("editing, syntax error");
      await window.editor.replace(7, "units: 2", "units: 2 }");
      await window.editor.save();
      await expect.poll(() => window.problems.list()).toEqual([]);
      await expect.poll(() => window.editor.inlayHints()).toHaveLength(2);
      await lens(window, /^Jacobian .* fits$/);
      await window.problems.close();
    });
  });

  it("refreshes a model when a file that it imports is saved, and shows its layers there", async () => {
    await analyze(window, "importing.ts");
    await window.openFile("parts/hidden.ts");
    await expect
      .poll(() => window.editor.inlayHints())
      .toEqual([{ line: 4, text: "→ [100, 3]  J [100, 2, 15] 11.72 KiB" }]);
    await window.editor.replace(4, "units: 3", "units: 5");
    await window.editor.save();
    await expect
      .poll(() => window.editor.inlayHints())
      .toEqual([{ line: 4, text: "→ [100, 5]  J [100, 2, 25] 19.53 KiB" }]);
    await window.openFile("importing.ts");
    await lens(window, /^Jacobian \[100, 2, 37\] · 28\.91 KiB · fits$/);
  });

  it("is possible while a model is evaluated, whose results are then where the lines are", async () => {
    const goOn = addHeldModel(window, "held.ts");
    await window.openFile("held.ts");
    await window.editor.clickCodeLens("Analyze");
    await lens(window, /^Cancel$/);
    await window.editor.goTo(3);
    await window.editor.press("Enter");
    await window.editor.press("Enter");
    await expect.poll(() => window.editor.codeLenses()).toEqual(["Cancel"]);
    await window.screenshot("editing, while evaluating");
    goOn();
    await lens(window, /^Jacobian .* stale$/);
    await expect
      .poll(() => window.editor.inlayHints())
      .toEqual([{ line: 10, text: "~ → [100, 2]  J [100, 2, 10] 7.81 KiB" }]);
    await window.editor.save();
    await expect
      .poll(() => window.editor.inlayHints())
      .toEqual([{ line: 10, text: "→ [100, 2]  J [100, 2, 10] 7.81 KiB" }]);
  });

  describe("code that never ends", () => {
    it("is stopped by the time limit, with its line and a quick fix", async () => {
      await window.runCommand("Kernelscope: Set Time Limit of Model Code");
      await window.quickInput.question();
      await window.quickInput.answer("2");
      await window.openFile("endless.ts");
      await window.editor.clickCodeLens("Analyze");
      await window.notifications.waitFor(/endless\.ts#model: .*2 s/);
      await expect
        .poll(() => window.problems.list())
        .toContainEqual({
          severity: "Error",
          line: 5,
          message: expect.stringMatching(/kernelscope\.timeLimit/) as string,
          source: "Kernelscope",
          column: expect.any(Number) as number,
        });
      await window.screenshot("editing, time limit");
      await window.notifications.clear();
      await window.editor.goTo(5, 10);
      await window.editor.applyQuickFix("Raise the time limit of model code…");
      expect(await window.quickInput.question()).toMatch(/Seconds that a model's code may take/);
      await window.quickInput.answer("25");
    });

    it("is cancelled from the CodeLens", async () => {
      const before = vscode.server.processes(/dist\/worker\.js/).map(({ pid }) => pid);
      await window.editor.clickCodeLens("Analyze");
      await window.screenshot("editing, evaluating");
      await window.editor.clickCodeLens("Cancel");
      await expect.poll(() => window.editor.codeLenses()).toEqual(["Could not be evaluated", "Analyze"]);
      await expect
        .poll(() => vscode.server.processes(/dist\/worker\.js/).filter(({ pid }) => before.includes(pid)))
        .toEqual([]);
      expect(await window.notifications.list()).toEqual([]);
    });
  });

  /** Lines that have a hint though they make no layer. */
  async function linesWithWrongHints(): Promise<string[]> {
    const lines = await window.editor.visibleLines();
    return lines.map(({ text }) => text).filter((text) => text.includes("J [") && !text.includes("tf.layers.dense"));
  }
});
