import { existsSync, readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CancellationTokenSource, type CancellationToken } from "vscode-languageserver/node";
import { withFile } from "../../sidecar/formats/file";
import { readNpy } from "../../sidecar/formats/npy";
import { writeNpy } from "../../sidecar/formats/npz";
import type { NtkRequest, NtkSummary, Outcome, SentKernelTile } from "../../sidecar/protocol/messages";
import type { KernelTileRequest } from "../../sidecar/protocol/ntk";
import { Editor, failure, result } from "./editor";
import { coupled, twoLayers } from "./models";
import { startSidecar, until, Workspace, type Sidecar } from "./sidecar";

/** A kernel that the editor asks for: its pictures while it is computed and after, by the file that it is written to. */

const workspace = new Workspace();
let sidecar: Sidecar;
let editor: Editor;
let runs = 0;

beforeAll(async () => {
  sidecar = await startSidecar();
  editor = await Editor.connect(sidecar, {
    models: { [`${workspace.path("coupled.ts")}#normalised`]: { inputs: ["x=N,3"] } },
  });
  workspace.write("net.ts", twoLayers());
  workspace.write("coupled.ts", coupled);
  workspace.write(
    "wide.ts",
    'import * as tf from "@tensorflow/tfjs";\nexport const model = tf.sequential({ layers: [\n' +
      "  tf.layers.dense({ units: 200, inputShape: [300] }), tf.layers.dense({ units: 20 })] });\n",
  );
  for (const name of ["net", "wide"]) result(await editor.analyze(workspace.uri(`${name}.ts`), "model"));
});

afterAll(async () => {
  await sidecar.end();
  workspace.remove();
});

function ntk(request: Partial<NtkRequest>, token?: CancellationToken): Promise<Outcome<NtkSummary>> {
  const kernel = request.kernel ?? "k";
  return editor.request(
    "kernelscope/ntk",
    {
      run: `run ${++runs}`,
      kernel,
      model: { uri: workspace.uri("net.ts"), export: "model" },
      title: "net.ts#model",
      x1: { kind: "random", batch: 5, seed: 1 },
      x2: null,
      labels: null,
      part: null,
      form: "trace",
      trace: "mean",
      method: null,
      folder: workspace.path(kernel),
      ...request,
    },
    token,
  );
}

function tile(request: Partial<KernelTileRequest>): Promise<SentKernelTile> {
  const whole = { id: "k", view: "trace", order: "given", level: 0, row: 0, column: 0 } as const;
  return editor.request("kernelscope/kernelTile", { ...whole, ...request });
}

function numbers({ values }: SentKernelTile): number[] {
  const bytes = Uint8Array.from(Buffer.from(values, "base64"));
  return Array.from(new Float32Array(bytes.buffer));
}

function written(path: string): { shape: readonly number[]; data: number[] } {
  const { shape, data } = withFile(path, readNpy);
  return { shape, data: Array.from(data, Number) };
}

describe("a kernel", () => {
  it("is written, told of, and shown as it stands in the file", async () => {
    const summary = result(await ntk({}));
    expect(summary).toMatchObject({ kernel: "k", shape: [5, 5], form: "trace", trace: "mean" });
    const { shape, data } = written(summary.out);
    expect(shape).toEqual([5, 5]);
    const shown = await tile({});
    expect([shown.rows, shown.columns]).toEqual([5, 5]);
    expect(numbers(shown)).toEqual(data);
    expect(shown.range).toMatchObject({ min: Math.min(...data), max: Math.max(...data) });
    const info = editor.kernels.at(-1)!;
    expect(info).toMatchObject({ id: "k", status: "done", fraction: 1, outputs: 2, x1: { count: 5 }, x2: null });
    expect(info.layers.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 5);
    expect(info.spectrum!.eigenvalues).toHaveLength(5);
    const trace = [0, 6, 12, 18, 24].reduce((sum, at) => sum + data[at], 0);
    expect(info.spectrum!.eigenvalues.reduce((sum, value) => sum + value, 0) / trace).toBeCloseTo(1, 4);
  });

  it("of the form full has blocks, whose trace is shown by its mean", async () => {
    const { out } = result(await ntk({ kernel: "full", form: "full" }));
    const { data } = written(out);
    const pair = 4 * (2 * 5 + 3);
    const block = data.slice(pair, pair + 4);
    const entry = await editor.request("kernelscope/kernelEntry", {
      ...{ id: "full", view: "trace" },
      ...{ row: 2, column: 3 },
    });
    expect(entry.block).toEqual(block);
    expect(entry.value).toBeCloseTo((block[0] + block[3]) / 2, 5);
    const one = await tile({ id: "full", view: { row: 0, column: 1 } });
    expect(numbers(one)[13]).toBe(block[1]);
  });

  it("of many examples has coarser levels, which are means, in the order of classes too", async () => {
    const count = 600;
    const labels = Int32Array.from({ length: count }, (_, example) => (example * 7) % 3);
    writeNpy(workspace.path("labels.npy"), { shape: [count], dtype: "int32", data: labels });
    const many = { kind: "random", batch: count, seed: 1 } as const;
    const { out } = result(await ntk({ kernel: "many", x1: many, labels: workspace.path("labels.npy") }));
    const { data } = written(out);
    const mean = (rows: readonly number[], columns: readonly number[]): number =>
      rows.reduce((sum, row) => sum + columns.reduce((all, column) => all + data[row * count + column], 0), 0) /
      (rows.length * columns.length);
    const coarse = await tile({ id: "many", level: 2 });
    expect([coarse.rows, coarse.columns]).toEqual([150, 150]);
    expect(numbers(coarse)[149 * 150 + 2]).toBeCloseTo(mean([596, 597, 598, 599], [8, 9, 10, 11]), 4);
    const { rows } = await editor.request("kernelscope/kernelArrangement", { id: "many", order: "class" });
    expect(rows.groups.map(({ from, to }) => [from, to])).toEqual([
      [0, 200],
      [200, 400],
      [400, 600],
    ]);
    const sorted = await tile({ id: "many", order: "class", level: 1, row: 1, column: 0 });
    const at = (place: number): number[] => [rows.examples[place], rows.examples[place + 1]];
    expect(numbers(sorted)[3]).toBeCloseTo(mean(at(512), at(6)), 4);
    const clusters = await editor.request("kernelscope/kernelArrangement", {
      id: "many",
      order: { clustersOf: "many" },
    });
    expect([...clusters.rows.examples].sort((a, b) => a - b)).toEqual([...labels.keys()]);
    const start = performance.now();
    for (let time = 0; time < 10; time++) await tile({ id: "many", row: 1, column: 1 });
    const each = (performance.now() - start) / 10;
    console.log(`a tile of 256 x 256 is answered in ${each.toFixed(1)} ms`);
    expect(each).toBeLessThan(100);
  });

  it("is the sum of its parameters' parts", async () => {
    const whole = written(result(await ntk({ kernel: "whole", form: "full" })).out).data;
    const names = editor.kernels.at(-1)!.layers.map(({ parameter }) => parameter);
    expect(names).toHaveLength(4);
    const sum = whole.map(() => 0);
    for (const parameter of names) {
      const part = { of: "whole", parameter };
      const { out } = result(await ntk({ kernel: `part ${names.indexOf(parameter)}`, form: "full", part }));
      expect(editor.kernels.at(-1)).toMatchObject({ part, layers: [{ parameter, share: 1 }] });
      written(out).data.forEach((value, at) => (sum[at] += value));
    }
    const largest = Math.max(...whole);
    // Of float32 in another order of sums
    whole.forEach((value, at) => expect(Math.abs(sum[at] - value)).toBeLessThan(1e-5 * largest));
  });

  it("of examples with labels tells of their classes, how it is aligned with them, and how they are learnt", async () => {
    workspace.write(
      "data.ts",
      'import * as tf from "@tensorflow/tfjs";\n' +
        "export const points = { xs: tf.randomNormal([6, 4], 0, 1, 'float32', 1), ys: ['b', 'a', 'b', 'a', 'a', 'b'] };\n",
    );
    const x1 = { kind: "file", file: `${workspace.path("data.ts")}#points` } as const;
    const known = editor.kernels.length;
    result(await ntk({ kernel: "classes", form: "full", x1 }));
    const [first] = editor.kernels.slice(known);
    const labels = { count: 6, labels: [1, 0, 1, 0, 0, 1], classes: ["a", "b"] };
    expect(first).toMatchObject({ status: "running", fraction: 0, x1: labels });
    const { spectrum, curve, x1: examples } = editor.kernels.at(-1)!;
    expect(examples).toMatchObject(labels);
    expect(Math.abs(spectrum!.alignment!)).toBeLessThanOrEqual(1);
    const { times, trainLoss, learningRate, predictions } = curve!;
    expect(learningRate).toBeCloseTo(spectrum!.largestLearningRate! / 2, 10);
    expect([times[0], times.at(-1)]).toEqual([0, null]);
    // Half the largest stable learning rate: no loss ever grows
    trainLoss.slice(1).forEach((loss, at) => expect(loss).toBeLessThanOrEqual(trainLoss[at] + 1e-12));
    expect(trainLoss.at(-1)!).toBeLessThan(0.1 * trainLoss[0]);
    expect(predictions.map(({ example }) => example)).toEqual([1, 0, 3, 2, 4, 5]);
    expect(predictions[0].target).toEqual([1, 0]);
  });

  it("is refused where something is wrong, which is told", async () => {
    const net = workspace.uri("net.ts");
    await expect(tile({ id: "nothing" })).rejects.toThrow("No kernel nothing is known here");
    await expect(tile({ level: 9 })).rejects.toThrow("There is no tile");
    const gone = { of: "k", parameter: "third/kernel" };
    expect(failure(await ntk({ kernel: "x", part: gone }))).toMatch(
      /has no trainable parameter third\/kernel any more/,
    );
    expect(failure(await ntk({ kernel: "x", model: { uri: net, export: "other" } }))).toMatch(/analyze it first/);
    writeNpy(workspace.path("few.npy"), { shape: [2], dtype: "int32", data: Int32Array.of(0, 1) });
    expect(failure(await ntk({ kernel: "x", labels: workspace.path("few.npy") }))).toMatch(/there are 5 examples/);
    result(await editor.analyze(workspace.uri("coupled.ts"), "normalised"));
    const model = { uri: workspace.uri("coupled.ts"), export: "normalised" };
    const outcome = await ntk({ kernel: "x", model });
    expect(failure(outcome)).toMatch(/is not defined where examples depend on one another/);
    expect(outcome).toMatchObject({ fault: { source: { line: 4 } } });
    expect(existsSync(workspace.path("x"))).toBe(false);
  });

  it("is shown while it is computed; cancelled within a second, it keeps its tiles, also for another sidecar", async () => {
    const source = new CancellationTokenSource();
    const outcome = ntk(
      {
        kernel: "wide",
        model: { uri: workspace.uri("wide.ts"), export: "model" },
        form: "diagonal",
        x1: { kind: "random", batch: 4000, seed: 1 },
      },
      source.token,
    );
    const running = await until("tiles", () =>
      editor.kernels.find(({ id, fraction }) => id === "wide" && fraction > 0),
    );
    expect(running.status).toBe("running");
    const shown = numbers(await tile({ id: "wide", level: 4 }));
    expect([shown.some(Number.isNaN), shown.some(Number.isFinite)]).toEqual([true, true]);
    const start = performance.now();
    source.cancel();
    expect(await outcome).toEqual({ kind: "cancelled" });
    expect(performance.now() - start).toBeLessThan(1000);
    const { status, fraction } = editor.kernels.at(-1)!;
    expect(status).toBe("cancelled");
    expect(fraction).toBeGreaterThan(0);
    expect(readdirSync(workspace.path("wide")).sort()).toContain("kernel.npy.tiles");
    const other = await Editor.connect(sidecar);
    const folder = workspace.path("wide");
    expect(await other.request("kernelscope/openKernel", { folder })).toMatchObject({ id: "wide", status, fraction });
    other.leave();
  });

  it("goes on where it was cancelled, and is shown from there", async () => {
    const request = {
      kernel: "long",
      model: { uri: workspace.uri("wide.ts"), export: "model" },
      method: "vector-products",
      x1: { kind: "random", batch: 3000, seed: 1 },
    } as const;
    const cancelledAt = async (least: number): Promise<number> => {
      const before = editor.kernels.length;
      const source = new CancellationTokenSource();
      const outcome = ntk(request, source.token);
      await until("tiles", () =>
        editor.kernels.slice(before).find(({ status, fraction }) => status === "running" && fraction > least),
      );
      source.cancel();
      expect(await outcome).toEqual({ kind: "cancelled" });
      return editor.kernels.at(-1)!.fraction;
    };
    const first = await cancelledAt(0);
    expect(await cancelledAt(first)).toBeGreaterThan(first);
  });
});
