import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ModelState } from "../../sidecar/protocol/messages";
import { Editor, result } from "./editor";
import { startSidecar, Workspace, type Sidecar } from "./sidecar";

/** Batching rules in the editor: the setting, what is said of a rule, and trust. */

const workspace = new Workspace();
let sidecar: Sidecar;
let editor: Editor;

beforeEach(async () => {
  sidecar = await startSidecar();
  workspace.write("smoothing.ts", readFileSync(resolve("examples/smoothing.ts"), "utf8"));
});

afterEach(() => sidecar.end());

afterAll(() => workspace.remove());

const uri = workspace.uri("smoothing.ts");
const rules = workspace.path("rules.ts");
const right = readFileSync(resolve("examples/smoothing-rules.ts"), "utf8");

const settled = (what: string, is: (model: ModelState) => boolean): Promise<ModelState> =>
  editor.modelWhere(uri, "model", what, (model) => !model.planning && model.activity === "idle" && is(model));
const loops = ({ analysis }: ModelState): number => analysis?.fallbacks.length ?? -1;
const codes = ({ analysis }: ModelState): string[] => analysis?.diagnostics.map(({ code }) => code) ?? [];

describe("the setting kernelscope.batchingRules", () => {
  it("has models evaluated anew, with the rules, and again when these are saved", async () => {
    workspace.write("rules.ts", right);
    editor = await Editor.connect(sidecar);
    await editor.open(uri);
    result(await editor.analyze(uri, "model"));
    await settled("loops", (model) => loops(model) === 3);
    expect((await editor.hover(uri, 46))!).toContain(
      "`Smooth` under `vmap(jacrev)`: 500 times, once for each example (N = 100) and once for each example and output " +
        "(N·O = 100 · 4), about ",
    );

    await editor.configure({ batchingRules: [rules] });
    await settled("no loops", (model) => loops(model) === 0 && (model.analysis?.strategies.length ?? 0) > 0);

    const rulesUri = workspace.uri("rules.ts");
    await editor.open(rulesUri);
    // Rules are no models
    expect(await editor.lenses(rulesUri)).toEqual([]);
    await editor.replace(rulesUri, ".reshape([size, rows, time])", "");
    workspace.write("rules.ts", editor.textOf(rulesUri));
    await editor.saved(rulesUri);
    await settled("the problem", (model) => loops(model) === 3 && codes(model).includes("batching-rule"));
    const [problem] = editor.diagnostics.get(rulesUri) ?? [];
    expect(problem).toMatchObject({ code: "batching-rule", severity: 2 });
    expect(problem.message).toMatch(
      /^The batching rule of Smooth is not used: for 3 slices it returns float32\[3,32\] instead of/,
    );
  });

  it("counts in a trusted workspace only: rules are code, also beside a saved model", async () => {
    workspace.write(
      "rules.ts",
      `import { writeFileSync } from "node:fs";\nwriteFileSync(${JSON.stringify(workspace.path("ran"))}, "");\n${right}`,
    );
    workspace.write(
      "model.json",
      JSON.stringify({
        format: "layers-model",
        modelTopology: {
          class_name: "Sequential",
          config: {
            name: "net",
            layers: [
              { class_name: "Dense", config: { name: "d", units: 2, batch_input_shape: [null, 3], dtype: "float32" } },
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
      }),
    );
    workspace.write("weights.bin", "\0".repeat(32));
    const saved = workspace.uri("model.json");
    editor = await Editor.connect(sidecar, { trusted: false, batchingRules: [rules] });
    await editor.open(saved, readFileSync(workspace.path("model.json"), "utf8"), "json");
    await editor.modelWhere(
      saved,
      null,
      "to be read",
      ({ analysis, activity }) => analysis !== null && activity === "idle",
    );
    expect(existsSync(workspace.path("ran"))).toBe(false);
    await editor.configure({ trusted: true });
    await expect.poll(() => existsSync(workspace.path("ran")), { timeout: 30_000 }).toBe(true);
  });
});
