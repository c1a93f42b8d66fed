import axe, { type AxeResults } from "axe-core";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { executable } from "./browser";
import { launchWith, openKernelPage, type KernelPage, type KernelPageOptions } from "./kernel-page";
import { themes } from "./themes";

let browser: Browser;
const opened: KernelPage[] = [];

async function openView(call: string, options: KernelPageOptions = {}): Promise<KernelPage> {
  const kernelPage = await openKernelPage(browser, { width: 1100, height: 900, ...options });
  opened.push(kernelPage);
  await kernelPage.page.evaluate(`showView(${call})`);
  await kernelPage.settled();
  return kernelPage;
}

async function violations(page: Page): Promise<unknown[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate<AxeResults>("axe.run(document.querySelector('#page'))");
  return found.violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
}

describe.skipIf(executable === undefined)("the view of kernels", () => {
  beforeAll(async () => {
    browser = await launchWith(true);
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    const pages = opened.splice(0);
    await Promise.all(pages.map(({ page }) => page.close()));
    expect(pages.flatMap(({ complaints }) => complaints)).toEqual([]);
  });

  describe.each(Object.keys(themes) as (keyof typeof themes)[])(
    "looks as it should, and is for everyone: %s",
    (name) => {
      test("one kernel", async () => {
        const { page, settled, screenshot } = await openView(`{}`, { theme: themes[name] });
        await page.evaluate(
          `gaze.change({ pinned: { row: 12, column: 22 }, selection: { top: 20, left: 5, bottom: 32, right: 25 } }); change({ order: "class", time: 8 })`,
        );
        await settled();
        await page.evaluate(
          `gaze.change({ pinned: { row: 12, column: 22 }, selection: { top: 20, left: 5, bottom: 32, right: 25 } })`,
        );
        await expect.poll(() => page.innerText(".kernel-selection")).toContain("Mean");
        await expect.poll(() => page.locator(".kernel-block").count()).toBe(1);
        await settled();
        await screenshot(`view, ${name}`);
        for (const summary of await page.locator("summary").all()) await summary.click();
        await settled();
        expect(await violations(page)).toEqual([]);
      });

      test("two kernels and their difference", async () => {
        const { page, settled, screenshot } = await openView(
          `{ form: "diagonal", outputs: 10 }, { id: "k2", title: "residual-net.ts#model at step 500", signed: true, form: "diagonal", outputs: 10, known: 45, change: { status: "running", fraction: 0.56 } }, { curve: false }`,
          { theme: themes[name] },
        );
        await page.evaluate(`gaze.change({ pinned: { row: 12, column: 22 } })`);
        await settled();
        await expect.poll(() => page.locator(".block .kernel-plot").count()).toBe(1);
        await settled();
        await screenshot(`comparison, ${name}`);
        expect(await violations(page)).toEqual([]);
      });
    },
  );
});
