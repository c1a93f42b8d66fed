import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  createProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
  type CancellationToken,
  type CodeAction,
  type CodeLens,
  type Diagnostic,
  type Hover,
  type InitializeResult,
  type InlayHint,
  type MarkupContent,
  type ProtocolConnection,
  type PublishDiagnosticsParams,
} from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import { createWebSocketStream, type WebSocket } from "ws";
import type { DeviceInfo } from "../../sidecar/protocol/analysis";
import type {
  FileState,
  ModelState,
  Notices,
  Outcome,
  Requests,
  Settings,
  Told,
} from "../../sidecar/protocol/messages";
import { until, type Sidecar } from "./sidecar";

/** The settings' defaults in the manifest, with a device that is the same on every machine. */
export const defaults: Settings = {
  trusted: true,
  evaluate: "manual",
  inlayHints: true,
  codeLens: true,
  batch: 100,
  device: "Tesla V100 16GB",
  targetMemory: "",
  batchingRules: [],
  python: "",
  pythons: {},
  engine: "auto",
  timeLimit: 30,
  codeMemory: "2GiB",
  tensorflow: "",
  models: {},
};

/** What an editor does with a sidecar, without an editor: the bare protocol, and what the sidecar has told so far. */
export class Editor {
  /** By URI: the last that was told of each. */
  readonly files = new Map<string, FileState>();
  readonly diagnostics = new Map<string, readonly Diagnostic[]>();
  readonly progress: Notices["kernelscope/progress"][] = [];
  /** All that was told of kernels. */
  readonly kernels: Notices["kernelscope/kernel"][] = [];
  readonly messages: string[] = [];
  device: DeviceInfo | null = null;
  /** Called whenever something of a file's models has been told. */
  readonly listeners = new Set<() => void>();
  /** How often hints were asked to be drawn anew. */
  refreshes = 0;
  /** How often lenses were. */
  lensRefreshes = 0;
  private readonly documents = new Map<string, TextDocument>();

  private constructor(
    readonly socket: WebSocket,
    readonly connection: ProtocolConnection,
    readonly initialized: InitializeResult,
    private settings: Settings,
  ) {
    connection.onNotification("kernelscope/file", (file: FileState) => {
      this.files.set(file.uri, file);
      for (const listener of this.listeners) listener();
    });
    connection.onNotification("kernelscope/device", (device: DeviceInfo) => {
      this.device = device;
    });
    connection.onNotification("kernelscope/progress", (progress: Notices["kernelscope/progress"]) => {
      this.progress.push(progress);
    });
    connection.onNotification("kernelscope/kernel", (kernel: Notices["kernelscope/kernel"]) => {
      this.kernels.push(kernel);
    });
    connection.onNotification(
      "textDocument/publishDiagnostics",
      ({ uri, diagnostics }: PublishDiagnosticsParams) => void this.diagnostics.set(uri, diagnostics),
    );
    connection.onRequest("window/showMessageRequest", ({ message }: { message: string }) => {
      this.messages.push(message);
      return null;
    });
    connection.onRequest("client/registerCapability", () => null);
    connection.onRequest("workspace/codeLens/refresh", () => {
      this.lensRefreshes++;
      return null;
    });
    connection.onRequest("workspace/inlayHint/refresh", () => {
      this.refreshes++;
      return null;
    });
  }

  static async connect(
    sidecar: Sidecar,
    settings: Partial<Settings> = {},
    restored: readonly FileState[] = [],
  ): Promise<Editor> {
    const socket = await sidecar.connect();
    const stream = createWebSocketStream(socket);
    stream.on("error", () => undefined);
    const connection = createProtocolConnection(new StreamMessageReader(stream), new StreamMessageWriter(stream));
    connection.onError(() => undefined);
    connection.listen();
    const all = { ...defaults, ...settings };
    const initialized = await connection.sendRequest<InitializeResult>("initialize", {
      processId: process.pid,
      rootUri: null,
      capabilities: {},
      initializationOptions: { settings: all, restored },
    });
    const editor = new Editor(socket, connection, initialized, all);
    await connection.sendNotification("initialized", {});
    return editor;
  }

  request<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
    token?: CancellationToken,
  ): Promise<Requests[M]["result"]> {
    return this.connection.sendRequest(method, params, ...(token ? [token] : []));
  }

  tell<M extends keyof Told>(method: M, params: Told[M]): Promise<void> {
    return this.connection.sendNotification(method, params);
  }

  configure(settings: Partial<Settings>): Promise<void> {
    this.settings = { ...this.settings, ...settings };
    return this.tell("kernelscope/settings", this.settings);
  }

  analyze(uri: string, name: string | null, token?: CancellationToken): Promise<Outcome<ModelState>> {
    return this.request("kernelscope/analyze", { model: { uri, export: name } }, token);
  }

  // Documents

  /** Opens a file as it is on the disk, or with another text. */
  async open(uri: string, text = readFileSync(fileURLToPath(uri), "utf8"), languageId = "typescript"): Promise<void> {
    this.documents.set(uri, TextDocument.create(uri, languageId, 1, text));
    await this.connection.sendNotification("textDocument/didOpen", {
      textDocument: { uri, languageId, version: 1, text },
    });
  }

  /** Replaces the first occurrence of a piece of the text. As in an editor, what both have in common is not touched. */
  async replace(uri: string, piece: string, by: string): Promise<void> {
    const document = this.documents.get(uri)!;
    const at = document.getText().indexOf(piece);
    if (at < 0) throw new Error(`there is no ${piece}`);
    const least = Math.min(piece.length, by.length);
    let tail = 0;
    while (tail < least && piece.at(-1 - tail) === by.at(-1 - tail)) tail++;
    let head = 0;
    while (head < least - tail && piece[head] === by[head]) head++;
    const range = {
      start: document.positionAt(at + head),
      end: document.positionAt(at + piece.length - tail),
    };
    const change = { range, text: by.slice(head, by.length - tail) };
    const version = document.version + 1;
    this.documents.set(uri, TextDocument.update(document, [change], version));
    await this.connection.sendNotification("textDocument/didChange", {
      textDocument: { uri, version },
      contentChanges: [change],
    });
  }

  textOf(uri: string): string {
    return this.documents.get(uri)!.getText();
  }

  /** Tells that the file has been saved, which is not done here. */
  async saved(uri: string): Promise<void> {
    await this.connection.sendNotification("textDocument/didSave", { textDocument: { uri } });
  }

  async close(uri: string): Promise<void> {
    await this.connection.sendNotification("textDocument/didClose", { textDocument: { uri } });
  }

  // What is shown

  async hover(uri: string, line: number): Promise<string | null> {
    const params = { textDocument: { uri }, position: { line: line - 1, character: 0 } };
    const found = await this.connection.sendRequest<Hover | null>("textDocument/hover", params);
    return found === null ? null : (found.contents as MarkupContent).value.replaceAll("\u00a0", " ");
  }

  /** Hints by their line, which counts from 1. */
  async hints(uri: string): Promise<Record<number, string>> {
    const range = { start: { line: 0, character: 0 }, end: { line: 9999, character: 0 } };
    const found = await this.connection.sendRequest<InlayHint[]>("textDocument/inlayHint", {
      textDocument: { uri },
      range,
    });
    return Object.fromEntries(found.map(({ position, label }) => [position.line + 1, label as string]));
  }

  /** `LINE: TITLE`, of which the line counts from 1. */
  async lenses(uri: string): Promise<string[]> {
    const found = await this.connection.sendRequest<CodeLens[]>("textDocument/codeLens", { textDocument: { uri } });
    return found.map(({ range, command }) => `${range.start.line + 1}: ${command?.title}`);
  }

  /** Titles of the quick fixes for a file's diagnostics. */
  async fixes(uri: string): Promise<string[]> {
    const found = await this.connection.sendRequest<CodeAction[]>("textDocument/codeAction", {
      textDocument: { uri },
      range: { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } },
      context: { diagnostics: this.diagnostics.get(uri) ?? [] },
    });
    return found.map(({ title }) => title);
  }

  /** What was told last of a model. */
  model(uri: string, name: string | null): ModelState | undefined {
    return this.files.get(uri)?.models.find((model) => model.export === name);
  }

  /** Waits until what is told of a model is so. */
  modelWhere(
    uri: string,
    name: string | null,
    what: string,
    isSo: (model: ModelState) => boolean,
    seconds?: number,
  ): Promise<ModelState> {
    return until(
      `${name ?? "the model"} ${what}`,
      () => {
        const model = this.model(uri, name);
        return model !== undefined && isSo(model) ? model : null;
      },
      seconds,
    );
  }

  /** Says goodbye as an editor does that closes. */
  async goodbye(): Promise<void> {
    await this.connection.sendRequest("shutdown");
    await this.connection.sendNotification("exit");
  }

  /** Closes the connection alone. */
  leave(): void {
    this.connection.dispose();
    this.socket.close();
  }
}

/** Its result, of an outcome that has to be one. */
export function result<T>(outcome: Outcome<T>): T {
  if (outcome.kind !== "done") throw new Error(`not done: ${JSON.stringify(outcome)}`);
  return outcome.result;
}

/** The message of a failure that has to be one. */
export function failure(outcome: Outcome<unknown>): string {
  if (outcome.kind !== "failed") throw new Error(`not failed: ${JSON.stringify(outcome)}`);
  return outcome.fault.message;
}
