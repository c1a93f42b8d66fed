import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { accountForTimers } from "./timers";

it("stops the timers that have not fired, and no others", async () => {
  const fired: unknown[] = [];
  const { setTimeout: before } = globalThis;
  setTimeout(() => fired.push("earlier"), 30);
  const stop = accountForTimers();
  const interval = setInterval(() => fired.push("tick"), 5);
  setTimeout((name: string) => fired.push(name), 0, "soon");
  setImmediate(() => fired.push("at once"));
  await promisify(setTimeout)(20);
  clearInterval(interval);
  expect(fired).toContain("tick");
  expect(fired.filter((name) => name !== "tick").sort()).toEqual(["at once", "soon"]);

  fired.length = 0;
  setTimeout(() => fired.push("later"), 20);
  setInterval(() => fired.push("again"), 20);
  setImmediate(() => fired.push("next"));
  stop();
  expect(setTimeout).toBe(before);
  setTimeout(() => fired.push("after"), 30);
  await sleep(80);
  expect(fired.sort()).toEqual(["after", "earlier"]);
});
