import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { PlannedKernels } from "../analysis/ntk";
import type { Planned, PlannedModel } from "../analysis/strategies";
import { messageOf } from "../graph/errors";
import { CancelledError } from "../worker/client";
import type { FromPlanning, KernelsJob, PlanJob, ToPlanning } from "./planning-messages";

export interface PlanOptions extends Omit<PlanJob, "id" | "key" | "isWatched"> {
  readonly signal: AbortSignal;
  /** Where somebody watches: told what is known so far. */
  readonly onPart?: (planned: Planned) => void;
}

export interface KernelsOptions extends Omit<KernelsJob, "id" | "key"> {
  readonly signal: AbortSignal;
}

interface Pending {
  readonly resolve: (planned: Planned | PlannedKernels) => void;
  readonly reject: (error: Error) => void;
  readonly onPart: PlanOptions["onPart"];
}

/** Has plans made in a thread of its own, which is started when it is first wanted, and anew where it has ended. */
export class Planning {
  private thread: Worker | null = null;
  /** By key, what the thread knows. */
  private readonly loaded = new Map<string, PlannedModel>();
  private readonly pending = new Map<number, Pending>();
  private count = 0;

  /** @param holdsProcess whether the process goes on until the thread is disposed of, even where it does nothing else */
  constructor(private readonly holdsProcess = false) {}

  /**
   * What each way to compute the Jacobian of a model takes.
   * @param key names the model; another one of the same name takes its place
   */
  plan(key: string, model: PlannedModel, { signal, onPart, ...job }: PlanOptions): Promise<Planned> {
    const isWatched = onPart !== undefined;
    return this.ask(key, model, signal, onPart, (id) => ({ kind: "plan", job: { ...job, id, key, isWatched } }));
  }

  /** What the neural tangent kernel of a model takes. Whatever else is asked for goes before. */
  planKernels(key: string, model: PlannedModel, { signal, ...job }: KernelsOptions): Promise<PlannedKernels> {
    return this.ask(key, model, signal, undefined, (id) => ({ kind: "plan-kernels", job: { ...job, id, key } }));
  }

  /** @typeParam T what the message is answered with */
  private ask<T extends Planned | PlannedKernels>(
    key: string,
    model: PlannedModel,
    signal: AbortSignal,
    onPart: Pending["onPart"],
    messageFor: (id: number) => ToPlanning,
  ): Promise<T> {
    if (signal.aborted) return Promise.reject(new CancelledError());
    if (this.loaded.get(key) !== model) {
      const { graph, parameters, layers, batch } = model;
      this.send({ kind: "load", key, model: { graph, parameters, layers, batch } });
      this.loaded.set(key, model);
    }
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        this.send({ kind: "cancel", id });
        this.pending.get(id)?.reject(new CancelledError());
      };
      const settle = (): void => {
        this.pending.delete(id);
        signal.removeEventListener("abort", cancel);
      };
      this.pending.set(id, {
        onPart,
        resolve(planned) {
          settle();
          resolve(planned as T);
        },
        reject(error) {
          settle();
          reject(error);
        },
      });
      signal.addEventListener("abort", cancel);
      this.send(messageFor(id));
    });
  }

  forget(key: string): void {
    if (this.loaded.delete(key)) this.send({ kind: "forget", key });
  }

  dispose(): void {
    const { thread } = this;
    this.thread = null;
    for (const { reject } of this.pending.values()) reject(new CancelledError());
    void thread?.terminate();
  }

  private send(message: ToPlanning): void {
    this.thread ??= this.start();
    this.thread.postMessage(message);
  }

  private start(): Worker {
    const thread = new Worker(join(__dirname, "planning.js"));
    // The sidecar ends when its editor does, whatever is being planned
    if (!this.holdsProcess) thread.unref();
    thread.on("message", (message: FromPlanning) => {
      const asked = this.pending.get(message.id);
      if (message.kind === "part") asked?.onPart?.(message.planned);
      else if (message.kind === "done") asked?.resolve(message.planned);
      else asked?.reject(new Error(message.message));
    });
    const ended = (error: unknown): void => {
      if (this.thread !== thread) return;
      this.thread = null;
      this.loaded.clear();
      for (const { reject } of this.pending.values()) reject(new Error(messageOf(error)));
    };
    thread.on("error", ended);
    thread.on("exit", (code) => ended(new Error(`the planning thread has ended (${code})`)));
    return thread;
  }
}
