import { describe, expect, it } from "vitest";
import { analysis, at, FILE, layer, parameter, shown, twoLayers } from "../../../test/server/shown";
import { jacobianOf, sharesByLine } from "./share";

/** Names of the layers and parameters on each line. */
function onLines(...models: Parameters<typeof sharesByLine>[1]): Record<number, string[]> {
  return Object.fromEntries(
    Array.from(sharesByLine(FILE, models), ([line, shares]) => [
      line,
      shares.flatMap(({ layers, parameters }) => [...layers, ...parameters].map(({ name }) => name)),
    ]),
  );
}

describe("the shares of lines", () => {
  it("are the layers that a line makes, with their parameters", () => {
    expect(onLines(shown({ analysis: twoLayers() }))).toEqual({
      3: ["a", "a/kernel", "a/bias"],
      4: ["b", "b/kernel"],
    });
  });

  it("are those of the functions that a line calls, as well", () => {
    const callers = [at(9), at(12)];
    const layers = [
      layer("a", 3, { parameters: ["w"], callers }),
      layer("b", 3, { parameters: ["v"], callers: [at(10), at(12)] }),
    ];
    const parameters = [parameter("w", [2]), parameter("v", [3])];
    expect(onLines(shown({ analysis: analysis({ layers, parameters }) }))).toEqual({
      3: ["a", "b", "w", "v"],
      9: ["a", "w"],
      10: ["b", "v"],
      12: ["a", "b", "w", "v"],
    });
  });

  it("count a layer once on a line that led to it twice", () => {
    const layers = [layer("a", 3, { parameters: ["w"], callers: [at(3), at(9), at(9)] })];
    expect(onLines(shown({ analysis: analysis({ layers, parameters: [parameter("w", [2])] }) }))).toEqual({
      3: ["a", "w"],
      9: ["a", "w"],
    });
  });

  it("count a parameter once that two layers of a line have in common", () => {
    const layers = [layer("a", 3, { parameters: ["w"] }), layer("b", 3, { parameters: ["w"] })];
    expect(onLines(shown({ analysis: analysis({ layers, parameters: [parameter("w", [2])] }) }))).toEqual({
      3: ["a", "b", "w"],
    });
  });

  it("are parameters that belong to no layer", () => {
    const parameters = [parameter("w", [2], { source: at(5) }), parameter("v", [2], { source: at(6) })];
    const layers = [layer("a", 3, { parameters: ["v"] })];
    expect(onLines(shown({ analysis: analysis({ layers, parameters }) }))).toEqual({ 3: ["a", "v"], 5: ["w"] });
  });

  it("are of several models, in their order", () => {
    const first = shown({ export: "first", analysis: twoLayers() });
    const second = shown({ export: "second", analysis: twoLayers() });
    const shares = sharesByLine(FILE, [first, second]).get(3)!;
    expect(shares.map((share) => share.shown.state.export)).toEqual(["first", "second"]);
  });

  it("are none where lines have been edited, stand in other files, or are not known", () => {
    const layers = [layer("a", 3), layer("b", null), layer("c", 4, { source: at(4, "/models/other.ts") })];
    const model = analysis({ layers, parameters: [parameter("w", [2])] });
    expect(onLines(shown({ analysis: model }, { moved: (place) => (place.line === 3 ? null : place) }))).toEqual({});
    expect(onLines(shown({ analysis: null }))).toEqual({});
  });

  it("are where the lines are now", () => {
    const moved = shown({ analysis: twoLayers() }, { moved: (place) => ({ ...place, line: place.line + 10 }) });
    expect(Object.keys(onLines(moved))).toEqual(["13", "14"]);
  });
});

describe("the Jacobian of several parameters", () => {
  const model = twoLayers();
  const [kernel, bias] = model.parameters;

  it("is flat", () => {
    expect(jacobianOf(model, [kernel, bias])).toEqual({ shape: [100, 10, 40], bytes: 100 * 10 * 40 * 4 });
  });

  it("is that of the one where there is one", () => {
    expect(jacobianOf(model, [kernel])).toBe(kernel.jacobian);
  });

  it("leaves frozen ones out, and is none of none", () => {
    const frozen = { ...kernel, trainable: false };
    expect(jacobianOf(model, [frozen, bias])).toBe(bias.jacobian);
    expect(jacobianOf(model, [frozen])).toBe(null);
    expect(jacobianOf(model, [])).toBe(null);
  });
});
