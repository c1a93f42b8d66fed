import { chromium as launcher, type Browser, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { chromium } from "../tools";

/** The tests' Chromium; `undefined` where this machine has none. */
export const executable = chromium;

export function launch(): Promise<Browser> {
  return launcher.launch({
    executablePath: executable,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
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

/** What the browser complains of from now on: blocked by the content security policy, missing, or thrown. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    // Reading pixels back is slow, as the driver says, and only tests do it
    if (message.type() !== "log" && !message.text().includes("GPU stall")) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  return complaints;
}
