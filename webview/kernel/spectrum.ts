import type { KernelSpectrum } from "../../sidecar/protocol/ntk";
import { formatCount, formatMany } from "../../sidecar/protocol/text";
import { h, type Node_ } from "../dom";
import { linePath, logSpan, marksOf, partOf, plot, plotArea } from "./plot";
import { formatValue } from "./scale";
import type { Point } from "./viewport";

/** Eigenvalues of a symmetric kernel, from the largest: both axes logarithmic, by which a power law is a straight line. */

const height = 240;
/** Points closer than that are a line. */
const mostPoints = 200;

export function spectrumChart({ eigenvalues, count }: KernelSpectrum, width: number, pointer: Point | null): Node_ {
  const area = plotArea(width, height);
  const y = logSpan(eigenvalues);
  const x = logSpan([1, Math.max(2, eigenvalues.length)])!;
  const at = (index: number): Point | null =>
    y !== null && eigenvalues[index] > 0
      ? {
          x: area.left + partOf(x, index + 1) * area.width,
          y: area.top + (1 - partOf(y, eigenvalues[index])) * area.height,
        }
      : null;
  const points = eigenvalues.map((_, index) => at(index));
  const near = pointer === null ? null : nearest(points, pointer.x);
  return plot(
    {
      label: spectrumText(eigenvalues, count),
      width,
      height,
      x: { title: "eigenvalue, from the largest", ticks: marksOf(x, 5) },
      y: { title: "size", ticks: y === null ? [] : marksOf(y, 5) },
    },
    h("path", { class: "curve hue-1", d: linePath(points) }),
    ...(eigenvalues.length <= mostPoints ? points : []).map((point) =>
      point === null ? null : h("circle", { class: "point hue-1", cx: point.x, cy: point.y, r: 2.5 }),
    ),
    near === null
      ? null
      : [
          h("circle", { class: "point near", cx: points[near]!.x, cy: points[near]!.y, r: 4 }),
          h(
            "text",
            { class: "near", x: area.left + area.width, y: 10, "text-anchor": "end" },
            `${formatCount(near + 1)}: ${formatValue(eigenvalues[near])}`,
          ),
        ],
  );
}

function nearest(points: readonly (Point | null)[], x: number): number | null {
  let found: number | null = null;
  for (const [index, point] of points.entries()) {
    if (point === null) continue;
    if (found === null || Math.abs(point.x - x) < Math.abs(points[found]!.x - x)) found = index;
  }
  return found;
}

export function spectrumText(eigenvalues: readonly number[], count: number): string {
  if (eigenvalues.length === 0) return "No eigenvalues.";
  const shown = eigenvalues.length < count ? `the ${formatCount(eigenvalues.length)} largest of ` : "";
  return (
    `Spectrum: ${shown}${formatMany(count, "eigenvalue")}, ` +
    `from ${formatValue(eigenvalues[0])} to ${formatValue(eigenvalues.at(-1)!)}. A table follows.`
  );
}

/** What is not in the chart: those that were left out, and those that are not positive. */
export function spectrumNote({ eigenvalues, count }: KernelSpectrum): string | null {
  const parts: string[] = [];
  if (eigenvalues.length < count) {
    parts.push(`The ${formatCount(eigenvalues.length)} largest of ${formatCount(count)} are shown.`);
  }
  const notPositive = eigenvalues.filter((value) => value <= 0).length;
  if (notPositive > 0) {
    parts.push(
      `${formatMany(notPositive, "eigenvalue")} at or below zero, by rounding, cannot be on a logarithmic scale.`,
    );
  }
  return parts.length > 0 ? parts.join(" ") : null;
}

export interface Figure {
  readonly title: string;
  readonly value: string;
  readonly meaning: string;
}

/** The numbers of a spectrum, each with what it means. */
export function spectrumFigures(spectrum: KernelSpectrum): Figure[] {
  const { conditionNumber, effectiveRank, alignment, largestLearningRate, count } = spectrum;
  const text = (value: number | null): string => (value === null ? "–" : formatValue(value));
  return [
    {
      title: "Condition number",
      value: text(conditionNumber),
      meaning: "The largest eigenvalue divided by the smallest: how much slower the slowest direction learns.",
    },
    {
      title: "Effective rank",
      value: effectiveRank === null ? "–" : `${formatValue(effectiveRank)} of ${formatCount(count)}`,
      meaning: "The exponential of the entropy of the eigenvalues: how many directions matter.",
    },
    {
      title: "Alignment with labels",
      value: text(alignment),
      meaning: "Centred kernel-target alignment: 1 where the kernel is alike just for examples of one class.",
    },
    {
      title: "Largest learning rate",
      value: text(largestLearningRate),
      meaning: "Above it, gradient descent on the mean squared error of the linearised model diverges.",
    },
  ];
}
