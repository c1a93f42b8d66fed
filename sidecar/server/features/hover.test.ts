import { describe, expect, it } from "vitest";
import { analysis, at, buffer, FILE, GiB, layer, parameter, shown, twoLayers, way } from "../../../test/server/shown";
import { hover } from "./hover";

/** With plain spaces. */
function text(models: Parameters<typeof hover>[1], line: number): string | null {
  return hover(FILE, models, line)?.replaceAll("\u00a0", " ") ?? null;
}

/** The arguments of the command links to one command. */
function linked(markdown: string, command: string): unknown[] {
  const links = markdown.matchAll(new RegExp(`\\(command:${command.replaceAll(".", "\\.")}\\?([^)]*)\\)`, "g"));
  return Array.from(links, ([, args]) => JSON.parse(decodeURIComponent(args)) as unknown);
}

describe("the hover over a layer's line", () => {
  it("has the table of its parameters", () => {
    expect(text([shown({ analysis: twoLayers() })], 3)).toBe(
      [
        "**a** (Dense) → `[100, 8]`",
        "",
        "Jacobian `[100, 10, 40]`, 156.25 KiB, for 100 examples",
        "",
        "| parameter | shape | Jacobian | |",
        "| --- | --- | --- | ---: |",
        "| `a/kernel` | float32[4, 8] | `[100, 10, 4, 8]` | 125.00 KiB |",
        "| `a/bias` | float32[8] | `[100, 10, 8]` | 31.25 KiB |",
      ].join("\n"),
    );
  });

  it("does not break shapes", () => {
    expect(hover(FILE, [shown({ analysis: twoLayers() })], 3)).toContain("`[100,\u00a010,\u00a040]`");
  });

  it("says of frozen parameters that they are", () => {
    const layers = [layer("a", 3, { parameters: ["w"] })];
    const model = analysis({ layers, parameters: [parameter("w", [2], { trainable: false })] });
    expect(text([shown({ analysis: model })], 3)).toContain("| `w` | float32[2] | frozen |  |");
    expect(text([shown({ analysis: model })], 3)).not.toContain("Jacobian `");
  });

  it("is short for a layer without parameters", () => {
    const model = analysis({ layers: [layer("relu", 3, { kind: "ReLU" })] });
    expect(text([shown({ analysis: model })], 3)).toBe("**relu** (ReLU) → `[100, 8]`");
  });

  it("has a row for each of several layers, and a link to what is too long", () => {
    const names = Array.from({ length: 30 }, (_, index) => `l${index}`);
    const model = analysis({
      layers: names.map((name) => layer(name, null, { callers: [at(9)], parameters: [`${name}/w`] })),
      parameters: names.map((name) => parameter(`${name}/w`, [2])),
    });
    const markdown = text([shown({ analysis: model })], 9)!;
    expect(markdown).toContain("**30 layers** of net.ts#model");
    expect(markdown).toContain("| `l0` | `[100, 8]` | 2 | `[100, 10, 2]` | 7.81 KiB |");
    expect(markdown).toContain("| `l23` |");
    expect(markdown).not.toContain("| `l24` |");
    expect(markdown).toContain("6 more: ");
    expect(linked(markdown, "kernelscope.showOverview")).toEqual([
      [{ uri: `file://${FILE}`, export: "model" }, "parameters"],
    ]);
  });

  it("shows the variables of a function", () => {
    const model = analysis({ parameters: [parameter("w", [24], { source: at(5) })] });
    const markdown = text([shown({ analysis: model })], 5);
    expect(markdown).toMatch(/^\*\*net\.ts#model\*\*\n/);
    expect(markdown).toContain("| `w` | float32[24] |");
  });

  it.each([
    ["edited", "edited since, save to refresh"],
    ["failed", "the last evaluation failed"],
    ["restored", "from before a restart"],
  ] as const)("says that it is stale: %s", (stale, says) => {
    const markdown = text([shown({ analysis: twoLayers(), stale })], 3);
    expect(markdown).toContain(`— *stale: ${says}*`);
  });

  it("has a part for each model that shares the line", () => {
    const models = [shown({ analysis: twoLayers() }), shown({ export: "other", analysis: twoLayers() })];
    expect(text(models, 3)!.split("\n\n---\n\n")).toHaveLength(2);
  });

  it("is none where there is nothing, or where lines have been edited", () => {
    expect(text([shown({ analysis: twoLayers() })], 7)).toBe(null);
    expect(text([shown({ analysis: twoLayers() }, { moved: () => null })], 3)).toBe(null);
    expect(text([shown({ analysis: null })], 2)).toBe(null);
  });
});

describe("the hover over a model's line", () => {
  it("tells of the whole model, with links", () => {
    const markdown = text([shown({ analysis: twoLayers() })], 2)!;
    expect(markdown).toContain("**net.ts#model** — Jacobian `[100, 10, 120]`, 468.75 KiB, for 100 examples");
    expect(markdown).toContain("- inputs `x` float32[100, 4]; outputs `y` float32[100, 10]");
    expect(markdown).toContain("- 120 trainable parameters in 3 tensors, 0 buffers");
    expect(markdown).toContain("- Tesla V100 16GB, 16.00 GiB\n");
    const ref = { uri: `file://${FILE}`, export: "model" };
    expect(linked(markdown, "kernelscope.showOverview")).toEqual([[ref], [ref, "memory"]]);
    expect(linked(markdown, "kernelscope.chooseDevice")).toEqual([[]]);
  });

  it("gives the reasons on the line that allocates the most", () => {
    const strategies = [
      way("jacrev", null, 93 * GiB, { largest: buffer() }),
      way("vmap(jacrev)", null, 4 * GiB, { fits: true, recommended: true }),
    ];
    const markdown = text([shown({ analysis: twoLayers({ strategies }) })], 3)!;
    expect(markdown).toContain("| `jacrev` | `[100, 10, 268435]` 1.00 GiB, 25 % | 93.00 GiB | too large |");
    const [command] = linked(markdown, "kernelscope.showOverview");
    expect(command).toEqual([{ uri: `file://${FILE}`, export: "model" }, "memory"]);
    expect(text([shown({ analysis: twoLayers({ strategies }) })], 4)).not.toContain("**Memory**");
  });

  it("tells of loops on their line", () => {
    const loop = {
      operation: "Rotate",
      strategy: "vmap(jacrev)" as const,
      iterations: 1000,
      reason: "Rotate has no batching rule",
      source: at(4),
      fix: null,
      slowdown: 8.04,
    };
    const models = [shown({ analysis: twoLayers({ fallbacks: [loop] }) })];
    expect(text(models, 4)).toContain(
      "- `Rotate` under `vmap(jacrev)`: 1,000 times, about 8.0 times as slow as at once",
    );
    expect(text(models, 3)).not.toContain("Rotate");
  });

  it("compares the strategies", () => {
    const strategies = [
      way("jacrev", null, 93 * GiB),
      way("vmap(jacrev)", 25, 4 * GiB, { fits: true, recommended: true }),
    ];
    const markdown = text([shown({ analysis: twoLayers({ strategies }) })], 2)!;
    expect(markdown).toContain("- Tesla V100 16GB, 16.00 GiB: fits in chunks of 25");
    expect(markdown).toContain("| `jacrev` |  | 93.00 GiB |  | too large |");
    expect(markdown).toContain("| `vmap(jacrev)` | 25 | 4.00 GiB |  | fits, **recommended** |");
  });

  it("comes before what else stands on the line", () => {
    const model = analysis({ layers: [layer("a", 2)] });
    expect(text([shown({ analysis: model })], 2)).toMatch(/^\*\*net\.ts#model\*\*[^]*\n\n---\n\n\*\*a\*\* \(Dense\)/);
  });

  it("is none while the line is being edited", () => {
    expect(text([shown({ analysis: twoLayers(), line: null })], 2)).toBe(null);
  });

  it("is that of its own file", () => {
    const model = shown({ analysis: twoLayers() }, { path: "/models/other.ts" });
    expect(text([model], 2)).toBe(null);
    // Layers that it takes from here are shown here
    expect(text([model], 3)).toContain("**a** (Dense)");
  });
});
