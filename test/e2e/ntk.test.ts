import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withFile } from "../../sidecar/formats/file";
import { readNpy } from "../../sidecar/formats/npy";
import { analyze, id, lens, models, saveAs, startKernelscope } from "./kernelscope";
import { keepEvidence, until, type ColorTheme, type EditorWindow, type VSCode, type Webview } from "./lib";

/** The kernel of the open model, on data of the user's own: asked for, looked at, kept. */
describe("the neural tangent kernel", () => {
  let vscode: VSCode;
  let window: EditorWindow;
  let panel: Webview;

  beforeAll(async () => {
    vscode = await startKernelscope();
    // Of random inputs so many that their kernel is not computed at once
    const settings = { "kernelscope.models": { "blobs.ts#model": { batch: 4000 } } };
    window = await vscode.open({ workspace: models, settings });
    copyFileSync(join(import.meta.dirname, "fixtures", "blobs.ts"), join(window.folder, "blobs.ts"));
  });
  afterAll(() => vscode?.close());
  keepEvidence(() => window);

  it("is offered where its shape is told", async () => {
    await analyze(window, "blobs.ts");
    await lens(window, /^NTK \[4,000, 4,000, 3, 3\]/);
    await window.editor.clickCodeLens(/^NTK/);
    panel = window.webview(id);
    await expect.poll(() => panel.content.getByRole("button", { name: "Compute NTK…" }).count()).toBe(1);
    await window.screenshot("ntk, not computed yet");
  });

  it("is computed of the classes that code makes, and is a picture with what follows from it", async () => {
    await panel.content.getByRole("button", { name: "Compute NTK…" }).click();
    await window.quickInput.pick("From Code...");
    await window.quickInput.answer("blobs.ts#blobs");
    await window.quickInput.pick("The Same Examples");
    await window.screenshot("ntk, the form is asked for");
    await window.quickInput.pick("Full");
    await window.quickInput.pick("Automatic");
    const message = await window.notifications.waitFor(/^NTK of .* in \d/);
    expect(message).toMatch(
      /^NTK of blobs\.ts#model, blobs\.ts#blobs: \[60, 60, 3, 3\], structured, in \d+\.\d\d s\.$/,
    );
    await window.notifications.clear();
    await expect.poll(() => picture().getAttribute("aria-label")).toMatch(/60 × 60 pairs of examples/);
    await expect.poll(() => panel.content.locator(".kernel-figures dd").allInnerTexts()).not.toContain("");
    expect(await panel.content.locator(".learning h2").innerText()).toBe("Learning curve");
    await window.screenshot("ntk, as given");
  });

  it("is ordered by class, and tells of the pair that is pointed at", async () => {
    await panel.content.getByLabel("Order").selectOption("by class");
    await expect
      .poll(() => panel.content.locator(".kernel-axis.rows").innerText())
      .toMatch(/blue[\s\S]*green[\s\S]*red/);
    await picture().focus();
    await picture().press("ArrowRight");
    await picture().press("ArrowDown");
    await picture().press("Enter");
    await expect
      .poll(() => panel.content.locator(".kernel-readout").innerText())
      .toMatch(/example \d+ \((red|green|blue)\)/);
    await expect.poll(() => panel.content.locator(".block svg .cell-number").count()).toBe(9);
    await window.screenshot("ntk, by class");
  });

  it("is ordered by cluster, which here are the classes", async () => {
    await panel.content.getByLabel("Order").selectOption("by cluster");
    await expect.poll(() => panel.content.locator(".kernel-axis.rows").innerText()).toMatch(/cluster/i);
    await window.screenshot("ntk, by cluster");
  });

  it("has a learning curve to go along", async () => {
    const slider = panel.content.getByRole("slider", { name: "Time" });
    await slider.focus();
    await slider.press("End");
    await expect.poll(() => slider.getAttribute("aria-valuetext")).toMatch(/^After infinitely many steps/i);
    await window.screenshot("ntk, the end of learning");
  });

  it("has parts, each of which can be computed alone", async () => {
    await panel.content.getByRole("button", { name: /^hidden\/kernel/ }).click();
    await window.notifications.waitFor(/^NTK of blobs\.ts#model, blobs\.ts#blobs, hidden\/kernel: .* in \d/);
    await window.notifications.clear();
    await expect.poll(() => picture().getAttribute("aria-label")).toMatch(/hidden\/kernel/);
    expect(await panel.content.getByRole("combobox", { name: "Part" }).inputValue()).toBe("hidden/kernel");
    await window.screenshot("ntk, a part");
    await panel.content.getByRole("button", { name: "Whole kernel" }).click();
    await expect.poll(() => picture().getAttribute("aria-label")).not.toMatch(/hidden\/kernel/);
  });

  it("is saved as an array, its pictures as PNG and SVG, its numbers as CSV", async () => {
    const target = (name: string): string => join(window.folder, name);
    await panel.content.getByRole("button", { name: "Save the kernel as .npy" }).click();
    await saveAs(window, /^Save the kernel as/, target("kernel.npy"));
    await window.notifications.waitFor(/Written to .*kernel\.npy/);
    expect(withFile(target("kernel.npy"), readNpy).shape).toEqual([60, 60, 3, 3]);
    await panel.content.getByRole("button", { name: "Save the picture as PNG" }).click();
    await saveAs(window, /^Save as/, target("kernel.png"));
    await until("the picture", () => Promise.resolve(existsSync(target("kernel.png"))));
    expect([...readFileSync(target("kernel.png")).subarray(1, 4)]).toEqual([0x50, 0x4e, 0x47]);
    await panel.content.getByRole("button", { name: "Save spectrum as a picture, SVG" }).click();
    await saveAs(window, /^Save as/, target("spectrum.svg"));
    await until("the spectrum", () => Promise.resolve(existsSync(target("spectrum.svg"))));
    expect(readFileSync(target("spectrum.svg"), "utf8")).toMatch(/^<svg /);
    await panel.content.getByRole("button", { name: "Save spectrum as a table, CSV" }).click();
    await saveAs(window, /^Save as/, target("spectrum.csv"));
    await until("the table", () => Promise.resolve(existsSync(target("spectrum.csv"))));
    expect(readFileSync(target("spectrum.csv"), "utf8").split("\n")).toHaveLength(182);
    await window.notifications.clear();
  });

  it("of two inputs stand beside each other, with their difference", async () => {
    await panel.content.getByRole("button", { name: "Compute NTK…" }).click();
    await window.quickInput.pick("From Code...");
    await window.quickInput.answer("blobs.ts#blobs");
    await window.quickInput.pick("The Same Examples");
    await window.quickInput.pick("Trace, mean");
    await window.quickInput.pick("vector-products");
    await window.notifications.waitFor(/vector-products, in \d/);
    await window.notifications.clear();
    await panel.content.getByLabel("Beside it").selectOption({ index: 1 });
    await expect.poll(() => panel.content.locator("figure").count()).toBe(3);
    await window.screenshot("ntk, two side by side");
    await panel.content.getByLabel("Beside it").selectOption("nothing");
    await expect.poll(() => panel.content.locator("figure").count()).toBe(1);
  });

  it.each<ColorTheme>(["Light Modern", "Default High Contrast", "Dark Modern"])(
    "is accessible in %s",
    async (theme) => {
      await window.setColorTheme(theme);
      expect(await panel.accessibilityViolations()).toEqual([]);
      await window.screenshot(`ntk, ${theme}`);
    },
  );

  it("grows tile by tile, can be cancelled, and goes on where it was", async () => {
    await window.runCommand("Kernelscope: Compute NTK...");
    await window.quickInput.pick("Random Inputs");
    await window.quickInput.pick("The Same Examples");
    await window.quickInput.pick("Trace, mean");
    await window.quickInput.pick("vector-products");
    const progress = panel.content.locator(".kernel-progress");
    await until("some tiles", async () => /: [1-9]\d?% of/.test(await progress.innerText({ timeout: 2000 })));
    await window.screenshot("ntk, in progress");
    await panel.content.getByRole("button", { name: "Cancel", exact: true }).click();
    await expect.poll(() => progress.innerText()).toMatch(/^Cancelled: \d+% of the pairs are known/);
    await window.screenshot("ntk, cancelled");
    const before = Number(/(\d+)%/.exec(await progress.innerText())![1]);
    await panel.content.getByRole("button", { name: "Continue" }).click();
    await until("it to go on", async () => {
      const [, status, percent] = /^(Computing|Cancelled): (\d+)%/.exec(await progress.innerText({ timeout: 2000 }))!;
      return status === "Computing" && Number(percent) >= before;
    });
    await panel.content.getByRole("button", { name: "Cancel", exact: true }).click();
    await expect.poll(() => progress.innerText()).toMatch(/^Cancelled/);
  });

  it("is there again after a reload, and removed when it is wanted no more", async () => {
    await window.reload();
    panel = window.webview(id);
    await expect.poll(() => panel.content.getByRole("combobox", { name: "Kernel" }).locator("option").count()).toBe(3);
    await panel.content.getByRole("button", { name: /^Remove/ }).click();
    await window.dialog.press("Remove");
    await expect.poll(() => panel.content.getByRole("combobox", { name: "Kernel" }).locator("option").count()).toBe(2);
  });

  it("has told of no error", async () => {
    expect((await window.notifications.seen()).filter(({ severity }) => severity !== "info")).toEqual([]);
  });

  function picture(): ReturnType<Webview["content"]["getByRole"]> {
    return panel.content.getByRole("application").first();
  }
});
