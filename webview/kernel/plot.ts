import { h, type Child, type Node_ } from "../dom";
import { formatTick, powersOfTen, roundNumbers } from "./scale";
import type { Point } from "./viewport";

/** What charts have in common. A chart is a function of its data and its width, and all of it is SVG, so that it can be exported. */

/** One side of a chart. */
export interface Span {
  readonly low: number;
  readonly high: number;
  readonly logarithmic: boolean;
}

/** From 0 to 1 within the span. */
export function partOf({ low, high, logarithmic }: Span, value: number): number {
  return logarithmic ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}

export function ticksIn({ low, high, logarithmic }: Span, most: number): number[] {
  return logarithmic ? powersOfTen(low, high, most) : roundNumbers(low, high, most);
}

/** A logarithmic span of what is positive; null where nothing is. */
export function logSpan(values: readonly number[]): Span | null {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  if (positive.length === 0) return null;
  const [low, high] = positive.reduce(
    ([least, most], value) => [Math.min(least, value), Math.max(most, value)],
    [Infinity, 0],
  );
  return low < high ? { low, high, logarithmic: true } : { low: low / 10, high: high * 10, logarithmic: true };
}

/** Where the chart proper is, in CSS pixels. */
export interface PlotArea {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export function plotArea(width: number, height: number): PlotArea {
  return { left: 56, top: 22, width: Math.max(10, width - 56 - 16), height: height - 22 - 40 };
}

export interface PlotOptions {
  /** What it shows, for those who cannot see it. */
  readonly label: string;
  readonly width: number;
  readonly height: number;
  readonly x: { readonly title: string; readonly ticks: readonly AxisMark[] };
  readonly y: { readonly title: string; readonly ticks: readonly AxisMark[] };
}

/** `part` goes from the left, or from the bottom, from 0 to 1. */
export interface AxisMark {
  readonly part: number;
  readonly text: string;
}

export function marksOf(span: Span, most: number): AxisMark[] {
  return ticksIn(span, most).map((value) => ({ part: partOf(span, value), text: formatTick(value) }));
}

/** Axes, grid and titles, around what is drawn. */
export function plot({ label, width, height, x, y }: PlotOptions, ...children: readonly Child[]): Node_ {
  const area = plotArea(width, height);
  const bottom = area.top + area.height;
  const at = (part: number): number => area.left + part * area.width;
  const up = (part: number): number => bottom - part * area.height;
  return h(
    "svg",
    { class: "kernel-plot", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    ...y.ticks.flatMap(({ part, text }) => [
      h("line", { class: "grid", x1: area.left, x2: area.left + area.width, y1: up(part), y2: up(part) }),
      h("text", { class: "mark", x: area.left - 8, y: up(part) + 4, "text-anchor": "end" }, text),
    ]),
    h("line", { class: "base", x1: area.left, x2: area.left + area.width, y1: bottom, y2: bottom }),
    ...x.ticks.map(({ part, text }) =>
      h("text", { class: "mark", x: at(part), y: bottom + 16, "text-anchor": "middle" }, text),
    ),
    h("text", { class: "mark", x: area.left, y: 9 }, y.title),
    h("text", { class: "mark", x: area.left + area.width, y: height - 4, "text-anchor": "end" }, x.title),
    ...children,
  );
}

/** A line through points, and a gap where a number is missing. */
export function linePath(points: readonly (Point | null)[]): string {
  return points
    .map((point, index) => {
      if (point === null) return "";
      const isFirst = index === 0 || points[index - 1] === null;
      return `${isFirst ? "M" : "L"}${point.x.toFixed(1)} ${point.y.toFixed(1)}`;
    })
    .join("");
}
