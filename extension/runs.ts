import * as vscode from "vscode";
import type { ModelRef, Outcome } from "../sidecar/protocol/messages";
import type { RunResult, RunState } from "../sidecar/protocol/panel";
import type { Sidecar } from "./sidecar";

/** Computations that were started from the editor: kept for as long as the window lives. */

export interface Computation {
  readonly title: string;
  readonly model: ModelRef;
  /** The file that is written. */
  readonly out: string;
  /** Asks the sidecar, which tells of progress by the run. */
  readonly ask: (run: string, token: vscode.CancellationToken) => Promise<Outcome<RunResult>>;
}

export class Runs implements vscode.Disposable {
  private runs: RunState[] = [];
  private readonly tokens = new Map<string, vscode.CancellationTokenSource>();
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChange = this.changes.event;
  private count = 0;

  constructor(private readonly sidecar: Sidecar) {
    sidecar.on("kernelscope/progress", ({ run, fraction }) => {
      const known = this.find(run);
      if (known && percentOf(fraction) > percentOf(known.fraction)) this.update(run, { fraction });
    });
  }

  /** The newest first. */
  all(): readonly RunState[] {
    return this.runs;
  }

  find(id: string): RunState | undefined {
    return this.runs.find((run) => run.id === id);
  }

  /** Computes, with a notification that shows progress and can be cancelled. */
  async start({ title, model, out, ask }: Computation): Promise<RunState> {
    const id = String(++this.count);
    const started = new Date().toISOString();
    const begun = {
      id,
      model,
      title,
      out,
      started,
      status: "running",
      fraction: 0,
      result: null,
      message: null,
    } as const;
    this.runs = [begun, ...this.runs];
    this.changes.fire();
    const source = new vscode.CancellationTokenSource();
    this.tokens.set(id, source);
    try {
      await vscode.window.withProgress(
        { location: vscode.ProgressLocation.Notification, title, cancellable: true },
        async (progress, token) => {
          token.onCancellationRequested(() => source.cancel());
          let shown = 0;
          const watcher = this.onDidChange(() => {
            const percent = percentOf(this.find(id)?.fraction ?? 0);
            if (percent > shown) progress.report({ increment: percent - shown, message: `${percent} %` });
            shown = Math.max(shown, percent);
          });
          try {
            const outcome = await this.outcomeOf(ask(id, source.token), source.token);
            this.update(id, endOf(outcome));
          } finally {
            watcher.dispose();
          }
        },
      );
    } finally {
      this.tokens.delete(id);
      source.dispose();
    }
    return this.find(id)!;
  }

  cancel(id: string): void {
    this.tokens.get(id)?.cancel();
  }

  /** Cancels what is about to write this file. */
  cancelWriting(out: string): void {
    for (const run of this.runs) if (run.out === out) this.cancel(run.id);
  }

  dispose(): void {
    for (const source of this.tokens.values()) source.cancel();
    this.changes.dispose();
  }

  private async outcomeOf(
    asked: Promise<Outcome<RunResult>>,
    token: vscode.CancellationToken,
  ): Promise<Outcome<RunResult>> {
    try {
      return await asked;
    } catch (error) {
      if (token.isCancellationRequested) return { kind: "cancelled" };
      const reason =
        this.sidecar.state === "running" ? (error as Error).message : "the sidecar ended while it was computed";
      return { kind: "failed", fault: { fault: "engine", message: `${reason}; start it again.`, source: null } };
    }
  }

  private update(id: string, change: Partial<RunState>): void {
    this.runs = this.runs.map((run) => (run.id === id ? { ...run, ...change } : run));
    this.changes.fire();
  }
}

function percentOf(fraction: number): number {
  return Math.floor(100 * fraction);
}

/** The same outcome, of a run. */
export function runOutcome<K extends RunResult["kind"]>(
  kind: K,
  outcome: Outcome<Extract<RunResult, { kind: K }>["summary"]>,
): Outcome<RunResult> {
  return outcome.kind === "done" ? { kind: "done", result: { kind, summary: outcome.result } as RunResult } : outcome;
}

function endOf(outcome: Outcome<RunResult>): Partial<RunState> {
  switch (outcome.kind) {
    case "done":
      return { status: "done", fraction: 1, result: outcome.result };
    case "cancelled":
      return { status: "cancelled", message: "Cancelled" };
    case "failed":
      return { status: "failed", message: outcome.fault.message };
  }
}
