import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CancellationTokenSource } from "vscode-languageserver/node";
import type { Analysis, DeviceInfo } from "../../sidecar/protocol/analysis";
import type { MemoryPlan, PlanRequest } from "../../sidecar/protocol/messages";
import { Editor, result } from "./editor";
import { twoLayers } from "./models";
import { startSidecar, Workspace, type Sidecar } from "./sidecar";

/** What the Jacobian would take, told after the analysis and on request. */

const workspace = new Workspace();
let sidecar: Sidecar;
let editor: Editor;
let uri: string;

const v100 = "Tesla V100 16GB";
const card: DeviceInfo = {
  name: v100,
  memoryBytes: 16 * 2 ** 30,
  detected: false,
  kind: "card",
  reservedBytes: 512 * 2 ** 20,
};

beforeAll(async () => {
  sidecar = await startSidecar();
  editor = await Editor.connect(sidecar, { device: v100 });
  workspace.write("residual-net.ts", readFileSync(resolve("examples/residual-net.ts"), "utf8"));
  uri = workspace.uri("residual-net.ts");
  await editor.open(uri);
  result(await editor.analyze(uri, "model"));
  await planned();
});

afterAll(async () => {
  await sidecar.end();
  workspace.remove();
});

async function planned(): Promise<void> {
  // Kernels come last: nothing changes after them
  const isKnown = (analysis: Analysis | null): boolean => (analysis?.ntk.length ?? 0) > 0;
  await editor.modelWhere(uri, "model", "to be planned", ({ planning, analysis }) => !planning && isKnown(analysis));
}

let asked = 0;

function request(more: Partial<PlanRequest> = {}): PlanRequest {
  return { id: `plan ${++asked}`, model: { uri, export: "model" }, batch: 100, device: card, ...more };
}

async function configured(options: object): Promise<void> {
  const before = editor.model(uri, "model")!.analysis;
  await editor.configure({ models: { [`${workspace.path("residual-net.ts")}#model`]: options } });
  await editor.modelWhere(uri, "model", "another analysis", ({ analysis }) => analysis !== before);
  await planned();
}

describe("a model that is too large for one way to compute its Jacobian", () => {
  it("has it at the line of the block that allocates the most, with what fits instead", async () => {
    expect((await editor.lenses(uri))[0]).toMatch(/· fits$/);
    const found = (editor.diagnostics.get(uri) ?? []).filter(({ code }) => code === "memory-exceeded");
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ severity: 3, range: { start: { line: 36 } } });
    expect(found[0].message).toMatch(/^jacrev would take 9\d\.\d\d GiB for 100 examples, more than the 16\.00 GiB of/);
    expect(found[0].message).toMatch(/, 30\.52 GiB, is made here\. vmap\(jacrev\) takes 3\.\d\d GiB\.$/);
    expect(found[0].codeDescription?.href).toMatch(/docs\/diagnostics\.md#L\d+$/);
    expect((await editor.fixes(uri))[0]).toBe("Compute the Jacobian by vmap(jacrev)");
    expect(await editor.hover(uri, 37)).toMatch(/\*\*Memory\*\* [^]*\| `jacrev` \|.*\| 93\.03 GiB \| too large \|/);
    expect(await editor.hover(uri, editor.model(uri, "model")!.line!)).toMatch(
      /\| `vmap\(jacrev\)` \| +\| 3\.\d\d GiB \|.*\| fits, \*\*recommended\*\* \|/,
    );
  });

  it("has its kernel in each form, by each method, and the method to take in the hover", async () => {
    const { ntk } = editor.model(uri, "model")!.analysis!;
    expect(ntk).toHaveLength(9);
    const taken = ntk.filter(({ recommended }) => recommended);
    expect(taken.map(({ form, method, fits }) => [form, method, fits])).toEqual([
      ["full", "structured", true],
      ["diagonal", "structured", true],
      ["trace", "structured", true],
    ]);
    expect(ntk.filter(({ method }) => method === "vector-products").every(({ fits, tile }) => !fits && tile)).toBe(
      true,
    );
    const hover = await editor.hover(uri, editor.model(uri, "model")!.line!);
    expect(hover?.replaceAll("\u00a0", " ")).toMatch(
      /\| trace \| `\[100, 100\]` \| `structured` \| 3\.\d\d GiB \| fits \|/,
    );
  });

  it("is told without timelines, which would be sent with every key", () => {
    const { strategies } = editor.model(uri, "model")!.analysis!;
    expect(strategies.length).toBeGreaterThan(3);
    for (const { timeline, buffers } of strategies) expect([timeline, buffers]).toEqual([[], []]);
  });

  it("warns where the user has chosen what does not fit, and is as before when that is taken back", async () => {
    await configured({ strategy: "jacrev" });
    expect((await editor.lenses(uri))[0]).toMatch(/· does not fit 16\.00 GiB$/);
    expect(editor.diagnostics.get(uri)).toMatchObject([{ code: "memory-exceeded", severity: 2 }]);
    await configured({ strategy: "jacrev", chunk: 50 });
    expect((await editor.lenses(uri))[0]).toMatch(/· fits in chunks of 50$/);
    await configured({});
    expect((await editor.lenses(uri))[0]).toMatch(/· fits$/);
  });

  it("can leave parameters out", async () => {
    const before = editor.model(uri, "model")!.analysis!;
    const { name, elements } = before.parameters[0];
    await configured({ exclude: [name] });
    const { jacobian, diagnostics } = editor.model(uri, "model")!.analysis!;
    expect(jacobian.shape.at(-1)).toBe(before.jacobian.shape.at(-1)! - elements);
    expect(diagnostics).toMatchObject([{ code: "excluded-parameters" }]);
    await configured({});
    expect(editor.model(uri, "model")!.analysis!.jacobian).toEqual(before.jacobian);
  });
});

describe("a plan that is asked for", () => {
  it("comes in parts, the first of them before all is known, and then whole", async () => {
    const parts: MemoryPlan[] = [];
    const asking = request({ batch: 64 });
    const stop = editor.connection.onNotification(
      "kernelscope/plan",
      ({ id, plan }: { id: string; plan: MemoryPlan }) => {
        if (id === asking.id) parts.push(plan);
      },
    );
    const whole = result(await editor.request("kernelscope/plan", asking));
    stop.dispose();
    expect(parts.map(({ strategies }) => strategies.length)).toEqual([1, 2, 3, 4]);
    expect(parts[0].strategies[0]).toMatchObject({ strategy: "vmap(jacrev)", chunk: null, recommended: false });
    expect(parts.every(({ isWhole }) => !isWhole)).toBe(true);
    expect(whole).toMatchObject({ batch: 64, device: card, isWhole: true, fault: null });
    expect(whole.strategies.filter(({ recommended }) => recommended)).toHaveLength(1);
    for (const { timeline, buffers, peakBytes, argumentBytes } of whole.strategies) {
      expect(Math.max(...timeline.map(({ liveBytes }) => liveBytes))).toBe(peakBytes);
      expect(argumentBytes).toBeLessThan(peakBytes);
      expect(buffers.length).toBeGreaterThan(0);
    }
  });

  it("is of another device", async () => {
    const large = { ...card, name: "large", memoryBytes: 2 ** 38 };
    const whole = result(await editor.request("kernelscope/plan", request({ device: large })));
    expect(whole.strategies.find(({ strategy }) => strategy === "jacrev")).toMatchObject({ fits: true, chunk: null });
  });

  it("can be cancelled, and others are answered", async () => {
    const source = new CancellationTokenSource();
    const cancelled = editor.request("kernelscope/plan", request({ batch: 33 }), source.token);
    const other = editor.request("kernelscope/plan", request({ batch: 34 }));
    source.cancel();
    expect((await cancelled).kind).toBe("cancelled");
    expect(result(await other).batch).toBe(34);
  });

  it("of a model that was not evaluated has a sentence", async () => {
    workspace.write("other.ts", twoLayers());
    await editor.open(workspace.uri("other.ts"));
    await editor.modelWhere(workspace.uri("other.ts"), "model", "to be found", () => true);
    const model = { uri: workspace.uri("other.ts"), export: "model" };
    expect(await editor.request("kernelscope/plan", request({ model }))).toMatchObject({
      kind: "failed",
      fault: { message: expect.stringMatching(/analyze it first/) as string },
    });
  });

  it("does not hold up hovers", async () => {
    let isPlanning = true;
    const planning = editor.request("kernelscope/plan", request({ batch: 77 })).finally(() => (isPlanning = false));
    let hovers = 0;
    while (isPlanning && hovers < 1000) {
      expect(await editor.hover(uri, 37)).toContain("Memory");
      hovers++;
    }
    await planning;
    expect(hovers).toBeGreaterThan(10);
  });
});
