import { describe, expect, it } from "vitest";
import { analysis, at, GiB, shown, way } from "../../../test/server/shown";
import type { PytorchAnalysis } from "../../protocol/analysis";
import { diagnostics } from "./diagnostics";
import { hover } from "./hover";
import { pytorchRemarks } from "./pytorch";

/** What the user's own PyTorch would do, at the lines of a Python file. */

const said = "There is a performance drop because ...";
const pytorch: PytorchAnalysis = {
  version: "2.13.0+cpu",
  fallbacks: [
    {
      operation: "aten::mkldnn_rnn_layer",
      where: "forward",
      strategy: "vmap(jacrev)",
      iterations: 100,
      message: said,
      source: at(5),
      fix: "take jacrev of the whole batch, which runs this operation once",
    },
    ...["vmap(jacrev)", "jacrev"].map((strategy) => ({
      operation: "aten::unfold_backward",
      where: "backward" as const,
      strategy,
      iterations: 1000,
      message: said,
      source: at(6),
      fix: null,
    })),
  ],
  strategies: [
    { strategy: "jacrev", chunk: null, peakBytes: 93 * GiB },
    { strategy: "jacrev", chunk: 63, peakBytes: 8 * GiB },
    { strategy: "grad-loop", chunk: null, peakBytes: 2 * GiB },
  ],
  errors: [
    {
      strategy: "vmap(jacrev)",
      training: false,
      message: "output with shape [1, 6] doesn't match",
      source: at(7),
      fix: "take jacrev of the whole batch, which works here",
    },
    {
      strategy: "vmap(jacrev)",
      training: true,
      message: "vmap: called random operation",
      source: at(8),
      fix: "call .eval() first",
    },
    {
      strategy: null,
      training: false,
      message: "PyTorch was not asked everything",
      source: null,
      fix: "raise --time-limit",
    },
  ],
};
const known = shown({ analysis: analysis({ pytorch, strategies: [way("jacrev", null, 92 * GiB)] }) });

describe("what PyTorch itself would do", () => {
  it("is told at the lines of its loops and errors, with what to do", () => {
    const told = pytorchRemarks(known).map(({ place, severity, code, message }) => [
      place?.line,
      severity,
      code,
      message,
    ]);
    expect(told).toEqual([
      [
        5,
        "warning",
        "pytorch-fallback",
        "PyTorch 2.13.0 has no batching rule for aten::mkldnn_rnn_layer, and runs it as a loop here: " +
          "vmap(jacrev) 100 times for 100 examples; take jacrev of the whole batch, which runs this operation once.",
      ],
      [
        6,
        "warning",
        "pytorch-fallback",
        "PyTorch 2.13.0 has no batching rule for aten::unfold_backward, and runs it as a loop, in the backward pass of " +
          "this line: vmap(jacrev) 1,000 times and jacrev 1,000 times for 100 examples.",
      ],
      [
        7,
        "warning",
        "pytorch-error",
        "vmap(jacrev) raises in PyTorch 2.13.0: output with shape [1, 6] doesn't match; " +
          "take jacrev of the whole batch, which works here.",
      ],
      [
        8,
        "information",
        "pytorch-error",
        "vmap(jacrev) raises in PyTorch 2.13.0 while the model is in training mode: vmap: called random operation; call .eval() first.",
      ],
      [
        undefined,
        "information",
        "pytorch-error",
        "PyTorch was not asked everything; raise the setting kernelscope.timeLimit.",
      ],
      [
        undefined,
        "information",
        "pytorch-memory",
        "In PyTorch 2.13.0 jacrev takes 93.00 GiB for 100 examples, more than the 16.00 GiB of Tesla V100 16GB; " +
          "jacrev with chunk_size=63 takes 8.00 GiB.",
      ],
    ]);
  });

  it("warns where nothing fits", () => {
    const [jacrev] = pytorch.strategies;
    const large = shown({
      analysis: analysis({ pytorch: { ...pytorch, fallbacks: [], errors: [], strategies: [jacrev] } }),
    });
    expect(pytorchRemarks(large).map(({ severity }) => severity)).toEqual(["warning"]);
  });

  it("is not told on lines that have been edited", () => {
    const edited = shown(known.state, {
      moved: ({ line, ...place }) => (line < 7 ? null : { ...place, line: line + 1 }),
    });
    const codes = diagnostics([edited])
      .get(known.path)!
      .map(({ code, range }) => `${code} ${range.start.line + 1}`);
    expect(codes.filter((each) => each.startsWith("pytorch"))).toEqual([
      "pytorch-error 8",
      "pytorch-error 9",
      "pytorch-error 2",
      "pytorch-memory 2",
    ]);
  });

  it("stands beside our own figures over the model, and over its lines", () => {
    const text = hover(known.path, [known], 2)!.replaceAll("\u00a0", " ");
    expect(text).toContain(
      [
        "| in PyTorch 2.13.0 | chunk | takes | here | |",
        "| --- | ---: | ---: | ---: | --- |",
        "| `vmap(jacrev)` |  |  |  | raises an error |",
        "| `jacrev` |  | 93.00 GiB | 92.00 GiB | too large |",
        "| `jacrev` | 63 | 8.00 GiB |  | fits |",
        "| `grad-loop` |  | 2.00 GiB |  | fits |",
      ].join("\n"),
    );
    expect(hover(known.path, [known], 6)).toContain(
      "- `aten::unfold_backward`, in backward, runs as a loop: vmap(jacrev) 1,000 times and jacrev 1,000 times",
    );
    expect(hover(known.path, [known], 7)).toContain(
      "- `vmap(jacrev)` raises: output with shape [1, 6] doesn't match; take jacrev of the whole batch, which works here",
    );
  });
});
