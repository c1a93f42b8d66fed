import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import manifest from "../../package.json";
import type { Analysis } from "../../sidecar/protocol/analysis";
import { analyze, id, lens, models, saveAs, startKernelscope, status } from "./kernelscope";
import { keepEvidence, type EditorWindow, type VSCode } from "./lib";

/** The commands of the palette, as a user finds and answers them. */
describe("commands", () => {
  let vscode: VSCode;
  let window: EditorWindow;

  beforeAll(async () => {
    vscode = await startKernelscope();
    window = await vscode.open({ workspace: models });
  });
  afterAll(() => vscode?.close());
  keepEvidence(() => window);

  it("without a model say what to open, and open an example", async () => {
    await window.runCommand("Kernelscope: Show Overview");
    await window.notifications.waitFor(/^Open a model first/);
    await window.screenshot("commands, no model");
    await window.notifications.press(/^Open a model/, "Open Example");
    await window.screenshot("commands, examples");
    await window.quickInput.pick("Multilayer perceptron");
    await expect.poll(() => window.editor.area().getAttribute("data-uri")).toMatch(/kernelscope-examples\/mlp\.ts$/);
    await lens(window, /^Analyze$/);
  });

  it("Analyze Model", async () => {
    await window.openFile("tiny.ts");
    await window.runCommand("Kernelscope: Analyze Model");
    await lens(window, /^Jacobian \[100, 2, 23\]/);
  });

  it("are all in the palette, under one category", async () => {
    const { commands, menus } = manifest.contributes;
    const hidden = menus.commandPalette.filter(({ when }) => when === "false").map(({ command }) => command);
    expect(commands.length).toBeGreaterThan(hidden.length);
    for (const { command, title, category } of commands) {
      expect(await window.quickInput.offers(`${category}: ${title}`), title).toBe(!hidden.includes(command));
    }
  });

  it("Set Batch Size takes a number, for one model", async () => {
    await window.runCommand("Kernelscope: Set Batch Size");
    expect(await window.quickInput.question()).toMatch(/tiny\.ts#model: batch size/);
    await window.quickInput.fill("none");
    expect(await window.quickInput.objection()).toMatch(/whole number of at least 1/);
    await window.quickInput.answer("10");
    await lens(window, /^Jacobian \[10, 2, 23\]/);
    await analyze(window, "maker.ts");
    await window.runCommand("Kernelscope: Set Batch Size");
    await window.quickInput.question();
    await window.quickInput.answer("20");
    await lens(window, /^Jacobian \[20, 2, 23\]/);
    expect(settings()["kernelscope.models"]).toEqual({ "tiny.ts#model": { batch: 10 }, "maker.ts#net": { batch: 20 } });
  });

  it("Set Target Memory takes a size", async () => {
    await window.runCommand("Kernelscope: Set Target Memory");
    await window.quickInput.fill("plenty");
    expect(await window.quickInput.objection()).toMatch(/such as 16GiB/);
    await window.quickInput.answer("1KiB");
    await lens(window, /does not fit 1\.00 KiB$/);
    await window.statusBar.waitForText(status, /1\.00 KiB/);
    await window.runCommand("Kernelscope: Set Target Memory");
    await window.quickInput.question();
    await window.quickInput.answer("");
    await lens(window, /· fits$/);
  });

  it("Choose Device lists this machine's and common cards, and predicts for the one chosen", async () => {
    await window.runCommand("Kernelscope: Choose Device");
    await expect
      .poll(() => window.quickInput.entries())
      .toContainEqual(expect.objectContaining({ label: "Tesla V100 16GB", description: "16.00 GiB" }));
    await window.screenshot("commands, devices");
    await window.quickInput.pick("Tesla V100 16GB");
    await window.statusBar.waitForText(status, /^Tesla V100 16GB · 16\.00 GiB$/);
    const tooltip = await window.statusBar.tooltipText(status, /Predicts for Tesla V100 16GB/);
    expect(tooltip).toMatch(/Choose Device · Batch Size · Target Memory/);
    await window.screenshot("commands, status bar");
  });

  it("Set Factory Arguments... asks for the arguments of a function that makes a model", async () => {
    await window.openFile("factory.ts");
    await window.runCommand("Kernelscope: Set Factory Arguments...");
    expect(await window.quickInput.question()).toMatch(/createModel\(units\)/);
    await window.quickInput.fill("three");
    expect(await window.quickInput.objection()).toMatch(/Not JSON/);
    await window.quickInput.answer("3");
    await lens(window, /^Jacobian \[100, 2, 23\]/);
  });

  it("Set Input Shapes... asks for those of a function", async () => {
    await window.openFile("function.ts");
    await window.runCommand("Kernelscope: Set Input Shapes...");
    expect(await window.quickInput.question()).toMatch(/function\.ts#attention: shape of x/);
    await window.quickInput.fill("three");
    expect(await window.quickInput.objection()).toMatch(/extents such as/);
    await window.quickInput.answer("N,3,4");
    await lens(window, /^Jacobian \[100, 3, 4, 16\]/);
  });

  it("Set Time Limit and Set Memory Limit of Model Code change the settings", async () => {
    await window.runCommand("Kernelscope: Set Time Limit of Model Code");
    await window.quickInput.question();
    await window.quickInput.answer("60");
    await expect.poll(() => settings()["kernelscope.timeLimit"]).toBe(60);
    await window.runCommand("Kernelscope: Set Memory Limit of Model Code");
    await window.quickInput.question();
    await window.quickInput.answer("1GiB");
    await expect.poll(() => settings()["kernelscope.codeMemory"]).toBe("1GiB");
  });

  it.each([
    ["JSON", "tiny.json", (text: string) => (JSON.parse(text) as Analysis).jacobian.shape.join()],
    ["CSV", "tiny.csv", (text: string) => text.split("\n")[1].split(",").slice(0, 7).join()],
    ["Markdown", "tiny.md", (text: string) => text.split("\n").at(-2)!],
  ])("Export Results... writes %s", async (format, name, digest) => {
    const expected: Record<string, string> = {
      JSON: "10,2,23",
      CSV: "hidden/kernel,4x3,float32,12,true,10x2x4x3,960",
      Markdown: "Together [10, 2, 23], 1.80 KiB.",
    };
    await window.openFile("tiny.ts");
    await window.runCommand("Kernelscope: Export Results...");
    await window.quickInput.pick(format);
    await saveAs(window, /Export Results/, join(window.folder, name));
    await window.notifications.waitFor(new RegExp(`tiny\\.ts#model: written to .*${name}`));
    expect(digest(readFileSync(join(window.folder, name), "utf8"))).toBe(expected[format]);
    await window.notifications.clear();
  });

  it("Restart Sidecar starts another, which knows what the last one did", async () => {
    const [before] = vscode.server.processes(/dist\/cli\.js serve/);
    await window.runCommand("Kernelscope: Restart Sidecar");
    await expect
      .poll(() => vscode.server.processes(/dist\/cli\.js serve/).map(({ pid }) => pid))
      .toEqual([expect.not.toSatisfy((pid: number) => pid === before.pid)]);
    await lens(window, /^Jacobian \[10, 2, 23\] .* stale$/);
    await window.editor.clickCodeLens("Analyze");
    await lens(window, /^Jacobian \[10, 2, 23\] .* fits$/);
  });

  it("Show Log opens the log", async () => {
    await window.runCommand("Kernelscope: Show Log");
    const output = window.page.locator(".panel .output-view, .panel [id='workbench.panel.output']").first();
    await expect.poll(() => output.innerText()).toMatch(/the\ssidecar\sruns/);
    await window.screenshot("commands, log");
    await window.runCommand("View: Hide Panel");
  });

  it("Look for Models Again and Look for Devices Again find what is new", async () => {
    const tree = await window.tree("Kernelscope", "Models");
    await expect.poll(() => tree.rows()).not.toEqual([]);
    await tree.clickTitleAction("Look for Models Again");
    const devices = await window.tree("Kernelscope", "Devices");
    await devices.clickTitleAction("Look for Devices Again");
    await expect.poll(() => devices.rows()).toContainEqual(expect.objectContaining({ label: "onnxruntime" }));
  });

  it("Show Overview opens the panel", async () => {
    await window.openFile("tiny.ts");
    await window.runCommand("Kernelscope: Show Overview");
    const { content } = window.webview(id);
    await expect.poll(() => content.getByRole("heading", { level: 1 }).innerText()).toBe("tiny.ts#model");
  });

  it("have told of no error", async () => {
    const seen = await window.notifications.seen();
    expect(seen.filter(({ severity }) => severity !== "info")).toEqual([]);
    expect(vscode.server.log(id, "Kernelscope")).not.toMatch(/\[(error|warning)\]/);
  });

  function settings(): Record<string, unknown> {
    const file = join(window.folder, ".vscode", "settings.json");
    return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>) : {};
  }
});
