import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Requests, Settings } from "../../sidecar/protocol/messages";
import { Editor } from "./editor";
import { twoLayers } from "./models";
import { startSidecar, Workspace, type Sidecar } from "./sidecar";

/** Whatever is asked, there is an answer or an error, and the sidecar goes on. */

const workspace = new Workspace();
let sidecar: Sidecar;
let editor: Editor;

beforeAll(async () => {
  sidecar = await startSidecar();
  editor = await Editor.connect(sidecar);
  workspace.write("net.ts", twoLayers());
});

afterAll(async () => {
  await sidecar.end();
  workspace.remove();
});

/** `error` and its message, or `answer`. */
async function answered(method: string, params: unknown): Promise<string> {
  try {
    const answer: unknown = await editor.connection.sendRequest(method, params);
    return `answer ${JSON.stringify(answer)}`;
  } catch (error) {
    return `error ${(error as Error).message}`;
  }
}

async function isWell(): Promise<void> {
  expect(sidecar.process.exitCode).toBe(null);
  expect(await editor.request("kernelscope/find", { uris: [workspace.uri("net.ts")] })).toHaveLength(1);
}

const noFiles = [
  "untitled:Untitled-1",
  "http://example.com/a.ts",
  "file://elsewhere/a.ts",
  "file:///a%2Fb.ts",
  "",
  "x",
];

describe("requests", () => {
  it("of the extension may have parameters of any type", async () => {
    const methods: (keyof Requests)[] = ["kernelscope/analyze", "kernelscope/find", "kernelscope/jacobian"];
    const odd = [
      null,
      {},
      [],
      { model: null },
      { model: { uri: 3, export: {} } },
      { uris: 3 },
      { uris: [null, 3, {}] },
    ];
    for (const method of methods) {
      for (const params of odd) expect(await answered(method, params)).toMatch(/^(error .|answer \[\])/);
    }
    expect(await answered("kernelscope/devices", [1, 2])).toMatch(/^(answer|error)/);
    await isWell();
  });

  it("may be about what is no file", async () => {
    for (const uri of noFiles) {
      expect(await answered("kernelscope/analyze", { model: { uri, export: "model" } })).toMatch(/^error/);
      expect(
        await answered("textDocument/hover", { textDocument: { uri }, position: { line: 0, character: 0 } }),
      ).toMatch(/^(error|answer null)/);
    }
    expect(await editor.request("kernelscope/find", { uris: [...noFiles, workspace.uri("net.ts")] })).toHaveLength(1);
    await isWell();
  });

  it("may be about files that cannot be models", async () => {
    for (const uri of [
      "file:///",
      "file:///dev/zero",
      "file:///proc/self/mem",
      "file:///etc/passwd",
      workspace.uri("nowhere.ts"),
    ]) {
      const answer = await answered("kernelscope/analyze", { model: { uri, export: null } });
      expect(answer).toMatch(/"kind":"failed"/);
    }
    await isWell();
  });

  it("may be unknown", async () => {
    expect(await answered("kernelscope/selfDestruct", {})).toMatch(/^error/);
    await editor.connection.sendNotification("kernelscope/nothing", { a: 1 });
    await editor.connection.sendNotification("$/cancelRequest", { id: 99999 });
    await isWell();
  });

  it("of the language server may have parameters of any type", async () => {
    const methods = [
      "textDocument/hover",
      "textDocument/inlayHint",
      "textDocument/codeLens",
      "textDocument/codeAction",
    ];
    for (const method of methods) {
      for (const params of [null, {}, [], { textDocument: { uri: workspace.uri("net.ts") } }]) {
        expect(await answered(method, params)).toMatch(/^(error|answer)/);
      }
    }
    const diagnostics = [{ source: "Kernelscope", code: "model-error", data: null }, null, { source: "Kernelscope" }];
    for (const diagnostic of diagnostics) {
      const params = { textDocument: { uri: workspace.uri("net.ts") }, context: { diagnostics: [diagnostic] } };
      expect(await answered("textDocument/codeAction", params)).toMatch(/^(error|answer)/);
    }
    await isWell();
  });

  it("may name a binding that is code", async () => {
    const uri = workspace.uri("net.ts");
    const names = [
      "model(1",
      "model);process.exit(1",
      "__proto__",
      "constructor",
      "a".repeat(10_000),
      "",
      "💥",
      "model\n",
    ];
    for (const name of names) {
      expect(await answered("kernelscope/analyze", { model: { uri, export: name } })).toMatch(/"kind":"(failed|done)"/);
    }
    await isWell();
  });
});

describe("documents", () => {
  it("may be no files", async () => {
    for (const uri of noFiles) {
      await editor.open(uri, twoLayers());
      await editor.replace(uri, "units: 2", "units: 3");
      await editor.saved(uri);
      await editor.close(uri);
    }
    await isWell();
  });

  it("may be edited where they are not, or before they are open", async () => {
    const uri = workspace.uri("net.ts");
    const change = (range: unknown): Promise<void> =>
      editor.connection.sendNotification("textDocument/didChange", {
        textDocument: { uri, version: 7 },
        contentChanges: [{ range, text: "x" }],
      });
    const far = { start: { line: 1e6, character: 1e6 }, end: { line: 1e7, character: 0 } };
    await change(far);
    await editor.open(uri);
    await change(far);
    await change({ start: { line: 3, character: 0 }, end: { line: 1, character: 0 } });
    await change({ start: { line: -1, character: -1 }, end: { line: -1, character: -1 } });
    await change({ start: "a", end: null });
    await editor.connection.sendNotification("textDocument/didChange", { textDocument: { uri, version: 8 } });
    await editor.close(uri);
    await isWell();
  });

  it("may have any text", async () => {
    const texts = [
      "\0".repeat(100),
      "\ud800 @tensorflow/tfjs",
      `${"(".repeat(50_000)} @tensorflow/tfjs`,
      '{"format":"layers-model"',
      '{"modelTopology":[]}',
    ];
    for (const [index, text] of texts.entries()) {
      for (const name of [`odd${index}.ts`, `odd${index}.json`]) await editor.open(workspace.uri(name), text);
    }
    await isWell();
  });
});

describe("settings", () => {
  it("may be of any type", async () => {
    const odd = [
      null,
      {},
      { device: 3 },
      { models: null },
      { batch: -1, models: { x: 3 } },
      { timeLimit: "soon", codeMemory: {} },
    ];
    for (const settings of odd) {
      await editor.tell("kernelscope/settings", settings as unknown as Settings);
      expect(
        await answered("kernelscope/analyze", { model: { uri: workspace.uri("net.ts"), export: "model" } }),
      ).toMatch(/^(error|answer)/);
    }
    await editor.configure({});
    await isWell();
    expect((await editor.analyze(workspace.uri("net.ts"), "model")).kind).toBe("done");
  });

  it("may be missing when the conversation begins", async () => {
    const socket = await Editor.connect(sidecar);
    for (const method of ["initialize", "kernelscope/analyze", "textDocument/hover"]) {
      await expect(socket.connection.sendRequest(method, {})).rejects.toThrow();
    }
    socket.leave();
    await isWell();
  });

  it("may come with results of an earlier sidecar that are none", async () => {
    const uri = workspace.uri("net.ts");
    const restored = [
      { uri, models: [{ uri, export: "model", analysis: {}, digests: {} }] },
      { uri, models: [{ uri, export: "model", analysis: { parameters: [{}] }, digests: null }] },
      { uri: 3, models: null },
      null,
    ] as never;
    const other = await Editor.connect(sidecar, {}, restored);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await other.request("kernelscope/find", { uris: [uri] })).toHaveLength(1);
    other.leave();
    await isWell();
  });
});
