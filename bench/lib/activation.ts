import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium as playwright } from "playwright-core";
import { startServer, type Server } from "../../test/e2e/lib/server";
import { packageFolder } from "../../test/e2e/lib/small-extension";
import { until } from "../../test/e2e/lib/wait";
import { EditorWindow } from "../../test/e2e/lib/window";
import { chromium } from "../../test/tools";
import { quietMoment } from "./run";

/** Seconds that an activation takes in the extension host of a real VS Code. */
export interface Activation {
  /** The extension's code is loaded, by VS Code's marks, and `activate` is called, by the extension's log. */
  readonly own: number;
  /** By the list of running extensions: from when VS Code turned to all that a file activates, with those loaded before. */
  readonly listed: number;
}

/** One activation for each window that is opened on a workspace with models. */
export async function activations(vsix: string, count: number): Promise<Activation[]> {
  const folder = mkdtempSync(join(tmpdir(), "kernelscope-activation-"));
  const marks = join(folder, "marks.json");
  const browser = await playwright.launch({ executablePath: chromium, args: ["--no-sandbox"] });
  const writer = packageFolder(join("bench", "fixtures", "activation-marks"), folder);
  const server = await startServer([vsix, writer], { KERNELSCOPE_MARKS: marks });
  const times: Activation[] = [];
  try {
    while (times.length < count) {
      await quietMoment();
      const window = await EditorWindow.open(server, browser, { workspace: "examples" });
      // It is activated by the first model's file
      await window.openFile("mlp.ts");
      await window.statusBar.item("kernelscope.kernelscope.status").waitFor();
      times.push({ own: (await loadTime(window, marks)) + (await callTime(server)), listed: await listedTime(window) });
      await window.close();
    }
  } finally {
    await browser.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
  return times;
}

async function loadTime(window: EditorWindow, file: string): Promise<number> {
  rmSync(file, { force: true });
  await window.runCommand("Activation Marks: Write");
  const marks = await until("the marks", () => JSON.parse(readFileSync(file, "utf8")) as Record<string, number>);
  const [start, end] = ["will", "did"].map(
    (name) => marks[`code/extHost/${name}LoadExtensionCode/kernelscope.kernelscope`],
  );
  if (start === undefined || end === undefined)
    throw new Error(`no loading among the marks ${Object.keys(marks).join()}`);
  return (end - start) / 1000;
}

/** VS Code's own mark of the end comes after what other extensions do meanwhile. */
async function callTime(server: Server): Promise<number> {
  const line = await until("the log", () =>
    /activated in ([\d.]+) ms/.exec(server.log("kernelscope.kernelscope", "Kernelscope")),
  );
  return Number(line[1]) / 1000;
}

async function listedTime(window: EditorWindow): Promise<number> {
  await window.runCommand("Developer: Show Running Extensions");
  const row = window.page.locator(".runtime-extensions-editor .extension", { hasText: "Kernelscope" });
  const text = await until("the extension among those that run", async () =>
    /Activation: (\d+)ms/.exec((await row.first().innerText({ timeout: 5000 })).replaceAll("\u00a0", " ")),
  );
  return Number(text[1]) / 1000;
}
