import { resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { placeOn } from "../../sidecar/analysis/place";
import { planNtk, planTiles, type NtkSubject } from "../../sidecar/planner/ntk";
import { loadModel } from "../../sidecar/sources";

const place = {
  ...placeOn({ name: "host", memoryBytes: 2 ** 34, detected: false, kind: "host" }),
  enginePeakBytes: null,
};

/** The multilayer perceptron for digits: 669,706 parameters, 10 outputs. */
describe("kernels of the multilayer perceptron", () => {
  let subject: NtkSubject;

  beforeAll(async () => {
    const model = await loadModel({ file: resolve("examples/mlp.ts"), export: null, inputs: [], batch: 2 });
    const wrt = model.parameters.map(({ name }) => name);
    subject = { graph: model.graph, wrt, form: "full", trace: "sum", rows: 100, columns: null };
  });

  it("take a fraction of the Jacobian's memory by structured derivatives", () => {
    const [structured, contraction, products] = (["structured", "contraction", "vector-products"] as const).map(
      (method) => planNtk(subject, method, place),
    );
    const jacobian = 4 * 100 * 10 * 669_706;
    expect(contraction.plan.peakBytes).toBeGreaterThan(jacobian);
    expect(products.plan.peakBytes).toBeGreaterThan(jacobian);
    expect(structured.plan.peakBytes).toBeLessThan(jacobian / 50);
    expect(structured.seconds).toBeLessThan(contraction.seconds / 50);
    expect(structured.made.shape).toEqual([100, 100, 10, 10]);
  });

  it("are whole where they fit, and else in tiles that do", () => {
    expect(planTiles(subject, null, place)).toMatchObject({ method: "structured", tile: 100, tiles: 1 });
    const narrow = { ...place, memoryBytes: 2 ** 24 };
    const tiled = planTiles(subject, null, narrow)!;
    expect(tiled.tile).toBeLessThan(100);
    expect(tiled.largest.plan.peakBytes).toBeLessThanOrEqual(2 ** 24);
    // Of those that mirror each other one
    const side = Math.ceil(100 / tiled.tile);
    expect(tiled.tiles).toBe((side * (side + 1)) / 2);
    expect(planTiles(subject, null, { ...place, memoryBytes: 2 ** 20 })).toBeNull();
  });

  it("of a million examples have tiles as small as those of ten thousand", () => {
    const sizes = [10_000, 1_000_000].map((rows) => planTiles({ ...subject, form: "trace", rows }, null, place)!.tile);
    expect(sizes[1] / sizes[0]).toBeGreaterThan(0.7);
    expect(sizes[1] / sizes[0]).toBeLessThan(1.4);
  });

  it("between two sets are tiled in both", () => {
    const tiled = planTiles({ ...subject, rows: 100, columns: 30 }, "structured", { ...place, memoryBytes: 2 ** 24 })!;
    expect(tiled.tiles).toBe(Math.ceil(100 / tiled.tile) * Math.ceil(30 / tiled.tile));
  });
});
