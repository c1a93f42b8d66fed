import type { BufferAnalysis, StrategyAnalysis } from "../sidecar/protocol/analysis";
import { formatBytes, formatShape } from "../sidecar/protocol/text";
import { h, type Child, type Node_ } from "./dom";
import { formatShare } from "./format";
import { hueOf } from "./timeline-chart";
import type { ViewContext } from "./view";
import { bar, cell, lineLink, placeLink, table } from "./widgets";

/** The largest arrays of a strategy: what the chart shows, in words, and with links to the code. */
export function arrayTable({ buffers }: StrategyAnalysis, context: ViewContext): Node_ {
  const largest = Math.max(1, ...buffers.map(({ bytes }) => bytes));
  return table(
    "The largest arrays",
    "array-table",
    h(
      "div",
      { key: "head", role: "row", class: "row head" },
      ...["Size", "Share", "Shape", "Made by", "Lines"].map((title) =>
        h("div", { role: "columnheader", class: title.toLowerCase().replace(" ", "-") }, title),
      ),
    ),
    ...buffers.map((buffer, index) => arrayRow(buffer, index, largest, context)),
  );
}

function arrayRow(buffer: BufferAnalysis, index: number, largest: number, context: ViewContext): Node_ {
  const { bytes, share, shape, operation, parameter, layer } = buffer;
  const { pointed, update } = context;
  const light = (band: number | null) => (): void => {
    if (pointed.band === band && pointed.at === null) return;
    pointed.at = null;
    pointed.band = band;
    update();
  };
  return h(
    "div",
    {
      key: String(index),
      role: "row",
      class: `row ${hueOf(index)} ${pointed.band === index ? "lit" : ""}`,
      on: { pointerenter: light(index), pointerleave: light(null), focusin: light(index), focusout: light(null) },
    },
    cell("size", h("span", { class: "swatch" }), h("span", { class: "number" }, formatBytes(bytes))),
    cell("share", bar(bytes / largest), h("span", { class: "number" }, formatShare(share))),
    cell("shape", formatShape(shape)),
    cell(
      "made-by",
      h("span", {}, operation),
      layer === null ? null : h("span", { class: "kind" }, layer),
      parameter === null ? null : h("span", { class: "kind" }, `Jacobian of ${parameter}`),
    ),
    cell("lines", ...lines(buffer, context)),
  );
}

/** The layer's own line, and those that led there: `net.ts:11 ‹ :37`. */
function lines({ source, callers }: BufferAnalysis, { post }: ViewContext): Child[] {
  const places = source === null ? callers : [source, ...callers];
  return places.flatMap((place, at) => [
    at > 0 ? h("span", { class: "note", title: "called from" }, " ‹ ") : null,
    at > 0 && places[at - 1].file === place.file ? lineLink(place, post) : placeLink(place, post),
  ]);
}
