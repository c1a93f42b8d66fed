import { describe, expect, it } from "vitest";
import type { Analysis } from "../../sidecar/protocol/analysis";
import { kernelscope, temporaryFolder } from "./kernelscope";

/** `--batching-rules`: files of the user's own, which are run where the model's code is. */

const { write } = temporaryFolder();
const smoothing = ["analyze", "examples/smoothing.ts", "--batch", "100", "--device", "Tesla V100 16GB"];

async function analysisWith(...options: string[]): Promise<Analysis> {
  const { status, out, err } = await kernelscope([...smoothing, ...options, "--json"]);
  expect([status, err]).toEqual([0, ""]);
  return JSON.parse(out) as Analysis;
}

describe("an operation that only TensorFlow.js can run", () => {
  it("is a loop, over examples and over pairs of examples and outputs, and a rule takes it away", async () => {
    const { fallbacks } = await analysisWith();
    expect(fallbacks.map(({ strategy }) => strategy)).toEqual(["jacrev", "vmap(jacrev)", "vmap(jacfwd)"]);
    const examples = { axis: "examples", extent: 100 };
    expect(fallbacks[1]).toMatchObject({
      operation: "Smooth",
      iterations: 500,
      loops: [
        { over: [examples], iterations: 100 },
        { over: [examples, { axis: "outputs", extent: 4 }], iterations: 400 },
      ],
      reason: "Smooth has no batching rule",
      fix: expect.stringContaining("--batching-rules") as string,
    });
    const { out } = await kernelscope(smoothing);
    expect(out).toContain(
      "runs as a loop within vmap(jacrev), 500 times, once for each example (N = 100) and once for each example and output " +
        "(N·O = 100 · 4), about ",
    );
    const ruled = await analysisWith("--batching-rules", "examples/smoothing-rules.ts");
    expect(ruled.fallbacks).toEqual([]);
    expect(ruled.jacobian.shape).toEqual([100, 4, 676]);
  });

  it("stays a loop where its rule is wrong, which is told at its line; other files of rules still count", async () => {
    const wrong = write("wrong.ts", "export function Smooth({ x }: any) {\n  throw new Error(`a ${x.rank}`);\n}\n");
    const { fallbacks, diagnostics } = await analysisWith("--batching-rules", "no.ts", "--batching-rules", wrong);
    expect(diagnostics.filter(({ code }) => code === "batching-rule")).toMatchObject([
      {
        message: "no.ts is no file of batching rules that can be read; give a TypeScript or JavaScript file.",
        source: null,
      },
      { message: "The batching rule of Smooth is not used: a 3.", source: { file: wrong, line: 2 } },
    ]);
    expect(fallbacks[0].reason).toBe("the batching rule of Smooth is not used (wrong.ts:2: a 3)");
    const both = await analysisWith("--batching-rules", wrong, "--batching-rules", "examples/smoothing-rules.ts");
    expect(both.fallbacks).toEqual([]);
  });

  it("has a rule under the limits of the model's code", async () => {
    const endless = write("endless.ts", "export function Smooth() {\n  for (;;) {}\n}\n");
    const { status, err, left } = await kernelscope([...smoothing, "--batching-rules", endless, "--time-limit", "2"]);
    expect([status, left]).toEqual([1, []]);
    expect(err).toMatch(/endless\.ts:2: .*not evaluated within 2 s/);
  });
});
