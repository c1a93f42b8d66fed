import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { plan } from "../../sidecar/planner/plan";
import { jacobianGraph } from "../../sidecar/quantities/jacobian";
import { loadModel, type Model } from "../../sidecar/sources";
import { python } from "../tools";

/**
 * What the graph's own arrays take is what the same network's Jacobian takes in PyTorch, whose storages are summed under
 * fake tensors (torch_peaks.py).
 */

const folder = mkdtempSync(join(tmpdir(), "kernelscope-torch-peaks-"));
afterAll(() => rmSync(folder, { recursive: true }));

const BATCH = 64;

const nets = [
  { name: "wide_mlp", file: "examples/mlp.ts", layers: ["first", "second", "third"] },
  { name: "tutorial", file: "examples/tutorial-cnn.ts", layers: ["one", "two", "three", "logits"] },
] as const;

/**
 * The one that is left out is the convolutional net's `jacrev` of the whole batch: PyTorch takes a fifth to a quarter more
 * for it, because its convolutions copy the folded batch axes, which these graphs do not.
 */
const cases = [
  { name: "wide_mlp", strategy: "vmap(jacrev)" },
  { name: "wide_mlp", strategy: "jacrev" },
  { name: "tutorial", strategy: "vmap(jacrev)" },
] as const;

describe.skipIf(python === undefined)("peaks are PyTorch's, within a tenth", () => {
  const models = new Map<string, Model>();
  let torch: Record<string, Record<string, number>> = {};

  beforeAll(async () => {
    const given: Record<string, object> = {};
    for (const { name, file, layers } of nets) {
      const model = await loadModel({ file: resolve(file), export: null, inputs: [], batch: BATCH });
      models.set(name, model);
      // Kernels and biases in turn
      const parameters = model.graph.parameters.map(({ value }, index) => [
        `${layers[index >> 1]}/${index % 2 === 0 ? "kernel" : "bias"}`,
        value.shape,
      ]);
      const inputs = model.inputs.map(({ shape, dtype }) => [[BATCH, ...shape], dtype]);
      given[name] = { parameters: Object.fromEntries(parameters) as object, fixed: {}, inputs };
    }
    const file = join(folder, "nets.json");
    writeFileSync(file, JSON.stringify(given));
    const { stdout } = await promisify(execFile)(python!, ["test/planner/torch_peaks.py", file]);
    torch = JSON.parse(stdout) as typeof torch;
  });

  it.each(cases)("$name, $strategy", ({ name, strategy }) => {
    const { graph } = models.get(name)!;
    const wrt = graph.parameters.map((parameter) => parameter.name);
    const jacobian = jacobianGraph(graph, { strategy, chunk: null, batch: BATCH, wrt, coupled: false });
    const { peakBytes } = plan(jacobian.graph);
    expect(peakBytes / torch[name][strategy]).toBeGreaterThan(0.9);
    expect(peakBytes / torch[name][strategy]).toBeLessThan(1.1);
  });
});
