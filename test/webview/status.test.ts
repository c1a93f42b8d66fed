import { expect, test } from "vitest";
import { statusOf } from "../../webview/status";
import { fitOf } from "../../webview/fit";
import { digits, stateOf } from "./states";

test("fresh results, and none yet", () => {
  expect(statusOf(stateOf(digits))).toMatchObject({ tone: "good", text: "Up to date, evaluated in 430 ms." });
  expect(statusOf(stateOf(null))).toMatchObject({ tone: "neutral", text: "Not analyzed yet." });
});

test("stale results say why", () => {
  const texts = (["edited", "failed", "restored"] as const).map((stale) =>
    statusOf(stateOf(digits, { model: { stale } })),
  );
  expect(texts.map(({ text }) => text)).toEqual([
    "Edited since: save to refresh.",
    "The last evaluation failed: these are the results before it.",
    "From an earlier session: analyze to refresh.",
  ]);
  expect(texts.every(({ tone }) => tone === "warning")).toBe(true);
});

test("a failure is told with its place", () => {
  const source = { file: "/project/digits.ts", line: 12, column: 1 };
  const fault = { fault: "model", message: "x is not defined.", source } as const;
  expect(statusOf(stateOf(null, { model: { fault } }))).toMatchObject({ text: "x is not defined.", place: source });
  expect(statusOf(stateOf(digits, { model: { fault } })).text).toBe("x is not defined. The last results are shown.");
});

test("a saved model whose input is open has its shape set from here: there is no line to do it at", () => {
  const message = "The shape of the input x is open ([N,?]); set the input shape x=N,EXTENT1";
  const fault = { fault: "model", message, source: null } as const;
  expect(statusOf(stateOf(null, { model: { kind: "saved", fault } })).action?.command).toBe("setInputs");
  expect(statusOf(stateOf(null, { model: { kind: "model", fault } })).action).toBe(null);
});

test("an interpreter that is of no use is chosen anew from here", () => {
  const message =
    "python3 has no PyTorch; install it with pip install torch, or choose the Python interpreter that has it";
  const fault = { fault: "model", message, source: null } as const;
  expect(statusOf(stateOf(null, { model: { kind: "class", fault } })).action?.command).toBe("choosePython");
});

test("what keeps an evaluation from starting comes first, with what helps", () => {
  const model = { activity: "evaluating" } as const;
  expect(statusOf(stateOf(digits, { running: false, model })).action?.command).toBe("restartSidecar");
  expect(statusOf(stateOf(null, { trusted: false })).action?.command).toBe("trust");
  expect(statusOf(stateOf(digits, { model })).tone).toBe("busy");
});

test("PyTorch is asked when the results are there, which may be old again by then", () => {
  const model = { activity: "asking-pytorch", milliseconds: 3210 } as const;
  const status = statusOf(stateOf(digits, { model }));
  expect(status.tone).toBe("busy");
  expect(status.text).toBe("Up to date, evaluated in 3.2 s. Your PyTorch is being asked what it would do.");
  expect(statusOf(stateOf(digits, { model: { ...model, stale: "edited" } })).tone).toBe("warning");
});

test("a saved model is read in an untrusted workspace too", () => {
  expect(statusOf(stateOf(digits, { trusted: false, model: { kind: "saved" } })).tone).toBe("good");
});

test("a result is compared with the device's memory", () => {
  const device = { name: "card", memoryBytes: 1000, detected: true };
  expect(fitOf(19, device)).toEqual({ fits: true, ratio: 0.019, text: "1.9% of the device's memory" });
  expect(fitOf(3210, device)).toMatchObject({ fits: false, text: "3.2 times the device's memory" });
});
