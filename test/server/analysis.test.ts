import { describe, expect, it } from "vitest";
import { Editor, failure, result } from "./editor";
import { coupled, plainFunction, takingLong, twoLayers } from "./models";
import { shareSidecar } from "./shared-sidecar";
import { until, type Sidecar, type Workspace } from "./sidecar";

/** From a file that is opened to what is shown beside its code, and how that follows edits, saves and settings. */

let sidecar: Sidecar;
let editor: Editor;
let workspace: Workspace;

shareSidecar(
  (shared) => ({ sidecar, workspace } = shared),
  () => editor,
);

/** Writes and opens a file, in an editor with these settings. */
async function opened(
  name: string,
  text: string,
  ...rest: Parameters<typeof Editor.connect> extends [Sidecar, ...infer R] ? R : never
): Promise<string> {
  workspace.write(name, text);
  editor = await Editor.connect(sidecar, ...rest);
  await editor.open(workspace.uri(name));
  return workspace.uri(name);
}

/** As a user saves: the text in the editor is on the disk then. */
async function save(uri: string, name: string): Promise<void> {
  workspace.write(name, editor.textOf(uri));
  await editor.saved(uri);
}

const fresh =
  (units: number) =>
  (model: { activity: string; stale: string | null; analysis: unknown }): boolean =>
    model.activity === "idle" &&
    model.stale === null &&
    JSON.stringify((model.analysis as { outputs: unknown } | null)?.outputs ?? null).includes(`[100,${units}]`);

describe("a file that is opened", () => {
  it("has its models told, which are not evaluated unasked", async () => {
    const uri = await opened("net.ts", twoLayers());
    const model = await editor.modelWhere(uri, "model", "to be found", () => true);
    expect(model).toMatchObject({ kind: "model", line: 2, activity: "idle", analysis: null, stale: null, fault: null });
    expect(await editor.lenses(uri)).toEqual(["2: $(play) Analyze"]);
    expect(await editor.hints(uri)).toEqual({});
    expect(await editor.hover(uri, 3)).toBe(null);
    expect(sidecar.workers().length).toBeLessThanOrEqual(1);
  });

  it("is evaluated when it is opened, if the settings say so", async () => {
    const uri = await opened("net.ts", twoLayers(), { evaluate: "onOpen" });
    await editor.modelWhere(uri, "model", "to be evaluated", fresh(2));
  });

  it("is evaluated when it is saved, if the settings say so", async () => {
    const uri = await opened("net.ts", twoLayers(), { evaluate: "onSave" });
    await editor.modelWhere(uri, "model", "to be found", () => true);
    await save(uri, "net.ts");
    await editor.modelWhere(uri, "model", "to be evaluated", fresh(2));
  });

  it("holds a function that waits for the shapes of its inputs", async () => {
    const uri = await opened("project.ts", plainFunction, { evaluate: "onOpen" });
    const model = await editor.modelWhere(uri, "project", "to be found", () => true);
    expect(model).toMatchObject({ kind: "function", takes: ["x"], analysis: null, activity: "idle" });
    expect(failure(await editor.analyze(uri, "project"))).toContain("set the input shape x=N,SHAPE");
    await until("a diagnostic", () => (editor.diagnostics.get(uri) ?? []).length > 0);
    expect(editor.diagnostics.get(uri)).toMatchObject([{ code: "input-shape", source: "Kernelscope", severity: 1 }]);
    expect(await editor.fixes(uri)).toEqual(["Set the input shapes of project…", "Analyze again"]);
    await editor.configure({ models: { [`${workspace.path("project.ts")}#project`]: { inputs: ["x=N,3"] } } });
    const { analysis } = await editor.modelWhere(uri, "project", "to be evaluated", (each) => each.analysis !== null);
    expect(analysis!.jacobian.shape).toEqual([100, 2, 6]);
    await until("no diagnostic", () => editor.diagnostics.get(uri)?.length === 0);
  });

  it("may be of a language without models, or have no model", async () => {
    const uri = await opened("notes.md", "# model = tf.sequential()\n");
    await editor.open(workspace.uri("other.py"), "import tensorflow as tf\nmodel = tf.keras.Sequential()\n", "python");
    await editor.open(workspace.uri("plain.ts"), "export const model = 3;\n");
    expect(await editor.lenses(uri)).toEqual([]);
    expect(await editor.hover(workspace.uri("other.py"), 2)).toBe(null);
    expect(
      await editor.request("kernelscope/find", { uris: [uri, workspace.uri("other.py"), workspace.uri("plain.ts")] }),
    ).toEqual([]);
  });

  it("may be large", async () => {
    const row = `  [${Array.from({ length: 200 }, (_, i) => i / 8).join(", ")}],`;
    const text = `${twoLayers()}export const table = [\n${Array<string>(1500).fill(row).join("\n")}\n];\n`;
    expect(text.length).toBeGreaterThan(1.9e6);
    expect(text.length).toBeLessThan(2e6);
    const uri = await opened("large.ts", text);
    await editor.modelWhere(uri, "model", "to be found", () => true);
    expect(result(await editor.analyze(uri, "model")).analysis!.parameters).toHaveLength(4);
    await editor.replace(uri, "const table", "const rows");
    expect((await editor.hints(uri))[3]).toMatch(/^~ /);
  });
});

describe("a model that is analysed", () => {
  it("has its shapes beside its lines, over it, in hovers and in Problems", async () => {
    const uri = await opened("net.ts", twoLayers(), { targetMemory: "1GiB" });
    const { analysis, milliseconds, stale } = result(await editor.analyze(uri, "model"));
    expect(analysis!.jacobian).toEqual({ shape: [100, 2, 58], bytes: 100 * 2 * 58 * 4 });
    expect(milliseconds).toBeGreaterThan(0);
    expect(stale).toBe(null);
    expect(await editor.hints(uri)).toEqual({
      3: "→ [100, 8]  J [100, 2, 40] 31.25 KiB",
      4: "→ [100, 2]  J [100, 2, 18] 14.06 KiB",
    });
    await editor.modelWhere(uri, "model", "to be planned", ({ planning }) => !planning);
    expect(await editor.lenses(uri)).toEqual([
      "2: Jacobian [100, 2, 58] · 45.31 KiB · fits",
      "2: NTK [100, 100, 2, 2] · 156.25 KiB",
      "2: Analyze",
    ]);
    const hover = await editor.hover(uri, 3);
    expect(hover).toContain("**first** (Dense) → `[100, 8]`");
    expect(hover).toContain("| `first/kernel` | float32[4, 8] | `[100, 2, 4, 8]` | 25.00 KiB |");
    expect(await editor.hover(uri, 2)).toContain("**net.ts#model** — Jacobian `[100, 2, 58]`, 45.31 KiB");
    expect(await editor.hover(uri, 6)).toBe(null);
    expect(editor.diagnostics.get(uri) ?? []).toEqual([]);

    await editor.configure({ targetMemory: "1KiB" });
    await until("a diagnostic", () => (editor.diagnostics.get(uri) ?? []).length > 0);
    expect(editor.diagnostics.get(uri)).toMatchObject([
      { code: "result-too-large", severity: 2, range: { start: { line: 1 } } },
    ]);
    expect(await editor.fixes(uri)).toEqual(["Set the batch size…", "Choose another device…"]);
  });

  it("may be analysed beside another", async () => {
    const uri = await opened("one.ts", takingLong(0.5, 3));
    workspace.write("two.ts", takingLong(0.5, 5));
    const outcomes = await Promise.all([
      editor.analyze(uri, "model"),
      editor.analyze(workspace.uri("two.ts"), "model"),
    ]);
    expect(outcomes.map((outcome) => result(outcome).analysis!.outputs[0].shape)).toEqual([
      [100, 3],
      [100, 5],
    ]);
  });

  it("takes hints and lenses away when their switches are turned off", async () => {
    const uri = await opened("net.ts", twoLayers(), { inlayHints: false, codeLens: false });
    await editor.analyze(uri, "model");
    expect([await editor.hints(uri), await editor.lenses(uri)]).toEqual([{}, []]);
    const { refreshes } = editor;
    await editor.configure({ inlayHints: true, codeLens: true });
    await until("hints to be drawn anew", () => editor.refreshes > refreshes);
    expect(Object.keys(await editor.hints(uri))).toEqual(["3", "4"]);
    expect(await editor.lenses(uri)).toHaveLength(3);
  });

  it("has lenses drawn once more a second later, for VS Code forgets them where the focus leaves the text", async () => {
    const uri = await opened("net.ts", twoLayers());
    await editor.analyze(uri, "model");
    await until("lenses to be drawn once more than hints", () => editor.lensRefreshes > editor.refreshes);
  });
});

describe("an edit", () => {
  it("moves hints with their lines, and marks them as stale at once", async () => {
    const uri = await opened("net.ts", twoLayers());
    await editor.analyze(uri, "model");
    await editor.replace(uri, "export const", "// a line\n// another\nexport const");
    expect(await editor.hints(uri)).toEqual({
      5: "~ → [100, 8]  J [100, 2, 40] 31.25 KiB",
      6: "~ → [100, 2]  J [100, 2, 18] 14.06 KiB",
    });
    expect((await editor.lenses(uri))[0]).toMatch(/· stale$/);
    // The line of a layer that is edited itself has no hint
    await editor.replace(uri, "units: 8", "units: 80");
    expect(Object.keys(await editor.hints(uri))).toEqual(["6"]);
    // Back to what was evaluated
    await editor.replace(uri, "units: 80", "units: 8");
    await editor.replace(uri, "// a line\n// another\n", "");
    expect(await editor.hints(uri)).toMatchObject({ 3: "→ [100, 8]  J [100, 2, 40] 31.25 KiB" });
    expect((await editor.modelWhere(uri, "model", "to be fresh", fresh(2))).stale).toBe(null);
  });

  it("is told once, also where several come together", async () => {
    const uri = await opened("net.ts", twoLayers());
    await editor.analyze(uri, "model");
    await editor.modelWhere(uri, "model", "to be fresh", fresh(2));
    let told = 0;
    editor.listeners.add(() => told++);
    await editor.replace(uri, "units: 8", "units: 80");
    await editor.replace(uri, "units: 80", "units: 800");
    await until("it to be told", () => told > 0);
    await editor.hover(uri, 1);
    expect(told).toBe(1);
  });

  it("that breaks the text leaves the model where it is", async () => {
    const uri = await opened("net.ts", twoLayers());
    await editor.analyze(uri, "model");
    await editor.replace(uri, "import * as", "// first\nimport * as");
    await editor.replace(uri, "\n] });", "\n] }");
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(editor.model(uri, "model")).toMatchObject({ line: 3, stale: "edited", fault: null });
    await save(uri, "net.ts");
    const failed = await editor.modelWhere(uri, "model", "to fail", ({ fault }) => fault !== null);
    expect(failed.stale).toBe("failed");
    expect(Object.keys(await editor.hints(uri))).toEqual(["4", "5"]);
    await until("a diagnostic", () => (editor.diagnostics.get(uri) ?? []).length > 0);
    await editor.replace(uri, "\n] }", "\n] });");
    await save(uri, "net.ts");
    await editor.modelWhere(uri, "model", "to be fresh", fresh(2));
    await until("no diagnostic", () => editor.diagnostics.get(uri)?.length === 0);
  });

  it("that takes the model away takes all of it away", async () => {
    const uri = await opened("net.ts", twoLayers());
    await editor.analyze(uri, "model");
    await editor.replace(uri, "export const model", "export const other");
    await editor.modelWhere(uri, "other", "to be found", () => true);
    expect(editor.model(uri, "model")).toBe(undefined);
    expect(await editor.hints(uri)).toEqual({});
  });

  it("is forgotten when the file is closed without being saved", async () => {
    const uri = await opened("net.ts", twoLayers());
    await editor.analyze(uri, "model");
    await editor.replace(uri, "units: 2", "units: 3");
    await editor.modelWhere(uri, "model", "to be stale", ({ stale }) => stale === "edited");
    await editor.close(uri);
    await editor.modelWhere(uri, "model", "to be fresh", fresh(2));
  });
});

describe("a save", () => {
  it("refreshes a model that was evaluated, once", async () => {
    const uri = await opened("net.ts", twoLayers());
    await editor.analyze(uri, "model");
    await editor.replace(uri, "units: 2", "units: 3");
    await save(uri, "net.ts");
    // As the editor's watcher tells of the same change
    await changedOnDisk(uri);
    await editor.modelWhere(uri, "model", "to be fresh", fresh(3));
    const { milliseconds } = editor.model(uri, "model")!;
    await editor.saved(uri);
    await changedOnDisk(uri);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(editor.model(uri, "model")).toMatchObject({ activity: "idle", milliseconds });
  });

  it("does not evaluate what was never evaluated", async () => {
    const uri = await opened("net.ts", twoLayers());
    await editor.modelWhere(uri, "model", "to be found", () => true);
    await editor.replace(uri, "units: 2", "units: 3");
    await save(uri, "net.ts");
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(editor.model(uri, "model")).toMatchObject({ activity: "idle", analysis: null });
  });

  it("of a file that is imported refreshes the model, and its lines have hints as well", async () => {
    const layers =
      'import * as tf from "@tensorflow/tfjs";\nexport const last = () => tf.layers.dense({ units: 2 });\n';
    workspace.write("layers.ts", layers);
    const uri = await opened(
      "net.ts",
      'import * as tf from "@tensorflow/tfjs";\nimport { last } from "./layers";\n' +
        "export const model = tf.sequential({ layers: [tf.layers.dense({ units: 8, inputShape: [4] }), last()] });\n",
    );
    await editor.open(workspace.uri("layers.ts"));
    await editor.analyze(uri, "model");
    expect(await editor.hints(workspace.uri("layers.ts"))).toEqual({ 2: "→ [100, 2]  J [100, 2, 18] 14.06 KiB" });
    await editor.replace(workspace.uri("layers.ts"), "units: 2", "units: 7");
    await editor.modelWhere(uri, "model", "to be stale", ({ stale }) => stale === "edited");
    await save(workspace.uri("layers.ts"), "layers.ts");
    await editor.modelWhere(uri, "model", "to be fresh", fresh(7));
    expect(await editor.hints(workspace.uri("layers.ts"))).toEqual({ 2: "→ [100, 7]  J [100, 7, 63] 172.27 KiB" });
  });

  it("of a file that is imported mends a model that could never be evaluated", async () => {
    workspace.write("sizes.ts", "export const size = -2;\n");
    const uri = await opened(
      "net.ts",
      'import * as tf from "@tensorflow/tfjs";\nimport { size } from "./sizes";\n' +
        "export const model = tf.sequential({ layers: [tf.layers.dense({ units: size, inputShape: [4] })] });\n",
    );
    await editor.open(workspace.uri("sizes.ts"));
    expect((await editor.analyze(uri, "model")).kind).toBe("failed");
    await editor.replace(workspace.uri("sizes.ts"), "-2", "2");
    await save(workspace.uri("sizes.ts"), "sizes.ts");
    await editor.modelWhere(uri, "model", "to be fresh", fresh(2));
  });

  it("by another program refreshes too, and a file that is deleted is forgotten", async () => {
    const uri = await opened("net.ts", twoLayers());
    await editor.analyze(uri, "model");
    await editor.close(uri);
    workspace.write("net.ts", twoLayers(6));
    await changedOnDisk(uri);
    await editor.modelWhere(uri, "model", "to be fresh", fresh(6));
    workspace.remove();
    await changedOnDisk(uri);
    await until("no models", () => editor.files.get(uri)?.models.length === 0);
  });
});

async function changedOnDisk(uri: string): Promise<void> {
  await editor.connection.sendNotification("workspace/didChangeWatchedFiles", { changes: [{ uri, type: 2 }] });
}

describe("settings that change", () => {
  it("describe a model anew without evaluating it", async () => {
    const uri = await opened("net.ts", twoLayers());
    await editor.analyze(uri, "model");
    const { milliseconds } = editor.model(uri, "model")!;
    await editor.configure({ batch: 7, device: "A100 80GB" });
    const { analysis, ...model } = await editor.modelWhere(
      uri,
      "model",
      "to have 7",
      (each) => each.analysis!.batch === 7,
    );
    expect(model).toMatchObject({ milliseconds, activity: "idle" });
    expect(analysis!.jacobian.shape).toEqual([7, 2, 58]);
    expect(analysis!.device).toMatchObject({ name: "A100 80GB", detected: false });
    await until("the device", () => editor.device?.name === "A100 80GB");
    await editor.configure({ targetMemory: "2GiB", models: { [`${workspace.path("net.ts")}#model`]: { batch: 3 } } });
    await editor.modelWhere(uri, "model", "to have 3", (each) => each.analysis!.batch === 3);
    expect(editor.device).toMatchObject({ name: "A100 80GB, limited to 2GiB", memoryBytes: 2 ** 31 });
  });

  it("evaluate a model again whose examples depend on one another", async () => {
    const key = `${workspace.path("bn.ts")}#normalised`;
    const uri = await opened("bn.ts", coupled, { batch: 5, models: { [key]: { inputs: ["x=N,3"] } } });
    const first = result(await editor.analyze(uri, "normalised"));
    expect(first.analysis).toMatchObject({ batch: 5, model: { examplesCoupled: true } });
    await until("diagnostics", () => editor.diagnostics.get(uri)?.length === 2);
    expect(editor.diagnostics.get(uri)!.map(({ code }) => code)).toEqual(["coupled-examples", "no-kernel"]);
    await editor.configure({ batch: 9 });
    const { analysis } = await editor.modelWhere(uri, "normalised", "to have 9", (each) => each.analysis!.batch === 9);
    expect(analysis!.jacobian.shape).toEqual([9, 3, 3]);
  });

  it("that make no sense are told, and change nothing", async () => {
    const uri = await opened("net.ts", twoLayers());
    await editor.analyze(uri, "model");
    await editor.configure({ device: "Voodoo 2" });
    await until("a message", () => editor.messages.find((message) => message.includes("Voodoo 2")));
    expect((await editor.lenses(uri))[0]).toContain("Jacobian [100, 2, 58]");
    await editor.configure({ device: "auto", codeMemory: "much" });
    expect(failure(await editor.analyze(uri, "model"))).toContain("kernelscope.codeMemory much: write a size");
    await editor.configure({ codeMemory: "2GiB", timeLimit: 0 });
    expect(failure(await editor.analyze(uri, "model"))).toContain("kernelscope.timeLimit is 0");
    await editor.configure({ timeLimit: 30, models: { [`${workspace.path("net.ts")}#model`]: { inputs: ["=3"] } } });
    expect(failure(await editor.analyze(uri, "model"))).not.toContain("--input");
    await editor.configure({ models: {} });
    expect((await editor.analyze(uri, "model")).kind).toBe("done");
  });
});

describe("an editor that starts again", () => {
  it("shows what was known, as stale, and refreshes it with the next save", async () => {
    const uri = await opened("net.ts", twoLayers());
    const known = result(await editor.analyze(uri, "model"));
    editor.leave();
    await opened("net.ts", twoLayers(), {}, [{ uri, models: [known] }]);
    const model = await editor.modelWhere(uri, "model", "to be restored", ({ analysis }) => analysis !== null);
    expect(model.stale).toBe("restored");
    expect(await editor.hints(uri)).toMatchObject({ 3: "~ → [100, 8]  J [100, 2, 40] 31.25 KiB" });
    await editor.saved(uri);
    await editor.modelWhere(uri, "model", "to be fresh", fresh(2));
  });

  it("shows no hint where the text is another, and says so", async () => {
    const uri = await opened("net.ts", twoLayers());
    const known = result(await editor.analyze(uri, "model"));
    editor.leave();
    await opened("net.ts", `// new\n${twoLayers()}`, {}, [{ uri, models: [known] }]);
    const model = await editor.modelWhere(uri, "model", "to be restored", ({ analysis }) => analysis !== null);
    expect(model).toMatchObject({ stale: "edited", line: 3 });
    expect(await editor.hints(uri)).toEqual({});
    expect((await editor.lenses(uri))[0]).toMatch(/^3: Jacobian .* · stale$/);
  });

  it("knows nothing of files that are gone", async () => {
    const uri = await opened("net.ts", twoLayers());
    const known = result(await editor.analyze(uri, "model"));
    editor.leave();
    editor = await Editor.connect(sidecar, {}, [
      { uri: workspace.uri("gone.ts"), models: [{ ...known, uri: workspace.uri("gone.ts") }] },
      { uri: "untitled:Untitled-1", models: [{ ...known, uri: "untitled:Untitled-1" }] },
      { uri, models: [known] },
    ]);
    await editor.modelWhere(uri, "model", "to be restored", ({ analysis }) => analysis !== null);
    expect([...editor.files.keys()]).toEqual([uri]);
  });
});

describe("looking for models", () => {
  it("finds those of many files, without running them", async () => {
    editor = await Editor.connect(sidecar);
    const names = Array.from({ length: 200 }, (_, index) => `src/net${index}.ts`);
    names.forEach((name, index) => workspace.write(name, index % 2 === 0 ? twoLayers(index + 1) : "export {};\n"));
    const found = await editor.request("kernelscope/find", {
      uris: [...names, "missing.ts", "src"].map((name) => workspace.uri(name)),
    });
    expect(found).toHaveLength(100);
    expect(found.every(({ models: [model] }) => model.export === "model" && model.analysis === null)).toBe(true);
  });
});
