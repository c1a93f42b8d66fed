import type { Analysis, Place } from "../sidecar/protocol/analysis";
import {
  formatPytorch,
  formatPytorchError,
  formatPytorchLoop,
  pytorchFixes,
  pytorchLoops,
  pytorchRows,
  type PytorchRow,
} from "../sidecar/protocol/pytorch";
import { formatBytes, formatCount, formatMany } from "../sidecar/protocol/text";
import { h, type Child, type Node_ } from "./dom";
import { triedOf } from "./trial";
import type { ViewContext } from "./view";
import { cell, icon, placeLink, section, table } from "./widgets";

/** What the user's own PyTorch would take, run as loops and raise, beside what is planned here. */
export function pytorchSection(analysis: Analysis, context: ViewContext): Child {
  const { pytorch } = analysis;
  if (!pytorch) return context.state.model.activity === "asking-pytorch" ? asking() : null;
  const { batch, device } = triedOf(context.state, analysis, context.memory);
  const rows = pytorchRows({ ...analysis, device }, pytorch);
  const said = [
    ...pytorch.errors.map((error) => {
      const isRaised = error.strategy !== null && !error.training;
      const sign = isRaised ? "error" : "info";
      return remark(sign, formatPytorchError(error), error.source, pytorchFixes([error]), context);
    }),
    ...pytorchLoops(pytorch).map((group) =>
      remark("sync", formatPytorchLoop(group), group[0].source, pytorchFixes(group), context),
    ),
  ];
  const isOther = batch !== analysis.batch;
  return section(
    "pytorch",
    `Your PyTorch ${formatPytorch(pytorch)}`,
    h(
      "p",
      { key: "lead", class: "note" },
      `What torch.func would take in your own Python for ${formatMany(analysis.batch, "example")}, as PyTorch tells without computing it.`,
      isOther ? ` It was not asked for ${formatMany(batch, "example")}.` : null,
    ),
    rows.length === 0
      ? null
      : table(
          `What the ways to compute the Jacobian take in PyTorch ${formatPytorch(pytorch)}`,
          "pytorch-table",
          h(
            "div",
            { key: "head", role: "row", class: "row head" },
            ...["Strategy", "Chunk", "In PyTorch", "Here", "Fits"].map((title) =>
              h("div", { role: "columnheader", class: title.toLowerCase().replace("in ", "") }, title),
            ),
          ),
          ...rows.map(strategyRow),
        ),
    said.length === 0 ? null : h("ul", { key: "said", class: "pytorch-said" }, ...said),
  );
}

/** Until it has answered. */
function asking(): Node_ {
  const what = " Asking it what torch.func would take, without computing it.";
  return section("pytorch", "Your PyTorch", h("p", { key: "lead", class: "note" }, icon("loading"), what));
}

function strategyRow({ strategy, chunk, peakBytes, own, fits }: PytorchRow): Node_ {
  const word = peakBytes === null ? "raises an error" : fits ? "fits" : "does not fit";
  return h(
    "div",
    { role: "row", class: "row" },
    cell("strategy", strategy),
    cell("chunk number", chunk === null ? "" : formatCount(chunk)),
    cell("pytorch number", peakBytes === null ? "" : formatBytes(peakBytes)),
    cell("here number", own === null ? "" : formatBytes(own)),
    cell(fits ? "fits fit" : "fits fit over", icon(fits ? "pass" : "error"), word),
  );
}

function remark(
  sign: string,
  what: string,
  source: Place | null,
  fixes: readonly string[],
  { post }: ViewContext,
): Node_ {
  return h(
    "li",
    { class: sign },
    icon(sign),
    h(
      "div",
      {},
      h("span", {}, what),
      source === null ? null : [" ", placeLink(source, post)],
      ...fixes.map((fix) => h("div", { class: "note" }, `${fix.charAt(0).toUpperCase()}${fix.slice(1)}.`)),
    ),
  );
}
