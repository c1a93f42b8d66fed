import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { LogOutputChannel, TextDocument } from "vscode";
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  LSPErrorCodes,
  ResponseError,
  RevealOutputChannelOn,
  type CancellationToken,
  type MessageSignature,
  type Middleware,
} from "vscode-languageclient/node";
import { createWebSocketStream, WebSocket } from "ws";
import type { InitializationOptions, Notices, Requests, Told } from "../sidecar/protocol/messages";

/**
 * The sidecar's process and the conversation with it. This file, with the language client in it, is loaded when a sidecar
 * is first wanted: until then the extension costs next to nothing.
 */

/** How long a process may take to say where it listens. */
const START_MS = 20_000;
/** How long one that was asked to end may take. */
const STOP_MS = 2000;

export interface ClientOptions {
  /** Node.js, or an editor that can act as it. */
  readonly node: string;
  /** dist/cli.js */
  readonly program: string;
  readonly log: LogOutputChannel;
  readonly initializationOptions: InitializationOptions;
  /** Commands that Markdown from the sidecar may link to. */
  readonly commands: readonly string[];
  readonly onNotice: <M extends keyof Notices>(method: M, params: Notices[M]) => void;
  /** The sidecar has ended though nobody asked it to. */
  readonly onEnd: (how: string) => void;
}

export interface Client {
  request<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
    token?: CancellationToken,
  ): Promise<Requests[M]["result"]>;
  tell<M extends keyof Told>(method: M, params: Told[M]): void;
  stop(): Promise<void>;
}

/** Starts a sidecar and waits until it answers. Rejects with a sentence where it does not. */
export async function startClient(options: ClientOptions): Promise<Client> {
  const { log, onEnd } = options;
  const sidecar = spawnSidecar(options);
  let isWanted = true;
  let ended = false;
  const end = (how: string): void => {
    if (ended) return;
    ended = true;
    if (isWanted) onEnd(how);
  };
  try {
    const { address, token } = await announced(sidecar);
    const socket = await connect(address, token);
    const stream = createWebSocketStream(socket);
    // An error of the connection ends it, which `close` tells
    stream.on("error", ({ message }) => log.debug(message));
    const client = newLanguageClient(options, () =>
      Promise.resolve({ reader: stream, writer: stream, detached: true }),
    );
    await client.start();
    sidecar.once("exit", (code, signal) => end(signal ?? `exit code ${code}`));
    socket.once("close", () => {
      // A process that has ended says more of itself than its connection: give it the time
      setTimeout(() => end("the connection was closed"), 500);
    });
    if (sidecar.exitCode !== null || sidecar.signalCode !== null)
      throw new Error("it ended while it was being started");
    return {
      request: (method, params, cancellation) =>
        // An argument too many would be taken for a parameter
        client.sendRequest<Requests[typeof method]["result"]>(method, params, ...(cancellation ? [cancellation] : [])),
      tell: (method, params) => void client.sendNotification(method, params),
      async stop() {
        isWanted = false;
        try {
          if (!ended) await client.stop(STOP_MS);
          await client.dispose();
        } catch (error) {
          log.debug(String(error));
        }
        socket.terminate();
        sidecar.kill();
      },
    };
  } catch (error) {
    isWanted = false;
    sidecar.kill();
    throw error;
  }
}

function spawnSidecar({ node, program, log }: ClientOptions): ChildProcess {
  const sidecar = spawn(node, [program, "serve", "--until-input-ends"], {
    // Standard input stays open for as long as this process lives
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ELECTRON_RUN_AS_NODE: "1", ELECTRON_NO_ASAR: "1" },
  });
  createInterface({ input: sidecar.stderr }).on("line", (line) => log.info(`[sidecar] ${line}`));
  return sidecar;
}

/** The first line of the sidecar's output: where it listens, and the token. */
function announced(sidecar: ChildProcess): Promise<{ address: string; token: string }> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`it did not start within ${START_MS / 1000} s`)), START_MS);
    const fail = (message: string): void => {
      clearTimeout(timer);
      reject(new Error(message));
    };
    sidecar.once("error", ({ message }) => fail(message));
    sidecar.once("exit", (code, signal) => fail(`it ended at once (${signal ?? `exit code ${code}`})`));
    createInterface({ input: sidecar.stdout! }).once("line", (line) => {
      clearTimeout(timer);
      try {
        resolve(JSON.parse(line) as { address: string; token: string });
      } catch {
        fail(`it is no Kernelscope sidecar: it printed ${line.slice(0, 100)}`);
      }
    });
  });
}

function connect(address: string, token: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address, {
      headers: { Authorization: `Bearer ${token}` },
      perMessageDeflate: false,
    });
    socket.once("open", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** How long a text has to rest before its hints are told: longer than between two keys. */
const REST_MS = 250;

/**
 * VS Code shows hints at the places that it is given, also where the text was edited on the way: they would stand on wrong
 * lines for a moment, while those that it has move with the text. So nothing is answered while somebody types, nor for a
 * text that is another one by then.
 */
function hintsAtRest(): NonNullable<Middleware["provideInlayHints"]> {
  const told = new WeakMap<TextDocument, number>();
  return async (document, range, token, next) => {
    while (!token.isCancellationRequested) {
      const { version } = document;
      const isEdited = (told.get(document) ?? version) !== version;
      if (isEdited) await sleep(REST_MS);
      if (document.version !== version) continue;
      const hints = await next(document, range, token);
      if (document.version !== version) continue;
      told.set(document, version);
      return hints;
    }
    return null;
  };
}

/** Restarts are not its business, and what goes wrong in the background is for the log. */
class QuietClient extends LanguageClient {
  override handleFailedRequest<T>(
    type: MessageSignature,
    token: CancellationToken | undefined,
    error: unknown,
    defaultValue: T,
  ): T {
    // What the editor does not want any more has not gone wrong
    if (error instanceof ResponseError && error.code === LSPErrorCodes.RequestCancelled) {
      return super.handleFailedRequest(type, token, error, defaultValue);
    }
    this.warn(`${type.method} failed`, error, false);
    return defaultValue;
  }
}

function newLanguageClient(
  { log, initializationOptions, commands, onNotice }: ClientOptions,
  server: () => Promise<{ reader: NodeJS.ReadableStream; writer: NodeJS.WritableStream; detached: boolean }>,
): LanguageClient {
  const languages = ["typescript", "typescriptreact", "javascript", "javascriptreact", "json", "jsonc", "python"];
  const client = new QuietClient("kernelscope", "Kernelscope", server, {
    documentSelector: languages.map((language) => ({ scheme: "file", language })),
    outputChannel: log,
    revealOutputChannelOn: RevealOutputChannelOn.Never,
    initializationOptions,
    markdown: { isTrusted: { enabledCommands: commands } },
    middleware: { provideInlayHints: hintsAtRest() },
    initializationFailedHandler: () => false,
    errorHandler: {
      error: () => ({ action: ErrorAction.Continue, handled: true }),
      closed: () => ({ action: CloseAction.DoNotRestart, handled: true }),
    },
  });
  const notices: (keyof Notices)[] = [
    "kernelscope/file",
    "kernelscope/device",
    "kernelscope/plan",
    "kernelscope/kernel",
    "kernelscope/progress",
  ];
  for (const method of notices) {
    client.onNotification(method, (params: Notices[typeof method]) => onNotice(method, params));
  }
  return client;
}
