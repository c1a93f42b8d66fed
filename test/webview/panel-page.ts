import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Browser } from "playwright-core";
import { panelHtml } from "../../extension/panel-html";
import type { FromPanel, PanelMemory, PanelState, ToPanel } from "../../sidecar/protocol/panel";
import { complaintsOf, type Opened } from "./browser";
import { themes, type Theme } from "./themes";

/** The built page in a plain browser, with stand-ins for what VS Code's webview gives it. */

const origin = "https://panel.test";
const dist = join(import.meta.dirname, "../../dist");

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
  const page = await browser.newPage({ viewport: { width, height }, reducedMotion: "reduce" });
  const complaints = complaintsOf(page);
  const html = panelHtml({
    title: "digits.ts#model",
    nonce: "c2VjcmV0",
    cspSource: origin,
    script: `${origin}/webview.js`,
    style: `${origin}/webview.css`,
    codicons: `${origin}/codicon.css`,
  });
  await page.route(`${origin}/**`, async (route) => {
    const { pathname } = new URL(route.request().url());
    if (pathname === "/") return route.fulfill({ contentType: "text/html", body: html });
    const body = await readFile(join(dist, basename(pathname))).catch(() => null);
    if (body === null) return route.fulfill({ status: 404 });
    return route.fulfill({ contentType: types[pathname.slice(pathname.lastIndexOf("."))], body });
  });
  await page.addInitScript(`(${webview})(${JSON.stringify({ theme, memory })})`);
  await page.goto(origin);
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

const types: Record<string, string> = {
  ".js": "text/javascript",
  ".css": "text/css",
  ".ttf": "font/ttf",
  ".map": "application/json",
};

/** Runs in the page before its own script. */
const webview = `({ theme, memory }) => {
  globalThis.said = [];
  globalThis.kept = memory;
  globalThis.acquireVsCodeApi = () => ({
    postMessage: (message) => said.push(structuredClone(message)),
    getState: () => structuredClone(kept),
    setState: (next) => { kept = structuredClone(next); return next; },
  });
  document.addEventListener("DOMContentLoaded", () => {
    const { style } = document.documentElement;
    for (const [name, value] of Object.entries(theme.variables)) style.setProperty(name, value);
    document.body.className = theme.kind;
    document.body.dataset.vscodeThemeKind = theme.kind;
  });
}`;
