import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import type { PytorchAnalysis } from "../../sidecar/protocol/analysis";
import type { MemoryPlan } from "../../sidecar/protocol/messages";
import type { FromPanel } from "../../sidecar/protocol/panel";
import { violations } from "./accessibility";
import { executable, launch, opener } from "./browser";
import { openPanel, type PanelOptions, type PanelPage } from "./panel-page";
import {
  analysisOf,
  devices,
  digits,
  digitsPlan,
  digitsStrategies,
  model,
  parameter,
  stateOf,
  strategyOf,
} from "./states";
import { themes } from "./themes";

const open = opener(launch, (browser, options: PanelOptions = {}) =>
  openPanel(browser, { height: 1600, memory: { model, view: "memory" }, ...options }),
);

const state = (...[analysis, change]: Partial<Parameters<typeof stateOf>>): ReturnType<typeof stateOf> =>
  stateOf(analysis ?? digits, { device: devices[0], devices, ...change });

type Asked = Extract<FromPanel, { type: "plan" }>;

async function questions({ said }: PanelPage): Promise<Asked[]> {
  return (await said()).filter((message) => message.type === "plan");
}

/** Waits for a question: there may be others before it. */
async function expectQuestion(panel: PanelPage, expected: object): Promise<void> {
  let newest: Asked | undefined;
  await expect.poll(async () => (newest = (await questions(panel)).at(-1) ?? newest)).toMatchObject(expected);
}

async function answer(panel: PanelPage, plan: Partial<MemoryPlan> = {}): Promise<void> {
  const { id } = (await questions(panel)).at(-1)!;
  await panel.send({ type: "plan", id, plan: { ...digitsPlan, ...plan } });
}

/** The memory view with its plan. */
async function openPlanned(options?: PanelOptions, plan?: Partial<MemoryPlan>): Promise<PanelPage> {
  const panel = await open(options);
  await panel.show(state());
  await answer(panel, plan);
  return panel;
}

const spaced = (text: string): string => text.replaceAll(/\s+/g, " ").trim();

async function rowsOf(page: Page, table: string): Promise<string[]> {
  return (await page.locator(`.${table} .row:not(.head)`).allInnerTexts()).map(spaced);
}

function slide(page: Page, at: number): Promise<void> {
  return page.evaluate(`(() => {
    const slider = document.querySelector("input[type=range]");
    slider.value = ${at};
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  })()`);
}

describe.skipIf(executable === undefined)("the memory view", () => {
  test("asks when it is shown, once, and again when what it is of has changed", async () => {
    const panel = await open({ memory: { model, view: "overview" } });
    await panel.show(state());
    expect(await questions(panel)).toEqual([]);
    await panel.send({ type: "show", view: "memory" });
    const asked = await questions(panel);
    expect(asked).toMatchObject([{ batch: 100, device: devices[0] }]);
    await panel.send({ type: "plan", id: asked[0].id, plan: digitsPlan });
    await panel.show(state());
    expect(await questions(panel)).toEqual([]);
    await panel.show(state(digits, { model: { milliseconds: 500 } }));
    await expectQuestion(panel, { batch: 100 });
  });

  test("says what it comes to, and sets the ways side by side", async () => {
    const { page } = await openPlanned({ width: 1200 });
    expect(await page.innerText(".headline [role=status]")).toBe(
      "vmap(jacrev) takes 2.50 GiB and fits the 24.00 GiB of NVIDIA A10.",
    );
    expect(await rowsOf(page, "strategy-table")).toEqual([
      "jacrev 58.59 GiB does not fit 96× Use",
      "in chunks of 250 21.48 GiB fits 96× 4 passes Use",
      "vmap(jacrev) recommended 2.50 GiB fits 1× Use",
      "vmap(jacfwd) 3.81 TiB does not fit 4,700× Use",
      "grad-loop 1.56 GiB fits 1.3× 1,000 passes Use",
    ]);
  });

  test("bars are in proportion, as long as they fit on the scale", async () => {
    const { page } = await openPlanned();
    const width = async (row: number, bar: string): Promise<number> =>
      (await page.locator(".track").nth(row).locator(bar).boundingBox())!.width;
    const all = (await width(2, ".arrays-bar")) + (await width(2, ".engine-bar"));
    expect(all / (await width(1, ".arrays-bar"))).toBeCloseTo(2560 / 22_000, 1);
    expect(await page.locator(".track.cut").count()).toBe(2);
  });

  test("what is to be used is settled, and left open again", async () => {
    const panel = await openPlanned();
    const { page, said, show } = panel;
    await said();
    await page.getByRole("button", { name: "Use jacrev in chunks of 250" }).click();
    await show(state(digits, { chosen: { strategy: "jacrev", chunk: 250 } }));
    expect(await page.locator(".row", { hasText: "in use" }).innerText()).toContain("in chunks of 250");
    await page.getByRole("button", { name: "leave it open" }).click();
    expect(await said()).toEqual([
      { type: "useStrategy", strategy: "jacrev", chunk: 250 },
      { type: "useStrategy", strategy: null, chunk: null },
    ]);
    // Neither has changed what is looked at
    expect(await page.innerText("#timeline-title")).toBe("Memory over time: vmap(jacrev)");
    await show(state(digits, { chosen: { strategy: "vmap(jacrev)", chunk: 7 } }));
    expect(spaced(await page.innerText(".strategies"))).toContain("In use: vmap(jacrev) in chunks of 7. leave it open");
  });

  test("a row is looked at by mouse and keyboard, and that is remembered", async () => {
    const { page, memory } = await openPlanned();
    await page.locator(".strategy-table .row", { hasText: "grad-loop" }).click();
    expect(await page.innerText("#timeline-title")).toBe("Memory over time: grad-loop");
    await page.getByRole("button", { name: "grad-loop", exact: true }).focus();
    for (const key of ["ArrowUp", "ArrowUp", "ArrowUp", "Enter"]) await page.keyboard.press(key);
    expect(await page.innerText("#timeline-title")).toBe("Memory over time: jacrev in chunks of 250");
    expect(
      await page.getByRole("button", { name: "jacrev in chunks of 250", exact: true }).getAttribute("aria-pressed"),
    ).toBe("true");
    expect((await memory())?.trial).toEqual({ strategy: "jacrev", chunk: 250 });
  });

  test("the slider is followed at once, and asks no more than every 50 ms", async () => {
    const panel = await openPlanned();
    const { page, said } = panel;
    await said();
    await page.evaluate(`(async () => {
      const slider = document.querySelector("input[type=range]");
      for (let at = 0; at < 40; at++) {
        slider.value = at;
        slider.dispatchEvent(new Event("input", { bubbles: true }));
        await new Promise((done) => setTimeout(done, 5));
      }
    })()`);
    expect(await page.innerText("output")).toBe("40 examples");
    // Old answers stay until there are new ones
    expect(await page.innerText(".headline [role=status]")).toContain("vmap(jacrev) takes 2.50 GiB");
    expect(await page.locator(".strategy-table .row.old").count()).toBe(5);
    const asked: Asked[] = [];
    await expect
      .poll(async () => {
        asked.push(...(await questions(panel)));
        return asked.at(-1)?.batch;
      })
      .toBe(40);
    expect(asked.length).toBeLessThan(20);
    await panel.send({ type: "plan", id: asked.at(-1)!.id, plan: { ...digitsPlan, batch: 40 } });
    expect(await page.locator(".strategy-table .row.old").count()).toBe(0);
    expect(await page.innerText(".headline .detail")).toContain("For 40 examples");
  });

  test("what is on trial can be made the settings, or given up", async () => {
    const panel = await openPlanned();
    const { page, said, memory, show } = panel;
    expect(await page.innerText(".trial")).toContain("This is what the settings say.");
    await page.getByLabel("Device", { exact: true }).selectOption("Tesla V100 16GB");
    await page.getByRole("slider", { name: "Examples" }).focus();
    await page.keyboard.press("ArrowRight");
    const batch = (await memory())!.trial!.batch!;
    expect(batch).toBe(110);
    await expectQuestion(panel, { batch, device: { name: "Tesla V100 16GB" } });
    expect(await page.getByRole("slider", { name: "Examples" }).getAttribute("aria-valuetext")).toBe("110 examples");
    expect(spaced(await page.innerText(".trial"))).toContain(
      "On trial: 110 examples instead of 100 examples, Tesla V100 16GB instead of NVIDIA A10.",
    );
    await page.getByRole("button", { name: "Use 110 examples" }).click();
    await page.getByRole("button", { name: "Use Tesla V100 16GB" }).click();
    expect((await said()).filter(({ type }) => type !== "plan")).toEqual([
      { type: "setBatch", batch: 110 },
      { type: "useDevice", name: "Tesla V100 16GB" },
    ]);
    await show(state(digits, { batch: 110 }));
    expect((await memory())!.trial).toEqual({ device: "Tesla V100 16GB" });
    await page.getByRole("button", { name: "Reset" }).click();
    expect((await memory())!.trial).toBeUndefined();
    expect(await page.getByLabel("Device", { exact: true }).inputValue()).toBe("NVIDIA A10");
  });

  test("where nothing fits, as many examples as should fit can be tried", async () => {
    const strategies = [strategyOf("vmap(jacrev)", [64, 81_920, 64], { fits: false, resultBytes: 60 * 2 ** 30 })];
    const panel = await openPlanned({}, { strategies });
    const { page } = panel;
    expect(await page.innerText(".headline [role=status]")).toContain("Nothing fits the 24.00 GiB of NVIDIA A10");
    await page.getByRole("button", { name: "Try 28 examples" }).click();
    await expectQuestion(panel, { batch: 28 });
  });

  test("coupled examples have a fixed number", async () => {
    const panel = await open();
    await panel.show(state({ ...digits, batch: 32, model: { ...digits.model, examplesCoupled: true } }));
    expect(await questions(panel)).toMatchObject([{ batch: 32 }]);
    expect(await panel.page.getByRole("slider").isDisabled()).toBe(true);
    expect(await panel.page.innerText(".examples-control")).toContain("Fixed: the examples of a batch depend on");
  });

  test("parts are shown as they come", async () => {
    const panel = await open();
    const { page, send, show } = panel;
    await show(state());
    expect(await page.innerText(".headline [role=status]")).toBe("Planning for 100 examples on NVIDIA A10…");
    const { id } = (await questions(panel))[0];
    const part = (count: number): MemoryPlan => ({
      ...digitsPlan,
      strategies: digitsPlan.strategies.slice(0, count).map((each) => ({ ...each, recommended: false })),
      isWhole: false,
    });
    const chart = async (): Promise<number> => (await page.locator(".timeline").boundingBox())!.y;
    const before = await chart();
    for (const count of [1, 3]) {
      await send({ type: "plan", id, plan: part(count) });
      expect(await page.locator(".strategy-table .row:not(.head, .placeholder)").count()).toBe(count);
      expect(await chart()).toBe(before);
    }
    expect(await page.innerText(".strategies")).toContain("planning more…");
    await send({ type: "plan", id, plan: digitsPlan });
    expect(await page.innerText(".strategies")).not.toContain("planning");
  });

  test("what the analysis knows is shown while the plan is on its way", async () => {
    const panel = await open();
    await panel.show(state({ ...digits, device: devices[0], strategies: digitsStrategies }));
    expect(await rowsOf(panel.page, "strategy-table")).toHaveLength(5);
    expect(await panel.page.innerText(".chart-room")).toBe("planning…");
  });

  test("why there is no plan is said, and it can be asked for again", async () => {
    const panel = await openPlanned();
    const { page, send, show } = panel;
    await show(state(digits, { batch: 7 }));
    await expect.poll(() => page.locator(".headline.outdated").count()).toBe(1);
    await expect
      .poll(async () => {
        const asked = await questions(panel);
        if (asked[0]) await send({ type: "noPlan", id: asked[0].id, message: "The model has not been evaluated." });
        return page.locator(".obstacle").count();
      })
      .toBe(1);
    expect(await page.innerText(".obstacle")).toBe(
      "The model has not been evaluated. This is the last plan, for 100 examples on NVIDIA A10. Try again",
    );
    await page.getByRole("button", { name: "Try again" }).click();
    expect(await questions(panel)).toMatchObject([{ batch: 7 }]);
    expect(await page.locator(".obstacle").count()).toBe(0);
  });

  test("the last plan is kept when nobody answers any more", async () => {
    const panel = await openPlanned();
    await panel.show(state(digits, { running: false }));
    expect(await panel.page.innerText(".obstacle")).toBe(
      "The sidecar is not running. This is the last plan, for 100 examples on NVIDIA A10.",
    );
    expect(await rowsOf(panel.page, "strategy-table")).toHaveLength(5);
    await panel.show(state(digits, { trusted: false }));
    expect(await panel.page.innerText(".obstacle")).toContain("Nothing is planned anew in Restricted Mode.");
    expect(await questions(panel)).toEqual([]);
  });

  test("what cannot be differentiated is said", async () => {
    const panel = await openPlanned({}, { strategies: [], fault: "Unique has no derivative." });
    expect(await panel.page.innerText(".headline [role=status]")).toBe("Unique has no derivative.");
    await panel.show(state(analysisOf([parameter("w", [3], { trainable: false })], [])));
    expect(await panel.page.getByRole("heading", { level: 2 }).innerText()).toBe("No trainable parameters");
    expect(await questions(panel)).toEqual([]);
  });

  describe("the timeline", () => {
    test("is summed up in words", async () => {
      const { page } = await openPlanned();
      expect(await page.getByRole("img").getAttribute("aria-label")).toBe(
        "Memory while vmap(jacrev) runs its 5 operations: at most 2.00 GiB, during dot_general (operation 3). " +
          "The engine holds up to 512.00 MiB more. The device has room for 23.50 GiB. " +
          "The table that follows lists the largest arrays.",
      );
      expect(await page.innerText(".chart-legend")).toContain("NVIDIA A10 has room for 23.50 GiB, 9.4× as much.");
    });

    test("the pointer is told of the moment and the array, and a press goes to its line", async () => {
      const { page, said } = await openPlanned();
      await said();
      const box = (await page.locator(".plot").boundingBox())!;
      const end = 1.06 * 2560;
      const at = (moment: number, mebibytes: number): [number, number] => [
        box.x + (box.width * (moment + 0.5)) / 5,
        box.y + box.height * (1 - mebibytes / end),
      ];
      await page.mouse.move(...at(2, 500));
      expect(spaced(await page.innerText(".tooltip"))).toBe(
        "2.00 GiB alive during dot_general, 3 of 5, line 10 1.00 GiB conv_general_dilated 50.0% of the peak " +
          "[100, 10, 11, 11, 64] conv_2 · digits.ts:10",
      );
      expect(await page.locator(".array-table .row.lit").innerText()).toContain("conv_general_dilated");
      await page.mouse.click(...at(2, 500));
      await page.mouse.move(...at(2, 1150));
      expect(await page.innerText(".tooltip")).toContain("Jacobian of logits/kernel");
      await page.mouse.click(...at(2, 1150));
      await page.mouse.click(...at(0, 30));
      expect(spaced(await page.innerText(".tooltip"))).toContain("64.00 MiB inputs and parameters");
      expect(await said()).toMatchObject([
        { type: "reveal", place: { line: 10 } },
        { type: "reveal", place: { line: 14 } },
      ]);
      await page.mouse.move(0, 0);
      expect(await page.locator(".tooltip").count()).toBe(0);
    });

    test("the pointer may rest while another plan comes", async () => {
      const { page, show, send, said } = await openPlanned();
      const box = (await page.locator(".plot").boundingBox())!;
      await page.mouse.move(box.x + box.width - 2, box.y + box.height - 2);
      await said();
      await show(state(digits, { batch: 7 }));
      let asked: FromPanel[] = [];
      await expect.poll(async () => (asked = await said()).length).toBe(1);
      const strategies = [strategyOf("vmap(jacrev)", [64, 128], { recommended: true })];
      await send({ type: "plan", id: (asked[0] as Asked).id, plan: { ...digitsPlan, batch: 7, strategies } });
      expect(await page.innerText(".tooltip")).toContain("2 of 2");
    });

    test("the table lists the arrays with all of their lines, and lights them up", async () => {
      const { page, said } = await openPlanned({ width: 1200 });
      await said();
      expect(await rowsOf(page, "array-table")).toEqual([
        "1.00 GiB 50.0% [100, 10, 11, 11, 64] conv_general_dilated conv_2 digits.ts:10 ‹ :22",
        "256.00 MiB 12.5% [100, 10, 1600, 10] dot_general logits Jacobian of logits/kernel digits.ts:14",
      ]);
      await page.getByRole("button", { name: "digits.ts:22" }).focus();
      expect(await page.locator(".band.lit").count()).toBe(1);
      await page.keyboard.press("Enter");
      expect(await said()).toMatchObject([{ type: "reveal", place: { line: 22 } }]);
      await page.getByRole("button", { name: "digits.ts:22" }).blur();
      expect(await page.locator(".band.lit").count()).toBe(0);
      await page.locator(".array-table .row", { hasText: "logits/kernel" }).hover();
      expect(await page.locator(".band.lit").getAttribute("class")).toContain("hue-2");
    });

    test("what is over the limit is marked", async () => {
      const { page } = await openPlanned();
      expect(await page.locator("path.over").count()).toBe(0);
      await page.getByRole("button", { name: "jacrev", exact: true }).click();
      expect(await page.locator("path.over").count()).toBe(1);
      expect(await page.innerText(".level.limit")).toBe("room for 23.50 GiB");
    });

    test("stays smooth with ten thousand operations", async () => {
      const live = Array.from({ length: 10_000 }, (_, moment) => 64 + ((moment * 7919) % 1000));
      live[4321] = 5000;
      const { page } = await openPlanned({}, { strategies: [strategyOf("grad-loop", live, { recommended: true })] });
      expect(await page.locator(".areas").getAttribute("viewBox")).toBe("0 0 1000 1000");
      const milliseconds = await page.evaluate<number>(`(() => {
        const plot = document.querySelector(".plot");
        const { left, top, width, height } = plot.getBoundingClientRect();
        const started = performance.now();
        for (let at = 0; at < 100; at++) {
          const point = { clientX: left + (width * at) / 100, clientY: top + height - 5 };
          plot.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, ...point }));
        }
        return document.body.offsetHeight && (performance.now() - started) / 100;
      })()`);
      expect(milliseconds).toBeLessThan(30);
    });
  });

  const fallbacks = (["jacrev", "vmap(jacrev)"] as const).map((strategy) => ({
    operation: "RotateWithOffset",
    strategy,
    iterations: 1000,
    loops: [
      {
        over: [
          { axis: "examples" as const, extent: 100 },
          { axis: "outputs" as const, extent: 10 },
        ],
        iterations: 1000,
      },
    ],
    reason: "RotateWithOffset has no batching rule",
    source: { file: "/project/models/digits.ts", line: 5, column: 3 },
    fix: "register a batching rule for RotateWithOffset",
    slowdown: 6.72,
  }));

  test("operations that run as loops are listed, with what to do", async () => {
    const { page, said } = await openPlanned({ width: 1200 }, { fallbacks });
    expect((await rowsOf(page, "fallback-table"))[1]).toBe(
      "RotateWithOffset vmap(jacrev) 1,000 times, once for each example and output (N·O = 100 · 10) 6.7× as long digits.ts:5 RotateWithOffset has no batching rule. " +
        "Register a batching rule for RotateWithOffset.",
    );
    await said();
    await page.locator(".fallback-table").getByRole("button").first().click();
    expect(await said()).toMatchObject([{ type: "reveal", place: { line: 5 } }]);
  });

  const place = { file: "/project/models/net.py", line: 21, column: 1 };
  const pytorch: PytorchAnalysis = {
    version: "2.13.0+cpu",
    fallbacks: ["vmap(jacrev)", "jacrev"].map((strategy) => ({
      operation: "aten::_scaled_dot_product_flash_attention_for_cpu_backward",
      where: "backward",
      strategy,
      iterations: 1000,
      message: "There is a performance drop because ...",
      source: place,
      fix: "run it within torch.nn.attention.sdpa_kernel(SDPBackend.MATH), whose operations have batching rules",
    })),
    strategies: [
      { strategy: "jacrev", chunk: null, peakBytes: 59 * 2 ** 30 },
      { strategy: "jacrev", chunk: 250, peakBytes: 20 * 2 ** 30 },
      { strategy: "grad-loop", chunk: null, peakBytes: 2 ** 31 },
    ],
    errors: [
      {
        strategy: "vmap(jacrev)",
        training: false,
        message: "output with shape [1, 6] doesn't match the broadcast shape [2, 1, 6]",
        source: place,
        fix: "take jacrev of the whole batch, which works here",
      },
    ],
  };
  const ofPython = { ...digits, strategies: digitsStrategies, pytorch };

  test("what the user's own PyTorch takes, raises and runs as loops is beside it", async () => {
    const { page, said, show } = await openPlanned({ width: 1200 });
    expect(await page.locator(".pytorch").count()).toBe(0);
    await show(state({ ...ofPython, pytorch: null }, { model: { activity: "asking-pytorch" } }));
    const section = page.locator(".section.pytorch");
    expect(spaced(await section.innerText())).toBe(
      "Your PyTorch Asking it what torch.func would take, without computing it.",
    );
    await show(state(ofPython));
    expect(await section.getByRole("heading").innerText()).toBe("Your PyTorch 2.13.0");
    expect(await rowsOf(page, "pytorch-table")).toEqual([
      "vmap(jacrev) 2.50 GiB raises an error",
      "jacrev 59.00 GiB 58.59 GiB does not fit",
      "jacrev 250 20.00 GiB 21.48 GiB fits",
      "grad-loop 2.00 GiB 1.56 GiB fits",
    ]);
    expect((await section.locator("li").allInnerTexts()).map(spaced)).toEqual([
      "vmap(jacrev) raises: output with shape [1, 6] doesn't match the broadcast shape [2, 1, 6] net.py:21 " +
        "Take jacrev of the whole batch, which works here.",
      "aten::_scaled_dot_product_flash_attention_for_cpu_backward, in backward, runs as a loop: vmap(jacrev) 1,000 times and " +
        "jacrev 1,000 times net.py:21 Run it within torch.nn.attention.sdpa_kernel(SDPBackend.MATH), whose operations have batching rules.",
    ]);
    await said();
    await section.getByRole("button", { name: "net.py:21" }).first().click();
    expect(await said()).toMatchObject([{ type: "reveal", place }]);
    await page.getByLabel("Device", { exact: true }).selectOption("A100 80GB");
    expect((await rowsOf(page, "pytorch-table"))[1]).toMatch(/ fits$/);
    await slide(page, 3);
    expect(await section.locator(".note").first().innerText()).toMatch(
      /^What torch\.func would take .* for 100 examples, .* It was not asked for [\d,]+ examples\.$/,
    );
  });

  test.each([300, 420, 760, 900, 1000, 2400])("nothing sticks out at %i pixels", async (width) => {
    const { page, show } = await openPlanned({ width }, { fallbacks });
    await show(state(ofPython));
    await slide(page, 3);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
  });

  describe.each(Object.entries(themes))("in the %s theme", (_, theme) => {
    test.each([320, 1000])("it is accessible at %i pixels", async (width) => {
      const panel = await openPlanned({ theme, width }, { fallbacks });
      const { page, show } = panel;
      await show(state(ofPython));
      expect(await violations(page)).toEqual([]);
      await page.getByRole("button", { name: "jacrev", exact: true }).click();
      await slide(page, 3);
      await page.getByLabel("Device", { exact: true }).selectOption("A100 80GB");
      expect(await violations(page)).toEqual([]);
      await show(state(digits, { running: false, chosen: { strategy: "vmap(jacrev)", chunk: null } }));
      expect(await violations(page)).toEqual([]);
    });

    test("so it is before there is a plan, and where there is none", async () => {
      const panel = await open({ theme });
      const { page, show, send } = panel;
      await show(state({ ...digits, model: { ...digits.model, examplesCoupled: true } }));
      expect(await violations(page)).toEqual([]);
      const { id } = (await questions(panel))[0];
      await send({ type: "noPlan", id, message: "The model has not been evaluated." });
      expect(await violations(page)).toEqual([]);
    });
  });
});
