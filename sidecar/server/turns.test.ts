import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Turns } from "./turns";

const never = new AbortController().signal;

/** Something that runs until it is told to end. */
function job(log: string[], name: string): { run: () => Promise<string>; end: () => void } {
  let end!: () => void;
  const ended = new Promise<void>((resolve) => (end = resolve));
  return {
    end: () => end(),
    run: async () => {
      log.push(name);
      await ended;
      return name;
    },
  };
}

describe("turns", () => {
  it("are so many at a time; the others wait, in order", async () => {
    const turns = new Turns(2);
    const log: string[] = [];
    const jobs = ["a", "b", "c", "d"].map((name) => job(log, name));
    const results = jobs.map(({ run }) => turns.take(never, true, run));
    await setImmediate();
    expect(log).toEqual(["a", "b"]);
    jobs[1].end();
    await setImmediate();
    expect(log).toEqual(["a", "b", "c"]);
    jobs[0].end();
    jobs[2].end();
    jobs[3].end();
    expect(await Promise.all(results)).toEqual(["a", "b", "c", "d"]);
  });

  it("are left to what is urgent: the rest waits behind it, and never takes all", async () => {
    const turns = new Turns(2);
    const log: string[] = [];
    const jobs = ["a", "b", "C", "D", "E"].map((name) => job(log, name));
    const results = jobs.map(({ run }, index) => turns.take(never, index >= 2, run));
    await setImmediate();
    expect(log).toEqual(["a", "C"]);
    jobs[0].end();
    await setImmediate();
    expect(log).toEqual(["a", "C", "D"]);
    jobs[2].end();
    jobs[3].end();
    await setImmediate();
    expect(log).toEqual(["a", "C", "D", "E", "b"]);
    jobs[1].end();
    jobs[4].end();
    expect(await Promise.all(results)).toEqual(["a", "b", "C", "D", "E"]);
  });

  it("end with an error, too", async () => {
    const turns = new Turns(1);
    const failing = turns.take(never, true, () => Promise.reject(new Error("no")));
    const next = turns.take(never, true, () => Promise.resolve("next"));
    await expect(failing).rejects.toThrow("no");
    expect(await next).toBe("next");
  });

  it("are not waited for by what is not wanted any more", async () => {
    const turns = new Turns(1);
    const log: string[] = [];
    const [first, last] = [job(log, "first"), job(log, "last")];
    const controller = new AbortController();
    const running = turns.take(never, true, first.run);
    const given = turns.take(controller.signal, true, () => Promise.resolve(controller.signal.aborted));
    const waiting = turns.take(never, true, last.run);
    controller.abort();
    expect(await given).toBe(true);
    expect(log).toEqual(["first"]);
    first.end();
    last.end();
    expect(await Promise.all([running, waiting])).toEqual(["first", "last"]);
    expect(await turns.take(AbortSignal.abort(), true, () => Promise.resolve("at once"))).toBe("at once");
    expect(await turns.take(never, true, () => Promise.resolve("still one turn"))).toBe("still one turn");
  });
});
