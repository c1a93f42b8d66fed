import { expect, test } from "vitest";
import {
  areaPath,
  axisOf,
  bandAt,
  bandBytes,
  draw,
  formatTick,
  height,
  stackAt,
  stackOrder,
  steps,
} from "../../webview/timeline";
import { digitsPlan, strategyOf } from "./states";

const mebibyte = 2 ** 20;

test("few moments are steps of their own", () => {
  expect(steps([{ liveBytes: 1 }, { liveBytes: 2 }])).toEqual([
    { from: 0, to: 1, fullest: 0 },
    { from: 1, to: 2, fullest: 1 },
  ]);
});

test("many moments are drawn as few steps, and no peak is lost", () => {
  const timeline = Array.from({ length: 12_345 }, (_, moment) => ({ liveBytes: moment === 7_777 ? 99 : moment % 7 }));
  const drawn = steps(timeline);
  expect(drawn).toHaveLength(1000);
  expect(drawn[0].from).toBe(0);
  expect(drawn.at(-1)!.to).toBe(12_345);
  for (const [index, { from }] of drawn.entries()) expect(from).toBe(index === 0 ? 0 : drawn[index - 1].to);
  expect(drawn.some(({ fullest }) => fullest === 7_777)).toBe(true);
});

test("arrays are stacked by how long they are there, upon inputs and parameters and below what is smaller", () => {
  const strategy = strategyOf("jacrev", [64, 512, 1024, 512, 256]);
  const order = stackOrder(strategy.buffers);
  const at = (moment: number): unknown => stackAt(strategy, moment, order).map(({ name, to }) => [name, to / mebibyte]);
  // One from 1 to 3 and one from 2 to 4: as long, and the first one lower
  expect(at(0)).toEqual([
    ["arguments", 64],
    [0, 64],
    [1, 64],
    ["smaller", 64],
  ]);
  expect(at(2)).toEqual([
    ["arguments", 64],
    [0, 576],
    [1, 704],
    ["smaller", 1024],
  ]);
  expect(at(4)).toEqual([
    ["arguments", 64],
    [0, 64],
    [1, 192],
    ["smaller", 256],
  ]);
  // Never higher than what is alive
  expect(at(1)).toEqual([
    ["arguments", 64],
    [0, 512],
    [1, 512],
    ["smaller", 512],
  ]);
  expect(stackOrder([{ ...strategy.buffers[0], to: 2 }, strategy.buffers[1]])).toEqual([1, 0]);
});

test("what is under the pointer is found by its moment and its bytes", () => {
  const strategy = strategyOf("jacrev", [64, 512, 1024, 512, 256]);
  const under = (bytes: number): unknown => bandAt(strategy, 2, bytes * mebibyte);
  expect([10, 100, 600, 800, 1100].map(under)).toEqual(["arguments", 0, 1, "smaller", null]);
  expect(bandBytes(strategy, 2, "smaller")).toBe(320 * mebibyte);
  expect(bandBytes(strategy, 2, "arguments")).toBe(64 * mebibyte);
});

test("shapes follow both edges, one for each run of steps", () => {
  expect(areaPath([10, 10, 10], [10, 10, 10])).toBe("");
  expect(areaPath([10, 10, 8], [4, 2, 2])).toBe("M0 10V4H1V2H3V8H2V10Z");
  expect(areaPath([9, 9, 9, 9], [9, 5, 9, 5])).toBe("M1 9V5H2V9ZM3 9V5H4V9Z");
});

test("a drawing has the bands that are there, and what is over the limit", () => {
  const strategy = digitsPlan.strategies[1];
  const low = draw(strategy, 16 * 1024 * mebibyte);
  expect(low.bands.map(({ name }) => name)).toEqual(["arguments", 0, 1, "smaller"]);
  expect(low.over).toBe("");
  expect(low.width).toBe(5);
  expect(low.axis.hasLimit).toBe(false);
  const high = draw(strategy, 1536 * mebibyte);
  const y = (mebibytes: number): number => Math.round(10 * height * (1 - (mebibytes * mebibyte) / high.axis.end)) / 10;
  expect(high.over).toBe(`M2 ${y(1536)}V${y(2048)}H3V${y(1536)}Z`);
  expect(high.axis.hasLimit).toBe(true);
});

test("the axis ends above the peak, or the limit where that is near", () => {
  const gibibyte = 2 ** 30;
  expect(axisOf(3 * gibibyte, 16 * gibibyte)).toMatchObject({
    end: 1.06 * 3 * gibibyte,
    ticks: [0, 1, 2, 3].map((tick) => tick * gibibyte),
    hasLimit: false,
  });
  expect(axisOf(3 * gibibyte, 4 * gibibyte)).toMatchObject({ end: 1.06 * 4 * gibibyte, hasLimit: true });
  for (const top of [1, 1000, 7e6, 93e9, 3e12, 1e18]) {
    const { ticks } = axisOf(top, 16 * gibibyte);
    expect(ticks.length).toBeGreaterThanOrEqual(3);
    expect(ticks.length).toBeLessThanOrEqual(7);
  }
  expect([0, 512 * mebibyte, 1.5 * gibibyte, 4096 * gibibyte].map(formatTick)).toEqual([
    "0",
    "512 MiB",
    "1.5 GiB",
    "4 TiB",
  ]);
});
