import type { LearningCurve, LearningPrediction } from "../../sidecar/protocol/ntk";
import { formatCount } from "../../sidecar/protocol/text";
import { h, type Node_ } from "../dom";
import { linePath, logSpan, marksOf, partOf, plot, plotArea, type AxisMark } from "./plot";
import { formatTick, formatValue, powersOfTen } from "./scale";
import type { Point } from "./viewport";

/** How the linearised model learns: loss over time, and what it says of examples at a time. */

const height = 260;

/** `after 120 steps`, `before training`, `after infinitely many steps` */
export function timeText(time: number | null): string {
  if (time === null) return "after infinitely many steps";
  return time === 0 ? "before training" : `after ${formatCount(time)} ${time === 1 ? "step" : "steps"}`;
}

/**
 * Where a time is along the axis, from 0 to 1. Times are logarithmic; zero and infinity, which have no place on such a scale,
 * stand at its ends.
 */
export function timePart(times: readonly (number | null)[], time: number | null): number {
  const { from, to, span } = timeAxis(times);
  if (time === null) return 1;
  return time === 0 || span === null ? 0 : from + (to - from) * partOf(span, time);
}

function timeAxis(times: readonly (number | null)[]): { from: number; to: number; span: ReturnType<typeof logSpan> } {
  const span = logSpan(times.filter((time) => time !== null));
  return { from: times.includes(0) ? 0.06 : 0, to: times.includes(null) ? 0.94 : 1, span };
}

function timeMarks(times: readonly (number | null)[]): AxisMark[] {
  const { span } = timeAxis(times);
  const powers = span === null ? [] : powersOfTen(span.low, span.high, 6);
  const end = times.includes(null) ? 0.9 : 1;
  return [
    ...(times.includes(0) ? [{ part: 0, text: "0" }] : []),
    ...powers
      .map((time) => ({ part: timePart(times, time), text: formatTick(time) }))
      // Not upon the sign of infinity
      .filter(({ part }) => part <= end),
    ...(times.includes(null) ? [{ part: 1, text: "∞" }] : []),
  ];
}

/** Which time is nearest to a place along the axis. */
export function timeNear(times: readonly (number | null)[], part: number): number {
  const away = times.map((time) => Math.abs(timePart(times, time) - part));
  return away.indexOf(Math.min(...away));
}

/** `chosen` is the position of the time that the slider is at. */
export function learningChart(curve: LearningCurve, chosen: number, width: number, pointer: Point | null): Node_ {
  const { times, trainLoss, testLoss } = curve;
  const area = plotArea(width, height);
  const y = logSpan([...trainLoss, ...(testLoss ?? [])]);
  const at = (index: number, loss: number): Point | null =>
    y !== null && loss > 0
      ? {
          x: area.left + timePart(times, times[index]) * area.width,
          y: area.top + (1 - partOf(y, loss)) * area.height,
        }
      : null;
  const line = (losses: readonly number[], hue: string): Node_ =>
    h("path", { class: `curve ${hue}`, d: linePath(losses.map((loss, index) => at(index, loss))) });
  const marked = pointer === null ? chosen : timeNear(times, (pointer.x - area.left) / area.width);
  const x = area.left + timePart(times, times[marked]) * area.width;
  const series: (readonly [readonly number[], string])[] = [[trainLoss, "hue-1"]];
  if (testLoss !== null) series.push([testLoss, "hue-4"]);
  return plot(
    {
      label: learningText(curve),
      width,
      height,
      x: { title: "steps of gradient descent", ticks: timeMarks(times) },
      y: { title: "loss", ticks: y === null ? [] : marksOf(y, 5) },
    },
    h("line", { class: "moment", x1: x, x2: x, y1: area.top, y2: area.top + area.height }),
    ...series.map(([losses, hue]) => line(losses, hue)),
    ...series.map(([losses, hue]) => {
      const point = at(marked, losses[marked]);
      return point && h("circle", { class: `point ${hue}`, cx: point.x, cy: point.y, r: 4 });
    }),
    h("text", { class: "near", x: area.left + area.width, y: 10, "text-anchor": "end" }, momentText(curve, marked)),
  );
}

/** Four digits at most: `0.005` */
export function rateText({ learningRate }: LearningCurve): string {
  return formatTick(Number(learningRate.toPrecision(4)));
}

export function momentText({ times, trainLoss, testLoss }: LearningCurve, at: number): string {
  const test = testLoss === null ? "" : `, test ${formatValue(testLoss[at])}`;
  return `${timeText(times[at])}: train ${formatValue(trainLoss[at])}${test}`;
}

function learningText(curve: LearningCurve): string {
  const last = curve.times.length - 1;
  return `Loss over time, at learning rate ${rateText(curve)}: ${momentText(curve, 0)}; ${momentText(curve, last)}. A table follows.`;
}

/** What the model says of an example at a time: a bar for each output, and a mark where the target is. */
export function predictionBars({ outputs, target }: LearningPrediction, at: number, width: number): Node_ {
  const tall = 44;
  const all = [...outputs.flat(), ...(target ?? []), 0];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const up = (value: number): number => 2 + (tall - 4) * (1 - (value - low) / (high - low || 1));
  const values = outputs[at];
  const step = Math.min(24, width / values.length);
  return h(
    "svg",
    { class: "kernel-plot", width: step * values.length, height: tall, "aria-hidden": "true" },
    h("line", { class: "base", x1: 0, x2: step * values.length, y1: up(0), y2: up(0) }),
    ...values.map((value, output) =>
      h("rect", {
        class: "output-bar",
        x: output * step + 1,
        y: Math.min(up(value), up(0)),
        width: Math.max(0.5, step - 2),
        height: Math.abs(up(value) - up(0)),
      }),
    ),
    ...(target ?? []).map((value, output) =>
      h("line", { class: "target", x1: output * step, x2: output * step + step, y1: up(value), y2: up(value) }),
    ),
  );
}
