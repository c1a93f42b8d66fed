import type { Browser } from "playwright-core";
import type { FromPanel, PanelMemory, PanelState, ToPanel } from "../../sidecar/protocol/panel";
import { openPage, type Opened } from "./browser";
import { themes, type Theme } from "./themes";

/** The built page in a plain browser, with stand-ins for what VS Code's webview gives it. */

export interface PanelPage extends Opened {
  readonly send: (message: ToPanel) => Promise<void>;
  readonly show: (state: PanelState) => Promise<void>;
  /** What the page has said since the last time. */
  readonly said: () => Promise<FromPanel[]>;
  readonly memory: () => Promise<PanelMemory | null>;
}

export interface PanelOptions {
  readonly theme?: Theme;
  readonly width?: number;
  readonly height?: number;
  /** What the page kept before a reload. */
  readonly memory?: PanelMemory;
}

export async function openPanel(
  browser: Browser,
  { theme = themes.dark, width = 900, height = 900, memory }: PanelOptions = {},
): Promise<PanelPage> {
  const { page, complaints } = await openPage(
    browser,
    { viewport: { width, height } },
    {
      title: "digits.ts#model",
      theme,
      script: "webview.js",
      style: "webview.css",
      before: `(${webview})(${JSON.stringify({ memory })});`,
    },
  );
  const said = (): Promise<FromPanel[]> => page.evaluate<FromPanel[]>("said.splice(0)");
  const send = async (message: ToPanel): Promise<void> => {
    await page.evaluate(`window.postMessage(${JSON.stringify(message)}, "*")`);
    // The message is handled before the next one that is sent after it
    await page.evaluate("new Promise((done) => setTimeout(done, 0))");
  };
  return {
    page,
    complaints,
    send,
    show: (state) => send({ type: "state", state }),
    said,
    memory: () => page.evaluate<PanelMemory | null>("kept ?? null"),
  };
}

/** What VS Code gives the page's script. */
const webview = `({ memory }) => {
  globalThis.said = [];
  globalThis.kept = memory;
  globalThis.acquireVsCodeApi = () => ({
    postMessage: (message) => said.push(structuredClone(message)),
    getState: () => structuredClone(kept),
    setState: (next) => { kept = structuredClone(next); return next; },
  });
}`;
