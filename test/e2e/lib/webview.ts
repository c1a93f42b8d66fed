// A page that an extension shows in a panel: it is a frame within a frame.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AxeResults, RunOptions } from "axe-core";
import type { Frame, FrameLocator, Locator, Page } from "playwright-core";
import { until } from "./wait";

export class Webview {
  private readonly outer: Locator;

  /** The frame of an extension, by its id, that shows; of several the `nth`. */
  constructor(page: Page, extensionId: string, nth = 0) {
    const frame = page.locator(`iframe.webview.ready[src*="extensionId=${extensionId}"]`);
    this.outer = frame.filter({ visible: true }).nth(nth);
  }

  /** Where to look for what the page shows: `webview.content.getByRole("button", { name: "Compute" })`. */
  get content(): FrameLocator {
    return this.outer.contentFrame().locator("#active-frame").contentFrame();
  }

  /** Waits until the page is loaded, and gives its frame: for scripts. The frame is another one after a reload. */
  async frame(): Promise<Frame> {
    return until("the webview's page", async () => {
      const inner = this.outer.contentFrame().locator("#active-frame");
      const handle = await inner.elementHandle({ timeout: 2000 });
      const frame = await handle?.contentFrame();
      return frame && (await frame.evaluate<boolean>("document.readyState === 'complete'")) ? frame : undefined;
    });
  }

  isShown(): Promise<boolean> {
    return this.outer.isVisible();
  }

  /** What axe finds wrong with the page's accessibility; a line for each element. */
  async accessibilityViolations(options: RunOptions = {}): Promise<string[]> {
    const frame = await this.frame();
    // The page lets the editor's colour shine through from behind its frame, where axe does not look.
    await frame.evaluate("document.documentElement.style.backgroundColor = 'var(--vscode-editor-background)'");
    // Evaluated by the debugger, which the page's content security policy does not hold back
    await frame.evaluate(axeSource);
    const { violations } = await frame.evaluate<AxeResults>(`window.axe.run(document, ${JSON.stringify(options)})`);
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${help}\n  ${html}\n  ${failureSummary ?? ""}`),
    );
  }
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
