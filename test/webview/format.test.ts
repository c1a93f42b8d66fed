import { expect, test } from "vitest";
import { fileName, formatPlace, formatSeconds, formatShare } from "../../webview/format";

test("shares have one decimal, and what is there is never zero", () => {
  expect([0, 0.0001, 0.0005, 0.1234, 1].map(formatShare)).toEqual(["0.0%", "<0.1%", "0.1%", "12.3%", "100.0%"]);
});

test("seconds are in the unit that suits them", () => {
  expect([0.0004, 0.85, 1, 4.21, 59.96, 200].map(formatSeconds)).toEqual([
    "0 ms",
    "850 ms",
    "1.0 s",
    "4.2 s",
    "1 min 0 s",
    "3 min 20 s",
  ]);
});

test("places are told by the file's name, on any platform", () => {
  expect(formatPlace({ file: "/project/net.ts", line: 11, column: 2 })).toBe("net.ts:11");
  expect(fileName("C:\\project\\net.ts")).toBe("net.ts");
  expect(fileName("net.ts")).toBe("net.ts");
});
