import { readdirSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CancellationTokenSource, type CancellationToken } from "vscode-languageserver/node";
import { withFile } from "../../sidecar/formats/file";
import { readNpy, tensorOf } from "../../sidecar/formats/npy";
import { readNpz } from "../../sidecar/formats/npz";
import type { JacobianRequest, JacobianSummary, Outcome } from "../../sidecar/protocol/messages";
import { Editor, failure, result } from "./editor";
import { endless, plainFunction, twoLayers } from "./models";
import { startSidecar, until, Workspace, type Sidecar } from "./sidecar";

/** A Jacobian that the editor asks for: its file, its progress, and its end before it is done. */

const workspace = new Workspace();
let sidecar: Sidecar;
let editor: Editor;
let runs = 0;

beforeAll(async () => {
  sidecar = await startSidecar();
  editor = await Editor.connect(sidecar, {
    models: { [`${workspace.path("project.ts")}#project`]: { inputs: ["x=N,3"] } },
  });
  workspace.write("net.ts", twoLayers());
  workspace.write("project.ts", plainFunction);
});

afterAll(async () => {
  await sidecar.end();
  workspace.remove();
});

function jacobian(
  request: Partial<JacobianRequest> = {},
  token?: CancellationToken,
): Promise<Outcome<JacobianSummary>> {
  return editor.request(
    "kernelscope/jacobian",
    {
      run: `run ${++runs}`,
      model: { uri: workspace.uri("net.ts"), export: "model" },
      inputs: { kind: "random", batch: 5, seed: 1 },
      strategy: null,
      chunk: null,
      out: workspace.path("out.npz"),
      ...request,
    },
    token,
  );
}

function arrays(name: string): Record<string, { shape: readonly number[]; data: number[] }> {
  return withFile(workspace.path(name), (source) =>
    Object.fromEntries(
      Array.from(readNpz(source), ([key, member]) => {
        const { shape, data } = tensorOf(readNpy(member), "float32")!;
        return [key, { shape, data: Array.from(data) }];
      }),
    ),
  );
}

/** A .npy file of float32. */
function writeNpy(name: string, shape: readonly number[], values: readonly number[]): void {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.map((extent) => `${extent},`).join(" ")}), }`;
  const padded = `${header.padEnd(64 * Math.ceil((header.length + 11) / 64) - 11)}\n`;
  const head = Buffer.from("\x93NUMPY\x01\x00\0\0", "latin1");
  head.writeUInt16LE(padded.length, 8);
  writeFileSync(
    workspace.path(name),
    Buffer.concat([head, Buffer.from(padded), Buffer.from(Float32Array.from(values).buffer)]),
  );
}

describe("a Jacobian", () => {
  it("of random inputs is written, and its progress is told", async () => {
    const { shape, blocks, batch, engine, seconds, strategy } = result(await jacobian());
    expect({ shape, batch, strategy }).toEqual({ shape: [5, 2, 58], batch: 5, strategy: "vmap(jacrev)" });
    expect(blocks.map(({ name }) => name)).toEqual(["first/kernel", "first/bias", "last/kernel", "last/bias"]);
    expect(engine).toBeTruthy();
    expect(seconds).toBeGreaterThan(0);
    const written = arrays("out.npz");
    expect(written["first/kernel"].shape).toEqual([5, 2, 4, 8]);
    expect(written["first/kernel"].data.every(Number.isFinite)).toBe(true);
    expect(new Set(editor.progress.map(({ run }) => run))).toEqual(new Set([`run ${runs}`]));
    expect(editor.progress.every(({ fraction }) => fraction >= 0 && fraction <= 1)).toBe(true);
  });

  it("of random inputs is the same for the same seed, and another for another", async () => {
    const model = { uri: workspace.uri("project.ts"), export: "project" };
    await jacobian({ model, out: workspace.path("a.npz") });
    await jacobian({ model, out: workspace.path("b.npz"), strategy: "vmap(jacfwd)", chunk: 2 });
    await jacobian({ model, out: workspace.path("c.npz"), inputs: { kind: "random", batch: 5, seed: 2 } });
    const [a, b, c] = ["a.npz", "b.npz", "c.npz"].map((name) => arrays(name).weight.data);
    a.forEach((value, index) => expect(b[index]).toBeCloseTo(value, 6));
    expect(c).not.toEqual(a);
  });

  it("of inputs of a file is that at those inputs", async () => {
    writeNpy("x.npy", [2, 3], [1, 2, 3, 4, 5, 6]);
    const { shape } = result(
      await jacobian({
        model: { uri: workspace.uri("project.ts"), export: "project" },
        inputs: { kind: "file", file: workspace.path("x.npy") },
        out: workspace.path("project.npz"),
      }),
    );
    expect(shape).toEqual([2, 2, 6]);
    // d out_o / d weight_io = x_i
    const { data, shape: block } = arrays("project.npz").weight;
    expect(block).toEqual([2, 2, 3, 2]);
    expect(data.slice(0, 12)).toEqual([1, 0, 2, 0, 3, 0, 0, 1, 0, 2, 0, 3]);
  });

  it("is not begun where something is wrong, which is told", async () => {
    const cases: [Partial<JacobianRequest>, RegExp][] = [
      [{ out: workspace.path("missing/out.npz") }, /cannot be written/],
      [{ out: "" }, /./],
      [{ inputs: { kind: "file", file: workspace.path("missing.npy") } }, /missing\.npy/],
      [{ inputs: { kind: "file", file: workspace.path("project.ts") } }, /project\.ts: name what holds the examples/],
      [{ inputs: { kind: "random", batch: 1e9, seed: 1 } }, /memory|allocat|large|length/i],
      [{ strategy: "magic" }, /magic is not known here; choose one of/],
      [{ model: { uri: workspace.uri("net.ts"), export: "other" } }, /other/],
      [{ model: { uri: workspace.uri("missing.ts"), export: null } }, /does not exist/],
    ];
    for (const [request, says] of cases) expect(failure(await jacobian(request))).toMatch(says);
    writeNpy("wrong.npy", [2, 5], Array<number>(10).fill(0));
    const wrong = await jacobian({ inputs: { kind: "file", file: workspace.path("wrong.npy") } });
    expect(failure(wrong)).toMatch(/has shape \[2, ?5\], but the input .* takes \[N,4\]/);
  });

  it("that makes no sense in numbers is refused, or fails", async () => {
    for (const batch of [0, -1, 1.5, Number.NaN, "5"] as number[]) {
      const outcome = await jacobian({ inputs: { kind: "random", batch, seed: 1 }, out: workspace.path("odd.npz") });
      expect({ batch, kind: outcome.kind }).toEqual({ batch, kind: "failed" });
    }
    for (const chunk of [0, -3, 0.5]) {
      const outcome = await jacobian({ chunk, out: workspace.path("odd.npz") });
      expect({ chunk, kind: outcome.kind }).toEqual({ chunk, kind: "failed" });
    }
    expect(readdirSync(workspace.folder).filter((name) => name.startsWith("odd"))).toEqual([]);
  });

  it("is cancelled at once, and leaves no file", async () => {
    await editor.configure({ engine: "reference" });
    workspace.write(
      "wide.ts",
      'import * as tf from "@tensorflow/tfjs";\nexport const model = tf.sequential({ layers: [\n' +
        "  tf.layers.dense({ units: 300, inputShape: [300] }), tf.layers.dense({ units: 50 })] });\n",
    );
    const source = new CancellationTokenSource();
    const before = editor.progress.length;
    const outcome = jacobian(
      {
        model: { uri: workspace.uri("wide.ts"), export: "model" },
        strategy: "grad-loop",
        inputs: { kind: "random", batch: 20, seed: 1 },
        out: workspace.path("never.npz"),
      },
      source.token,
    );
    await until("progress", () => editor.progress.length > before);
    const start = performance.now();
    source.cancel();
    expect(await outcome).toEqual({ kind: "cancelled" });
    expect(performance.now() - start).toBeLessThan(1000);
    expect(readdirSync(workspace.folder).filter((name) => name.startsWith("never"))).toEqual([]);
    await editor.configure({ engine: "auto" });
  });

  it("is cancelled while the model's code runs", async () => {
    workspace.write("endless.ts", endless);
    const source = new CancellationTokenSource();
    const model = { uri: workspace.uri("endless.ts"), export: "model" };
    const outcome = jacobian({ model, out: workspace.path("never.npz") }, source.token);
    await new Promise((resolve) => setTimeout(resolve, 300));
    source.cancel();
    expect(await outcome).toEqual({ kind: "cancelled" });
  });

  it("is computed by the engine that the settings name, or is told that there is none", async () => {
    await editor.configure({ engine: "reference" });
    expect(result(await jacobian()).engine).toBe("reference");
    await editor.configure({ engine: "abacus" });
    expect(failure(await jacobian())).toContain("abacus is not known here; choose one of");
    await editor.configure({ engine: "auto" });
  });
});

describe("devices and engines", () => {
  it("are told", async () => {
    const { detected, profiles, engines } = await editor.request("kernelscope/devices", {});
    expect(detected.at(-1)!.name).toMatch(/^CPU/);
    expect(profiles.map(({ name }) => name)).toContain("Tesla V100 16GB");
    expect(engines.find(({ name }) => name === "reference")).toMatchObject({ available: true });
    expect(engines.every(({ detail }) => detail.length > 0)).toBe(true);
  });
});
