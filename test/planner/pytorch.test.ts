import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pytorchPeakBytes } from "../../sidecar/planner/pytorch";
import { jacobianGraph } from "../../sidecar/quantities/jacobian";
import { loadModel, type Model } from "../../sidecar/sources";
import { python } from "../tools";

/**
 * What PyTorch is predicted to hold for a network's Jacobian is what its own storages sum to under fake tensors, for the
 * same network as one writes it there (torch_peaks.py).
 */

const folder = mkdtempSync(join(tmpdir(), "kernelscope-torch-peaks-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** `layers` names what the model's own names do not: kernels and biases in turn. */
const nets = [
  { name: "wide_mlp", file: "mlp", batch: 64, layers: ["first", "second", "third"] },
  { name: "tutorial", file: "tutorial-cnn", batch: 64, layers: ["one", "two", "three", "logits"] },
  { name: "wide_residual", file: "residual-net", batch: 16, layers: null },
] as const;

const strategies = ["vmap(jacrev)", "jacrev"] as const;
const cases = nets.flatMap(({ name, batch }) => strategies.map((strategy) => ({ name, batch, strategy })));

type Shapes = Record<string, readonly number[]>;

describe.skipIf(python === undefined)("peaks are PyTorch's, within a tenth", () => {
  const models = new Map<string, Model>();
  let torch: Record<string, Record<string, number>> = {};

  beforeAll(async () => {
    const given: Record<string, object> = {};
    for (const { name, file, batch, layers } of nets) {
      const model = await loadModel({ file: resolve(`examples/${file}.ts`), export: null, inputs: [], batch });
      models.set(name, model);
      const trainable = new Set(model.parameters.filter((each) => each.trainable).map((each) => each.name));
      const parameters: Shapes = {};
      const fixed: Shapes = {};
      model.graph.parameters.forEach((parameter, index) => {
        const called = layers ? `${layers[index >> 1]}/${index % 2 === 0 ? "kernel" : "bias"}` : parameter.name;
        (trainable.has(parameter.name) ? parameters : fixed)[called] = parameter.value.shape;
      });
      for (const buffer of model.graph.buffers) fixed[buffer.name] = buffer.value.shape;
      given[name] = { parameters, fixed, inputs: model.inputs.map(({ shape, dtype }) => [[batch, ...shape], dtype]) };
    }
    const file = join(folder, "nets.json");
    writeFileSync(file, JSON.stringify(given));
    const { stdout } = await promisify(execFile)(python!, ["test/planner/torch_peaks.py", file]);
    torch = JSON.parse(stdout) as typeof torch;
  }, 300_000);

  it.each(cases)("$name, $strategy", ({ name, batch, strategy }) => {
    const { graph, parameters } = models.get(name)!;
    const wrt = parameters.filter(({ trainable }) => trainable).map((parameter) => parameter.name);
    const jacobian = jacobianGraph(graph, { strategy, chunk: null, batch, wrt, coupled: false });
    const ratio = pytorchPeakBytes(jacobian.graph) / torch[name][strategy];
    expect(ratio).toBeGreaterThan(0.9);
    expect(ratio).toBeLessThan(1.1);
  });
});
