import { describe, expect, it } from "vitest";
import { analysis, at, FILE, layer, parameter, shown, twoLayers } from "../../../test/server/shown";
import { inlayHints } from "./inlay-hints";

const all = { from: 1, to: 1000 };

/** Labels by their line, which counts from 1. */
function labels(models: Parameters<typeof inlayHints>[1], range = all): Record<number, unknown> {
  const hints = inlayHints(FILE, models, range, () => 7);
  return Object.fromEntries(hints.map(({ position, label }) => [position.line + 1, label]));
}

describe("inlay hints", () => {
  it("tell a layer's output and Jacobian, at the end of its line", () => {
    const [first] = inlayHints(FILE, [shown({ analysis: twoLayers() })], all, (line) => 100 + line);
    expect(first).toEqual({
      position: { line: 2, character: 102 },
      label: "→ [100, 8]  J [100, 10, 40] 156.25 KiB",
      paddingLeft: true,
      tooltip: "Output shape and Jacobian (J) of this line's layers, for a whole batch",
    });
  });

  it("tell a single parameter's own shape", () => {
    expect(labels([shown({ analysis: twoLayers() })])[4]).toBe("→ [100, 10]  J [100, 10, 8, 10] 312.50 KiB");
  });

  it("count several layers of one line together", () => {
    const layers = [layer("a", 3, { parameters: ["w"] }), layer("b", 3, { parameters: ["v"] })];
    const parameters = [parameter("w", [100, 100]), parameter("v", [2345])];
    expect(labels([shown({ analysis: analysis({ layers, parameters }) })])).toEqual({
      3: "2 layers  J [100, 10, 12k] 47.09 MiB",
    });
  });

  it("say nothing of several layers without parameters, and the shape of one", () => {
    const model = analysis({ layers: [layer("a", 3), layer("b", 3), layer("c", 4)] });
    expect(labels([shown({ analysis: model })])).toEqual({ 4: "→ [100, 8]" });
  });

  it("leave out the output of a layer that has several", () => {
    const layers = [layer("a", 3, { outputs: [[100, 1], [100, 2]], parameters: ["w"] })]; // prettier-ignore
    expect(labels([shown({ analysis: analysis({ layers, parameters: [parameter("w", [2])] }) })])).toEqual({
      3: "J [100, 10, 2] 7.81 KiB",
    });
  });

  it("say of frozen parameters that they are", () => {
    const layers = [layer("a", 3, { parameters: ["w"] })];
    const parameters = [
      parameter("w", [2], { trainable: false }),
      parameter("v", [2], { trainable: false, source: at(5) }),
    ];
    expect(labels([shown({ analysis: analysis({ layers, parameters }) })])).toEqual({
      3: "→ [100, 8]  frozen",
      5: "frozen",
    });
  });

  it("tell the variables of a function", () => {
    const parameters = [parameter("w", [24, 24], { source: at(5) })];
    expect(labels([shown({ analysis: analysis({ parameters }) })])).toEqual({ 5: "J [100, 10, 24, 24] 2.20 MiB" });
  });

  it("join those of several models", () => {
    const other = analysis({ layers: [layer("z", 3)] });
    const models = [shown({ analysis: twoLayers() }), shown({ export: "other", analysis: other, stale: "edited" })];
    expect(labels(models)[3]).toBe("→ [100, 8]  J [100, 10, 40] 156.25 KiB  |  ~ → [100, 8]");
  });

  it.each([
    ["edited", "Stale: the text has been edited since; save to refresh."],
    ["failed", "Stale: the last evaluation failed."],
    ["restored", "Stale: from before a restart; analyze to refresh."],
  ] as const)("are marked where they are stale: %s", (stale, says) => {
    const [hint] = inlayHints(FILE, [shown({ analysis: twoLayers(), stale })], all, () => 7);
    expect(hint.label).toMatch(/^~ → /);
    expect(hint.tooltip).toContain(says);
  });

  it("are those of the lines that are asked for, in order", () => {
    const models = [shown({ analysis: twoLayers() })];
    expect(Object.keys(labels(models, { from: 4, to: 9 }))).toEqual(["4"]);
    expect(labels(models, { from: 5, to: 9 })).toEqual({});
    const backwards = analysis({ layers: [layer("b", 9), layer("a", 4)] });
    const hints = inlayHints(FILE, [shown({ analysis: backwards })], all, () => 7);
    expect(hints.map(({ position }) => position.line)).toEqual([3, 8]);
  });

  it("are none of another file, nor where lines have been edited", () => {
    const model = shown({ analysis: twoLayers() }, { moved: () => null });
    expect(labels([model])).toEqual({});
    expect(inlayHints("/models/other.ts", [shown({ analysis: twoLayers() })], all, () => 7)).toEqual([]);
  });
});
