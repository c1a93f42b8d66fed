import { chromium as playwright } from "playwright-core";
import { startServer } from "../../test/e2e/lib/server";
import { until } from "../../test/e2e/lib/wait";
import { EditorWindow } from "../../test/e2e/lib/window";
import { chromium } from "../../test/tools";
import { quietMoment } from "./run";

/**
 * Seconds that the extension takes to be activated in the extension host of a real VS Code, by VS Code's own figure: loading
 * its code, and the call of `activate`. One for each window that is opened on a workspace with models.
 */
export async function activations(vsix: string, count: number): Promise<number[]> {
  const browser = await playwright.launch({ executablePath: chromium, args: ["--no-sandbox"] });
  const server = await startServer([vsix], {});
  const times: number[] = [];
  try {
    while (times.length < count) {
      await quietMoment();
      const window = await EditorWindow.open(server, browser, { workspace: "examples" });
      // It is activated by the first model's file
      await window.openFile("mlp.ts");
      await window.statusBar.item("kernelscope.kernelscope.status").waitFor();
      times.push(await activationOf(window));
      await window.close();
    }
  } finally {
    await browser.close();
    await server.close();
  }
  return times;
}

/** What the list of running extensions says. */
async function activationOf(window: EditorWindow): Promise<number> {
  await window.runCommand("Developer: Show Running Extensions");
  const row = window.page.locator(".runtime-extensions-editor .extension", { hasText: "Kernelscope" });
  const text = await until("the extension among those that run", async () =>
    /Activation: (\d+)ms/.exec((await row.first().innerText({ timeout: 5000 })).replaceAll("\u00a0", " ")),
  );
  return Number(text[1]) / 1000;
}
