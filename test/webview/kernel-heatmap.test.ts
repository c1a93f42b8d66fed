import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import type { KernelTileRequest } from "../../sidecar/protocol/ntk";
import { divergingTable, sequentialTable, tableSize } from "../../webview/kernel/colours";
import { formatValue, positionOf, scaleFor } from "../../webview/kernel/scale";
import { violations } from "./accessibility";
import { executable, opener } from "./browser";
import { launchWith, openKernelPage, type KernelPage, type KernelPageOptions } from "./kernel-page";
import { syntheticSource } from "./synthetic-kernel";
import { themes } from "./themes";

const open = opener(() => launchWith(true), openKernelPage);

/** A heatmap of 60 x 60 pairs, where the stage is 396 pixels wide and a pair 6.6. */
async function openHeatmap(call: string, options?: KernelPageOptions): Promise<KernelPage> {
  const kernelPage = await open(options);
  await kernelPage.page.evaluate(`showHeatmap(${call})`);
  await kernelPage.settled();
  return kernelPage;
}

async function stageBox(page: Page): Promise<{ x: number; y: number; width: number; height: number }> {
  return (await page.locator(".kernel-stage").boundingBox())!;
}

/** Where a pair is on the page, while the whole kernel is in view. */
async function middleOf(page: Page, row: number, column: number, count = 60): Promise<[number, number]> {
  const { x, y, width } = await stageBox(page);
  return [x + ((column + 0.5) * width) / count, y + ((row + 0.5) * width) / count];
}

/** Red, green and blue of the page's pixels; decoded in a page that may, which this one's policy forbids. */
async function pixels(page: Page, points: readonly (readonly [number, number])[]): Promise<number[][]> {
  const image = (await page.screenshot()).toString("base64");
  const decoder = await page.context().browser()!.newPage();
  const seen = await decoder.evaluate<number[][]>(`(async () => {
    const bytes = Uint8Array.from(atob("${image}"), (letter) => letter.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes]));
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    return ${JSON.stringify(points)}.map(([x, y]) => [...context.getImageData(x, y, 1, 1).data].slice(0, 3));
  })()`);
  await decoder.close();
  return seen;
}

const viewport = (page: Page): Promise<{ row: number; column: number; zoom: number }> =>
  page.evaluate("gaze.now.viewport");

describe.skipIf(executable === undefined)("heatmaps", () => {
  describe.each([
    ["linear", false, false],
    ["log", true, false],
    ["linear with negative numbers", false, true],
    ["symlog", true, true],
  ])("%s", (_, logarithmic, signed) => {
    test("each pair has the colour of its number", async () => {
      const { page } = await openHeatmap(`{ signed: ${signed}, known: 50 }, {}, { logarithmic: ${logarithmic} }`);
      const { tile } = syntheticSource({ signed, known: 50 });
      const request = {
        id: "k1",
        view: "trace",
        order: "given",
        level: 0,
        row: 0,
        column: 0,
      } as const;
      const { values, range } = await tile(request, new AbortController().signal);
      const table = signed ? divergingTable(true) : sequentialTable();
      const scale = scaleFor(range!, logarithmic);
      const places = [0, 1, 7, 20, 33, 49].flatMap((row) => [0, 2, 20, 34, 49].map((column) => [row, column] as const));
      const points = await Promise.all(places.map(([row, column]) => middleOf(page, row, column)));
      const seen = await pixels(page, points);
      for (const [at, [row, column]] of places.entries()) {
        const entry = 4 * Math.round(positionOf(scale, values[row * 60 + column]) * (tableSize - 1));
        for (const channel of [0, 1, 2]) {
          // Float32 may round to the neighbouring colour
          expect(Math.abs(seen[at][channel] - table[entry + channel])).toBeLessThanOrEqual(4);
        }
      }
    });
  });

  test("what is not known yet is hatched, and comes as it is computed", async () => {
    const { page, settled } = await openHeatmap(`{ known: 30, change: { status: "running", fraction: 0.25 } }`);
    const point = await middleOf(page, 45, 45);
    const colourfulness = async (): Promise<number> => {
      const [channels] = await pixels(page, [point]);
      return Math.max(...channels) - Math.min(...channels);
    };
    expect(await colourfulness()).toBeLessThan(4);
    expect(await page.innerText(".kernel-readout")).toBe("Computing: 25% of the pairs are known.");
    await page.evaluate(
      `source.known = 60; source.info = { ...source.info, version: 2, status: "done", fraction: 1 }; show()`,
    );
    await settled();
    expect(await colourfulness()).toBeGreaterThan(60);
  });

  test("the pair under the pointer is told, with names, classes and value", async () => {
    const { page, settled } = await openHeatmap(`{}, { order: "class" }`);
    await page.mouse.move(...(await middleOf(page, 13, 1)));
    await settled();
    const { value } = await syntheticSource().entry({ id: "k1", view: "trace", row: 6, column: 5 });
    expect((await page.innerText(".kernel-pair")).split("\n")).toEqual([
      "Row",
      "car-6.png (car)",
      "Column",
      "plane-5.png (plane)",
      "Kernel",
      value!.toFixed(4),
    ]);
    await page.mouse.move(2, 2);
    await settled();
    expect(await page.locator(".kernel-pair").count()).toBe(0);
  });

  test("the wheel zooms where the pointer is, and at the whole kernel leaves the page its scrolling", async () => {
    const { page, settled } = await openHeatmap(`{ count: 10000 }`);
    await page.mouse.move(...(await middleOf(page, 2500, 7000, 10_000)));
    const prevented = async (deltaY: number): Promise<boolean> =>
      page.evaluate(`!document.querySelector(".kernel-stage").dispatchEvent(
        new WheelEvent("wheel", { deltaY: ${deltaY}, clientX: 300, clientY: 200, bubbles: true, cancelable: true }))`);
    expect(await prevented(100)).toBe(false);
    await page.mouse.wheel(0, -1200);
    await settled();
    const { row, column, zoom } = await viewport(page);
    expect(zoom).toBeCloseTo(Math.exp(2.4), 6);
    // The point keeps its place: a fraction (p - 1/2) of what is in view from the middle
    expect(row).toBeCloseTo(2500.5 - (0.25005 - 0.5) * (10_000 / zoom), -1.5);
    expect(column).toBeCloseTo(7000.5 - (0.70005 - 0.5) * (10_000 / zoom), -1.5);
    expect(await prevented(100)).toBe(true);
  });

  test("dragging moves the picture, a click keeps a pair", async () => {
    const { page, settled } = await openHeatmap(`{ count: 1000 }`);
    await page.evaluate(`gaze.change({ viewport: { row: 500, column: 500, zoom: 10 } })`);
    await settled();
    const { x, y, width } = await stageBox(page);
    await page.mouse.move(x + 200, y + 200);
    await page.mouse.down();
    await page.mouse.move(x + 100, y + 240, { steps: 5 });
    await page.mouse.up();
    await settled();
    const pair = width / 100;
    const moved = await viewport(page);
    expect(moved.column).toBeCloseTo(500 + 100 / pair, 6);
    expect(moved.row).toBeCloseTo(500 - 40 / pair, 6);
    expect(await page.evaluate("gaze.now.pinned")).toBeNull();
    await page.mouse.click(x + 100, y + 100);
    const pinned = await page.evaluate<{ row: number; column: number }>("gaze.now.pinned");
    expect(pinned.column).toBe(Math.floor(moved.column + (100 - width / 2) / pair));
    await page.mouse.click(x + 100, y + 100);
    expect(await page.evaluate("gaze.now.pinned")).toBeNull();
  });

  test("dragging with Shift selects whole pairs", async () => {
    const { page, settled } = await openHeatmap(`{}`);
    await page.mouse.move(...(await middleOf(page, 40, 10)));
    await page.keyboard.down("Shift");
    await page.mouse.down();
    await page.mouse.move(...(await middleOf(page, 12, 30)), { steps: 4 });
    await page.mouse.up();
    await page.keyboard.up("Shift");
    await settled();
    expect(await page.evaluate("gaze.now.selection")).toEqual({ top: 12, left: 10, bottom: 41, right: 31 });
    const box = (await page.locator(".selection.edge").boundingBox())!;
    const stage = await stageBox(page);
    expect(box.x - stage.x).toBeCloseTo(66, -0.5);
    expect(box.width).toBeCloseTo(138.6, -0.5);
  });

  test("keys do all that the pointer does", async () => {
    const { page, settled } = await openHeatmap(`{}`);
    await page.locator(".kernel-stage").focus();
    for (const key of ["ArrowDown", "ArrowRight", "ArrowRight"]) await page.keyboard.press(key);
    await settled();
    expect(await page.evaluate("gaze.now.place")).toEqual({ row: 31, column: 32 });
    expect(await page.innerText(".kernel-readout [aria-live]")).toMatch(
      /^car-31.png \(car\), bird-32.png \(bird\), \d/,
    );
    for (const key of ["Shift+ArrowUp", "Shift+ArrowLeft"]) await page.keyboard.press(key);
    expect(await page.evaluate("gaze.now.selection")).toEqual({ top: 30, left: 31, bottom: 32, right: 33 });
    await page.keyboard.press("Enter");
    expect(await page.evaluate("gaze.now.pinned")).toEqual({ row: 30, column: 31 });
    for (const key of ["+", "+", "+", "+"]) await page.keyboard.press(key);
    await settled();
    const near = await viewport(page);
    expect(near.zoom).toBeCloseTo(1.5 ** 4, 6);
    await page.keyboard.press("Control+ArrowRight");
    expect((await viewport(page)).column).toBeCloseTo(near.column + 60 / near.zoom / 4, 6);
    // The picture follows
    await page.keyboard.press("Control+ArrowLeft");
    for (let press = 0; press < 20; press++) await page.keyboard.press("ArrowDown");
    await settled();
    const { row, zoom } = await viewport(page);
    expect(row + 30 / zoom).toBeCloseTo(51, 6);
    await page.keyboard.press("0");
    expect((await viewport(page)).zoom).toBe(1);
    await page.keyboard.press("Escape");
    expect(await page.evaluate("gaze.now.selection")).toBeNull();
    await page.keyboard.press("Escape");
    expect(await page.evaluate("gaze.now.pinned")).toBeNull();
  });

  test("two fingers zoom", async () => {
    const { page, settled } = await openHeatmap(`{}`, { touch: true });
    const { x, y } = await stageBox(page);
    const session = await page.context().newCDPSession(page);
    const touch = (type: string, ...points: [number, number][]): Promise<unknown> =>
      session.send("Input.dispatchTouchEvent", {
        type: type as "touchStart",
        touchPoints: points.map(([dx, dy], id) => ({ x: x + dx, y: y + dy, id })),
      });
    await touch("touchStart", [180, 200], [220, 200]);
    await touch("touchMove", [140, 200], [260, 200]);
    await touch("touchEnd");
    await settled();
    const { zoom, column } = await viewport(page);
    expect(zoom).toBeCloseTo(3, 1);
    expect(column).toBeCloseTo((200 / 396) * 60, 0);
  });

  test("of a large kernel only the tiles in view are asked for, a few at a time, at any zoom and while it is moved", async () => {
    const { page, settled } = await openHeatmap(`{ count: 10000 }`);
    const asked = (): Promise<KernelTileRequest[]> => page.evaluate("source.requests.splice(0)");
    // 10,000 pairs on 396 pixels: means of 32 x 32, in two by two tiles
    expect((await asked()).map(({ level }) => level)).toEqual([6, 5, 5, 5, 5]);
    await page.evaluate(`gaze.change({ viewport: { row: 5000, column: 5000, zoom: 400 } })`);
    await settled();
    expect((await asked()).map(({ level }) => level)).toEqual([0]);
    await page.evaluate(`source.delay = 30`);
    await page.evaluate(`(async () => {
      for (let step = 0; step < 60; step++) {
        gaze.change({ viewport: { row: 5000, column: 5000 + step * 60, zoom: 25 } });
        await new Promise((done) => requestAnimationFrame(done));
      }
    })()`);
    // 400 pairs in view: at most three by three tiles at once, and 16 columns of them were passed
    expect((await asked()).length).toBeLessThanOrEqual(60);
  });

  test("it is drawn for the screen's own pixels, and again when its size changes", async () => {
    const { page, settled } = await openHeatmap(`{}`, { density: 2 });
    const canvas = (): Promise<number[]> =>
      page.evaluate(`(({ width, height }) => [width, height])(document.querySelector("canvas"))`);
    expect(await canvas()).toEqual([792, 792]);
    await page.evaluate(`document.querySelector(".harness").style.setProperty("--width", "274px")`);
    await settled();
    expect(await canvas()).toEqual([400, 400]);
  });

  test("a picture that the driver took away is drawn again", async () => {
    const { page, settled } = await openHeatmap(`{}`);
    const point = await middleOf(page, 20, 20);
    const [before] = await pixels(page, [point]);
    await page.evaluate(`window.taken = document.querySelector("canvas").getContext("webgl2").getExtension("WEBGL_lose_context");
      taken.loseContext()`);
    await settled();
    await expect.poll(() => page.innerText(".kernel-stage")).toContain("taken the picture away");
    await page.evaluate(`taken.restoreContext()`);
    await expect.poll(() => page.innerText(".kernel-stage")).toBe("");
    await settled();
    expect(await pixels(page, [point])).toEqual([before]);
  });

  test("a new theme is taken up at once", async () => {
    const { page, settled } = await openHeatmap(`{ signed: true, known: 30 }`);
    await page.evaluate(`Object.entries(${JSON.stringify(themes.light.variables)}).forEach(([name, value]) =>
      document.documentElement.style.setProperty(name, value)); document.body.className = "vscode-light"`);
    await settled();
    const [unknown, nearZero] = await pixels(page, [await middleOf(page, 50, 50), await middleOf(page, 1, 0)]);
    expect(Math.min(...unknown, ...nearZero)).toBeGreaterThan(200);
  });

  test("what cannot be had is said, and can be asked for again", async () => {
    const { page, settled } = await openHeatmap(`{}`);
    await page.evaluate(`source.refusal = "The sidecar has ended: start it again."; show({ picture:
      { id: "k1", view: { row: 0, column: 0 }, order: "given" } })`);
    await settled();
    expect(await page.innerText(".kernel-failure")).toContain("The sidecar has ended: start it again.");
    await page.evaluate(`source.refusal = null`);
    await page.getByRole("button", { name: "Try Again" }).click();
    await settled();
    expect(await page.locator(".kernel-failure").count()).toBe(0);
  });

  test("contexts are given back: however many pictures come and go, the browser does not run out of them", async () => {
    const { page, settled } = await openHeatmap(`{}`);
    for (let round = 0; round < 24; round++) {
      await page.evaluate(`document.querySelector(".harness").parentElement.replaceChildren(); showHeatmap({})`);
      await settled();
    }
    const [channels] = await pixels(page, [await middleOf(page, 20, 20)]);
    expect(Math.max(...channels) - Math.min(...channels)).toBeGreaterThan(60);
  });

  test("where a pair is too small to be drawn by itself, its number is asked for; why it cannot be had is said", async () => {
    const { page, settled } = await openHeatmap(`{ count: 10000 }`);
    const number = page.locator(".kernel-pair .number");
    await page.evaluate(`const answer = source.entry;
      source.entry = (request) => new Promise((done) => (window.answer = () => done(answer(request))));
      gaze.change({ place: { row: 4001, column: 7002 } })`);
    await settled();
    expect(await number.innerText()).toMatch(/\(mean of 32 × 32 pairs\)$/);
    const request = { id: "k1", view: "trace", row: 4001, column: 7002 } as const;
    const { value } = await syntheticSource({ count: 10_000 }).entry(request);
    await expect.poll(() => page.evaluate("typeof window.answer")).toBe("function");
    await page.evaluate("answer()");
    await expect.poll(() => number.innerText()).toBe(formatValue(value!));
    await page.evaluate(`source.entry = () => Promise.reject(new Error("The sidecar has ended: start it again."));
      gaze.change({ place: { row: 4001, column: 7003 } })`);
    await expect.poll(() => number.innerText()).toBe("The sidecar has ended: start it again.");
  });

  test("without WebGL2 a sentence says so", async () => {
    const without = await launchWith(false);
    const { page, settled, complaints } = await openKernelPage(without);
    await page.evaluate(`showHeatmap({})`);
    await settled();
    expect(await page.innerText(".kernel-stage")).toBe(
      "Heatmaps are drawn with WebGL2, which this window does not have: turn on hardware acceleration, or read the table of entries instead.",
    );
    await without.close();
    expect(complaints).toEqual([]);
  });

  test("it is exported as a PNG with axes and legend", async () => {
    const { page } = await openHeatmap(`{}, { order: "class" }`);
    const bytes = await page.evaluate<number[]>(
      `new Promise((done) => document.querySelector("kernel-heatmap").savePng((png) => done([...png])))`,
    );
    expect(bytes.slice(1, 4)).toEqual([...Buffer.from("PNG")]);
    const header = Buffer.from(bytes);
    expect([header.readUInt32BE(16), header.readUInt32BE(20)]).toEqual([76 + 396 + 24, 60 + 396 + 56]);
  });

  test.each(Object.keys(themes) as (keyof typeof themes)[])(
    "looks as it should, and is for everyone: %s",
    async (name) => {
      const { page, settled, screenshot } = await openHeatmap(`{}, { order: "class" }`, { theme: themes[name] });
      await page.mouse.click(...(await middleOf(page, 20, 40)));
      await settled();
      await screenshot(`classes, ${name}`);
      await page.evaluate(
        `showHeatmap({ id: "k2", signed: true, known: 40, change: { fraction: 0.44, status: "running" } }, {}, { logarithmic: true })`,
      );
      await page.mouse.move(5, 5);
      await settled();
      await screenshot(`signed, ${name}`);
      expect(await violations(page, "#page")).toEqual([]);
    },
  );
});
