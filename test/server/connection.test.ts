import { readFileSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { Editor } from "./editor";
import { connected, startSidecar, until, Workspace, type Sidecar } from "./sidecar";

/** Who is let in, what ends the sidecar and what does not, and that nothing of it is left behind. */

const workspace = new Workspace();
let sidecar: Sidecar;

afterAll(() => workspace.remove());

afterEach(async () => {
  await sidecar.end();
  expect(sidecar.errors()).not.toMatch(/^\s+at /m);
});

const slow = 'import * as tf from "@tensorflow/tfjs";\nfor (;;);\nexport const model = tf.sequential();\n';
const small =
  'import * as tf from "@tensorflow/tfjs";\n' +
  "export const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] });\n";

describe("who is let in", () => {
  it("is who presents the token", async () => {
    sidecar = await startSidecar();
    await expect(connected(sidecar.address)).rejects.toThrow("401");
    for (const authorization of ["", "Bearer", `Bearer ${sidecar.token}x`, sidecar.token, `bearer ${sidecar.token}`]) {
      await expect(connected(sidecar.address, { headers: { authorization } })).rejects.toThrow("401");
    }
    expect((await sidecar.connect()).readyState).toBe(WebSocket.OPEN);
  });

  it("is no page of a browser, not even with the token", async () => {
    sidecar = await startSidecar();
    const headers = { Authorization: `Bearer ${sidecar.token}` };
    for (const origin of ["http://evil.example", "http://127.0.0.1", "null", "vscode-webview://x"]) {
      await expect(connected(sidecar.address, { headers, origin })).rejects.toThrow("401");
    }
  });

  it("is on this machine", async () => {
    sidecar = await startSidecar();
    const { hostname, port } = new URL(sidecar.address);
    expect(hostname).toBe("127.0.0.1");
    const others = Object.values(networkInterfaces()).flatMap((addresses) =>
      (addresses ?? []).filter(({ internal, family }) => !internal && family === "IPv4").map(({ address }) => address),
    );
    for (const address of others) expect(await listens(address, Number(port))).toBe(false);
  });

  it("is told a token of its own by each sidecar", async () => {
    sidecar = await startSidecar();
    const other = await startSidecar();
    expect(other.token).not.toBe(sidecar.token);
    expect(other.token.length).toBeGreaterThan(40);
    await other.end();
  });
});

function listens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket: Socket = createConnection({ host, port, timeout: 2000 });
    const done = (answer: boolean) => (): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", done(true)).once("error", done(false)).once("timeout", done(false));
  });
}

describe("the conversation", () => {
  it("begins with what the server can do", async () => {
    sidecar = await startSidecar();
    const editor = await Editor.connect(sidecar);
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(editor.initialized).toEqual({
      serverInfo: { name: "kernelscope", version },
      capabilities: {
        textDocumentSync: { openClose: true, change: 2, save: { includeText: false } },
        hoverProvider: true,
        inlayHintProvider: true,
        codeLensProvider: { resolveProvider: false },
        codeActionProvider: { codeActionKinds: ["quickfix"] },
      },
    });
    const device = await until("the device", () => editor.device);
    expect(device).toMatchObject({ name: "Tesla V100 16GB", memoryBytes: 16 * 2 ** 30 });
  });

  it("goes on with others when one sends a message that is too long", async () => {
    sidecar = await startSidecar();
    const editor = await Editor.connect(sidecar);
    const socket = await sidecar.connect();
    const closed = new Promise<number>((resolve) => socket.once("close", resolve));
    socket.on("error", () => undefined);
    socket.send(Buffer.alloc(64 * 2 ** 20 + 1));
    expect(await closed).toBe(1009);
    expect(await editor.request("kernelscope/find", { uris: [] })).toEqual([]);
  });

  it("goes on with others when one sends what is no message", async () => {
    sidecar = await startSidecar();
    const editor = await Editor.connect(sidecar);
    for (const text of [
      "rubbish",
      "Content-Length: 3\r\n\r\nabc",
      "Content-Length: -5\r\n\r\n{}",
      "Content-Length: 4\r\n\r\nnull",
      'Content-Length: 9\r\n\r\n[1,2,"a"]',
      "Content-Type: x\r\n\r\n{}",
    ]) {
      const socket = await sidecar.connect();
      socket.on("error", () => undefined);
      socket.send(text);
      socket.send(Buffer.from([0, 255, 13, 10, 13, 10]));
      expect(await editor.request("kernelscope/find", { uris: [] })).toEqual([]);
      socket.terminate();
    }
    expect(await editor.request("kernelscope/find", { uris: [] })).toEqual([]);
  });

  it("may be with an editor that draws nothing anew and registers nothing", async () => {
    sidecar = await startSidecar();
    const editor = await Editor.connect(sidecar);
    const refuse = (): never => {
      throw new Error("not here");
    };
    for (const method of ["client/registerCapability", "workspace/codeLens/refresh", "workspace/inlayHint/refresh"]) {
      editor.connection.onRequest(method, refuse);
    }
    const uri = workspace.uri("small.ts");
    workspace.write("small.ts", small);
    await editor.open(uri);
    expect((await editor.analyze(uri, "model")).kind).toBe("done");
    expect(await editor.hover(uri, 2)).toContain("Jacobian");
  });
});

describe("the end of the sidecar", () => {
  it("is that of its standard input", async () => {
    sidecar = await startSidecar();
    const editor = await Editor.connect(sidecar);
    await evaluating(editor);
    sidecar.process.stdin!.end();
    expect(await sidecar.ended).toBe(0);
  });

  it("is the editor's goodbye", async () => {
    sidecar = await startSidecar();
    const editor = await Editor.connect(sidecar);
    await evaluating(editor);
    await editor.goodbye();
    expect(await sidecar.ended).toBe(0);
  });

  it("leaves nothing behind when it is killed", async () => {
    sidecar = await startSidecar();
    const editor = await Editor.connect(sidecar);
    await evaluating(editor);
    await withSpare(editor);
    sidecar.process.kill("SIGKILL");
    expect(await sidecar.ended).toBe("SIGKILL");
  });

  it("is not that of a connection, but its models' workers end", async () => {
    sidecar = await startSidecar();
    const editor = await Editor.connect(sidecar);
    await evaluating(editor);
    await withSpare(editor);
    editor.leave();
    await until("workers to end", () => sidecar.workers().length === 0);
    expect(sidecar.process.exitCode).toBe(null);
    const next = await Editor.connect(sidecar);
    expect(await next.request("kernelscope/find", { uris: [] })).toEqual([]);
  });
});

/** An evaluation that does not end by itself. */
async function evaluating(editor: Editor): Promise<void> {
  workspace.write("slow.ts", slow);
  const uri = workspace.uri("slow.ts");
  await editor.open(uri);
  editor.analyze(uri, "model").catch(() => undefined);
  await editor.modelWhere(uri, "model", "to be evaluated", ({ activity }) => activity === "evaluating");
  await until("a worker", () => sidecar.workers().length > 0);
}

/** One that has ended has left a worker in reserve. */
async function withSpare(editor: Editor): Promise<void> {
  workspace.write("small.ts", small);
  expect((await editor.analyze(workspace.uri("small.ts"), "model")).kind).toBe("done");
  await until("a spare worker", () => sidecar.workers().length > 1);
}
