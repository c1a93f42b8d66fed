import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addHeldModel, analyze, examples, id, lens, models, saveAs, startKernelscope, status } from "./kernelscope";
import { keepEvidence, until, type EditorWindow, type VSCode } from "./lib";

/** Processes that end when nobody expects it: the editor says so once, keeps what it knows, and goes on. */
describe("failures", () => {
  let vscode: VSCode;
  let window: EditorWindow;

  beforeAll(async () => {
    vscode = await startKernelscope();
    window = await vscode.open({ workspace: models });
    copyFileSync(join(examples, "residual-net.ts"), join(window.folder, "residual-net.ts"));
  });
  afterAll(() => vscode?.close());
  keepEvidence(() => window);

  it("of the worker in an evaluation have a message, and the next evaluation works", async () => {
    const goOn = addHeldModel(window, "held.ts");
    await window.openFile("held.ts");
    await window.editor.clickCodeLens("Analyze");
    await lens(window, /^Cancel$/);
    await until("the worker", () => workers().length > 0);
    workers().forEach(kill);
    expect(await window.notifications.waitFor(/held\.ts#model/)).toMatch(/The worker process was killed \(SIGKILL\)/);
    expect(await window.notifications.buttons(/held\.ts#model/)).toEqual(["Show Problem"]);
    await window.screenshot("failures, worker in an evaluation");
    await window.notifications.clear();
    goOn();
    await window.editor.clickCodeLens("Analyze");
    await lens(window, /^Jacobian .* fits$/);
  });

  it("of the worker in a run have a message that offers to try again, and the editor goes on", async () => {
    window.changeSettings({ "kernelscope.models": { "residual-net.ts#model": { batch: 60 } } });
    await window.openFile("residual-net.ts");
    await window.editor.goTo(49);
    await window.editor.clickCodeLens("Analyze");
    await lens(window, /^Jacobian \[60, .* fits$/);
    const runs = await window.tree("Kernelscope", "Runs");
    await window.runCommand("Kernelscope: Compute Jacobian...");
    await window.quickInput.pick("Random Inputs");
    await window.quickInput.pick("grad-loop");
    await saveAs(window, /Write the Jacobian to/, join(window.folder, "long.npz"));
    await until("progress", async () => /^[1-9]\d? % · /.test((await runs.rows())[0].description));
    workers().forEach(kill);
    expect(await window.notifications.waitFor(/the worker process was killed/i)).toMatch(/^Jacobian of residual-net/);
    expect(await window.notifications.buttons(/was killed/)).toEqual(["Try Again", "Show Log"]);
    await expect
      .poll(() => runs.rows())
      .toEqual([expect.objectContaining({ description: "failed · Jacobian, 60 examples" })]);
    await window.screenshot("failures, worker in a run");
    await window.notifications.clear();
    await analyze(window, "tiny.ts");
  });

  it("of the sidecar have one message; results are kept as stale, and another sidecar takes over", async () => {
    const before = (await window.notifications.seen()).length;
    await killSidecar();
    await window.notifications.waitFor(/^The Kernelscope sidecar ended unexpectedly \(SIGKILL\) and is started again/);
    await lens(window, /^Jacobian .* stale$/);
    await window.screenshot("failures, sidecar");
    await untilRunning(2);
    await lens(window, /^Jacobian .* stale$/);
    await window.editor.clickCodeLens("Analyze");
    await lens(window, /^Jacobian .* fits$/);
    expect((await window.notifications.seen()).slice(before)).toHaveLength(1);
    await window.notifications.clear();
  });

  it("of the sidecar again and again end with an error that offers a restart, which works", async () => {
    const tree = await window.tree("Kernelscope", "Models");
    await window.runCommand("Kernelscope: Show Overview");
    const { content } = window.webview(id);
    await expect.poll(() => content.locator(".status").innerText()).toMatch(/^Up to date/);
    for (let starts = 3; starts <= 5; starts++) {
      await killSidecar();
      await untilRunning(starts);
    }
    await killSidecar();
    const message = /^The Kernelscope sidecar has ended 5 times within 3 minutes/;
    await window.notifications.waitFor(message);
    expect(await window.notifications.buttons(message)).toEqual(["Restart", "Show Log"]);
    await window.statusBar.waitForText(status, /^Kernelscope$/);
    await expect
      .poll(() => content.locator(".status").innerText())
      .toMatch(/^The sidecar is not running: these are the last results/);
    await expect.poll(() => content.locator(".figure.jacobian").innerText()).toMatch(/\[100, 2, 23\]/);
    await expect
      .poll(() => tree.rows())
      .toContainEqual(expect.objectContaining({ description: expect.stringMatching(/J .* stale$/) as string }));
    await window.screenshot("failures, sidecar for good");
    await window.notifications.press(message, "Restart");
    await untilRunning(6);
    await window.openFile("tiny.ts");
    await window.editor.clickCodeLens("Analyze");
    await lens(window, /^Jacobian .* fits$/);
    await expect.poll(() => content.locator(".status").innerText()).toMatch(/^Up to date/);
  });

  function workers(): number[] {
    return vscode.server.processes(/dist\/worker\.js/).map(({ pid }) => pid);
  }

  function kill(pid: number): void {
    process.kill(pid, "SIGKILL");
  }

  async function killSidecar(): Promise<void> {
    kill(await until("a sidecar", () => vscode.server.processes(/dist\/cli\.js serve/)[0]?.pid));
  }

  /** Waits until so many sidecars have been started in this window, and answer. */
  async function untilRunning(starts: number): Promise<void> {
    const started = (): number => vscode.server.log(id, "Kernelscope").split("the sidecar runs").length - 1;
    await until(`the sidecar to run for time ${starts}`, () => started() === starts);
  }
});
