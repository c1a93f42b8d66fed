import { describe, expect, it } from "vitest";
import { CancellationTokenSource } from "vscode-languageserver/node";
import type { Settings } from "../../sidecar/protocol/messages";
import { Editor, failure, result } from "./editor";
import { endless, takingLong, twoLayers } from "./models";
import { shareSidecar } from "./shared-sidecar";
import { until, type Sidecar, type Workspace } from "./sidecar";

/** Evaluations that take long, are given up, or go wrong: the editor is told why and where, and goes on. */

let sidecar: Sidecar;
let editor: Editor;
let workspace: Workspace;

shareSidecar(
  (shared) => ({ sidecar, workspace } = shared),
  () => editor,
);

async function opened(text: string, settings: Partial<Settings> = {}): Promise<string> {
  workspace.write("net.ts", text);
  editor = await Editor.connect(sidecar, settings);
  const uri = workspace.uri("net.ts");
  await editor.open(uri);
  await editor.modelWhere(uri, "model", "to be found", () => true);
  return uri;
}

const isEvaluating = ({ activity }: { activity: string }): boolean => activity === "evaluating";
const isIdle = ({ activity }: { activity: string }): boolean => activity === "idle";

describe("an evaluation in progress", () => {
  it("is shown, and can be cancelled at once", async () => {
    const uri = await opened(endless);
    const source = new CancellationTokenSource();
    const outcome = editor.analyze(uri, "model", source.token);
    await editor.modelWhere(uri, "model", "to be evaluated", isEvaluating);
    expect(await editor.lenses(uri)).toEqual(["4: $(loading~spin) Evaluating", "4: Cancel"]);
    await until("a worker", () => sidecar.workers().length > 0);
    const start = performance.now();
    source.cancel();
    expect(await outcome).toEqual({ kind: "cancelled" });
    expect(performance.now() - start).toBeLessThan(1000);
    const { fault } = await editor.modelWhere(uri, "model", "to be idle", isIdle);
    expect(fault).toBe(null);
    expect(await editor.lenses(uri)).toEqual(["4: $(play) Analyze"]);
  });

  it("is told for the device and the number of examples that are set when it is done", async () => {
    const uri = await opened(takingLong(0.5));
    const outcome = editor.analyze(uri, "model");
    await editor.modelWhere(uri, "model", "to be evaluated", isEvaluating);
    await editor.configure({ targetMemory: "3GiB", batch: 7 });
    const { device, batch } = result(await outcome).analysis!;
    expect([device.memoryBytes, batch]).toEqual([3 * 2 ** 30, 7]);
    await editor.configure({ targetMemory: "", batch: 100 });
  });

  it("can be cancelled while it waits for its turn", async () => {
    const uri = await opened(endless);
    for (const name of ["a.ts", "b.ts"]) {
      workspace.write(name, endless);
      void editor.analyze(workspace.uri(name), "model").catch(() => undefined);
    }
    await until("two workers", () => sidecar.workers().length >= 2);
    const source = new CancellationTokenSource();
    const outcome = editor.analyze(uri, "model", source.token);
    await editor.modelWhere(uri, "model", "to be evaluated", isEvaluating);
    const start = performance.now();
    source.cancel();
    expect(await outcome).toEqual({ kind: "cancelled" });
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it("can be cancelled where a save has begun it, and what is known stays", async () => {
    const uri = await opened(twoLayers());
    await editor.analyze(uri, "model");
    workspace.write("net.ts", endless);
    await editor.close(uri);
    await editor.open(uri);
    await editor.saved(uri);
    await editor.modelWhere(uri, "model", "to be evaluated", isEvaluating);
    await editor.request("kernelscope/cancelAnalysis", { model: { uri, export: "model" } });
    const { analysis, stale } = await editor.modelWhere(uri, "model", "to be idle", isIdle);
    expect(analysis!.outputs[0].shape).toEqual([100, 2]);
    expect(stale).toBe("edited");
  });

  it("gives way to another one of the same model", async () => {
    const uri = await opened(takingLong(60));
    const first = editor.analyze(uri, "model");
    await editor.modelWhere(uri, "model", "to be evaluated", isEvaluating);
    workspace.write("net.ts", twoLayers(5));
    const second = editor.analyze(uri, "model");
    expect(await first).toEqual({ kind: "cancelled" });
    expect(result(await second).analysis!.outputs[0].shape).toEqual([100, 5]);
  });

  it("is begun again when the file is saved meanwhile", async () => {
    const uri = await opened(twoLayers());
    await editor.analyze(uri, "model");
    workspace.write("net.ts", takingLong(60));
    await editor.saved(uri);
    await editor.modelWhere(uri, "model", "to be evaluated", isEvaluating);
    workspace.write("net.ts", twoLayers(5));
    await editor.close(uri);
    await editor.open(uri);
    await editor.saved(uri);
    const { analysis } = await editor.modelWhere(uri, "model", "to be evaluated anew", (each) => {
      return isIdle(each) && each.analysis?.outputs[0].shape[1] === 5;
    });
    expect(analysis!.jacobian.shape).toEqual([100, 5, 85]);
  });

  it("does not hold up hovers", async () => {
    const uri = await opened(endless);
    workspace.write("other.ts", twoLayers());
    await editor.analyze(workspace.uri("other.ts"), "model");
    void editor.analyze(uri, "model").catch(() => undefined);
    await editor.modelWhere(uri, "model", "to be evaluated", isEvaluating);
    const start = performance.now();
    for (let count = 0; count < 20; count++)
      expect(await editor.hover(workspace.uri("other.ts"), 3)).toContain("first");
    expect((performance.now() - start) / 20).toBeLessThan(50);
  });
});

describe("code that", () => {
  it("does not end is stopped when its time is up, with the line", async () => {
    const uri = await opened(endless, { timeLimit: 1 });
    expect(failure(await editor.analyze(uri, "model"))).toMatch(
      /not evaluated within 1 s, and this line is still running.* the setting kernelscope\.timeLimit/,
    );
    await until("a diagnostic", () => editor.diagnostics.get(uri)?.length === 1);
    expect(editor.diagnostics.get(uri)).toMatchObject([{ code: "time-limit", range: { start: { line: 2 } } }]);
    expect(await editor.fixes(uri)).toEqual(["Raise the time limit of model code…", "Analyze again"]);
  });

  it("crashes its process is told, and no other model is harmed", async () => {
    const uri = await opened(
      `import { execSync } from "node:child_process";\nexecSync(\`kill -SEGV \${process.pid}\`);\n${twoLayers()}`,
    );
    expect(failure(await editor.analyze(uri, "model"))).toMatch(
      /^Evaluating it crashed the worker process \(SIGSEGV\)/,
    );
    workspace.write("other.ts", twoLayers());
    expect((await editor.analyze(workspace.uri("other.ts"), "model")).kind).toBe("done");
  });

  it("ends its process is told, with the line", async () => {
    const uri = await opened(`${twoLayers()}process.exit(0);\n`);
    expect(failure(await editor.analyze(uri, "model"))).toContain("process.exit");
    await until("a diagnostic", () => editor.diagnostics.get(uri)?.length === 1);
    expect(editor.diagnostics.get(uri)).toMatchObject([{ code: "model-error", range: { start: { line: 5 } } }]);
  });

  it("takes too much memory is told, with the line", async () => {
    const uri = await opened(`${twoLayers()}export const big = new Float32Array(2 ** 28);\n`, { codeMemory: "256MiB" });
    expect(failure(await editor.analyze(uri, "model"))).toMatch(
      /allocates 1\.00 GiB.*the setting kernelscope\.codeMemory/,
    );
    await until("a diagnostic", () => editor.diagnostics.get(uri)?.length === 1);
    expect(editor.diagnostics.get(uri)).toMatchObject([{ code: "code-memory", range: { start: { line: 5 } } }]);
    expect(await editor.fixes(uri)).toEqual(["Raise the memory limit of model code…", "Analyze again"]);
  });

  it("throws is told, and what was known is kept as stale", async () => {
    const uri = await opened(twoLayers());
    await editor.analyze(uri, "model");
    await editor.replace(uri, "export const", 'if (1 > 0) throw new Error("no data");\nexport const');
    workspace.write("net.ts", editor.textOf(uri));
    await editor.saved(uri);
    const model = await editor.modelWhere(uri, "model", "to fail", ({ fault }) => fault !== null);
    expect(model).toMatchObject({ stale: "failed", fault: { message: "No data", source: { line: 2 } } });
    expect(await editor.hints(uri)).toMatchObject({ 4: "~ → [100, 8]  J [100, 2, 40] 31.25 KiB" });
    expect((await editor.lenses(uri)).slice(2)).toEqual(["3: $(error) Could not be evaluated", "3: Analyze"]);
  });

  it("has a worker that is killed is told, and the next evaluation has another", async () => {
    const uri = await opened(endless);
    const outcome = editor.analyze(uri, "model");
    await until("a worker", () => sidecar.workers().length > 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const worker of sidecar.workers()) process.kill(parseInt(worker), "SIGKILL");
    expect(failure(await outcome)).toMatch(/^The worker process was killed/);
    workspace.write("net.ts", twoLayers());
    expect((await editor.analyze(uri, "model")).kind).toBe("done");
  });

  it("waits in reserve and is killed is replaced", async () => {
    const uri = await opened(twoLayers());
    await editor.analyze(uri, "model");
    await until("a spare", () => sidecar.workers().length > 0);
    for (const worker of sidecar.workers()) process.kill(parseInt(worker), "SIGKILL");
    await until("its end", () => sidecar.workers().length === 0);
    // The sidecar has yet to be told of it
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await editor.analyze(uri, "model")).kind).toBe("done");
  });
});

describe("a workspace that is not trusted", () => {
  const saved = JSON.stringify({
    format: "layers-model",
    modelTopology: {
      class_name: "Sequential",
      config: {
        name: "s",
        layers: [
          {
            class_name: "Dense",
            config: { name: "d", units: 2, activation: "linear", use_bias: true, batch_input_shape: [null, 3] },
          },
        ],
      },
    },
    weightsManifest: [
      {
        paths: ["weights.bin"],
        weights: [
          { name: "d/kernel", shape: [3, 2], dtype: "float32" },
          { name: "d/bias", shape: [2], dtype: "float32" },
        ],
      },
    ],
  });

  it("has none of its code run, whatever is asked", async () => {
    const uri = await opened(
      `${twoLayers()}import { writeFileSync } from "node:fs";\nwriteFileSync("${workspace.path("ran")}", "");\n`,
      {
        trusted: false,
        evaluate: "onOpen",
      },
    );
    expect(await editor.lenses(uri)).toEqual(["2: $(workspace-untrusted) Trust this workspace to analyze the model"]);
    expect(failure(await editor.analyze(uri, "model"))).toContain("not trusted");
    const jacobian = await editor.request("kernelscope/jacobian", {
      run: "1",
      model: { uri, export: "model" },
      inputs: { kind: "random", batch: 2, seed: 1 },
      strategy: null,
      chunk: null,
      out: workspace.path("out.npz"),
    });
    expect(failure(jacobian)).toContain("not trusted");
    await editor.saved(uri);
    await editor.configure({ batch: 3, models: { [`${workspace.path("net.ts")}#model`]: { arguments: "1" } } });
    expect(sidecar.workers()).toEqual([]);
    expect(() => workspace.read("ran")).toThrow();
    // Trust is given: what the settings ask for is done now
    await editor.configure({ trusted: true, models: {} });
    await editor.modelWhere(uri, "model", "to be evaluated", ({ analysis }) => analysis !== null);
    expect(workspace.read("ran")).toBe("");
  });

  it("has its saved models read when they are opened", async () => {
    workspace.write("model.json", saved);
    workspace.write("weights.bin", "\0".repeat(32));
    editor = await Editor.connect(sidecar, { trusted: false });
    const uri = workspace.uri("model.json");
    await editor.open(uri, saved, "json");
    const { analysis, kind } = await editor.modelWhere(uri, null, "to be read", (model) => model.analysis !== null);
    expect(kind).toBe("saved");
    expect(analysis!.jacobian.shape).toEqual([100, 2, 8]);
    expect((await editor.lenses(uri)).at(-1)).toBe("1: Analyze");
  });
});
