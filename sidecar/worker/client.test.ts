import { EventEmitter } from "node:events";
import { describe, expect, it, vi } from "vitest";
import { EngineError } from "../engines/engine";
import { ModelError } from "../graph/errors";
import { ask, CancelledError, type AskOptions } from "./client";
import { MemoryError } from "./memory";
import type { Fault, Order, Reply } from "./messages";
import type { WorkerProcess } from "./start";

/** A worker that does what a test says, once it has been asked. */
function worker(
  behave: (process: EventEmitter, order: Order) => void,
  lastWords: Fault | null = null,
): WorkerProcess & { ended: () => number } {
  const process = new EventEmitter();
  const end = vi.fn(() => Promise.resolve());
  const send = (order: Order): void => void setImmediate(() => behave(process, order));
  return {
    process: Object.assign(process, { send }),
    end,
    fault: () => lastWords,
    ended: () => end.mock.calls.length,
  } as unknown as WorkerProcess & { ended: () => number };
}

const says =
  (...replies: Reply[]) =>
  (process: EventEmitter): void =>
    replies.forEach((reply) => void process.emit("message", reply));
const options: AskOptions = { limits: { timeLimit: 30, codeMemory: 2 ** 31 }, cache: false };
const model = { file: "/net.ts", export: null, inputs: [], batch: 1 };
const trace = { kind: "trace", model } as const;

describe("asking a worker", () => {
  it("gives its result, and ends it", async () => {
    const one = worker(says({ kind: "traced" }, { kind: "progress", fraction: 0.5 }, { kind: "done", result: [] }));
    const fractions: number[] = [];
    const result = await ask(
      { kind: "engines" },
      { ...options, start: () => one, onProgress: (fraction) => fractions.push(fraction) },
    );
    expect([result, fractions, one.ended()]).toEqual([[], [0.5], 1]);
  });

  it.each([
    ["model", ModelError],
    ["memory", MemoryError],
    ["engine", EngineError],
  ] as const)("throws what is wrong with the %s", async (fault, kind) => {
    const one = worker(says({ kind: "failed", fault, message: "no", source: null }));
    await expect(ask(trace, { ...options, start: () => one })).rejects.toThrow(kind);
    expect(one.ended()).toBe(1);
  });

  it("believes its last words more than its end", async () => {
    const lastWords: Fault = { fault: "model", message: "process.exit", source: null };
    const one = worker((process) => process.emit("exit", null, "SIGKILL"), lastWords);
    await expect(ask(trace, { ...options, start: () => one })).rejects.toThrow("process.exit");
  });

  it.each([
    ["SIGKILL", "the worker process was killed (SIGKILL)"],
    ["SIGSEGV", "/net.ts: evaluating it crashed the worker process (SIGSEGV)"],
  ])("tells how it ended: %s", async (signal, message) => {
    const one = worker((process) => process.emit("exit", null, signal));
    await expect(ask(trace, { ...options, start: () => one })).rejects.toThrow(message);
  });

  it("tells that it could not be started", async () => {
    const one = worker((process) => process.emit("error", new Error("ENOMEM")));
    await expect(ask(trace, { ...options, start: () => one })).rejects.toThrow("could not be started: ENOMEM");
  });

  it("is told whether the file is code", async () => {
    const codes: boolean[] = [];
    for (const file of ["/net.ts", "/model.json"]) {
      const one = worker(says({ kind: "failed", fault: "model", message: "no", source: null }));
      const start: AskOptions["start"] = ({ code }) => (codes.push(code), one);
      await ask({ kind: "trace", model: { ...model, file } }, { ...options, start }).catch(() => undefined);
    }
    expect(codes).toEqual([true, false]);
  });
});

describe("cancelling", () => {
  it("ends the worker at once", async () => {
    const controller = new AbortController();
    const one = worker(() => controller.abort());
    await expect(ask(trace, { ...options, start: () => one, signal: controller.signal })).rejects.toThrow(
      CancelledError,
    );
    expect(one.ended()).toBe(1);
  });

  it("starts none when it comes before", async () => {
    const start = vi.fn();
    await expect(ask(trace, { ...options, start, signal: AbortSignal.abort() })).rejects.toThrow(CancelledError);
    expect(start).not.toHaveBeenCalled();
  });

  it("comes too late when there is a result", async () => {
    const controller = new AbortController();
    const one = worker(says({ kind: "done", result: [] }));
    expect(await ask({ kind: "engines" }, { ...options, start: () => one, signal: controller.signal })).toEqual([]);
    controller.abort();
    expect(one.ended()).toBe(1);
  });

  it("leaves no listeners for signals behind", async () => {
    const before = process.listenerCount("SIGTERM");
    const controller = new AbortController();
    const one = worker(() => controller.abort());
    await ask(trace, { ...options, start: () => one, signal: controller.signal }).catch(() => undefined);
    expect(process.listenerCount("SIGTERM")).toBe(before);
  });
});
