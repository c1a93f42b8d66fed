import { expect, test } from "vitest";
import { kindShares, layerRows } from "../../webview/layer-rows";
import { analysisOf, digits, parameter } from "./states";

const byName = new Map(layerRows(digits).map((row) => [row.name, row]));

test("layers come in their order, then the parameters of no layer", () => {
  expect([...byName.keys()]).toEqual(["conv_1", "pool_1", "conv_2", "norm", "flatten", "logits", "temperature"]);
  expect(byName.get("temperature")).toMatchObject({ kind: "variable", elements: 1, outputs: [] });
});

test("a layer's bytes are those of its parameters, and all shares add up to one", () => {
  expect(byName.get("conv_2")).toMatchObject({ elements: 18_496, bytes: 4000 * 18_496, frozen: "none" });
  expect(byName.get("pool_1")).toMatchObject({ elements: 0, bytes: 0, share: 0, frozen: "none" });
  expect([...byName.values()].reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
});

test("frozen parameters are no part of the total", () => {
  expect(byName.get("conv_1")).toMatchObject({ bytes: 4000 * 320, share: 0, frozen: "all" });
  const half = analysisOf(
    [parameter("norm/gamma", [8], { trainable: false }), parameter("norm/beta", [8])],
    [
      {
        name: "norm",
        kind: "Normalization",
        source: null,
        callers: [],
        outputs: [[100, 8]],
        parameters: ["norm/gamma", "norm/beta"],
      },
    ],
  );
  expect(layerRows(half)).toMatchObject([{ elements: 16, bytes: 4000 * 8, share: 1, frozen: "some" }]);
});

test("a model without trainable parameters has no shares", () => {
  const frozen = analysisOf([parameter("scale", [1], { trainable: false })], []);
  expect(layerRows(frozen)).toMatchObject([{ share: 0, frozen: "all" }]);
  expect(kindShares(layerRows(frozen))).toEqual([]);
});

test("kinds are summed up, the largest first", () => {
  expect(kindShares(layerRows(digits)).map(({ kind, bytes }) => [kind, bytes / 4000])).toEqual([
    ["Conv2D", 18_496],
    ["Dense", 16_010],
    ["BatchNormalization", 128],
    ["variable", 1],
  ]);
});
