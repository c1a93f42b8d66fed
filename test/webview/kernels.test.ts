import { describe, expect, test } from "vitest";
import type { KernelInfo } from "../../sidecar/protocol/ntk";
import type { FromPanel } from "../../sidecar/protocol/panel";
import { violations } from "./accessibility";
import { executable, opener } from "./browser";
import { launchWith } from "./kernel-page";
import { openPanel, type PanelOptions, type PanelPage } from "./panel-page";
import { digits, model, stateOf } from "./states";
import { syntheticSource } from "./synthetic-kernel";
import { themes } from "./themes";

/** The panel's view of kernels: what it asks the extension, and what it makes of the answers. */

const openPage = opener(() => launchWith(true), openPanel);

const whole: KernelInfo = {
  ...syntheticSource({ count: 12 }).info,
  id: "whole",
  model,
  title: "digits.ts#model, digits.ts#digits",
};
const part: KernelInfo = { ...whole, id: "part", part: { of: "whole", parameter: "head.bias" }, layers: [] };
const other: KernelInfo = { ...whole, id: "other", title: "digits.ts#model, 12 random examples" };

async function open(options: PanelOptions, ...kernels: KernelInfo[]): Promise<PanelPage> {
  const panel = await openPage({ ...options, memory: { model, view: "ntk" } });
  await panel.send({ type: "kernels", kernels });
  await panel.show(stateOf(digits));
  return panel;
}

/** Answers what the page asks, as the sidecar would, until it asks no more. Gives all else that it has said. */
async function answer(panel: PanelPage): Promise<FromPanel[]> {
  const others: FromPanel[] = [];
  for (let quiet = 0; quiet < 3; quiet++) {
    await panel.page.waitForTimeout(30);
    for (const message of await panel.said()) {
      if (message.type !== "ask") {
        others.push(message);
        continue;
      }
      quiet = 0;
      await panel.send({ type: "answer", id: message.id, answer: await answerTo(message) });
    }
  }
  return others;
}

type Question = Extract<FromPanel, { type: "ask" }>;

async function answerTo({
  method,
  params,
}: Question): Promise<Extract<Parameters<PanelPage["send"]>[0], { type: "answer" }>["answer"]> {
  const source = syntheticSource({ count: 12 });
  switch (method) {
    case "kernelscope/kernelTile": {
      const { values, ...tile } = await source.tile(params, new AbortController().signal);
      return { ...tile, values: Buffer.from(values.buffer).toString("base64") };
    }
    case "kernelscope/kernelEntry": {
      const { block, ...entry } = await source.entry(params);
      return { ...entry, block: block && Array.from(block) };
    }
    case "kernelscope/kernelArrangement": {
      const { rows, columns, ...arrangement } = await source.arrangement(params);
      const sent = ({ examples, groups }: typeof rows) => ({ examples: Array.from(examples), groups });
      return { ...arrangement, rows: sent(rows), columns: columns && sent(columns) };
    }
  }
}

describe.skipIf(executable === undefined)("the panel's kernels", () => {
  test("are asked about, by id, and drawn", async () => {
    const panel = await open({}, whole);
    const asked = await panel.said();
    expect(asked.filter(({ type }) => type === "ask").length).toBeGreaterThan(0);
    for (const message of asked) {
      if (message.type === "ask") {
        expect(message.params.id).toBe("whole");
        await panel.send({ type: "answer", id: message.id, answer: await answerTo(message) });
      }
    }
    await answer(panel);
    await expect.poll(() => panel.page.locator(".kernel-legend").innerText()).toMatch(/\d/);
    expect(await panel.page.getByRole("tab", { name: /^NTK/ }).innerText()).toMatch(/1/);
  });

  test("of which one is gone are not asked about any more", async () => {
    const panel = await open({}, whole);
    await answer(panel);
    await panel.send({ type: "kernel", id: "whole", info: null });
    await expect.poll(() => panel.page.getByRole("button", { name: "Compute NTK…" }).count()).toBe(1);
    expect(await panel.page.locator("kernel-heatmap").count()).toBe(0);
  });

  test("are computed, continued, cancelled, saved and removed by the extension", async () => {
    const panel = await open({}, whole);
    await answer(panel);
    const { page } = panel;
    for (const name of ["Compute NTK…", "Save the kernel as .npy", /^Remove the kernel of/]) {
      await page.getByRole("button", { name }).click();
    }
    await panel.send({ type: "kernel", id: "whole", info: { ...whole, status: "running", fraction: 0.5 } });
    await page.getByRole("button", { name: "Cancel" }).click();
    await panel.send({ type: "kernel", id: "whole", info: { ...whole, status: "cancelled", fraction: 0.5 } });
    await page.getByRole("button", { name: "Continue" }).click();
    expect(await answer(panel)).toEqual([
      { type: "command", command: "computeNtk" },
      { type: "saveKernel", kernel: "whole" },
      { type: "removeKernel", kernel: "whole" },
      { type: "cancelKernel", kernel: "whole" },
      { type: "continueKernel", kernel: "whole" },
    ]);
  });

  test("have parts, which are computed when they are first looked at", async () => {
    const panel = await open({}, whole);
    await answer(panel);
    await panel.page.getByRole("button", { name: /^head\.bias/ }).click();
    expect(await answer(panel)).toEqual([{ type: "computePart", part: { of: "whole", parameter: "head.bias" } }]);
    expect(await panel.page.getByText("The part of head.bias is not known yet").count()).toBe(1);
    await panel.send({ type: "kernel", id: "part", info: part });
    await answer(panel);
    expect(await panel.page.getByRole("combobox", { name: "Part" }).inputValue()).toBe("head.bias");
    await panel.page.getByRole("button", { name: "Whole kernel" }).click();
    await panel.page.getByRole("button", { name: /^head\.bias/ }).click();
    expect((await answer(panel)).filter(({ type }) => type === "computePart")).toEqual([]);
    expect(await panel.memory()).toMatchObject({ part: "head.bias" });
  });

  test("say where the model has changed since", async () => {
    const panel = await open({}, whole);
    await panel.show(stateOf(digits, { staleKernels: ["whole"] }));
    await panel.page.getByRole("button", { name: "Compute again" }).click();
    expect(await answer(panel)).toContainEqual({ type: "continueKernel", kernel: "whole" });
  });

  test("leave as files: charts and pictures by the page, entries by the sidecar", async () => {
    const panel = await open({}, whole);
    await answer(panel);
    await panel.page.getByRole("button", { name: "Save spectrum as a table, CSV" }).click();
    const [saved] = await answer(panel);
    expect(saved).toMatchObject({ type: "saveFile", name: "spectrum.csv" });
    await panel.page.getByRole("application").focus();
    for (const key of ["ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown"]) await panel.page.keyboard.press(key);
    await answer(panel);
    await panel.page.getByRole("button", { name: "Save Entries…" }).click();
    const [entries] = await answer(panel);
    expect(entries).toMatchObject({ type: "saveEntries", selection: { id: "whole", view: "trace" } });
  });

  test.each(Object.keys(themes) as (keyof typeof themes)[])("are for everyone: %s", async (name) => {
    const panel = await open({ theme: themes[name] }, whole, other);
    await panel.show(stateOf(digits, { staleKernels: ["other"] }));
    await answer(panel);
    await panel.page.getByRole("combobox", { name: "Beside it" }).selectOption({ index: 1 });
    await answer(panel);
    expect(await violations(panel.page, "#page")).toEqual([]);
  });
});
