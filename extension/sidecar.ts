import * as vscode from "vscode";
import type { FileState, Notices, Requests, Settings } from "../sidecar/protocol/messages";
import type { Client, ClientOptions } from "./client";
import { nodePath } from "./settings";

/** The life of the sidecar: started when it is first wanted, started again, so many times, when it ends by itself. */

export type SidecarState = "stopped" | "starting" | "running" | "failed";

/** How long each restart waits: what ends at once is not started over and over, and every notice of it is seen. */
const DELAYS_MS = [0, 1000, 2000, 4000];
/** So many restarts within so long; more of them would only go on failing. */
const MOST_RESTARTS = DELAYS_MS.length;
const WITHIN_MS = 3 * 60_000;

type NoticeListener<M extends keyof Notices> = (params: Notices[M]) => void;

export interface SidecarOptions {
  readonly program: string;
  readonly log: vscode.LogOutputChannel;
  readonly commands: readonly string[];
  readonly settings: () => Settings;
  /** What is known already, for a sidecar that knows nothing yet. */
  readonly known: () => Promise<readonly FileState[]>;
  readonly showLog: () => void;
}

export class Sidecar implements vscode.Disposable {
  private client: Client | null = null;
  private starting: Promise<Client> | null = null;
  private readonly restarts: number[] = [];
  private restarting: NodeJS.Timeout | null = null;
  private current: SidecarState = "stopped";
  private readonly states = new vscode.EventEmitter<SidecarState>();
  readonly onDidChangeState = this.states.event;
  private readonly listeners = new Map<keyof Notices, Set<NoticeListener<never>>>();
  private disposed = false;

  constructor(private readonly options: SidecarOptions) {}

  get state(): SidecarState {
    return this.current;
  }

  /** Asks the sidecar, which is started if need be. Rejects where it ends before it has answered. */
  async request<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
    token?: vscode.CancellationToken,
  ): Promise<Requests[M]["result"]> {
    const client = await this.start();
    return client.request(method, params, token);
  }

  /** Tells it of settings that have changed; one that is not running reads them when it starts. */
  configure(settings: Settings): void {
    this.client?.tell("kernelscope/settings", settings);
  }

  on<M extends keyof Notices>(method: M, listener: NoticeListener<M>): vscode.Disposable {
    const known = this.listeners.get(method) ?? new Set();
    this.listeners.set(method, known.add(listener));
    return new vscode.Disposable(() => known.delete(listener));
  }

  /** Starts it, unless it runs. Rejects with a sentence where it cannot be started, which has been shown then. */
  start(): Promise<Client> {
    this.clearRestart();
    this.starting ??= this.launch();
    return this.starting;
  }

  /** Ends it and starts another, at the user's wish. */
  async restart(): Promise<void> {
    this.restarts.length = 0;
    await this.stop();
    await this.start();
  }

  async stop(): Promise<void> {
    const { client } = this;
    this.clearRestart();
    this.client = null;
    this.starting = null;
    if (client !== null) await client.stop();
    this.setState("stopped");
  }

  dispose(): void {
    this.disposed = true;
    void this.stop();
    this.states.dispose();
  }

  private async launch(): Promise<Client> {
    const { program, log, commands, settings, known } = this.options;
    this.setState("starting");
    const options: ClientOptions = {
      node: nodePath(),
      program,
      log,
      commands,
      initializationOptions: { settings: settings(), restored: await known() },
      onNotice: (method, params) => {
        for (const listener of this.listeners.get(method) ?? []) listener(params as never);
      },
      onEnd: (how) => this.ended(how),
    };
    try {
      const { startClient } = await import("./client.js");
      const client = await startClient(options);
      this.client = client;
      this.setState("running");
      log.info("the sidecar runs");
      return client;
    } catch (error) {
      this.starting = null;
      this.setState("failed");
      const message = `The Kernelscope sidecar could not be started: ${error instanceof Error ? error.message : String(error)}.`;
      log.error(message);
      this.offer(
        `${message} Look at the log, or set kernelscope.nodePath to a Node.js of version 20.18 or later.`,
        "error",
      );
      throw new Error(message, { cause: error });
    }
  }

  private ended(how: string): void {
    if (this.disposed) return;
    this.client = null;
    this.starting = null;
    this.options.log.error(`the sidecar has ended (${how})`);
    const now = Date.now();
    while (this.restarts.length > 0 && now - this.restarts[0] > WITHIN_MS) this.restarts.shift();
    if (this.restarts.length >= MOST_RESTARTS) {
      this.setState("failed");
      const often = `The Kernelscope sidecar has ended ${MOST_RESTARTS + 1} times within ${WITHIN_MS / 60_000} minutes`;
      this.offer(`${often} (${how}) and is not started again. Results are kept, but stale.`, "error");
      return;
    }
    this.restarts.push(now);
    this.setState("stopped");
    this.offer(
      `The Kernelscope sidecar ended unexpectedly (${how}) and is started again. Results are kept, marked as stale.`,
      "warning",
    );
    // What goes wrong is shown by `launch`
    const restart = (): void => void this.start().catch(() => undefined);
    this.restarting = setTimeout(restart, DELAYS_MS[this.restarts.length - 1]);
  }

  private clearRestart(): void {
    if (this.restarting) clearTimeout(this.restarting);
    this.restarting = null;
  }

  private offer(message: string, severity: "warning" | "error"): void {
    const show = severity === "error" ? vscode.window.showErrorMessage : vscode.window.showWarningMessage;
    const actions = severity === "error" ? ["Restart", "Show Log"] : ["Show Log"];
    void show(message, ...actions).then((action) => {
      if (action === "Restart") this.restart().catch(() => undefined);
      if (action === "Show Log") this.options.showLog();
    });
  }

  private setState(state: SidecarState): void {
    if (this.current === state) return;
    this.current = state;
    if (!this.disposed) this.states.fire(state);
  }
}
