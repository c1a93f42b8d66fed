import { describe, expect, test } from "vitest";
import { formatValue } from "../../webview/kernel/scale";
import { violations } from "./accessibility";
import { executable, opener } from "./browser";
import { launchWith, openKernelPage, type KernelPage, type KernelPageOptions } from "./kernel-page";
import { syntheticSource } from "./synthetic-kernel";
import { themes } from "./themes";

const open = opener(() => launchWith(true), openKernelPage);

async function openView(call: string, options: KernelPageOptions = {}): Promise<KernelPage> {
  const kernelPage = await open({ width: 1100, height: 900, ...options });
  await kernelPage.page.evaluate(`showView(${call})`);
  await kernelPage.settled();
  return kernelPage;
}

describe.skipIf(executable === undefined)("the view of kernels", () => {
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
        expect(await violations(page, "#page")).toEqual([]);
      });

      test("two kernels and their difference", async () => {
        const { page, settled, screenshot } = await openView(
          `{ form: "diagonal", outputs: 10 }, { id: "k2", title: "residual-net.ts#model at step 500", phase: 2, form: "diagonal", outputs: 10, known: 45, change: { status: "running", fraction: 0.56 } }, { curve: false }`,
          { theme: themes[name] },
        );
        await page.evaluate(`gaze.change({ pinned: { row: 12, column: 22 } })`);
        await settled();
        await expect.poll(() => page.locator(".block .kernel-plot").count()).toBe(1);
        await settled();
        await screenshot(`comparison, ${name}`);
        expect(await violations(page, "#page")).toEqual([]);
      });
    },
  );

  test("in a narrow panel everything stands one below the other", async () => {
    const { page, screenshot } = await openView(`{}, null`, { width: 420 });
    await screenshot("view, narrow");
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(420);
  });

  test("orders, colours and outputs are chosen, and pictures are asked for so", async () => {
    const { page, settled } = await openView(`{}`);
    const last = (): Promise<{ order: unknown; view: unknown }> =>
      page.evaluate("(({ order, view }) => ({ order, view }))(source.requests.at(-1))");
    expect(await last()).toEqual({ order: "given", view: "trace" });
    await page.getByLabel("Order").selectOption("by cluster");
    await settled();
    expect(await last()).toEqual({ order: { clustersOf: "k1" }, view: "trace" });
    await page.getByRole("combobox", { name: "Outputs" }).selectOption("one pair of outputs");
    await page.getByLabel("Column’s output").fill("2");
    await page.getByLabel("Column’s output").press("Enter");
    await settled();
    expect(await last()).toMatchObject({ view: { row: 0, column: 2 } });
    expect(await page.getByRole("application").getAttribute("aria-label")).toContain("output 0 with output 2");
    await page.getByRole("combobox", { name: "Colours" }).selectOption("logarithmic");
    await settled();
    expect(await page.innerText(".kernel-legend")).toContain("log");
  });

  test("a parameter’s part is asked for, and told which it is", async () => {
    const { page } = await openView(`{}`);
    await page.getByRole("button", { name: "conv1.weight 31.0%" }).click();
    await page.getByLabel("Part").selectOption("head.bias");
    expect(await page.evaluate("parts")).toEqual(["conv1.weight", "head.bias"]);
    const part = await openView(`{ id: "k2", change: { part: { of: "k1", parameter: "conv1.weight" } } }`);
    expect(await part.page.getByRole("button", { name: "conv1.weight" }).getAttribute("aria-pressed")).toBe("true");
    expect(await part.page.getByLabel("Part").inputValue()).toBe("conv1.weight");
    await part.page.getByRole("button", { name: "Whole kernel" }).click();
    await part.page.getByRole("button", { name: "conv1.weight 31.0%" }).click();
    expect(await part.page.evaluate("parts")).toEqual([null, null]);
  });

  test("a kernel without clusters says so where they are chosen", async () => {
    const { page } = await openView(`{ change: { noClusters: "when it is done" } }`);
    const clusters = page.getByLabel("Order").locator("option", { hasText: "by cluster" });
    expect(await clusters.innerText()).toBe("by cluster (when it is done)");
    expect(await clusters.isDisabled()).toBe(true);
  });

  test("a pair that is kept stays the same pair in another order", async () => {
    const { page, settled } = await openView(`{}`);
    await page.evaluate(
      `gaze.change({ pinned: { row: 1, column: 2 }, selection: { top: 0, left: 0, bottom: 3, right: 3 } })`,
    );
    await page.getByLabel("Order").selectOption("by class");
    await settled();
    expect(await page.evaluate("[gaze.now.pinned, gaze.now.selection]")).toEqual([{ row: 12, column: 24 }, null]);
    expect(await page.innerText(".block")).toContain("car-1.png (car) and bird-2.png (bird)");
  });

  test("the block of the pair is the source’s, as a picture and as a table", async () => {
    const { page, settled } = await openView(`{}`);
    expect(await page.innerText(".block")).toContain("Point at a pair");
    await page.evaluate(`gaze.change({ pinned: { row: 3, column: 8 } })`);
    const numbers = page.locator(".block svg .cell-number");
    await expect.poll(() => numbers.count()).toBe(9);
    const { block } = await syntheticSource().entry({ id: "k1", view: "trace", row: 3, column: 8 });
    expect(await numbers.allTextContents()).toEqual([...block!].map(formatValue));
    const picture = (await page.locator(".block svg image").boundingBox())!;
    const [x, y] = [picture.x + picture.width * 0.9, picture.y + picture.height * 0.5];
    await page.mouse.move(x, y);
    expect(await page.locator(".block svg .near").textContent()).toBe(
      `output 1 with output 2: ${formatValue(block![5])}`,
    );
    await page.mouse.click(x, y);
    expect(await page.evaluate("choice.view")).toEqual({ row: 1, column: 2 });
    expect(await page.getByRole("spinbutton", { name: "Column’s output" }).inputValue()).toBe("2");
    await page.getByText("Outputs as a table").click();
    await settled();
    expect(await page.locator(".block tbody tr").allInnerTexts()).toEqual(
      [...block!].map((value, at) => `${Math.floor(at / 3)}\t${at % 3}\t${formatValue(value)}`),
    );
  });

  test("the block before is shown until the next has come, and says whose it is", async () => {
    const { page } = await openView(`{}`);
    await page.evaluate(`gaze.change({ place: { row: 3, column: 8 } })`);
    await expect.poll(() => page.innerText(".block")).toContain("cat-3.png (cat) and cat-8.png (cat)");
    await page.evaluate(`source.entry = () => new Promise(() => {}); gaze.change({ place: { row: 4, column: 8 } })`);
    await page.waitForTimeout(150);
    expect(await page.innerText(".block")).toContain("cat-3.png (cat) and cat-8.png (cat)");
    await page.evaluate(`source.entry = () => Promise.reject(new Error("The sidecar has ended: start it again."));
      gaze.change({ place: { row: 5, column: 8 } })`);
    await expect.poll(() => page.innerText(".block")).toContain("The sidecar has ended: start it again.");
  });

  test("entries are a table, a page at a time, in the order of the picture", async () => {
    const { page, settled } = await openView(`{ count: 5000 }`);
    const requests = (): Promise<number> => page.evaluate("source.requests.length");
    const before = await requests();
    await settled();
    expect(await requests()).toBe(before);
    await page.getByText("Entries as a table").click();
    const rows = page.locator("kernel-table tbody tr");
    await expect.poll(() => rows.count()).toBe(10);
    await expect.poll(() => rows.first().innerText()).not.toContain("…");
    const entry = async (row: number, column: number): Promise<string> => {
      const { value } = await syntheticSource({ count: 5000 }).entry({
        id: "k1",
        view: "trace",
        row,
        column,
      });
      return formatValue(value!);
    };
    expect((await rows.nth(2).innerText()).split("\t")).toEqual([
      "bird-2.png (bird)",
      ...(await Promise.all([0, 1, 2, 3, 4, 5].map((column) => entry(2, column)))),
    ]);
    await page.getByRole("button", { name: "Next columns" }).click();
    await page.getByRole("button", { name: "Next rows" }).click();
    await expect.poll(() => rows.first().innerText()).toContain(await entry(10, 6));
    expect(await page.innerText(".kernel-pager")).toContain("Rows 11 to 20 of 5,000");
  });

  test("what is selected is summed up, zoomed to, and saved", async () => {
    const { page, settled } = await openView(`{}`);
    await page.evaluate(`gaze.change({ selection: { top: 2, left: 4, bottom: 4, right: 5 } })`);
    const { entry } = syntheticSource();
    const request = { id: "k1", view: "trace", column: 4 } as const;
    const [a, b] = await Promise.all([2, 3].map(async (row) => Math.fround((await entry({ ...request, row })).value!)));
    await expect
      .poll(() => page.innerText(".kernel-selection .note"))
      .toBe(`Mean ${formatValue((a + b) / 2)}, from ${formatValue(Math.min(a, b))} to ${formatValue(Math.max(a, b))}.`);
    await page.getByRole("button", { name: "Save Entries…" }).click();
    expect(await page.evaluate("saved.map(({ id, rows, columns }) => [id, [...rows], [...columns]])")).toEqual([
      ["k1", [2, 3], [4]],
    ]);
    await page.getByRole("button", { name: "Zoom In" }).click();
    await settled();
    expect(await page.evaluate("gaze.now.viewport.zoom")).toBeGreaterThan(5);
    await page.getByRole("button", { name: "Clear the selection" }).click();
    await page.getByRole("button", { name: "Show All" }).click();
    expect(await page.evaluate("[gaze.now.viewport.zoom, gaze.now.selection]")).toEqual([1, null]);
  });

  test("the spectrum has its numbers, and what cannot be on its scale is said", async () => {
    const { page } = await openView(`{ change: { spectrum: { eigenvalues: [8, 2, 0.5, -1e-9], count: 4,
      conditionNumber: null, effectiveRank: 1.9, alignment: 0.4, largestLearningRate: 0.25 } } }`);
    const figures = await page.locator(".spectrum .kernel-figures > div").allInnerTexts();
    // The third line, for readers, says what it means
    expect(figures.map((text) => text.split("\n").slice(0, 2))).toEqual([
      ["Condition number", "–"],
      ["Effective rank", "1.900 of 4"],
      ["Alignment with labels", "0.4000"],
      ["Largest learning rate", "0.2500"],
    ]);
    expect(await page.innerText(".spectrum")).toContain("1 eigenvalue at or below zero, by rounding,");
    // Powers of two are a straight line on a logarithmic scale: equal factors are equal distances
    const heights = await page.evaluate<number[]>(
      `[...document.querySelectorAll(".spectrum circle.point")].map((point) => Number(point.getAttribute("cy")))`,
    );
    expect(heights).toHaveLength(3);
    expect(heights[2] - heights[1]).toBeCloseTo(heights[1] - heights[0], 6);
  });

  test("a kernel without a spectrum says why", async () => {
    const { page } = await openView(
      `{ columns: 20, change: { spectrum: null, message: "Only a kernel of examples with themselves has a spectrum." } }, null, { curve: false }`,
    );
    expect(await page.innerText(".kernel-charts")).toBe("Only a kernel of examples with themselves has a spectrum.");
  });

  test("the time slider goes from time to time, to before training and to the end of time", async () => {
    const { page } = await openView(`{}`);
    const slider = page.getByRole("slider", { name: "Time" });
    const moment = (): Promise<string> => page.innerText(".kernel-moment");
    expect(await moment()).toMatch(/^before training: train 0.9001, test 0.9300/);
    await slider.press("ArrowRight");
    expect(await moment()).toMatch(/^after 1 step: /);
    await slider.press("End");
    expect(await moment()).toMatch(/^after infinitely many steps: train 1.000e−4, test 0.08000/);
    expect(await slider.inputValue()).toBe("1");
    const box = (await slider.boundingBox())!;
    await page.mouse.click(box.x + 8 + 0.06 * (box.width - 16) + 0.88 * 0.5 * (box.width - 16), box.y + 13);
    expect(await moment()).toMatch(/^after 100 steps: /);
    expect(await page.locator(".kernel-predictions li").allInnerTexts()).toEqual([
      "plane-0.png (plane)\ntrain, largest is output 0: 0.6689, target 1.000",
      "deer-4.png (deer)\ntest, largest is output 1: 0.6689, target 1.000",
    ]);
  });

  test("charts are saved as SVG that stands by itself, and as CSV", async () => {
    const { page } = await openView(`{}`);
    await page.getByRole("button", { name: "Save spectrum as a picture, SVG" }).click();
    await page.getByRole("button", { name: "Save spectrum as a table, CSV" }).click();
    await page.getByRole("button", { name: "Save shares of layers as a table, CSV" }).click();
    await page.getByRole("button", { name: "Save the picture as PNG" }).click();
    // Compressed by the browser when it has time
    await expect.poll(() => page.evaluate("saved.length"), { timeout: 20_000 }).toBe(4);
    expect(await page.evaluate("saved.map(({ name }) => name)")).toEqual([
      "spectrum.svg",
      "spectrum.csv",
      "layers.csv",
      "residual-net.ts-model-kernel.png",
    ]);
    const [svg, csv, layers] = await page.evaluate<string[]>("saved.slice(0, 3).map(({ content }) => content)");
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg".*<\/svg>$/s);
    expect(svg).not.toContain("var(");
    expect(svg).toContain("rgb(89, 164, 249)");
    expect(csv.split("\r\n").slice(0, 3)).toEqual(["number,eigenvalue", "1,300", `2,${300 * 2 ** -1.7}`]);
    expect(layers).toContain("conv1.weight,0.31\r\n");
  });

  test("two kernels are seen through one window and in one scale of colours; their difference has zero in the middle", async () => {
    const { page, settled } = await openView(`{}, { id: "k2", title: "later", phase: 2, signed: true }`);
    const legends = await page.evaluate<string[]>(
      `[...document.querySelectorAll(".kernel-legend")].map((legend) => legend.getAttribute("aria-label"))`,
    );
    expect(legends[0]).toBe(legends[1]);
    expect(legends[2]).toMatch(/^Colours from −[\d.]+ to [\d.]+, linear, zero in the middle\.$/);
    const stages = page.locator(".kernel-stage");
    const box = (await stages.nth(1).boundingBox())!;
    await page.mouse.move(box.x + box.width / 3, box.y + box.height / 3);
    await page.mouse.wheel(0, -400);
    await settled();
    const ticks = await page.locator(".kernel-axis.columns").allInnerTexts();
    expect(new Set(ticks).size).toBe(1);
    const values = await page.locator(".kernel-pair .number").allInnerTexts();
    const [first, second, difference] = values.map((text) => Number(text.replace("−", "-")));
    expect(difference).toBeCloseTo(first - second, 2);
  });

  test("kernels of different examples have no difference, and it is said why", async () => {
    const { page } = await openView(`{}, { id: "k2", title: "later", count: 50 }`);
    expect(await page.locator("kernel-heatmap").count()).toBe(2);
    expect(await page.innerText(".callout")).toBe(
      "residual-net.ts#model has 60 x 60 pairs and later 50 x 50: compute both kernels of the same examples to see their difference.",
    );
  });
});
