import type { Locator } from "playwright-core";
import { describe, expect, test } from "vitest";
import type { Outline } from "../../sidecar/protocol/outline";
import type { PanelState } from "../../sidecar/protocol/panel";
import { violations } from "./accessibility";
import { executable, launch, opener } from "./browser";
import { manyBlocks, smallOutline } from "./outlines";
import { openPanel, type PanelOptions, type PanelPage } from "./panel-page";
import { digits, stateOf } from "./states";
import { themes } from "./themes";

/** The view of a model's graph, which the editor of its file shows first. */

const open = opener(launch, openPanel);

const state = (change: Parameters<typeof stateOf>[1] = {}): PanelState =>
  stateOf(digits, { place: "editor", ...change });

/** Answers the newest question for the outline. */
async function answer({ said, send }: PanelPage, outline: Outline): Promise<void> {
  const question = (await said()).findLast(({ type }) => type === "outline");
  if (question?.type !== "outline") throw new Error("the page has not asked for the outline");
  await send({ type: "outline", id: question.id, outline });
}

async function openOutline(outline = smallOutline, options?: PanelOptions): Promise<PanelPage> {
  const panel = await open(options);
  await panel.show(state());
  await answer(panel, outline);
  return panel;
}

const rows = ({ page }: PanelPage): Locator => page.locator(".outline-rows [role=row]");
const names = async (panel: PanelPage): Promise<string[]> => rows(panel).locator(".row-name").allInnerTexts();

describe.skipIf(executable === undefined)("the graph", () => {
  test("is what the editor shows first, and the panel second", async () => {
    const { page } = await openOutline();
    expect(await page.getByRole("tab").allInnerTexts()).toEqual([
      "Graph",
      "Overview",
      "Memory",
      expect.stringContaining("Parameters"),
      "NTK",
      "Runs",
    ]);
    expect(await page.getByRole("tab", { name: "Graph" }).getAttribute("aria-selected")).toBe("true");
    const panel = await open();
    await panel.show(stateOf(digits));
    expect((await panel.page.getByRole("tab").allInnerTexts()).slice(0, 2)).toEqual(["Overview", "Graph"]);
    expect(await panel.page.getByRole("tab", { name: "Overview" }).getAttribute("aria-selected")).toBe("true");
  });

  test("has a row for each module, operation and parameter, with its shapes and costs", async () => {
    const panel = await openOutline(smallOutline, { width: 1000 });
    const texts = await rows(panel).allInnerTexts();
    expect(texts.slice(0, 4).map((text) => text.replaceAll(/\s+/g, " ").trim())).toEqual([
      "features Sequential [100, 32, 13, 13] 144 [100, 10, 144] 562.50 KiB 31.0% net.py:12",
      "0 Conv2d [100, 16, 26, 26] 144 [100, 10, 144] 562.50 KiB 30.0% net.py:13",
      "weight float32 [16, 1, 3, 3] 144 [100, 10, 16, 1, 3, 3] 562.50 KiB",
      "bias float32 frozen [16] 16",
    ]);
    const levels = await Promise.all((await rows(panel).all()).map((row) => row.getAttribute("aria-level")));
    expect(levels).toEqual(["1", "2", "3", "3", "2", "1", "1", "2", "2", "1"]);
  });

  test("goes to the line of Python on a click and on Enter", async () => {
    const panel = await openOutline();
    await rows(panel).filter({ hasText: "Linear" }).click();
    await panel.page.keyboard.press("Home");
    await panel.page.keyboard.press("Enter");
    const place = (line: number): object => ({ type: "reveal", place: { file: "/project/net.py", line, column: 1 } });
    expect(await panel.said()).toEqual([place(21), place(12)]);
  });

  test("is gone through by keys as a tree", async () => {
    const panel = await openOutline();
    const { page } = panel;
    const focused = (): Promise<string> => page.locator(".outline-row:focus .row-name").innerText();
    const press = async (...keys: readonly string[]): Promise<string> => {
      for (const key of keys) await page.keyboard.press(key);
      return focused();
    };
    await rows(panel).first().focus();
    expect(await press("ArrowDown", "ArrowRight")).toBe("weight");
    expect(await press("ArrowLeft")).toBe("0");
    expect(await press("ArrowLeft")).toBe("0");
    expect(await rows(panel).nth(1).getAttribute("aria-expanded")).toBe("false");
    expect(await names(panel)).toEqual(["features", "0", "1", "flatten", "head", "weight", "bias", "mask"]);
    expect(await press("End")).toBe("mask");
    expect(await press("h")).toBe("head");
    expect(await press("ArrowLeft", "ArrowDown")).toBe("mask");
    expect(await press("Home", "ArrowLeft", "ArrowDown")).toBe("flatten");
    expect(await names(panel)).toEqual(["features", "flatten", "head", "mask"]);
    // One stop for the Tab key
    expect(await page.locator(".outline [tabindex='0']").count()).toBe(1);
  });

  test("is searched by name, kind and shape, and keeps what was searched for", async () => {
    const panel = await openOutline();
    const { page } = panel;
    const field = page.getByRole("searchbox", { name: "Search the graph" });
    await field.fill("conv2d");
    expect(await names(panel)).toEqual(["features", "0"]);
    expect(await page.locator(".graph [role=status]").innerText()).toBe("1 of 10 rows");
    await field.fill("2704 parameter");
    expect(await names(panel)).toEqual(["head", "weight"]);
    await field.press("ArrowDown");
    await page.keyboard.press("End");
    expect(await page.locator(".outline-row:focus .row-name").innerText()).toBe("weight");
    await page.keyboard.press("Control+f");
    await page.keyboard.press("Escape");
    expect(await names(panel)).toHaveLength(10);
    await field.fill("nowhere");
    expect(await page.locator(".nothing").innerText()).toBe("Nothing matches.");
    const memory = (await panel.memory())!;
    const again = await openOutline(smallOutline, { memory });
    expect(await again.page.getByRole("searchbox").inputValue()).toBe("nowhere");
  });

  test("asks anew when the model has been read anew, and shows the old one until then", async () => {
    const panel = await openOutline();
    await panel.show(state({ model: { milliseconds: 12 } }));
    expect(await names(panel)).toHaveLength(10);
    await answer(panel, { ...smallOutline, rows: smallOutline.rows.slice(0, 4) });
    expect(await names(panel)).toHaveLength(4);
    await panel.show(state({ model: { milliseconds: 12, activity: "evaluating" } }));
    expect(await panel.said()).toEqual([]);
  });

  test("says why there is none", async () => {
    const panel = await open();
    await panel.show(state({ model: { stale: "restored" } }));
    expect(await panel.said()).toEqual([{ type: "ready" }]);
    await panel.page.locator(".graph").getByRole("button", { name: "Analyze" }).click();
    expect(await panel.said()).toEqual([{ type: "command", command: "analyze" }]);
  });

  test("of twenty thousand rows only those in sight are drawn, wherever one goes", async () => {
    const blocks = manyBlocks(5000);
    const panel = await openOutline({ rows: blocks, batch: 100, flops: 1 }, { height: 700 });
    const { page } = panel;
    expect(await rows(panel).count()).toBeLessThan(80);
    expect(await page.getByRole("treegrid").getAttribute("aria-rowcount")).toBe("5001");
    await rows(panel).first().focus();
    await page.keyboard.press("End");
    expect(await page.locator(".outline-row:focus").innerText()).toContain("block_4999");
    await expect.poll(() => names(panel)).toContain("block_4990");
    expect(await rows(panel).count()).toBeLessThan(80);
    const inSight = (name: string): Promise<boolean> =>
      page.locator(".outline-row", { hasText: name }).first().isVisible();
    expect(await inSight("block_4999")).toBe(true);
    const milliseconds = await page.evaluate<number>(`(() => {
      const started = performance.now();
      const field = document.querySelector("vscode-textfield[type=search]");
      field.value = "aten.norm";
      field.dispatchEvent(new Event("input"));
      return document.body.offsetHeight && performance.now() - started;
    })()`);
    expect(milliseconds).toBeLessThan(1000);
    expect(await page.locator(".graph [role=status]").innerText()).toBe("5,000 of 20,000 rows");
    expect(await page.getByRole("treegrid").getAttribute("aria-rowcount")).toBe("10001");
  });

  test("is where it was scrolled to before a reload, when its rows are there", async () => {
    const large = { rows: manyBlocks(500), batch: 100, flops: 1 };
    const panel = await openOutline(large, { height: 500 });
    await panel.page.evaluate("scrollTo(0, 3000)");
    await expect.poll(async () => (await panel.memory())?.scroll).toBe(3000);
    const again = await openOutline(large, { height: 500, memory: (await panel.memory())! });
    await expect.poll(() => again.page.evaluate("scrollY")).toBe(3000);
    await expect.poll(() => names(again)).toContain("block_110");
  });

  test("the head of the columns stays in sight", async () => {
    const panel = await openOutline({ rows: manyBlocks(500), batch: 100, flops: 1 }, { height: 500 });
    await panel.page.evaluate("scrollTo(0, 3000)");
    await expect.poll(async () => (await panel.page.locator(".outline-head").boundingBox())!.y).toBe(0);
  });

  test.each([300, 460, 760, 1000, 2400])("nothing sticks out at %i pixels", async (width) => {
    const { page } = await openOutline(smallOutline, { width });
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
  });

  describe.each(Object.entries(themes))("in the %s theme", (_, theme) => {
    test.each([320, 1000])("is accessible at %i pixels", async (width) => {
      const panel = await openOutline(smallOutline, { theme, width });
      const { page } = panel;
      expect(await violations(page)).toEqual([]);
      await page.getByRole("searchbox").fill("weight");
      await rows(panel).first().focus();
      expect(await violations(page)).toEqual([]);
      await page.getByRole("searchbox").fill("nowhere");
      expect(await violations(page)).toEqual([]);
    });
  });
});
