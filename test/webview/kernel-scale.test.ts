import { expect, test } from "vitest";
import { divergingTable, gradientOf, sequentialTable, toLab, type ColourTable } from "../../webview/kernel/colours";
import { formatTick, formatValue, positionOf, scaleFor, ticksOf } from "../../webview/kernel/scale";

function labs(table: ColourTable): [number, number, number][] {
  return Array.from({ length: 256 }, (_, at) => {
    const part = (channel: number): number => table[4 * at + channel] / 255;
    return toLab([part(0), part(1), part(2)]) as [number, number, number];
  });
}

function steps(colours: readonly (readonly number[])[]): number[] {
  return colours.slice(1).map((colour, at) => Math.hypot(...colour.map((part, axis) => part - colours[at][axis])));
}

test("white is the lightest colour of OKLab, and has no hue", () => {
  const [lightness, a, b] = toLab([1, 1, 1]);
  expect(lightness).toBeCloseTo(1, 5);
  expect(Math.hypot(a, b)).toBeLessThan(1e-4);
});

test("the sequential map grows lighter all the way, in steps that look alike", () => {
  const colours = labs(sequentialTable());
  for (let at = 1; at < 256; at++) expect(colours[at][0]).toBeGreaterThan(colours[at - 1][0] - 0.004);
  expect(colours[255][0] - colours[0][0]).toBeGreaterThan(0.6);
  // Between 32 colours, since bytes round
  const apart = steps(colours.filter((_, at) => at % 8 === 0));
  expect(Math.max(...apart) / Math.min(...apart)).toBeLessThan(2);
  expect([...sequentialTable().slice(0, 4)]).toEqual([0x44, 0x01, 0x54, 255]);
  expect([...sequentialTable().slice(-4)]).toEqual([0xfd, 0xe7, 0x25, 255]);
});

test.each([true, false])("the diverging map has no colour at zero, and both sides are alike (dark: %s)", (dark) => {
  const colours = labs(divergingTable(dark));
  const chroma = ([, a, b]: readonly number[]): number => Math.hypot(a, b);
  expect(chroma(colours[127])).toBeLessThan(0.005);
  for (const at of [0, 40, 90]) expect(Math.abs(colours[at][0] - colours[255 - at][0])).toBeLessThan(0.03);
  // Zero is near to the background
  expect(colours[127][0] < 0.5).toBe(dark);
  expect(Math.abs(colours[0][0] - colours[127][0])).toBeGreaterThan(0.45);
});

test("a map is a gradient of the style sheet, too", () => {
  expect(gradientOf(sequentialTable())).toMatch(/^linear-gradient\(to right, rgb\(68 1 84\), .*rgb\(253 231 37\)\)$/);
});

test("numbers that are not negative go from the least to the greatest", () => {
  const scale = scaleFor({ min: 2, max: 10, smallest: 2 }, false);
  expect([0, 2, 4, 10, 99, Infinity].map((value) => positionOf(scale, value))).toEqual([0, 0, 0.25, 1, 1, 1]);
  expect(ticksOf(scale).map(({ value }) => value)).toEqual([2, 4, 6, 8, 10]);
});

test("a logarithmic scale has a place for each power of ten, and zero is at its end", () => {
  const scale = scaleFor({ min: 0, max: 100, smallest: 0.01 }, true);
  const places = [0, 0.01, 1, 10, 100].map((value) => Number(positionOf(scale, value).toFixed(9)));
  expect(places).toEqual([0, 0, 0.5, 0.75, 1]);
  expect(ticksOf(scale).map(({ value }) => value)).toEqual([0.01, 0.1, 1, 10, 100]);
  // Rounding is not looked at
  expect(scaleFor({ min: 0, max: 100, smallest: 1e-30 }, true).low).toBeCloseTo(1e-4, 12);
});

test("with negative numbers, zero is in the middle of either scale", () => {
  for (const logarithmic of [false, true]) {
    const scale = scaleFor({ min: -3, max: 1, smallest: 0.001 }, logarithmic);
    expect(scale).toMatchObject({ diverging: true, low: -3, high: 3 });
    expect([-3, 0, 3].map((value) => positionOf(scale, value))).toEqual([0, 0.5, 1]);
    expect(positionOf(scale, -1) + positionOf(scale, 1)).toBeCloseTo(1, 12);
    const ticks = ticksOf(scale).map(({ position }) => position);
    expect(ticks).toEqual([...ticks].sort((a, b) => a - b));
    expect(ticks).toContain(0.5);
  }
});

test("kernels of one number, or of zeros, have a scale as well", () => {
  for (const [value, logarithmic] of [
    [5, false],
    [5, true],
    [0, false],
    [0, true],
  ] as const) {
    const scale = scaleFor({ min: value, max: value, smallest: value === 0 ? null : value }, logarithmic);
    expect(scale.low).toBeLessThan(scale.high);
    expect(positionOf(scale, value)).not.toBeNaN();
    expect(ticksOf(scale).length).toBeGreaterThan(0);
  }
});

test("values have four digits", () => {
  expect([0, 1, -0.012345, 1234.56, 98_765.4, 1.23456e-7, 2e9, NaN].map(formatValue)).toEqual([
    "0",
    "1.000",
    "−0.01235",
    "1,235",
    "98,765",
    "1.235e−7",
    "2.000e+9",
    "not known yet",
  ]);
  expect([0, 0.02, -5, 1e-7, 1e9].map(formatTick)).toEqual(["0", "0.02", "−5", "1e−7", "1e9"]);
});
