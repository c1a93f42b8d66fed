import { readFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { chromium as launcher, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { panelHtml } from "../../extension/panel-html";
import { chromium } from "../tools";
import type { Theme } from "./themes";

/** The tests' Chromium; `undefined` where this machine has none. */
export const executable = chromium;

/** @param graphics options that say what draws */
export function launch(graphics: readonly string[] = ["--disable-gpu"]): Promise<Browser> {
  return launcher.launch({
    executablePath: executable,
    args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", ...graphics],
  });
}

/** A page that a test has opened, and what the browser complained of. */
export interface Opened {
  readonly page: Page;
  readonly complaints: readonly string[];
}

/**
 * How the tests of a file open their pages, all in one browser. Whatever a test does, nothing may be blocked by the
 * content security policy, missing, or thrown: after each, its pages are closed and their complaints looked at.
 */
export function opener<P extends Opened, Rest extends unknown[]>(
  launch: () => Promise<Browser>,
  open: (browser: Browser, ...rest: Rest) => Promise<P>,
): (...rest: Rest) => Promise<P> {
  let browser: Browser;
  const opened: P[] = [];
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    const pages = opened.splice(0);
    await Promise.all(pages.map(({ page }) => page.close()));
    expect(pages.flatMap(({ complaints }) => complaints)).toEqual([]);
  });
  return async (...rest) => {
    const page = await open(browser, ...rest);
    opened.push(page);
    return page;
  };
}

const origin = "https://panel.test";

/** What a page shows. */
interface Content {
  readonly title: string;
  readonly theme: Theme;
  /** What `dist/` does not have, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** The names of its script and its style. */
  readonly script: string;
  readonly style: string;
  /** Runs in the page before its own script. */
  readonly before?: string;
}

/** A page under the panel's own content security policy, with the colours that VS Code gives its webviews. */
export async function openPage(browser: Browser, context: BrowserContextOptions, content: Content): Promise<Opened> {
  const { title, theme, files = {}, script, style, before = "" } = content;
  const page = await browser.newPage({ reducedMotion: "reduce", ...context });
  const complaints = complaintsOf(page);
  const html = panelHtml({
    title,
    nonce: "c2VjcmV0",
    cspSource: origin,
    script: `${origin}/${script}`,
    style: `${origin}/${style}`,
    codicons: `${origin}/codicon.css`,
  });
  await page.route(`${origin}/**`, async (route) => {
    const { pathname } = new URL(route.request().url());
    if (pathname === "/") return route.fulfill({ contentType: "text/html", body: html });
    const name = basename(pathname);
    const body = files[name] ?? (await readFile(join(dist, name)).catch(() => null));
    if (body === null) return route.fulfill({ status: 404 });
    return route.fulfill({ contentType: types[extname(name)], body });
  });
  await page.addInitScript(`${before}\n(${setTheme})(${JSON.stringify(theme)});`);
  await page.goto(origin);
  return { page, complaints };
}

const dist = join(import.meta.dirname, "../../dist");

const types: Record<string, string> = {
  ".js": "text/javascript",
  ".css": "text/css",
  ".ttf": "font/ttf",
  ".map": "application/json",
};

const setTheme = `(theme) => {
  document.addEventListener("DOMContentLoaded", () => {
    const { style } = document.documentElement;
    for (const [name, value] of Object.entries(theme.variables)) style.setProperty(name, value);
    document.body.className = theme.kind;
    document.body.dataset.vscodeThemeKind = theme.kind;
  });
}`;

/** What the browser complains of from now on: blocked by the content security policy, missing, or thrown. */
function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    // Reading pixels back is slow, as the driver says, and only tests do it
    if (message.type() !== "log" && !message.text().includes("GPU stall")) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  return complaints;
}
