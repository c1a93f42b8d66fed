import { expect, test } from "vitest";
import { barScale, formatTimes, isChosen, selectedRow, strategyRows } from "../../webview/strategy-rows";
import { digitsPlan } from "./states";

const rows = strategyRows(digitsPlan.strategies.map((strategy) => ({ strategy, isCurrent: true })));

test("each strategy whole, its chunks below it, and work as a multiple of the least", () => {
  expect(rows.map(({ title, work }) => [title, work])).toEqual([
    ["jacrev", 96],
    ["jacrev in chunks of 250", 96],
    ["vmap(jacrev)", 1],
    ["vmap(jacfwd)", 4700],
    ["grad-loop", 1.3],
  ]);
});

test("the one to take is looked at, or what was chosen, with whatever chunk there is", () => {
  const title = (trial?: Parameters<typeof selectedRow>[1]): string | undefined => selectedRow(rows, trial)?.title;
  expect(title()).toBe("vmap(jacrev)");
  expect(title({ strategy: "jacrev", chunk: 74 })).toBe("jacrev in chunks of 250");
  expect(title({ strategy: "grad-loop", chunk: 7 })).toBe("grad-loop");
  const none = rows.map((row) => ({ ...row, strategy: { ...row.strategy, recommended: false } }));
  expect(selectedRow(none, undefined)?.title).toBe("grad-loop");
  expect(selectedRow([], undefined)).toBeNull();
});

test("a choice is one of a chunk", () => {
  expect(isChosen({ strategy: "jacrev", chunk: 5 }, { strategy: "jacrev", chunk: 5 })).toBe(true);
  expect(isChosen({ strategy: "jacrev", chunk: 5 }, { strategy: "jacrev", chunk: null })).toBe(false);
  expect(isChosen({ strategy: "jacrev", chunk: null }, null)).toBe(false);
});

test("bars have a common scale, up to a little beyond the limit", () => {
  // Something fits and something is enormous: the limit is at four fifths
  expect(barScale([2, 8, 3500], 16)).toEqual({ end: 20, limit: 0.8, isCut: true });
  // Everything fits well: no room is lost to a limit that is far away
  expect(barScale([1, 2], 80)).toEqual({ end: 2.1, limit: null, isCut: false });
  // What fits can be told apart where it is small beside the limit
  expect(barScale([1, 2, 3500], 80)).toEqual({ end: 3, limit: null, isCut: true });
  // Nothing fits: the least is seen whole, and how far it is beyond the limit
  expect(barScale([500, 90_000], 16)).toEqual({ end: 625, limit: 16 / 625, isCut: true });
  expect(barScale([12], 16)).toMatchObject({ end: 1.05 * 16, isCut: false });
});

test("multiples are short", () => {
  expect([1, 1.26, 9.96, 96, 4699.4, 34_120].map(formatTimes)).toEqual([
    "1×",
    "1.3×",
    "10×",
    "96×",
    "4,700×",
    "34,100×",
  ]);
});
