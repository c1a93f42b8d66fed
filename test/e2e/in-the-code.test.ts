import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { analyze, lens, models, startKernelscope } from "./kernelscope";
import { keepEvidence, type EditorWindow, type Problem, type VSCode } from "./lib";

/** What stands in the editor, beside the code that it is about. */
describe("in the code", () => {
  let vscode: VSCode;
  let window: EditorWindow;

  beforeAll(async () => {
    vscode = await startKernelscope();
    window = await vscode.open({ workspace: models });
  });
  afterAll(() => vscode?.close());
  keepEvidence(() => window);

  async function expectProblem({
    severity,
    line,
    message,
  }: {
    severity: Problem["severity"];
    line: number;
    message: RegExp;
  }): Promise<void> {
    await expect
      .poll(() => window.problems.list())
      .toContainEqual({
        severity,
        line,
        message: expect.stringMatching(message) as string,
        source: "Kernelscope",
        column: expect.any(Number) as number,
      });
  }

  describe("inlay hints", () => {
    it("tell the output and the Jacobian of each line that makes a layer", async () => {
      await analyze(window, "tiny.ts");
      await expect
        .poll(() => window.editor.inlayHints())
        .toEqual([
          { line: 6, text: "→ [100, 3]  J [100, 2, 15] 11.72 KiB" },
          { line: 7, text: "→ [100, 2]  J [100, 2, 8] 6.25 KiB" },
        ]);
      await window.screenshot("in the code, hints");
    });

    it("are turned off and on by one setting", async () => {
      window.changeSettings({ "kernelscope.inlayHints.enabled": false });
      await expect.poll(() => window.editor.inlayHints()).toEqual([]);
      window.changeSettings({ "kernelscope.inlayHints.enabled": true });
      await expect.poll(() => window.editor.inlayHints()).toHaveLength(2);
    });

    it("count together what a function makes, and tell each call its share", async () => {
      await analyze(window, "maker.ts");
      await expect
        .poll(() => window.editor.inlayHints())
        .toEqual([
          { line: 3, text: "2 layers  J [100, 2, 23] 17.97 KiB" },
          { line: 6, text: "→ [100, 3]  J [100, 2, 15] 11.72 KiB" },
          { line: 7, text: "→ [100, 2]  J [100, 2, 8] 6.25 KiB" },
        ]);
      await window.screenshot("in the code, layers made by a function");
    });
  });

  describe("hover", () => {
    it("has a table of the parameters of a layer", async () => {
      await window.openFile("tiny.ts");
      const text = await window.editor.hoverOn("hidden", /Jacobian/);
      expect(text).toMatch(/hidden \(Dense\) → \[100, 3\]/);
      expect(text).toMatch(/Jacobian \[100, 2, 15\], 11\.72 KiB, for 100 examples/);
      expect(text).toMatch(/hidden\/kernel\s+float32\[4, 3\]\s+\[100, 2, 4, 3\]\s+9\.38 KiB/);
      expect(text).toMatch(/hidden\/bias\s+float32\[3\]\s+\[100, 2, 3\]\s+2\.34 KiB/);
      await window.screenshot("in the code, hover on a layer");
      await window.editor.closeHover();
    });

    it("has a table of the layers that one line makes", async () => {
      await window.openFile("maker.ts");
      const text = await window.editor.hoverOn("dense", /2 layers/, 3);
      expect(text).toMatch(/2 layers of maker\.ts#net/);
      await window.screenshot("in the code, hover on a function");
      await window.editor.closeHover();
    });

    it("tells of the whole model where it is bound, and links to more", async () => {
      await window.openFile("tiny.ts");
      const text = await window.editor.hoverOn("model", /Overview/, 4);
      expect(text).toMatch(/tiny\.ts#model — Jacobian \[100, 2, 23\], 17\.97 KiB, for 100 examples/);
      expect(text).toMatch(/23 trainable parameters in 4 tensors, 0 buffers/);
      await window.screenshot("in the code, hover on a model");
      await window.editor.hovers().getByRole("link", { name: "Batch size" }).click();
      expect(await window.quickInput.question()).toMatch(/tiny\.ts#model: batch size/);
      await window.quickInput.answer("10");
      await lens(window, /^Jacobian \[10, 2, 23\] · 1\.80 KiB · fits$/);
    });
  });

  describe("CodeLens", () => {
    it("has the sizes of the Jacobian and of the NTK, each of which leads to its view", async () => {
      await expect
        .poll(() => window.editor.codeLenses())
        .toEqual(["Jacobian [10, 2, 23] · 1.80 KiB · fits", "NTK [10, 10, 2, 2] · 1.56 KiB", "Analyze"]);
    });

    it("can be turned off", async () => {
      window.changeSettings({ "kernelscope.codeLens.enabled": false });
      await expect.poll(() => window.editor.codeLenses()).toEqual([]);
      window.changeSettings({ "kernelscope.codeLens.enabled": true });
      await expect.poll(() => window.editor.codeLenses()).toHaveLength(3);
    });
  });

  describe("problems", () => {
    it("name the line of an error in the syntax when the model is analyzed", async () => {
      const text =
        'import * as tf from "@tensorflow/tfjs";\n\nexport const model = tf.sequential({\n  layers: [],\n};\n';
      writeFileSync(join(window.folder, "broken.ts"), text);
      await window.openFile("broken.ts");
      await window.runCommand("Kernelscope: Analyze Model");
      await expectProblem({ severity: "Error", line: 5, message: /correct the syntax$/ });
      await window.screenshot("in the code, syntax error");
    });

    it("warn of a Jacobian that does not fit the device, and a batch size that does is a quick fix away", async () => {
      await analyze(window, "maker.ts");
      // Beside its arrays a run takes some ten megabytes
      window.changeSettings({ "kernelscope.targetMemory": "100MiB", "kernelscope.batchSize": 1_000_000 });
      await expectProblem({
        severity: "Warning",
        line: 8,
        message:
          /The Jacobian of 1,000,000 examples takes 175\.48 MiB, more than the 100\.00 MiB of .*, where at most 569,878 examples fit/,
      });
      await lens(window, /does not fit 100\.00 MiB$/);
      await window.screenshot("in the code, a result that is too large");
      await window.editor.goTo(8, 20);
      expect(await window.editor.quickFixes()).toEqual(
        expect.arrayContaining(["Set the batch size…", "Choose another device…"]),
      );
      await window.screenshot("in the code, quick fixes");
      await window.editor.applyQuickFix("Set the batch size…");
      await window.quickInput.question();
      await window.quickInput.answer("50");
      await lens(window, /^Jacobian \[50, 2, 23\] · 8\.98 KiB · fits$/);
      window.changeSettings({ "kernelscope.targetMemory": "", "kernelscope.batchSize": 100 });
    });

    it("tell that the examples of a batch depend on one another, with the line that couples them", async () => {
      window.changeSettings({ "kernelscope.models": { "coupled.ts#normalised": { inputs: ["x=N,4"] } } });
      await analyze(window, "coupled.ts");
      await expectProblem({
        severity: "Warning",
        line: 8,
        message: /^The examples of a batch depend on one another here/,
      });
      await window.screenshot("in the code, coupled examples");
    });

    it("ask for the shape of an input that the model leaves open, by a quick fix", async () => {
      await window.openFile("open-shape.ts");
      await window.editor.clickCodeLens("Analyze");
      await expectProblem({ severity: "Error", line: 5, message: /input shape sequence/ });
      await window.screenshot("in the code, an open shape");
      await window.editor.goTo(5, 30);
      await window.editor.applyQuickFix("Set the input shapes of model…");
      expect(await window.quickInput.question()).toMatch(/open-shape\.ts#model: shape of sequence/);
      await window.quickInput.answer("N,5,4");
      await lens(window, /^Jacobian \[100, 5, 2, 10\] · 39\.06 KiB · fits$/);
    });

    it("ask for the shapes of a function's inputs, where a quick fix corrects them", async () => {
      await window.openFile("function.ts");
      await window.editor.clickCodeLens("Analyze");
      expect(await window.quickInput.question()).toMatch(/function\.ts#attention: shape of x/);
      await window.screenshot("in the code, a shape is asked for");
      await window.quickInput.answer("N,3,5");
      await expectProblem({ severity: "Error", line: 7, message: /^Expected dimension 5/ });
      await window.screenshot("in the code, a wrong shape");
      await window.editor.goTo(7, 30);
      await window.editor.applyQuickFix("Set the input shapes of attention…");
      await window.quickInput.question();
      await window.quickInput.answer("N,3,4");
      await lens(window, /^Jacobian \[100, 3, 4, 16\] · 75\.00 KiB · fits$/);
      await expect.poll(() => window.editor.inlayHints()).toEqual([{ line: 3, text: "J [100, 3, 4, 4, 4] 75.00 KiB" }]);
    });
  });
});
