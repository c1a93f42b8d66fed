import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { FromPanel } from "../../sidecar/protocol/panel";
import { Plans, wantedPlan, type WantedPlan } from "../../webview/plans";
import { analysisOf, devices, digits, digitsPlan, digitsStrategies, model, parameter, stateOf } from "./states";

let asked: Extract<FromPanel, { type: "plan" }>[];
let plans: Plans;

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  plans = new Plans((message) => {
    if (message.type === "plan") asked.push(message);
  });
  plans.about("a model");
});
afterEach(() => vi.useRealTimers());

function want(batch: number): WantedPlan {
  return { key: String(batch), batch, device: devices[0], known: [] };
}

test("the same thing is asked once", () => {
  plans.want(want(100));
  plans.want(want(100));
  expect(asked.map(({ batch }) => batch)).toEqual([100]);
  expect(plans.isPending).toBe(true);
  plans.answered(asked[0].id, digitsPlan);
  plans.want(want(100));
  expect(plans).toMatchObject({ isPending: false, plan: digitsPlan });
  vi.advanceTimersByTime(1000);
  expect(asked).toHaveLength(1);
});

test("while a slider moves there is a question every 50 ms at most, and the newest is asked last", () => {
  for (let batch = 1; batch <= 20; batch++) {
    plans.want(want(batch));
    vi.advanceTimersByTime(10);
  }
  vi.advanceTimersByTime(100);
  expect(asked.map(({ batch }) => batch)).toEqual([1, 5, 10, 15, 20]);
  expect(new Set(asked.map(({ id }) => id)).size).toBe(5);
});

test("only answers to the newest question count, and what was known stays until then", () => {
  plans.want(want(100));
  plans.answered(asked[0].id, digitsPlan);
  vi.advanceTimersByTime(60);
  plans.want(want(200));
  expect(plans.known.map(({ isCurrent }) => isCurrent)).toEqual([false, false, false, false, false]);
  plans.answered(asked[0].id, { ...digitsPlan, strategies: [] });
  expect(plans.known).toHaveLength(5);
  const [, second] = digitsPlan.strategies;
  plans.answered(asked[1].id, { ...digitsPlan, strategies: [second], isWhole: false });
  expect(plans.isPending).toBe(true);
  expect(plans.known.filter(({ isCurrent }) => isCurrent).map(({ strategy }) => strategy)).toEqual([second]);
  plans.answered(asked[1].id, { ...digitsPlan, strategies: [second] });
  expect(plans.known).toHaveLength(1);
  // Their room stays
  expect(plans.room).toBe(5);
});

test("while a slider moves, answers that are a step behind are shown", () => {
  plans.want(want(100));
  vi.advanceTimersByTime(40);
  plans.want(want(200));
  plans.answered(asked[0].id, digitsPlan);
  expect(plans).toMatchObject({ plan: digitsPlan, isPending: true });
  expect(plans.known.every(({ isCurrent }) => !isCurrent)).toBe(true);
  vi.advanceTimersByTime(20);
  expect(asked).toHaveLength(2);
});

test("a refusal is told, and can be tried again", () => {
  plans.want(want(100));
  plans.refused("another", "No.");
  expect(plans.message).toBeNull();
  plans.refused(asked[0].id, "Not evaluated yet.");
  expect(plans).toMatchObject({ message: "Not evaluated yet.", isPending: false });
  plans.want(want(100));
  expect(asked).toHaveLength(1);
  plans.retry();
  expect(asked).toHaveLength(2);
  expect(plans.message).toBeNull();
});

test("what was not answered is asked again when somebody answers again", () => {
  plans.want(want(100));
  plans.halt();
  expect(plans.isPending).toBe(false);
  plans.answered(asked[0].id, digitsPlan);
  expect(plans.plan).toBeNull();
  plans.want(want(100));
  vi.advanceTimersByTime(60);
  plans.answered(asked[1].id, digitsPlan);
  plans.halt();
  plans.want(want(100));
  expect(asked).toHaveLength(2);
});

test("another model has plans of its own", () => {
  plans.want(want(100));
  plans.answered(asked[0].id, digitsPlan);
  plans.about("another model");
  expect(plans).toMatchObject({ plan: null, known: [], isPending: false });
});

test("what is wanted changes with the evaluation, the batch and the device, and with nothing else", () => {
  const memory = { model, view: "memory" } as const;
  const key = (...change: Parameters<typeof stateOf>): string | undefined =>
    wantedPlan(stateOf(...change), memory)?.key;
  const before = key(digits);
  expect(key(structuredClone(digits), { runs: [], title: "other" })).toBe(before);
  expect(key({ ...digits, strategies: digitsStrategies }, { chosen: { strategy: "jacrev", chunk: null } })).toBe(
    before,
  );
  expect(key(digits, { batch: 7 })).not.toBe(before);
  expect(key(digits, { device: devices[1] })).not.toBe(before);
  expect(key(digits, { model: { milliseconds: 431 } })).not.toBe(before);
  expect(wantedPlan(stateOf(digits), { ...memory, trial: { batch: 250 } })).toMatchObject({ batch: 250 });
});

test("nothing is wanted where nobody answers or there is nothing to derive", () => {
  const memory = { model, view: "memory" } as const;
  expect(wantedPlan(stateOf(null), memory)).toBeNull();
  expect(wantedPlan(stateOf(digits, { running: false }), memory)).toBeNull();
  expect(wantedPlan(stateOf(digits, { trusted: false }), memory)).toBeNull();
  expect(wantedPlan(stateOf(digits, { trusted: false, model: { kind: "saved" } }), memory)).not.toBeNull();
  expect(wantedPlan(stateOf(analysisOf([parameter("w", [3], { trainable: false })], [])), memory)).toBeNull();
});
