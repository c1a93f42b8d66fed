import { describe, expect, it } from "vitest";
import { analysis, FILE, GiB, shown, twoLayers, way } from "../../../test/server/shown";
import type { StrategyAnalysis } from "../../protocol/analysis";
import { codeLenses } from "./code-lens";
import type { Shown } from "./shown";

function titles(models: Parameters<typeof codeLenses>[1], trusted = true): (string | undefined)[] {
  return codeLenses(FILE, models, trusted).map(({ command }) => command?.title);
}

const model = { uri: `file://${FILE}`, export: "model" };
const fault = { fault: "model", message: "No data", source: null } as const;

describe("code lenses", () => {
  it("offer to analyse a model", () => {
    expect(codeLenses(FILE, [shown({})], true)).toEqual([
      {
        range: { start: { line: 1, character: 0 }, end: { line: 1, character: 0 } },
        command: {
          title: "$(play) Analyze",
          tooltip: "Evaluate net.ts#model and show what its Jacobian looks like",
          command: "kernelscope.analyze",
          arguments: [model],
        },
      },
    ]);
  });

  it("tell of the Jacobian and the NTK", () => {
    expect(titles([shown({ analysis: twoLayers() })])).toEqual([
      "Jacobian [100, 10, 120] · 468.75 KiB",
      "NTK [100, 100, 10, 10] · 3.81 MiB",
      "Analyze",
    ]);
    const commands = codeLenses(FILE, [shown({ analysis: twoLayers() })], true).map(({ command }) => command);
    expect(commands.map((command) => command?.arguments)).toEqual([[model], [model, "ntk"], [model]]);
  });

  it("say that what they tell is stale, instead of whether it fits", () => {
    for (const stale of ["edited", "failed", "restored"] as const) {
      expect(titles([shown({ analysis: twoLayers(), stale })])[0]).toBe("Jacobian [100, 10, 120] · 468.75 KiB · stale");
    }
  });

  it("show an evaluation in progress, and cancel it", () => {
    const lenses = codeLenses(FILE, [shown({ activity: "evaluating" })], true);
    expect(lenses.map(({ command }) => [command?.title, command?.command])).toEqual([
      ["$(loading~spin) Evaluating", ""],
      ["Cancel", "kernelscope.cancelAnalysis"],
    ]);
    expect(titles([shown({ activity: "evaluating", analysis: twoLayers(), fault })])).toHaveLength(4);
    const asking = titles([shown({ activity: "asking-pytorch", analysis: twoLayers() })]);
    expect(asking.slice(2)).toEqual(["$(loading~spin) Asking PyTorch", "Cancel"]);
  });

  it("show a failure, beside what was known before", () => {
    expect(titles([shown({ fault })])).toEqual(["$(error) Could not be evaluated", "Analyze"]);
    const lenses = codeLenses(FILE, [shown({ fault, analysis: twoLayers(), stale: "failed" })], true);
    expect(lenses.map(({ command }) => command?.title)[2]).toBe("$(error) Could not be evaluated");
    expect(lenses[2].command?.tooltip).toBe("No data");
  });

  it("ask for trust, but not for a saved model", () => {
    expect(titles([shown({})], false)).toEqual(["$(workspace-untrusted) Trust this workspace to analyze the model"]);
    expect(titles([shown({ kind: "saved" })], false)).toEqual(["$(play) Analyze"]);
  });

  it("are none while the line is being edited, nor over models of other files", () => {
    expect(titles([shown({ line: null, analysis: twoLayers() })])).toEqual([]);
    expect(titles([shown({}, { path: "/models/other.ts" })])).toEqual([]);
  });

  it("tell the NTK of several outputs, and of a model without parameters", () => {
    const several = twoLayers({ jacobian: { shape: [100, 2, 5, 120], bytes: 100 * 10 * 120 * 4 } });
    expect(titles([shown({ analysis: several })])[1]).toBe("NTK [100, 100, 10, 10] · 3.81 MiB");
    expect(titles([shown({ analysis: analysis() })])[1]).toBe("NTK [100, 100, 10, 10] · 0 B");
  });
});

describe("the verdict", () => {
  const whole = way("vmap(jacrev)", null, 4 * GiB, { fits: true, recommended: true });
  const titleFor = (strategies: readonly StrategyAnalysis[], chosen: Shown["chosen"] = null): string | undefined =>
    titles([shown({ analysis: twoLayers({ strategies }) }, { chosen })])[0]
      ?.split(" · ")
      .at(-1);

  it("is of the strategy that is recommended, whole or in chunks", () => {
    expect(titleFor([whole])).toBe("fits");
    expect(titleFor([way("vmap(jacrev)", 25, GiB, { fits: true, recommended: true })])).toBe("fits in chunks of 25");
    expect(titleFor([way("jacrev", null, 93 * GiB)])).toBe("does not fit 16.00 GiB");
  });

  it("is of the strategy that was chosen, if it can be", () => {
    const strategies = [way("jacrev", null, 93 * GiB), whole];
    expect(titleFor(strategies, { strategy: "jacrev", chunk: null })).toBe("does not fit 16.00 GiB");
    expect(titleFor(strategies, { strategy: "vmap(jacfwd)", chunk: 3 })).toBe("fits");
  });
});
