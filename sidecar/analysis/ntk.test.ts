import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { planNtk, planningTiles } from "../planner/ntk";
import { ntkForms, ntkMethods } from "../quantities/ntk";
import type { Analysis, DeviceInfo } from "../protocol/analysis";
import { loadModel } from "../sources";
import type { Model } from "../sources/model";
import { analyze } from "./analyze";
import { placeOn } from "./place";

const folder = mkdtempSync(join(tmpdir(), "kernelscope-ntk-"));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;

function load(code: string): Promise<Model> {
  const file = join(folder, `model${++count}.ts`);
  writeFileSync(file, `import * as tf from "@tensorflow/tfjs";\n${code}\n`);
  return loadModel({ file, export: null, inputs: [], batch: 2 });
}

function card(memoryBytes: number): DeviceInfo {
  return { name: "card", memoryBytes, detected: false, kind: "card" };
}

/** 3 outputs; 8 * 16 + 16 * 3 = 176 parameters in 2 tensors. */
const net = `export const model = tf.sequential({ layers: [
  tf.layers.dense({ units: 16, activation: "tanh", useBias: false, inputShape: [8] }),
  tf.layers.dense({ units: 3, useBias: false }),
] });`;
const N = 20;
const C = 3;
const P = 176;

const subjectOf = ({ graph, parameters }: Model, rows: number) => ({
  graph,
  wrt: parameters.map(({ name }) => name),
  trace: "sum" as const,
  rows,
  columns: null,
});

const told = ({ diagnostics }: Analysis) => diagnostics.filter(({ code }) => code === "no-kernel");

describe("what a kernel takes", () => {
  it("is what is planned for each form and method", async () => {
    const model = await load(net);
    const device = card(2 ** 30);
    const { ntk } = analyze(model, { batch: N, device });
    const expected = ntkForms.flatMap((form) =>
      ntkMethods.map((method) => {
        const { made, plan, workspaceBytes, fits } = planNtk({ ...subjectOf(model, N), form }, method, placeOn(device));
        const { peakBytes, resultBytes, flops, movedBytes } = plan;
        const shape = { full: [N, N, C, C], diagonal: [N, N, C], trace: [N, N] }[form];
        expect(made.shape).toEqual(shape);
        const recommended = method === "structured";
        return { method, form, shape, peakBytes, workspaceBytes, resultBytes, flops, movedBytes, fits, recommended };
      }),
    );
    expect(ntk).toEqual(expected.map((each) => ({ ...each, fits: true, tile: null })));
  });

  it("is at least the result, and by contraction the Jacobian and its product with itself", async () => {
    const { ntk } = analyze(await load(net), { batch: N, device: card(2 ** 30) });
    const entries = { full: N * N * C * C, diagonal: N * N * C, trace: N * N };
    for (const { form, method, flops, peakBytes, resultBytes } of ntk) {
      expect(resultBytes).toBeGreaterThanOrEqual(4 * entries[form]);
      expect(resultBytes).toBeLessThanOrEqual(4 * entries[form] + 2 * 512);
      expect(peakBytes).toBeGreaterThan(resultBytes);
      if (method !== "contraction") continue;
      expect(peakBytes).toBeGreaterThan(4 * N * C * P);
      const product = 2 * N * N * C * P * (form === "full" ? C : 1);
      expect(flops).toBeGreaterThan(product);
      // Beside it the Jacobian, N C rows of a product with some 2 P operations, and what is small
      expect(flops).toBeLessThan(1.5 * product);
    }
  });

  it("does not fit a small device, but tiles do: the largest that do", async () => {
    const model = await load(net);
    const device = card(100_000);
    const { ntk } = analyze(model, { batch: 200, device });
    for (const { form, method, fits, tile } of ntk) {
      expect(fits).toBe(false);
      expect(tile).toBeGreaterThan(0);
      const taken = (side: number): boolean =>
        planNtk({ ...subjectOf(model, side), form, columns: side }, method, placeOn(device)).fits;
      expect(taken(tile!)).toBe(true);
      // Sides are tried in steps, each a quarter or so smaller, and those that divide the examples are preferred
      expect(taken(2 * tile!)).toBe(false);
    }
    expect(ntk.filter(({ recommended }) => recommended).map(({ form }) => form)).toEqual(ntkForms);
  });

  it("does not fit where not even one pair of examples does, and nothing is to be taken", async () => {
    const { ntk } = analyze(await load(net), { batch: N, device: card(1000) });
    expect(ntk).toHaveLength(9);
    for (const { fits, tile, recommended } of ntk) expect([fits, tile, recommended]).toEqual([false, null, false]);
  });

  it.each([1_000_000, 999_983])("is known for %i examples after a few graphs", async (rows) => {
    const model = await load(net);
    for (const form of ntkForms) {
      for (const method of ntkMethods) {
        const subject = { ...subjectOf(model, rows), form };
        const steps = planningTiles(subject, planNtk(subject, method, placeOn(card(2 ** 34))), placeOn(card(2 ** 34)));
        let graphs = 0;
        while (!steps.next().done) graphs++;
        expect(graphs).toBeLessThan(12);
      }
    }
  });
});

describe("there is no kernel", () => {
  it("between examples that depend on one another, which is told with the line", async () => {
    const code = `const x = tf.input({ batchShape: [3, 2] });
export const model = tf.model({ inputs: x, outputs: tf.layers.dense({ units: 2 }).apply(x) as tf.SymbolicTensor });`;
    const file = join(folder, "coupled.ts");
    writeFileSync(file, `import * as tf from "@tensorflow/tfjs";\n${code}\n`);
    const model = await loadModel({ file, export: null, inputs: [], batch: 3 });
    const analysis = analyze(model, { batch: 3, device: card(2 ** 30) });
    expect(analysis.ntk).toEqual([]);
    expect(analysis.strategies.length).toBeGreaterThan(0);
    expect(told(analysis)).toEqual([
      {
        severity: "information",
        code: "no-kernel",
        message:
          "There is no neural tangent kernel between two examples that depend on one another (the model's batch size is " +
          "fixed at 3): make the model one of independent examples.",
        source: analysis.diagnostics.find(({ code }) => code === "coupled-examples")!.source,
      },
    ]);
    expect(told(analysis)[0].source).toMatchObject({ file });
  });

  it("without trainable parameters", async () => {
    const analysis = analyze(
      await load(`export const model = tf.sequential({ layers: [
        tf.layers.dense({ units: 2, inputShape: [3], trainable: false }) ] });`),
      { batch: 3, device: card(2 ** 30) },
    );
    expect([analysis.ntk, told(analysis)]).toEqual([[], []]);
  });
});
