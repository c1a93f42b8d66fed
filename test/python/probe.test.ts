import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { analyze } from "../../sidecar/analysis/analyze";
import { analysisText } from "../../sidecar/cli/text";
import { namedDevice } from "../../sidecar/devices/detect";
import { pytorchPeakBytes } from "../../sidecar/planner/pytorch";
import type { Analysis, PytorchAnalysis } from "../../sidecar/protocol/analysis";
import { jacobianGraph } from "../../sidecar/quantities/jacobian";
import { loadModel, parseInputOption, type Model } from "../../sidecar/sources";
import { kernelscope } from "../cli/kernelscope";
import { python } from "../tools";

/** What the user's own PyTorch is asked of a Python file's model, beside what it does. */

const TIMEOUT = 300_000;
/** Of the files that are named without one. */
const folder = resolve("test/python/nets");
const wideResidual = resolve("examples/wide_residual.py");

function lineOf(file: string, text: string, inClass = ""): number {
  const lines = readFileSync(resolve(folder, file), "utf8").split("\n");
  const start = lines.findIndex((line) => line.includes(`class ${inClass}`));
  return lines.findIndex((line, index) => index > start && line.includes(text)) + 1;
}

function probed(file: string, name: string, input: string, batch: number): Promise<Model> {
  const inputs = [parseInputOption(input)];
  return loadModel({ file: resolve(folder, file), export: name, inputs, batch, python, probe: true });
}

describe.skipIf(python === undefined)("PyTorch itself", () => {
  interface Measured {
    readonly counts: Readonly<Record<string, number>>;
    readonly peakBytes: number;
  }
  let measured: Record<string, Measured>;
  beforeAll(async () => {
    const { stdout } = await promisify(execFile)(python!, ["test/python/measured.py", "7"]);
    measured = JSON.parse(stdout) as typeof measured;
  }, TIMEOUT);

  describe("loops", () => {
    let pytorch: PytorchAnalysis;
    beforeAll(async () => {
      pytorch = (await probed("probed.py", "Loops", "x=N,5,4", 7)).pytorch!;
    }, TIMEOUT);

    it("over operations without a batching rule, at the user's lines, in backward too", () => {
      const attention =
        "run it within torch.nn.attention.sdpa_kernel(SDPBackend.MATH), whose operations have batching rules";
      const line = (text: string): number => lineOf("probed.py", text, "Loops");
      const attend = "aten::_scaled_dot_product_flash_attention_for_cpu";
      expect(
        pytorch.fallbacks.map(({ operation, where, strategy, source, fix }) => [
          operation,
          where,
          strategy,
          source?.line,
          fix,
        ]),
      ).toEqual([
        [attend, "forward", "vmap(jacrev)", line("self.encoder(y)"), attention],
        [
          "aten::mkldnn_rnn_layer",
          "forward",
          "vmap(jacrev)",
          line("self.cells(x)"),
          "take jacrev of the whole batch, which runs this operation once",
        ],
        [`${attend}_backward`, "backward", "vmap(jacrev)", line("self.encoder(y)"), attention],
        [
          "aten::_weight_norm_differentiable_backward",
          "backward",
          "vmap(jacrev)",
          line("self.linear(y.mean(1))"),
          null,
        ],
        ["aten::unfold_backward", "backward", "vmap(jacrev)", line("y.unfold("), null],
        [`${attend}_backward`, "backward", "jacrev", line("self.encoder(y)"), attention],
        ["aten::_weight_norm_differentiable_backward", "backward", "jacrev", line("self.linear(y.mean(1))"), null],
        ["aten::unfold_backward", "backward", "jacrev", line("y.unfold("), null],
      ]);
      for (const { message, operation, source } of pytorch.fallbacks) {
        expect(source?.file).toBe(`${folder}/probed.py`);
        expect(message).toBe(
          `There is a performance drop because we have not yet implemented the batching rule for ${operation}. ` +
            "Please file us an issue on GitHub so that we can prioritize its implementation.",
        );
      }
    });

    it("as often as is said", () => {
      for (const { operation, strategy, iterations } of pytorch.fallbacks) {
        // What is made of other operations is not counted there: it is run for each example and output
        const made = operation === "aten::_weight_norm_differentiable_backward";
        expect(iterations, `${operation} in ${strategy}`).toBe(made ? 7 * 3 : measured[strategy].counts[operation]);
      }
    });

    it("and raises in training mode what is told with its line", () => {
      expect(
        pytorch.errors.map(({ strategy, training, message, source, fix }) => [
          strategy,
          training,
          message,
          source?.line,
          fix,
        ]),
      ).toEqual([
        [
          "vmap(jacrev)",
          true,
          expect.stringContaining("in-place operation (aten::add_.Tensor) that would mutate a captured Tensor"),
          lineOf("probed.py", "self.norm(y)"),
          "call .eval() first, or torch.func.replace_all_batch_norm_modules_(net)",
        ],
        [
          "vmap(jacrev)",
          true,
          expect.stringContaining("vmap: called random operation while in randomness error mode"),
          lineOf("probed.py", "self.drop(y)"),
          'call .eval() first, or give vmap randomness="different"',
        ],
      ]);
    });
  });

  it(
    "holds as much as is said",
    async () => {
      const { pytorch } = await probed("nets.py", "Net(4)", "x=N,3,6,6", 7);
      expect(pytorch!.version).toMatch(/^2\.13\.0/);
      expect(pytorch!.fallbacks).toEqual([]);
      const whole = pytorch!.strategies.filter(({ chunk }) => chunk === null);
      expect(whole.map(({ strategy }) => strategy)).toEqual(["vmap(jacrev)", "jacrev", "grad-loop"]);
      for (const { strategy, peakBytes } of whole.slice(0, 2)) expect(peakBytes).toBe(measured[strategy].peakBytes);
      const peakOf = (strategy: string, chunk: number | null): number =>
        pytorch!.strategies.find((each) => each.strategy === strategy && each.chunk === chunk)!.peakBytes;
      expect(peakOf("vmap(jacrev)", 2)).toBeLessThan(peakOf("vmap(jacrev)", null));
      expect(peakOf("jacrev", 6)).toBeLessThan(peakOf("jacrev", null));
      expect(peakOf("grad-loop", null)).toBeLessThan(peakOf("vmap(jacrev)", null));
    },
    TIMEOUT,
  );

  it(
    "is asked after the model is told, which stays where the process ends over it",
    async () => {
      const told: Model[] = [];
      const model = await loadModel({
        file: `${folder}/probed.py`,
        export: "Ending",
        inputs: [parseInputOption("x=N,4")],
        batch: 7,
        python,
        probe: true,
        onModel: (model) => told.push(model),
      });
      const { pytorch, ...rest } = model;
      expect(told).toEqual([rest]);
      expect(pytorch!.errors).toEqual([
        {
          strategy: null,
          training: false,
          message: "PyTorch could not be asked everything: its process ended (exit code 7)",
          source: null,
          fix: null,
        },
      ]);
    },
    TIMEOUT,
  );

  it(
    "raises for what is changed in place",
    async () => {
      const { pytorch } = await probed("probed.py", "InPlace", "x=N,4", 7);
      expect(pytorch!.errors).toEqual([
        {
          strategy: "vmap(jacrev)",
          training: false,
          message: "output with shape [1, 4] doesn't match the broadcast shape [2, 1, 4]",
          source: { file: `${folder}/probed.py`, line: lineOf("probed.py", "y += "), column: 1 },
          fix: "take jacrev of the whole batch, which works here",
        },
      ]);
      expect(pytorch!.strategies.map(({ strategy }) => strategy)).not.toContain("vmap(jacrev)");
    },
    TIMEOUT,
  );

  it(
    "raises for a GRU, which the command line tells with the fix",
    async () => {
      const net = `${folder}/probed.py#Gated`;
      const { status, out } = await kernelscope([
        "analyze",
        net,
        "--input",
        "x=N,5,4",
        "--batch",
        "7",
        "--python",
        python!,
        "--time-limit",
        "120",
        "--json",
      ]);
      expect(status).toBe(0);
      const analysis = JSON.parse(out) as Analysis;
      expect(analysis.model).toMatchObject({ format: "torch-code", file: `${folder}/probed.py`, export: "Gated" });
      const line = lineOf("probed.py", "self.cells(x)", "Gated");
      expect(analysis.pytorch!.errors).toEqual([
        {
          strategy: "vmap(jacrev)",
          training: false,
          message: "output with shape [1, 6] doesn't match the broadcast shape [2, 1, 6]",
          source: { file: `${folder}/probed.py`, line, column: 1 },
          fix: "take jacrev of the whole batch, which works here",
        },
      ]);
      const text = analysisText(analysis);
      expect(text).toContain(`what PyTorch ${analysis.pytorch!.version} itself would do with a batch of 7:`);
      expect(text).toContain(
        `vmap(jacrev) raises: output with shape [1, 6] doesn't match the broadcast shape [2, 1, 6] (line ${line}); ` +
          "take jacrev of the whole batch, which works here",
      );
    },
    TIMEOUT,
  );
});

describe.skipIf(python === undefined)("the wide residual net in PyTorch, 100 examples, on a V100 with 16 GB", () => {
  const batch = 100;
  let model: Model;
  beforeAll(async () => {
    model = await probed(wideResidual, "WideResidual", "x=N,3,32,32", batch);
  }, TIMEOUT);

  it("needs 30.52 GiB for one array of jacrev, at the lines of the blocks that it is of", () => {
    const { strategies } = analyze(model, { batch, device: namedDevice("--device", "Tesla V100 16GB") });
    const { buffers, largest, fits } = strategies.find(
      ({ strategy, chunk }) => strategy === "jacrev" && chunk === null,
    )!;
    expect(fits).toBe(false);
    const line = (text: string): number => lineOf(wideResidual, text);
    const placed = { bytes: 32_768_000_000, source: { file: wideResidual } };
    // The cotangent of what the wide block makes, where the next one takes it, and within the wide block itself
    expect(largest).toMatchObject({ ...placed, operation: "add", source: { line: line("self.conv_a(x)") } });
    expect(largest!.callers.map((caller) => caller.line)).toEqual([line("self.half_1(x)")]);
    const own = buffers.find(({ layer }) => layer === "wide_1.norm_a");
    expect(own).toMatchObject({ ...placed, operation: "mul", source: { line: line("self.conv_a(x)") } });
    expect(own!.callers.map((caller) => caller.line)).toEqual([line("self.wide_1(x)")]);
  });

  it("takes in PyTorch what is predicted, within a tenth", () => {
    const wrt = model.parameters.map(({ name }) => name);
    for (const strategy of ["vmap(jacrev)", "jacrev"] as const) {
      const { graph } = jacobianGraph(model.graph, { strategy, chunk: null, batch, wrt, coupled: false });
      const own = model.pytorch!.strategies.find((each) => each.strategy === strategy && each.chunk === null)!;
      const ratio = pytorchPeakBytes(graph) / own.peakBytes;
      expect(ratio, strategy).toBeGreaterThan(0.9);
      expect(ratio, strategy).toBeLessThan(1.1);
    }
  });
});
