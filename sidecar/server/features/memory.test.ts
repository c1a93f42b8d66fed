import { describe, expect, it } from "vitest";
import { at, buffer, GiB, shown, twoLayers, way } from "../../../test/server/shown";
import type { FallbackAnalysis, StrategyAnalysis } from "../../protocol/analysis";
import { codeActions } from "./code-actions";
import { diagnostics } from "./diagnostics";
import { remarks } from "./memory";
import type { Shown } from "./shown";

const inWide = buffer({ callers: [at(20), at(37)], bytes: 30 * GiB, shape: [1000, 100, 32, 32, 80] });
const jacrev = way("jacrev", null, 93 * GiB, { largest: inWide });
const perExample = way("vmap(jacrev)", null, 4 * GiB, { fits: true, recommended: true });
const forward = way("vmap(jacfwd)", null, 4000 * GiB, { largest: inWide });
const loop: FallbackAnalysis = {
  operation: "Rotate",
  strategy: "vmap(jacrev)",
  iterations: 1000,
  loops: [
    {
      over: [
        { axis: "examples", extent: 100 },
        { axis: "outputs", extent: 10 },
      ],
      iterations: 1000,
    },
  ],
  reason: "Rotate has no batching rule",
  source: at(4),
  fix: "write it otherwise",
  slowdown: 8.04,
};

function remarksOn(
  strategies: readonly StrategyAnalysis[],
  { fallbacks = [], chosen = null }: { fallbacks?: readonly FallbackAnalysis[]; chosen?: Shown["chosen"] } = {},
): ReturnType<typeof remarks> {
  return remarks(shown({ analysis: twoLayers({ strategies, fallbacks }) }, { chosen }));
}

describe("remarks on memory", () => {
  it("are informations where another way fits, at the call that made the layer of the largest array", () => {
    expect(remarksOn([jacrev, perExample, forward])).toEqual([
      {
        severity: "information",
        code: "memory-exceeded",
        message:
          "jacrev would take 93.00 GiB for 100 examples, more than the 16.00 GiB of Tesla V100 16GB; its largest array, " +
          "[1000, 100, 32, 32, 80], 30.00 GiB, is made here. vmap(jacrev) takes 4.00 GiB.",
        place: at(37),
        use: perExample,
        parameters: ["a/kernel", "a/bias"],
      },
    ]);
  });

  it("are warnings where the way that was chosen does not fit", () => {
    const [remark, ...others] = remarksOn([jacrev, perExample, forward], {
      chosen: { strategy: "vmap(jacfwd)", chunk: null },
    }).reverse();
    expect(remark).toMatchObject({ severity: "warning", use: perExample });
    expect(remark.message).toMatch(/^vmap\(jacfwd\) takes 3\.91 TiB/);
    expect(others.map(({ severity }) => severity)).toEqual(["information"]);
  });

  it("are one warning where nothing fits, unless the result alone does not", () => {
    const least = way("grad-loop", null, 17 * GiB, { largest: buffer() });
    const [{ severity, message, use, place }, ...others] = remarksOn([jacrev, least]);
    expect([severity, use, place]).toEqual(["warning", null, at(3)]);
    expect(message).toMatch(
      /^No way to compute the Jacobian of 100 examples fits the 16\.00 GiB of .*: grad-loop takes/,
    );
    expect(others).toEqual([]);
    const jacobian = { shape: [100, 10, 1], bytes: 17 * GiB };
    expect(remarks(shown({ analysis: twoLayers({ strategies: [jacrev, least], jacobian }) }))).toEqual([]);
  });

  it("are none where all fits, or nothing is known", () => {
    expect(remarksOn([perExample])).toEqual([]);
    expect(remarksOn([])).toEqual([]);
    expect(remarks(shown({}))).toEqual([]);
  });
});

describe("remarks on loops", () => {
  const other = way("grad-loop", null, GiB, { fits: true });

  it("warn of one that makes what will be run slow, once for each line", () => {
    const fallbacks = [loop, { ...loop, strategy: "jacrev" as const, slowdown: 100 }];
    expect(remarksOn([perExample, other], { fallbacks })).toEqual([
      {
        severity: "warning",
        code: "slow-fallback",
        message:
          "Rotate has no batching rule: under vmap(jacrev) it runs as a loop, 1,000 times, once for each " +
          "example and output (N·O = 100 · 10), about 8.0 times as slow as at once; " +
          "write it otherwise.",
        place: at(4),
        use: other,
        parameters: [],
      },
    ]);
  });

  it("are informations where it costs little, or another way is taken", () => {
    const severities = (fallback: FallbackAnalysis, chosen: Shown["chosen"] = null): string[] =>
      remarksOn([perExample, other], { fallbacks: [fallback], chosen }).map(({ severity }) => severity);
    expect(severities({ ...loop, slowdown: 1.5 })).toEqual(["information"]);
    expect(severities(loop, { strategy: "grad-loop", chunk: null })).toEqual(["information"]);
  });
});

describe("diagnostics of memory", () => {
  it("have the better way as the preferred fix", () => {
    const models = [shown({ analysis: twoLayers({ strategies: [jacrev, perExample] }) })];
    const [diagnostic] = [...diagnostics(models).values()].flat();
    expect(diagnostic).toMatchObject({ code: "memory-exceeded", range: { start: { line: 36 } } });
    const actions = codeActions([diagnostic]);
    expect(actions.map(({ title, isPreferred }) => [title, isPreferred])).toEqual([
      ["Compute the Jacobian by vmap(jacrev)", true],
      ["Set the batch size…", false],
      ["Choose another device…", false],
      ["Leave a/kernel, a/bias out of the Jacobian", false],
      ["Show memory over time", false],
    ]);
    expect(actions[0].command).toMatchObject({
      command: "kernelscope.useStrategy",
      arguments: [{ export: "model" }, "vmap(jacrev)", null],
    });
  });
});
