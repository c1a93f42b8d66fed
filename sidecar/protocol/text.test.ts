import { describe, expect, it, test } from "vitest";
import {
  formatBytes,
  formatCount,
  formatMany,
  formatRuns,
  formatShape,
  formatShortCount,
  formatShortShape,
} from "./text";

describe("bytes", () => {
  it.each([
    [0, "0 B"],
    [1, "1 B"],
    [1023, "1023 B"],
    [1024, "1.00 KiB"],
    [1536, "1.50 KiB"],
    [2 ** 20 - 1, "1024.00 KiB"],
    [2 ** 20, "1.00 MiB"],
    [1.5 * 2 ** 30, "1.50 GiB"],
    [2 ** 40, "1.00 TiB"],
    [2 ** 50, "1.00 PiB"],
    [2 ** 62, "4096.00 PiB"],
  ])("%d are %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

test("one is singular", () => {
  expect([formatMany(1, "tensor"), formatMany(1200, "tensor")]).toEqual(["1 tensor", "1,200 tensors"]);
});

describe("short counts", () => {
  it.each([
    [0, "0"],
    [999, "999"],
    [1000, "1,000"],
    [9_999, "9,999"],
    [10_000, "10k"],
    [10_499, "10k"],
    [99_950, "100k"],
    [402_314, "402k"],
    [999_499, "999k"],
    [999_500, "1M"],
    [999_999, "1M"],
    [1e6, "1M"],
    [1.25e6, "1.3M"],
    [9.94e6, "9.9M"],
    [9.96e6, "10M"],
    [12.3e6, "12M"],
    [999.9e6, "1G"],
    [1e9, "1G"],
    [1.5e12, "1.5T"],
    [2e15, "2P"],
    [3e18, "3000P"],
  ])("%d is %s", (count, text) => {
    expect(formatShortCount(count)).toBe(text);
  });
});

describe("shapes", () => {
  it("are written with all digits or few", () => {
    expect([formatShape([100, 10, 402_314]), formatShortShape([100, 10, 402_314])]).toEqual([
      "[100, 10, 402314]",
      "[100, 10, 402k]",
    ]);
    expect([formatShape([]), formatShortShape([])]).toEqual(["[]", "[]"]);
    expect(formatCount(402_314)).toBe("402,314");
  });
});

describe("how often a loop runs", () => {
  const examples = { axis: "examples", extent: 100 } as const;
  const outputs = { axis: "outputs", extent: 10 } as const;
  const parameters = { axis: "parameters", extent: 4000 } as const;

  it.each([
    [100, [{ over: [examples], iterations: 100 }], "100 times, once for each example (N = 100)"],
    [
      1000,
      [{ over: [examples, outputs], iterations: 1000 }],
      "1,000 times, once for each example and output (N·O = 100 · 10)",
    ],
    [300, [{ over: [examples], iterations: 300 }], "300 times, 3 times for each example (N = 100)"],
    [
      1100,
      [
        { over: [examples], iterations: 100 },
        { over: [examples, outputs], iterations: 1000 },
      ],
      "1,100 times, once for each example (N = 100) and once for each example and output (N·O = 100 · 10)",
    ],
    [
      100_000,
      [{ over: [examples, examples, outputs], iterations: 100_000 }],
      "100,000 times, once for each example, example and output (N·N·O = 100 · 100 · 10)",
    ],
    [
      1000,
      [{ over: [examples, parameters], iterations: 1000 }],
      "1,000 times, for some combinations of example and parameter (N·P = 100 · 4,000)",
    ],
    [15, [{ over: [], iterations: 15 }], "15 times"],
    [1, undefined, "once"],
  ])("%i %j", (iterations, loops, text) => {
    expect(formatRuns({ iterations, loops })).toBe(text);
  });
});
