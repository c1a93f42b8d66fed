import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Settings } from "../../sidecar/protocol/messages";
import { writeDigits } from "../onnx/digits";
import { python } from "../tools";
import { exported, type Exported } from "../torch/archives";
import { Editor, failure, result } from "./editor";
import { shareSidecar } from "./shared-sidecar";
import { until, type Sidecar, type Workspace } from "./sidecar";

/** Models that are files of bytes: found, read and kept up to date without ever being a document of the editor. */

let sidecar: Sidecar;
let editor: Editor;
let workspace: Workspace;

shareSidecar(
  (shared) => ({ sidecar, workspace } = shared),
  () => editor,
);

async function connect(settings: Partial<Settings> = {}): Promise<void> {
  editor = await Editor.connect(sidecar, settings);
}

async function changedOnDisk(uri: string): Promise<void> {
  await editor.connection.sendNotification("workspace/didChangeWatchedFiles", { changes: [{ uri, type: 2 }] });
}

describe("an ONNX file", () => {
  const uri = (): string => workspace.uri("digits.onnx");

  it("is found among others, and read also where the workspace is not trusted", async () => {
    writeDigits(workspace.path("digits.onnx"));
    workspace.write("notes.json", "{}");
    await connect({ trusted: false });
    const uris = ["digits.onnx", "notes.json", "missing.onnx"].map((name) => workspace.uri(name));
    const found = await editor.request("kernelscope/find", { uris });
    expect(found).toMatchObject([{ uri: uri(), models: [{ export: null, kind: "saved", analysis: null, line: 1 }] }]);
    const { analysis } = result(await editor.analyze(uri(), null));
    expect(analysis).toMatchObject({
      model: { format: "onnx" },
      outputs: [{ name: "logits", shape: [100, 10] }],
      jacobian: { shape: [100, 10, 1490] },
    });
  });

  it("has an outline once it was read", async () => {
    writeDigits(workspace.path("digits.onnx"));
    await connect();
    const model = { uri: uri(), export: null };
    expect(failure(await editor.request("kernelscope/outline", { model }))).toMatch(/analyze it first/);
    result(await editor.analyze(uri(), null));
    const { rows } = result(await editor.request("kernelscope/outline", { model }));
    expect(rows.filter(({ form }) => form !== "parameter").map(({ name, kind }) => `${name} ${kind}`)).toEqual([
      "features ",
      "conv Conv",
      "relu Relu",
      "Flatten Flatten",
      "head Gemm",
    ]);
  });

  it("is read again when its bytes have changed, and only then", async () => {
    writeDigits(workspace.path("digits.onnx"));
    await connect();
    result(await editor.analyze(uri(), null));
    const { milliseconds } = editor.model(uri(), null)!;
    await changedOnDisk(uri());
    await new Promise((done) => setTimeout(done, 200));
    expect(editor.model(uri(), null)).toMatchObject({ activity: "idle", milliseconds });
    writeDigits(workspace.path("digits.onnx"), { classes: 3 });
    await changedOnDisk(uri());
    await editor.modelWhere(uri(), null, "to be read again", ({ analysis }) => analysis?.outputs[0].shape[1] === 3);
    rmSync(workspace.path("digits.onnx"));
    await changedOnDisk(uri());
    await until("no models", () => editor.files.get(uri())?.models.length === 0);
  });

  it("keeps what an earlier sidecar knew of the very same bytes", async () => {
    writeDigits(workspace.path("digits.onnx"));
    await connect();
    const known = result(await editor.analyze(uri(), null));
    editor.leave();
    editor = await Editor.connect(sidecar, {}, [{ uri: uri(), models: [known] }]);
    const same = await editor.modelWhere(uri(), null, "to be known", ({ analysis }) => analysis !== null);
    expect(same).toMatchObject({ stale: "restored", digests: known.digests });
    editor.leave();
    writeDigits(workspace.path("digits.onnx"), { classes: 3 });
    editor = await Editor.connect(sidecar, {}, [{ uri: uri(), models: [known] }]);
    await editor.modelWhere(uri(), null, "to be stale", ({ stale }) => stale === "edited");
  });

  it("has its problems at the lines of Python that are here, else at itself", async () => {
    const code = workspace.write("net.py", "\n".repeat(30));
    writeDigits(workspace.path("digits.onnx"), { python: code });
    const key = `${workspace.path("digits.onnx")}#`;
    await connect({ models: { [key]: { exclude: ["features.conv.weight"] } } });
    result(await editor.analyze(uri(), null));
    const lines = (at: string): unknown =>
      editor.diagnostics
        .get(at)
        ?.filter(({ code }) => code === "excluded-parameters")
        .map(({ range }) => range.start.line + 1);
    await until("the problem", () => String(lines(workspace.uri("net.py"))) === "11");
    rmSync(code);
    await changedOnDisk(uri());
    await editor.configure({ batch: 7 });
    await until("the problem at the file", () => String(lines(uri())) === "1");
    expect(editor.diagnostics.get(workspace.uri("net.py"))).toEqual([]);
  });

  it("that is damaged says so at itself, and is mended by another", async () => {
    writeFileSync(workspace.path("digits.onnx"), "This is no model.");
    await connect();
    expect(failure(await editor.analyze(uri(), null))).toMatch(/no (whole )?ONNX model/);
    await until("the problem", () => editor.diagnostics.get(uri())?.[0]?.range.start.line === 0);
    writeDigits(workspace.path("digits.onnx"));
    await changedOnDisk(uri());
    await editor.modelWhere(uri(), null, "to be read", ({ analysis, fault }) => analysis !== null && fault === null);
  });
});

describe.skipIf(python === undefined)("an archive of torch.export", () => {
  let archives: Exported;
  beforeAll(async () => {
    archives = await exported("models.py");
  }, 300_000);
  afterAll(() => archives?.remove());

  it("is read where the workspace is not trusted, with problems at the lines of its code", async () => {
    copyFileSync(archives.path("training.pt2"), workspace.path("training.pt2"));
    await connect({ trusted: false });
    const uri = workspace.uri("training.pt2");
    expect(await editor.request("kernelscope/find", { uris: [uri] })).toMatchObject([{ models: [{ kind: "saved" }] }]);
    expect(result(await editor.analyze(uri, null)).analysis).toMatchObject({
      model: { format: "torch-export", examplesCoupled: true },
    });
    const code = resolve("test/torch/models.py");
    const found = await until("the problem", () =>
      editor.diagnostics.get(pathToFileURL(code).href)?.find((each) => each.code === "coupled-examples"),
    );
    expect(readFileSync(code, "utf8").split("\n")[found.range.start.line]).toContain("self.norm(self.linear(x))");
  });

  it("has an outline by its modules, each at the line that calls it", async () => {
    copyFileSync(archives.path("nested.pt2"), workspace.path("nested.pt2"));
    await connect();
    const uri = workspace.uri("nested.pt2");
    result(await editor.analyze(uri, null));
    const { rows } = result(await editor.request("kernelscope/outline", { model: { uri, export: null } }));
    const script = readFileSync("test/torch/models.py", "utf8").split("\n");
    const told = rows
      .filter(({ form }) => form !== "operation")
      .map(({ depth, name, kind, shapes, elements, source }) => {
        const line = source === null ? "" : script[source.line - 1].trim();
        return `${"  ".repeat(depth)}${name} ${kind} ${JSON.stringify(shapes)} ${elements}: ${line}`;
      });
    expect(told).toEqual([
      "twice Block [[100,3]] 15: x = self.twice(self.twice(x))",
      // Called twice: its operations are rows of their own
      "  linear Linear [[100,3]] 12: y = self.linear(x)",
      "      weight float32 [[3,3]] 9: y = self.linear(x)",
      "      bias float32 [[3]] 3: y = self.linear(x)",
      "    scale float32 [[3]] 3: x = self.twice(self.twice(x))",
      "blocks.0 Block [[100,3]] 15: x = block(x)",
      "  linear Linear [[100,3]] 12: y = self.linear(x)",
      "    weight float32 [[3,3]] 9: y = self.linear(x)",
      "    bias float32 [[3]] 3: y = self.linear(x)",
      "    scale float32 [[3]] 3: x = block(x)",
      "blocks.1 Sequential [[100,4]] 16: x = block(x)",
      "  0 Linear [[100,4]] 16: x = block(x)",
      "    weight float32 [[4,3]] 12: x = block(x)",
      "    bias float32 [[4]] 4: x = block(x)",
      "  1 ReLU [[100,4]] 0: x = block(x)",
      "  shift float32 [[4]] 4: return x + self.shift",
    ]);
  });
});
