import { resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { placeOn } from "../analysis/place";
import { namedDevice } from "../devices/detect";
import type { Subject } from "../planner/strategies";
import { loadModel } from "../sources";
import { chooseWhatFits, type EnginePlace } from "./memory";

const card = (memoryBytes: number): EnginePlace => {
  const device = { ...namedDevice("--device", "Tesla V100 16GB"), memoryBytes };
  return { ...placeOn(device), device };
};

describe("the residual net's Jacobian, 100 examples", () => {
  let subject: Subject;
  beforeAll(async () => {
    const file = resolve("examples/residual-net.ts");
    const model = await loadModel({ file, export: null, inputs: [], batch: 100 });
    const wrt = model.parameters.filter(({ trainable }) => trainable).map(({ name }) => name);
    subject = { graph: model.graph, batch: 100, coupled: false, wrt };
  });

  const jacrev = { strategy: "jacrev", usual: "jacrev" } as const;

  it("is computed as asked, where that fits", () => {
    const { strategy, chunk } = chooseWhatFits(subject, { ...jacrev, chunk: 10 }, card(2 ** 34));
    expect([strategy, chunk]).toEqual(["jacrev", 10]);
  });

  it("is refused where it does not fit, and what fits is named", () => {
    expect(() => chooseWhatFits(subject, { ...jacrev, chunk: null }, card(2 ** 34))).toThrow(
      /^the strategy jacrev would take 93\.03 GiB, and Tesla V100 16GB has 16\.00 GiB; use --strategy "vmap\(jacrev\)", which takes 3\.\d+ GiB$/,
    );
  });

  it("is computed in the largest chunks that fit with chunk auto", () => {
    const { strategy, chunk, fits } = chooseWhatFits(subject, { ...jacrev, chunk: "auto" }, card(2 ** 34));
    expect([strategy, fits]).toEqual(["jacrev", true]);
    expect(chunk).toBeGreaterThan(50);
  });

  it("is computed by another strategy with chunk auto, where none is asked for and the usual one has no chunks that fit", () => {
    const wish = { strategy: null, usual: "vmap(jacrev)", chunk: "auto" } as const;
    const { fits, strategy, chunk } = chooseWhatFits(subject, wish, card(2.7 * 2 ** 30));
    expect(fits).toBe(true);
    expect([strategy, chunk]).not.toEqual(["vmap(jacrev)", null]);
  });

  it("cannot be computed where not even the result fits", () => {
    const wish = { ...jacrev, chunk: "auto" } as const;
    expect(() => chooseWhatFits(subject, wish, card(2 ** 30))).toThrow(
      /no strategy fits: give fewer examples at once$/,
    );
  });
});
