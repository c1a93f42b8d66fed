import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { executable } from "./browser";
import { launchWith, openKernelPage, type KernelPage, type KernelPageOptions } from "./kernel-page";
import { themes } from "./themes";

let browser: Browser;
const opened: KernelPage[] = [];

async function open(options?: KernelPageOptions): Promise<KernelPage> {
  const kernelPage = await openKernelPage(browser, options);
  opened.push(kernelPage);
  return kernelPage;
}

describe.skipIf(executable === undefined)("heatmaps", () => {
  beforeAll(async () => {
    browser = await launchWith(true);
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    const pages = opened.splice(0);
    await Promise.all(pages.map(({ page }) => page.close()));
    expect(pages.flatMap(({ complaints }) => complaints)).toEqual([]);
  });

  test.each(Object.keys(themes) as (keyof typeof themes)[])("look as they should: %s", async (name) => {
    const { page, settled, screenshot } = await open({ theme: themes[name] });
    await page.evaluate(`showHeatmap({ count: 60 }, { order: "class" })`);
    await settled();
    await page.mouse.move(300, 200);
    await settled();
    await screenshot(`classes, ${name}`);
    await page.evaluate(
      `showHeatmap({ id: "k2", count: 60, signed: true, known: 40, change: { fraction: 0.44, status: "running" } }, {})`,
    );
    await settled();
    await page.mouse.move(5, 5);
    await settled();
    await screenshot(`signed, ${name}`);
  });
});
