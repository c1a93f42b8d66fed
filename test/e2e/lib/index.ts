// Drives packaged extensions in a real VS Code (code-server) in a real browser (Chromium), for end-to-end tests.
//
// How to write a test:
//
//   const vscode = await startVSCode({ extensions: [await packageExtension()], container: "Kernelscope" }); // beforeAll
//   const window = await vscode.open({ workspace: "examples" });
//   await window.openFile("mlp.ts");
//   await window.runCommand("Kernelscope: Analyze Model");
//   await expect.poll(() => window.editor.inlayHints()).toContainEqual({ line: 9, text: "[10, 402k]" });
//   expect(await window.editor.hoverOn("dense", /Jacobian/)).toContain("402k");
//   await window.screenshot("mlp");
//   await window.close();
//   await vscode.close();                                                                                  // afterAll
//
// - One server serves all tests of a file, and a window costs some seconds; `open` copies the workspace, so that tests
//   may change its files. One window at a time: the settings are the server's.
// - Nothing sleeps. What acts (`runCommand`, `press`, `click...`) tries until it has acted, and what waits for
//   something says so (`waitFor...`, `hoverOn` with an expression). What only reads (`inlayHints`, `rows`, `list`)
//   reads what shows at that moment: poll it, with expect.poll or `until`.
// - Give the tests of a file some minutes: a window takes 5 s to load on an idle machine, and much more on a busy one.
// - The editor draws only what is in view: `goTo` a line before reading it, and keep test files short.
// - Labels of commands, buttons and rows are given whole, as a user reads them; a part is an expression.
// - Whatever has no name here is to be found through `window.page`, with the selectors of playwright.
// - Call `keepEvidence(() => window)` in a file, and a test that fails leaves a picture in test-artifacts/.
import { chromium as playwright, type Browser } from "playwright-core";
import { beforeEach, onTestFailed } from "vitest";
import { chromium } from "../../tools";
import { startServer, type Server } from "./server";
import { EditorWindow, type WindowOptions } from "./window";

export type { LineText } from "./lines";
export type { Notification } from "./notifications";
export type { Problem } from "./problems";
export type { RunningProcess } from "./processes";
export type { QuickInputEntry } from "./quick-input";
export type { Server } from "./server";
export type { TreeRow, TreeView } from "./tree-view";
export { until, patience, type Pattern } from "./wait";
export type { Webview } from "./webview";
export { EditorWindow, type ColorTheme, type WindowOptions } from "./window";

export interface VSCode {
  readonly server: Server;
  open(options: WindowOptions): Promise<EditorWindow>;
  /** Closes browser and server. An error names the processes that outlived them. */
  close(): Promise<void>;
}

export interface VSCodeOptions {
  /** .vsix files to install. */
  extensions: readonly string[];
  /** Environment variables besides those of the tests. */
  env?: NodeJS.ProcessEnv;
  /** A view container that one of them contributes: a window is open once it has that. */
  container?: string;
}

export async function startVSCode({ extensions, env = {}, container }: VSCodeOptions): Promise<VSCode> {
  const browser = await startBrowser();
  try {
    const server = await startServer(extensions, env);
    return {
      server,
      open: (options) => EditorWindow.open(server, browser, { container, ...options }),
      async close() {
        await browser.close();
        await server.close();
      },
    };
  } catch (error) {
    await browser.close();
    throw error;
  }
}

function startBrowser(): Promise<Browser> {
  if (chromium === undefined) throw new Error("no Chromium: see scripts/tools.mjs");
  return playwright.launch({
    executablePath: chromium,
    args: [
      // Chromium refuses its sandbox to root, and nothing here comes from elsewhere
      "--no-sandbox",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-quic",
      "--disable-sync",
      // WebGL in software; all else is drawn without it, in two thirds of the time
      "--use-gl=angle",
      "--use-angle=swiftshader",
      "--enable-unsafe-swiftshader",
      "--disable-gpu-compositing",
      "--disable-gpu-rasterization",
    ],
  });
}

/** In each test of the file or suite that calls it: a test that fails leaves a picture of the window. */
export function keepEvidence(window: () => EditorWindow | undefined): void {
  beforeEach(({ task }) => {
    onTestFailed(async () => {
      await window()?.screenshot(`failed ${task.name.replace(/[^\w -]/g, "")}`);
    });
  });
}
