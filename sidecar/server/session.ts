import { existsSync } from "node:fs";
import type { Duplex } from "node:stream";
import {
  createConnection,
  DidChangeWatchedFilesNotification,
  ErrorCodes,
  MessageType,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
  TextDocumentSyncKind,
  type CancellationToken,
  type Connection,
  type InitializeResult,
} from "vscode-languageserver/node";
import { profiles } from "../devices/detect";
import { messageOf } from "../graph/errors";
import type { Place } from "../protocol/analysis";
import type {
  FileState,
  InitializationOptions,
  Notices,
  NtkRequest,
  NtkSummary,
  Outcome,
  Requests,
  Settings,
  Told,
} from "../protocol/messages";
import { codeActions } from "./features/code-actions";
import { codeLenses } from "./features/code-lens";
import { diagnostics } from "./features/diagnostics";
import { hover } from "./features/hover";
import { inlayHints } from "./features/inlay-hints";
import type { Shown } from "./features/shown";
import { planSetup } from "../setup/tensorflow";
import { isBinaryModel } from "../sources/discover";
import { Kernels } from "./kernels";
import type { ModelEntry } from "./model";
import { setUp } from "./setup";
import { Models } from "./models";
import { isFile, pathOf, Texts } from "./texts";
import { Workers } from "./workers";

/** How long changes are gathered before the editor is asked to draw anew. */
const GATHER_MS = 30;

/**
 * When CodeLenses are asked for once more. VS Code waits a quarter of a second before it does what it was asked, and
 * forgets it if the editor loses the focus until then, as where one saves and goes on to the Problems.
 */
const AGAIN_MS = 1000;

/** One editor's conversation: language-server messages, and the requests of `protocol/messages.ts`. */
export class Session {
  private readonly connection: Connection;
  private texts: Texts | null = null;
  private workers: Workers | null = null;
  private models: Models | null = null;
  private settings: Settings | null = null;
  private readonly kernels = new Kernels((info) => void this.notify("kernelscope/kernel", info));
  private gathering: NodeJS.Timeout | null = null;
  private again: NodeJS.Timeout | null = null;
  /** Files whose state has changed since it was told. */
  private readonly pending = new Map<string, FileState>();
  /** Files for which the editor shows diagnostics of ours. */
  private readonly diagnosed = new Set<string>();

  /** @param onExit called when the editor has said goodbye */
  constructor(
    stream: Duplex,
    private readonly version: string,
    onExit: () => void,
  ) {
    this.connection = createConnection(new StreamMessageReader(stream), new StreamMessageWriter(stream));
    this.connection.onInitialize(({ initializationOptions }) =>
      this.initialize(initializationOptions as InitializationOptions),
    );
    this.connection.onInitialized(() => {
      void this.say(() =>
        this.connection.client.register(DidChangeWatchedFilesNotification.type, {
          watchers: [{ globPattern: "**/*.{ts,mts,cts,tsx,js,mjs,cjs,jsx,json,onnx,pt2,py}" }],
        }),
      );
      this.tellDevice();
    });
    this.connection.onExit(onExit);
    this.features();
    this.requests();
    this.connection.listen();
  }

  dispose(): void {
    if (this.gathering) clearTimeout(this.gathering);
    if (this.again) clearTimeout(this.again);
    this.models?.dispose();
    this.workers?.dispose();
    this.connection.dispose();
  }

  private initialize({ settings, restored }: InitializationOptions): InitializeResult {
    this.settings = settings;
    const workers = new Workers(settings);
    this.workers = workers;
    const models = new Models(workers, {
      uriOf: (path) => this.texts!.uriOf(path),
      changed: (file) => {
        this.pending.set(file.uri, file);
        this.redraw();
      },
    });
    this.models = models;
    this.texts = new Texts(this.connection, models);
    void models.restore(restored);
    return {
      serverInfo: { name: "kernelscope", version: this.version },
      capabilities: {
        textDocumentSync: { openClose: true, change: TextDocumentSyncKind.Incremental, save: { includeText: false } },
        hoverProvider: true,
        inlayHintProvider: true,
        codeLensProvider: { resolveProvider: false },
        codeActionProvider: { codeActionKinds: ["quickfix"] },
      },
    };
  }

  // Features: each is a function of what is known

  private features(): void {
    const { connection } = this;
    connection.onHover(({ textDocument, position }) => {
      const path = pathOf(textDocument.uri);
      const text = hover(path, this.shown(path), position.line + 1);
      return text === null ? null : { contents: { kind: "markdown", value: text } };
    });
    connection.languages.inlayHint.on(({ textDocument, range }) => {
      if (!this.settings?.inlayHints) return [];
      const path = pathOf(textDocument.uri);
      const lines = { from: range.start.line + 1, to: range.end.line + 1 };
      return inlayHints(path, this.shown(path), lines, (line) => this.texts!.lineLength(path, line));
    });
    connection.onCodeLens(({ textDocument }) => {
      if (!this.settings?.codeLens) return [];
      const path = pathOf(textDocument.uri);
      return codeLenses(path, this.shown(path), this.settings.trusted);
    });
    connection.onCodeAction(({ context }) => codeActions(context.diagnostics));
    connection.onDidChangeWatchedFiles(({ changes }) => {
      for (const { uri } of changes.filter(isFile)) void this.models?.changedOnDisk(pathOf(uri));
    });
  }

  private shown(path: string): Shown[] {
    return this.models!.entriesFor(path).map((entry) => this.asShown(entry));
  }

  private asShown(entry: ModelEntry): Shown {
    return {
      state: this.models!.stateOf(entry),
      path: entry.path,
      chosen: this.models!.chosenFor(entry),
      place: (place) => placeHere(entry, entry.files ? entry.files.place(place) : place),
      faultPlace: (place) => placeHere(entry, entry.failure ? entry.failure.files.place(place) : place),
    };
  }

  // Requests of the extension

  private requests(): void {
    this.on("kernelscope/analyze", ({ model }, token) =>
      this.models!.evaluate(pathOf(model.uri), model.export, signalOf(token)),
    );
    this.on("kernelscope/cancelAnalysis", ({ model }) => {
      this.models!.cancel(pathOf(model.uri), model.export);
      return Promise.resolve(null);
    });
    this.on("kernelscope/find", ({ uris }) => this.models!.find(uris));
    this.on("kernelscope/jacobian", (request, token) =>
      this.workers!.jacobian(
        request,
        (fraction) => void this.notify("kernelscope/progress", { run: request.run, fraction }),
        signalOf(token),
      ),
    );
    this.on("kernelscope/ntk", (request, token) => this.ntk(request, signalOf(token)));
    this.on("kernelscope/openKernel", ({ folder }) => this.kernels.open(folder));
    this.on("kernelscope/removeKernel", ({ id }) => {
      this.kernels.remove(id);
      return Promise.resolve(null);
    });
    this.on("kernelscope/kernelTile", (request, token) => this.kernels.tile(request, signalOf(token)));
    this.on("kernelscope/kernelEntry", (request) => this.kernels.entry(request));
    this.on("kernelscope/kernelArrangement", (request) => this.kernels.arrangement(request));
    this.on("kernelscope/saveKernelEntries", async ({ selection, out }) => {
      await this.kernels.save(selection, out);
      return null;
    });
    this.on("kernelscope/plan", (request, token) =>
      this.models!.planFor(
        pathOf(request.model.uri),
        request,
        (plan) => void this.notify("kernelscope/plan", { id: request.id, plan }),
        signalOf(token),
      ),
    );
    this.on("kernelscope/outline", ({ model }) => Promise.resolve(this.models!.outline(pathOf(model.uri), model)));
    this.on("kernelscope/devices", async (_, token) => ({
      ...(await this.workers!.devices(signalOf(token))),
      profiles,
    }));
    this.on("kernelscope/planSetup", ({ folder, near }) => planSetup({ folder }, near));
    this.on("kernelscope/setUp", ({ run, folder }, token) =>
      setUp(folder, signalOf(token), {
        onProgress: (fraction, message) => void this.notify("kernelscope/progress", { run, fraction, message }),
        onOutput: (text) => this.connection.console.info(text),
      }),
    );
    this.connection.onNotification("kernelscope/settings" satisfies keyof Told, (settings: Settings) => {
      this.settings = settings;
      this.models?.configure(settings).then(
        () => {
          this.tellDevice();
          this.redraw();
        },
        (error: unknown) => this.complain(error),
      );
    });
  }

  private ntk(request: NtkRequest, signal: AbortSignal): Promise<Outcome<NtkSummary>> {
    const { run, model } = request;
    const path = pathOf(model.uri);
    const entry = this.models!.entries().find((each) => each.path === path && each.exportName === model.export);
    return this.kernels.run(request, entry?.analysis ?? null, (job, { onExamples, onTile }) => {
      const onProgress = (fraction: number): void => {
        void this.notify("kernelscope/progress", { run, fraction });
        onTile();
      };
      return this.workers!.ntk(request, job, { onProgress, onExamples }, signal);
    });
  }

  private on<M extends keyof Requests>(
    method: M,
    answer: (params: Requests[M]["params"], token: CancellationToken) => Promise<Requests[M]["result"]>,
  ): void {
    this.connection.onRequest(method, async (params: Requests[M]["params"], token: CancellationToken) => {
      try {
        const result = await answer(params, token);
        // What is known by now is told before an answer that may rest on it
        this.tellFiles();
        return result;
      } catch (error) {
        return new ResponseError(ErrorCodes.InternalError, messageOf(error));
      }
    });
  }

  private notify<M extends keyof Notices>(method: M, params: Notices[M]): Promise<void> {
    return this.say(() => this.connection.sendNotification(method, params));
  }

  /** A setting that makes no sense, or a machine that cannot be looked at. */
  private complain(error: unknown): void {
    void this.say(() =>
      this.connection.sendRequest("window/showMessageRequest", {
        type: MessageType.Warning,
        message: messageOf(error),
      }),
    );
  }

  /** What an editor does without that refuses it, or that has gone. */
  private async say(message: () => Promise<unknown>): Promise<void> {
    try {
      await message();
    } catch {
      return;
    }
  }

  private tellDevice(): void {
    this.workers?.device().then(
      (device) => void this.notify("kernelscope/device", device),
      (error: unknown) => this.complain(error),
    );
  }

  /** Tells what has changed and has hints, lenses and diagnostics drawn anew, once for all that changes at the same time. */
  private redraw(): void {
    this.gathering ??= setTimeout(() => {
      this.gathering = null;
      // First, so that who is told of a model has what is said of it
      this.diagnose();
      this.tellFiles();
      void this.say(() => this.connection.languages.inlayHint.refresh());
      this.redrawLenses();
      if (this.again) clearTimeout(this.again);
      this.again = setTimeout(() => this.redrawLenses(), AGAIN_MS);
    }, GATHER_MS);
  }

  private redrawLenses(): void {
    void this.say(() => this.connection.sendRequest("workspace/codeLens/refresh"));
  }

  private tellFiles(): void {
    for (const file of this.pending.values()) void this.notify("kernelscope/file", file);
    this.pending.clear();
  }

  private diagnose(): void {
    const shown = this.models!.entries().map((entry) => this.asShown(entry));
    const byPath = diagnostics(shown, (path, line) => this.texts!.indent(path, line - 1));
    for (const path of new Set([...this.diagnosed, ...byPath.keys()])) {
      const found = byPath.get(path) ?? [];
      void this.say(() => this.connection.sendDiagnostics({ uri: this.texts!.uriOf(path), diagnostics: found }));
      if (found.length > 0) this.diagnosed.add(path);
      else this.diagnosed.delete(path);
    }
  }
}

/** A model that was exported on another machine names code that is not here: what is said of that stands at its own file. */
function placeHere({ path }: ModelEntry, place: Place | null): Place | null {
  const isHere = place === null || !isBinaryModel(path) || existsSync(place.file);
  return isHere ? place : { file: path, line: 1, column: 1 };
}

function signalOf(token: CancellationToken): AbortSignal {
  const controller = new AbortController();
  if (token.isCancellationRequested) controller.abort();
  token.onCancellationRequested(() => controller.abort());
  return controller.signal;
}
