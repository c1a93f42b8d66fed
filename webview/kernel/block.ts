import type { KernelInfo } from "../../sidecar/protocol/ntk";
import { h, type Node_ } from "../dom";
import { tableSize, type ColourTable } from "./colours";
import { marksOf, plot, plotArea, partOf, type Span } from "./plot";
import { formatValue, positionOf, scaleFor } from "./scale";
import { widened } from "./source";
import type { CanvasTheme } from "./theme";
import type { Place } from "./gaze";
import type { Point } from "./viewport";

/** The outputs of one pair of examples: C x C of the full form, C of the diagonal one. */

const margin = 28;
const barsHeight = 200;
/** So wide a cell has room for its number. */
const numberRoom = 46;

/** Row by row: how the output of the row example moves with that of the column example. */
export function blockPicture(
  block: Float32Array,
  outputs: number,
  theme: CanvasTheme,
  width: number,
  pointer: Point | null,
): Node_ {
  const side = sideOf(width);
  const cell = side / outputs;
  const scale = scaleFor(widened(null, block) ?? { min: 0, max: 0, smallest: null }, false);
  const table = scale.diverging ? theme.diverging : theme.sequential;
  const pointed = pointer && cellUnder(outputs, width, pointer);
  const every = Math.ceil(16 / cell);
  const numbers = Array.from({ length: Math.ceil(outputs / every) }, (_, index) => index * every);
  const dark = (value: number): boolean => lightnessOf(table, positionOf(scale, value)) < 0.55;
  return h(
    "svg",
    {
      class: "kernel-plot kernel-block",
      width: margin + side,
      height: margin + side + 22,
      viewBox: `0 0 ${margin + side} ${margin + side + 22}`,
      role: "img",
      "aria-label": `Block of ${outputs} x ${outputs} outputs, from ${formatValue(scale.low)} to ${formatValue(scale.high)}. A table follows.`,
    },
    ...numbers.map((output) =>
      h("text", { class: "mark", x: margin + (output + 0.5) * cell, y: margin - 8, "text-anchor": "middle" }, output),
    ),
    ...numbers.map((output) =>
      h("text", { class: "mark", x: margin - 8, y: margin + (output + 0.5) * cell + 4, "text-anchor": "end" }, output),
    ),
    h("image", {
      class: "exact",
      x: margin,
      y: margin,
      width: side,
      height: side,
      preserveAspectRatio: "none",
      href: pixelsOf(block, outputs, (value) => Math.round(positionOf(scale, value) * (tableSize - 1)), table),
    }),
    ...(cell >= numberRoom ? [...block] : []).map((value, index) =>
      h(
        "text",
        {
          class: dark(value) ? "cell-number light" : "cell-number",
          x: margin + ((index % outputs) + 0.5) * cell,
          y: margin + (Math.floor(index / outputs) + 0.5) * cell + 4,
          "text-anchor": "middle",
        },
        formatValue(value),
      ),
    ),
    pointed &&
      ["halo", "edge"].map((layer) =>
        h("rect", {
          class: layer,
          x: margin + pointed.column * cell,
          y: margin + pointed.row * cell,
          width: cell,
          height: cell,
        }),
      ),
    h(
      "text",
      { class: pointed ? "near" : "mark", x: margin, y: margin + side + 16 },
      pointed
        ? `output ${pointed.row} with output ${pointed.column}: ${formatValue(block[pointed.row * outputs + pointed.column])}`
        : "rows: outputs of the row’s example",
    ),
  );
}

function sideOf(width: number): number {
  return Math.min(300, width - margin);
}

/** The pair of outputs under a point of the picture; null beside it. */
export function cellUnder(outputs: number, width: number, { x, y }: Point): Place | null {
  const cell = sideOf(width) / outputs;
  const [row, column] = [Math.floor((y - margin) / cell), Math.floor((x - margin) / cell)];
  return row >= 0 && column >= 0 && row < outputs && column < outputs ? { row, column } : null;
}

function lightnessOf(table: ColourTable, part: number): number {
  const at = 4 * Math.round(part * (tableSize - 1));
  return (0.299 * table[at] + 0.587 * table[at + 1] + 0.114 * table[at + 2]) / 255;
}

/** An image of a pixel for each entry. */
function pixelsOf(block: Float32Array, side: number, indexOf: (value: number) => number, table: ColourTable): string {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d")!;
  const image = context.createImageData(side, side);
  for (const [at, value] of block.entries()) {
    const index = 4 * indexOf(value);
    image.data.set(table.subarray(index, index + 4), 4 * at);
  }
  context.putImageData(image, 0, 0);
  return canvas.toDataURL("image/png");
}

/** Of the diagonal form: a bar for each output. */
export function outputBars(values: Float32Array, width: number, pointer: Point | null): Node_ {
  const height = barsHeight;
  const area = plotArea(width, height);
  const range = widened(null, values) ?? { min: 0, max: 1, smallest: null };
  const y: Span = { low: Math.min(0, range.min), high: Math.max(0, range.max) || 1, logarithmic: false };
  const step = area.width / values.length;
  const up = (value: number): number => area.top + (1 - partOf(y, value)) * area.height;
  const pointed = pointer && barUnder(values.length, width, pointer);
  const every = Math.ceil(28 / step);
  const named = [...values.keys()].filter((output) => output % every === 0);
  return plot(
    {
      label: `${values.length} outputs, from ${formatValue(range.min)} to ${formatValue(range.max)}. A table follows.`,
      width,
      height,
      x: {
        title: "output",
        ticks: named.map((output) => ({ part: (output + 0.5) / values.length, text: String(output) })),
      },
      y: { title: "kernel", ticks: marksOf(y, 4) },
    },
    ...[...values].map((value, output) =>
      h("rect", {
        class: `output-bar ${output === pointed ? "near" : ""}`,
        x: area.left + output * step + Math.min(2, step * 0.1),
        y: Math.min(up(value), up(0)),
        width: Math.max(0.5, step - Math.min(4, step * 0.2)),
        height: Math.max(0.5, Math.abs(up(value) - up(0))),
      }),
    ),
    pointed === null
      ? null
      : h(
          "text",
          { class: "near", x: area.left + area.width, y: 10, "text-anchor": "end" },
          `output ${pointed}: ${formatValue(values[pointed])}`,
        ),
  );
}

/** The output whose bar is above or below a point; null beside them. */
export function barUnder(outputs: number, width: number, { x }: Point): number | null {
  const area = plotArea(width, barsHeight);
  const output = Math.floor(((x - area.left) / area.width) * outputs);
  return output >= 0 && output < outputs ? output : null;
}

/** Whether a pair has more to show than one number. */
export function hasBlocks({ form, outputs }: KernelInfo): boolean {
  return form !== "trace" && outputs > 1;
}
