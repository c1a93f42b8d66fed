import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import type { Analysis } from "../../sidecar/protocol/analysis";
import type { PanelView } from "../../sidecar/protocol/panel";
import { violations } from "./accessibility";
import { executable, launch, opener } from "./browser";
import { openPanel, type PanelOptions, type PanelPage } from "./panel-page";
import { devices, digits, digitsStrategies, manyParameters, model, runs, stateOf } from "./states";
import { themes } from "./themes";

const open = opener(launch, openPanel);

/** A panel that shows the model `digits`, and has said so. */
async function openDigits(options?: PanelOptions): Promise<PanelPage> {
  const panel = await open(options);
  await panel.show(stateOf(digits, { runs }));
  await panel.said();
  return panel;
}

describe.skipIf(executable === undefined)("the panel", () => {
  test("says that it listens, and shows nothing before it has a state", async () => {
    const { page, said } = await open();
    expect(await said()).toEqual([{ type: "ready" }]);
    expect(await page.textContent("#page")).toBe("");
  });

  describe("header", () => {
    test("title, state, and the main numbers", async () => {
      const { page } = await openDigits();
      expect(await page.textContent("h1")).toBe("digits.ts#model");
      expect(await page.textContent("[role=status]")).toBe("Up to date, evaluated in 430 ms.");
      const figures = await page.locator(".figure").allInnerTexts();
      expect(figures.map((text) => text.split("\n").filter(Boolean))).toEqual([
        ["Jacobian [N, …output, P]", "[100, 10, 34635]", "132.12 MiB"],
        ["Trainable parameters (P)", "34,635", "7 tensors, and 2 frozen"],
        ["Device", "NVIDIA A10", "24.00 GiB", "The result alone takes 0.5% of the device's memory"],
        ["Examples (N)"],
      ]);
    });

    test("a result larger than the device's memory does not fit", async () => {
      const { page, show } = await open();
      await show(stateOf(digits, { device: { name: "Small card", memoryBytes: 2 ** 26, detected: false } }));
      expect(await page.innerText(".figure.device")).toContain(
        "Does not fit: the result alone is 2.1 times the device's memory",
      );
      expect(await page.innerText(".figure.device")).toContain("64.00 MiB, as sold");
    });

    test("where the strategies are known, what fits is said instead", async () => {
      const { page, show } = await open();
      const analysis = { ...digits, device: devices[0], strategies: digitsStrategies };
      const figure = (): Promise<string> => page.innerText(".figure.device");
      await show(stateOf(analysis));
      expect(await figure()).toContain("vmap(jacrev) fits: 2.50 GiB");
      await show(stateOf(analysis, { chosen: { strategy: "jacrev", chunk: 250 } }));
      expect(await figure()).toContain("jacrev fits in chunks of 250: 21.48 GiB");
      await show(stateOf(analysis, { chosen: { strategy: "jacrev", chunk: null } }));
      expect(await figure()).toContain("jacrev does not fit: 58.59 GiB");
      const strategies = digitsStrategies.map((each) => ({ ...each, fits: false, recommended: false }));
      await show(stateOf({ ...analysis, strategies }));
      expect(await figure()).toContain("Does not fit: 1.56 GiB at least");
      await show(stateOf(analysis, { model: { planning: true } }));
      expect(await figure()).toContain("The result alone takes 0.5% of the device's memory");
      await show(stateOf(analysis, { device: devices[1] }));
      expect(await figure()).toContain("The result alone takes 1.6% of the device's memory");
    });

    test("buttons are commands", async () => {
      const { page, said } = await openDigits();
      for (const name of ["Analyze", "Compute Jacobian…", "Choose Device", "Export…"]) {
        await page.getByRole("button", { name, exact: true }).click();
      }
      expect(await said()).toEqual(
        (["analyze", "computeJacobian", "chooseDevice", "exportResults"] as const).map((command) => ({
          type: "command",
          command,
        })),
      );
    });

    test("a failure links to its line", async () => {
      const { page, show, said } = await open();
      const source = { file: "/project/models/digits.ts", line: 12, column: 4 };
      await show(stateOf(null, { model: { fault: { fault: "model", message: "x is not defined.", source } } }));
      await said();
      expect(await page.innerText(".status")).toBe("x is not defined. digits.ts:12");
      await page.getByRole("button", { name: "digits.ts:12" }).click();
      expect(await said()).toEqual([{ type: "reveal", place: source }]);
    });

    test("a sidecar that does not run can be started, and nothing else can", async () => {
      const { page, show, said } = await open();
      await show(stateOf(digits, { running: false }));
      await said();
      await page.getByRole("button", { name: "Restart Sidecar" }).click();
      await page.getByRole("button", { name: "Analyze" }).click({ force: true });
      expect(await said()).toEqual([{ type: "command", command: "restartSidecar" }]);
    });

    test("an untrusted workspace can be trusted", async () => {
      const { page, show, said } = await open();
      await show(stateOf(null, { trusted: false }));
      await said();
      expect(await page.getByRole("heading", { level: 2 }).innerText()).toBe("This workspace is not trusted");
      await page.locator("vscode-button", { hasText: "Manage Trust" }).click();
      expect(await said()).toEqual([{ type: "command", command: "trust" }]);
    });

    test("the number of examples is taken shortly after it is typed, or at once on Enter", async () => {
      const { page, said, show } = await openDigits();
      const field = page.getByRole("spinbutton", { name: "Examples (N)" });
      await field.fill("25");
      await expect.poll(said).toEqual([{ type: "setBatch", batch: 25 }]);
      await show(stateOf(digits, { batch: 25 }));
      await field.fill("7");
      await field.press("Enter");
      expect(await said()).toEqual([{ type: "setBatch", batch: 7 }]);
    });

    test("what is typed survives a new state, and what is no number of examples is given up", async () => {
      const { page, said, show } = await openDigits();
      const field = page.getByRole("spinbutton", { name: "Examples (N)" });
      await field.fill("0");
      await show(stateOf(digits, { model: { stale: "edited" } }));
      expect(await field.inputValue()).toBe("0");
      await field.blur();
      await expect.poll(() => field.inputValue()).toBe("100");
      expect(await said()).toEqual([]);
    });
  });

  describe("overview", () => {
    test("layers are rows of a table, with all that their bars show", async () => {
      const { page } = await openDigits();
      const table = page.getByRole("table", { name: "Layers and their share of the Jacobian" });
      const rows = await table.getByRole("row").allInnerTexts();
      expect(rows.map((row) => row.replaceAll(/\s+/g, " ").trim())).toEqual([
        "Layer Output Parameters Jacobian Share",
        "conv_1 Conv2D frozen [100, 26, 26, 32] 320 1.22 MiB not counted",
        "pool_1 MaxPooling2D [100, 13, 13, 32]",
        "conv_2 Conv2D [100, 11, 11, 64] 18,496 70.56 MiB 53.4%",
        "norm BatchNormalization [100, 11, 11, 64] 128 500.00 KiB 0.4%",
        "flatten Flatten [100, 1600]",
        "logits Dense [100, 10] 16,010 61.07 MiB 46.2%",
        "temperature variable 1 3.91 KiB <0.1%",
      ]);
    });

    test("bars are as long as the bytes are many", async () => {
      const { page } = await openDigits();
      const width = async (name: string): Promise<number> =>
        (await page.locator(".row", { hasText: name }).locator(".bar").boundingBox())!.width;
      expect((await width("logits")) / (await width("conv_2"))).toBeCloseTo(16_010 / 18_496, 2);
    });

    test("layers go to their lines by mouse and keyboard", async () => {
      const { page, said } = await openDigits();
      await page.locator(".row", { hasText: "conv_2" }).click();
      await page.getByRole("button", { name: "conv_1" }).focus();
      for (const key of ["ArrowDown", "ArrowDown", "ArrowDown", "Enter", "End", "Enter"])
        await page.keyboard.press(key);
      const place = (line: number): object => ({
        type: "reveal",
        place: { file: "/project/models/digits.ts", line, column: 3 },
      });
      expect(await said()).toEqual([place(10), place(11), place(5)]);
    });

    test("notes link to their lines; inputs, outputs and buffers are listed", async () => {
      const { page, said } = await openDigits();
      const notes = await page.locator(".notes li").allInnerTexts();
      expect(notes.map((text) => text.replaceAll(/\s+/g, " "))).toEqual([
        "information: 2 frozen parameters are not part of the Jacobian's total.",
        "warning: Multinomial runs in TensorFlow.js itself: Kernelscope cannot look into it. digits.ts:12",
      ]);
      await page.locator(".notes").getByRole("button").click();
      expect(await said()).toMatchObject([{ type: "reveal", place: { line: 12 } }]);
      const arrays = await page.locator(".array-list").allInnerTexts();
      expect(arrays.map((text) => text.replaceAll(/\s+/g, " "))).toEqual([
        "image [100, 28, 28, 1] float32",
        "logits [100, 10] float32",
        "norm/moving_mean [64] float32 norm/moving_variance [64] float32",
      ]);
    });
  });

  describe("parameters", () => {
    test("are searched and sorted, and that is remembered", async () => {
      const { page, send, memory } = await openDigits();
      await send({ type: "show", view: "parameters" });
      await page.getByRole("searchbox").fill("conv");
      await page.getByRole("button", { name: "Bytes" }).click();
      const rows = (): Promise<string[]> => page.locator(".parameter-table .row-name").allInnerTexts();
      expect(await rows()).toEqual(["conv_2/kernel", "conv_2/bias", "conv_1/bias", "conv_1/kernel"]);
      expect(await page.getByRole("columnheader", { name: "Bytes" }).getAttribute("aria-sort")).toBe("descending");
      const kept = await memory();
      expect(kept).toEqual({ model, view: "parameters", filter: "conv", sort: { column: "bytes", descending: true } });

      const again = await openDigits({ memory: kept! });
      expect(await again.page.locator(".parameter-table .row-name").allInnerTexts()).toEqual(await rows());
      expect(await again.page.getByRole("searchbox").inputValue()).toBe("conv");
    });

    test("the search keeps the focus and its cursor while states arrive", async () => {
      const { page, send, show } = await openDigits();
      await send({ type: "show", view: "parameters" });
      await page.getByRole("searchbox").focus();
      await page.keyboard.type("ker");
      await show(stateOf(digits, { model: { stale: "edited" } }));
      await page.keyboard.type("nel");
      expect(await page.getByRole("searchbox").inputValue()).toBe("kernel");
      expect(await page.locator(".parameters [role=status]").innerText()).toBe("3 of 9 tensors, 34,720 elements");
    });

    test("two thousand of them are shown, sorted and searched without delay", async () => {
      const { page, send, show } = await open();
      await show(stateOf(manyParameters(2000)));
      await send({ type: "show", view: "parameters" });
      const rows = page.locator(".parameter-table .row:not(.head)");
      expect(await rows.count()).toBe(2000);
      const milliseconds = (action: string): Promise<number> =>
        page.evaluate(`(() => {
          const started = performance.now();
          ${action}
          return document.body.offsetHeight && performance.now() - started;
        })()`);
      const search = (text: string): string =>
        `const field = document.querySelector("vscode-textfield[type=search]");
         field.value = "${text}";
         field.dispatchEvent(new Event("input"));`;
      expect(await milliseconds(search("block_1999"))).toBeLessThan(1000);
      expect(await rows.count()).toBe(1);
      expect(await milliseconds(search(""))).toBeLessThan(1000);
      expect(await rows.count()).toBe(2000);
      expect(await milliseconds(`document.querySelector("button.sort").click();`)).toBeLessThan(1000);
    });
  });

  describe("ntk", () => {
    test("says the forms' shapes and what contraction needs", async () => {
      const { page, send } = await openDigits();
      await send({ type: "show", view: "ntk" });
      const forms = await page.locator(".form").allInnerTexts();
      expect(forms.map((text) => text.split("\n").filter(Boolean).slice(0, 3))).toEqual([
        ["Full [N, N, C, C]", "[100, 100, 10, 10]", "3.81 MiB"],
        ["Diagonal [N, N, C]", "[100, 100, 10]", "390.63 KiB"],
        ["Trace [N, N]", "[100, 100]", "39.06 KiB"],
      ]);
      expect(await page.locator(".contraction").innerText()).toContain("It takes 132.12 MiB");
      expect(await page.locator(".callout").count()).toBe(0);
    });

    test("says so where examples depend on one another", async () => {
      const { page, send, show } = await open();
      await show(stateOf({ ...digits, model: { ...digits.model, examplesCoupled: true } }));
      await send({ type: "show", view: "ntk" });
      expect(await page.locator(".callout").innerText()).toContain("belongs to the whole batch");
    });
  });

  describe("runs", () => {
    test("are listed, can be cancelled, and lead to their results", async () => {
      const { page, send, said } = await openDigits();
      await send({ type: "show", view: "runs" });
      expect(await page.locator(".run").count()).toBe(3);
      expect(await page.getByRole("progressbar").getAttribute("aria-valuenow")).toBe("42");
      expect(await page.locator(".run.done .facts").innerText()).toContain("700.00 MiB");
      expect(await page.locator(".run.failed").innerText()).toContain("Out of memory.");
      await page.getByRole("button", { name: "Cancel" }).click();
      await page.getByRole("button", { name: "Open Result" }).click();
      expect(await said()).toEqual([
        { type: "cancel", run: "third" },
        { type: "openResult", run: "first" },
      ]);
    });

    test("an opened list of blocks stays open while another run goes on", async () => {
      const { page, send, show } = await openDigits();
      await send({ type: "show", view: "runs" });
      await page.getByText("2 blocks").click();
      await show(stateOf(digits, { runs: runs.map((run) => (run.id === "third" ? { ...run, fraction: 0.9 } : run)) }));
      expect(await page.getByRole("table", { name: "Blocks of first" }).isVisible()).toBe(true);
      await expect.poll(() => page.getByRole("progressbar").getAttribute("aria-valuenow")).toBe("90");
    });

    test("runs of other models are not shown", async () => {
      const { page, send, show } = await open();
      await show(stateOf(digits, { runs: runs.map((run) => ({ ...run, model: { ...model, export: "other" } })) }));
      await send({ type: "show", view: "runs" });
      expect(await page.getByRole("heading", { level: 2 }).innerText()).toBe("Nothing computed yet");
    });
  });

  test("shows the analysis of a real model", async () => {
    const command = ["dist/cli.js", "analyze", "examples/residual-net.ts", "--json", "--batch", "100"];
    const { stdout } = await promisify(execFile)(process.execPath, command, { maxBuffer: 2 ** 24 });
    const analysis = JSON.parse(stdout) as Analysis;
    const { page, show, send } = await open();
    await show(stateOf(analysis));
    expect(await page.locator(".figure.jacobian").innerText()).toContain("[100, 10, 386618]");
    expect(await page.locator(".layer-table .row:not(.head)").count()).toBe(analysis.layers.length);
    expect(await page.locator(".legend li").allInnerTexts()).toEqual([
      "Conv2D 99.4%",
      "BatchNormalization 0.5%",
      "Dense 0.2%",
    ]);
    await send({ type: "show", view: "parameters" });
    expect(await page.locator(".parameter-table .row:not(.head)").count()).toBe(44);
  });

  test("tabs are reached by keyboard, and the view is remembered", async () => {
    const { page, memory } = await openDigits();
    await page.getByRole("tab", { name: "Overview" }).focus();
    for (const key of ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight", " "]) await page.keyboard.press(key);
    expect(await page.getByRole("tab", { name: "NTK" }).getAttribute("aria-selected")).toBe("true");
    expect(await memory()).toEqual({ model, view: "ntk" });
    const again = await openDigits({ memory: (await memory())! });
    expect(await again.page.locator(".form").count()).toBe(3);
  });

  test("before an analysis, what it takes is said", async () => {
    const { page, show, said } = await open();
    await show(stateOf(null, { model: { kind: "factory", takes: ["width", "depth"] } }));
    await said();
    expect(await page.innerText(".empty")).toContain("model(width, depth) makes the model and needs arguments");
    await page.locator(".empty").getByRole("button", { name: "Analyze" }).click();
    expect(await said()).toEqual([{ type: "command", command: "analyze" }]);
    await show(stateOf(null, { model: { kind: "function", takes: ["x"] } }));
    expect(await page.innerText(".empty")).toContain("you are asked for their shapes");
  });

  test("the place on the page is remembered", async () => {
    const { page, memory } = await openDigits({ height: 300 });
    await page.evaluate("scrollTo(0, 200)");
    await expect.poll(async () => (await memory())?.scroll).toBe(200);
    const again = await openDigits({ height: 300, memory: (await memory())! });
    await expect.poll(() => again.page.evaluate("scrollY")).toBe(200);
  });

  test.each([300, 460, 760, 1000, 2400])("nothing sticks out at %i pixels", async (width) => {
    const { page, send } = await openDigits({ width });
    for (const view of ["overview", "graph", "memory", "parameters", "ntk", "runs"] as const) {
      await send({ type: "show", view });
      expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
    }
  });

  describe.each(Object.entries(themes))("in the %s theme", (_, theme) => {
    const views: readonly PanelView[] = ["overview", "graph", "memory", "parameters", "ntk", "runs"];

    test.each([320, 1000])("every view is accessible at %i pixels", async (width) => {
      const { page, send } = await openDigits({ theme, width });
      for (const view of views) {
        await send({ type: "show", view });
        expect(await violations(page), view).toEqual([]);
      }
    });

    test("so is what is shown when something is wrong or missing", async () => {
      const { page, show } = await open({ theme });
      const source = { file: "/project/models/digits.ts", line: 12, column: 4 };
      const device = { name: "Small card", memoryBytes: 2 ** 20, detected: false };
      for (const state of [
        stateOf(null),
        stateOf(null, { trusted: false }),
        stateOf(digits, { running: false, device }),
        stateOf(digits, { model: { activity: "evaluating" } }),
        stateOf(digits, { device, model: { fault: { fault: "model", message: "x is not defined.", source } } }),
      ]) {
        await show(state);
        expect(await violations(page)).toEqual([]);
      }
    });
  });
});
