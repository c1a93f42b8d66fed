import { EventEmitter } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Spare } from "./spare";
import type { StartOptions, WorkerProcess } from "./start";

interface Started {
  readonly options: StartOptions;
  readonly worker: WorkerProcess;
  readonly process: EventEmitter;
  readonly end: ReturnType<typeof vi.fn>;
}

const started: Started[] = [];

// Which workers are started, and which are ended, is all that is looked at here
vi.mock("./start", () => ({
  startWorker(options: StartOptions): WorkerProcess {
    const process = new EventEmitter();
    const end = vi.fn(() => Promise.resolve());
    const worker = { process, end, fault: () => null } as unknown as WorkerProcess;
    started.push({ options, worker, process, end });
    return worker;
  },
}));

afterEach(() => {
  started.length = 0;
});

const options: StartOptions = { limits: { timeLimit: 30, codeMemory: 2 ** 31 }, cache: true, code: true };

describe("the worker in reserve", () => {
  it("is started once, warm, and given to who asks for one that is started in the same way", () => {
    const spare = new Spare();
    spare.prepare(options);
    spare.prepare(options);
    expect(started.map(({ options }) => options.warm)).toEqual([true]);
    expect(spare.take(options)).toBe(started[0].worker);
    expect(started).toHaveLength(1);
    expect(spare.take(options)).toBe(started[1].worker);
    expect(started[1].options.warm).toBe(undefined);
  });

  it("serves any time limit, which is told with the request", () => {
    const spare = new Spare();
    spare.prepare(options);
    expect(spare.take({ ...options, limits: { ...options.limits, timeLimit: 1 } })).toBe(started[0].worker);
  });

  it.each([
    ["heap", { limits: { timeLimit: 30, codeMemory: 2 ** 30 } }],
    ["cache", { cache: false }],
    ["kind of file", { code: false }],
    ["TensorFlow", { tensorflow: "/tfjs" }],
  ] as const)("is not given to who asks for another %s", (_, other) => {
    const spare = new Spare();
    spare.prepare(options);
    expect(spare.take({ ...options, ...other })).toBe(started[1].worker);
    // It waits for who asks for it
    expect(spare.take(options)).toBe(started[0].worker);
  });

  it("is replaced when another is to be prepared", () => {
    const spare = new Spare();
    spare.prepare(options);
    spare.prepare({ ...options, code: false });
    expect(started.map(({ end }) => end.mock.calls.length)).toEqual([1, 0]);
    expect(spare.take({ ...options, code: false })).toBe(started[1].worker);
  });

  it("is ended when it is not wanted any more", () => {
    const spare = new Spare();
    spare.prepare(options);
    spare.dispose();
    spare.dispose();
    expect(started[0].end).toHaveBeenCalledTimes(1);
    expect(spare.take(options)).toBe(started[1].worker);
  });

  it("is not given when it has ended by itself", () => {
    for (const event of ["exit", "error"]) {
      const spare = new Spare();
      spare.prepare(options);
      const first = started.at(-1)!;
      first.process.emit(event, event === "error" ? new Error("x") : 1);
      expect(spare.take(options)).not.toBe(first.worker);
    }
  });
});
