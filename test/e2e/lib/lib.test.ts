import { describe, expect, it } from "vitest";
import { belonging, listProcesses, parseStat } from "./processes";
import { matches, plain, until } from "./wait";

describe("until", () => {
  it("asks again until there is an answer, and takes an error for none", async () => {
    let asked = 0;
    const answer = await until("the third time", () => {
      asked++;
      if (asked === 1) throw new Error("not yet");
      return asked === 2 ? undefined : asked;
    });
    expect(answer).toBe(3);
  });

  it("takes zero and the empty text for answers", async () => {
    expect(await until("a number", () => 0)).toBe(0);
    expect(await until("a text", () => "")).toBe("");
  });

  it("names what it waited for, and the last error", async () => {
    const waiting = until("a train", () => Promise.reject(new Error("snow")), { timeout: 10, interval: 5 });
    await expect(waiting).rejects.toMatchObject({
      message: "waited 0.01 s in vain for a train",
      cause: { message: "snow" },
    });
  });
});

describe("plain", () => {
  it("is the text that a reader sees", () => {
    expect(plain("a\u00a0b\u200b\u200dc")).toBe("a bc");
  });
});

describe("matches", () => {
  it("compares with a text as a whole, and with an expression anywhere", () => {
    expect(matches("Jacobian", "Jacobian")).toBe(true);
    expect(matches("Jacobian [3]", "Jacobian")).toBe(false);
    expect(matches("Jacobian [3]", /Jacobian/)).toBe(true);
  });
});

describe("processes", () => {
  it("reads the parent behind a name that holds brackets", () => {
    expect(parseStat("42 (a) S (b) R 7 42 42 0")).toEqual({ state: "R", parent: 7 });
  });

  it("finds the whole family, and who only carries the mark", () => {
    const all = [
      { pid: 12, parent: 11, command: "grandchild" },
      { pid: 10, parent: 1, command: "ancestor" },
      { pid: 11, parent: 10, command: "child" },
      { pid: 20, parent: 1, command: "orphan /tmp/mark/x" },
      { pid: 30, parent: 1, command: "stranger" },
    ];
    expect(belonging(all, 10, "/tmp/mark").map(({ command }) => command)).toEqual([
      "grandchild",
      "ancestor",
      "child",
      "orphan /tmp/mark/x",
    ]);
  });

  it.runIf(process.platform === "linux")("lists this one", () => {
    expect(listProcesses().find(({ pid }) => pid === process.pid)?.parent).toBe(process.ppid);
  });
});
