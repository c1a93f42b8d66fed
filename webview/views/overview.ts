import type { Analysis, ArrayInfo, Diagnostic } from "../../sidecar/protocol/analysis";
import { formatBytes, formatCount, formatShape } from "../../sidecar/protocol/text";
import { h, type Child, type Node_ } from "../dom";
import { formatShare } from "../format";
import { kindShares, layerRows, type KindShare, type LayerRow } from "../layer-rows";
import type { View, ViewContext } from "../view";
import { bar, cell, icon, placeLink, rowKeys, section, table } from "../widgets";

/** The model at a glance: what goes in and out, where the Jacobian's bytes are, and what is to be said of it. */
export const overview: View = {
  id: "overview",
  title: "Overview",
  needsAnalysis: true,
  render: (analysis, context) => {
    const rows = layerRows(analysis);
    const kinds = kindShares(rows);
    return h(
      "div",
      { class: "overview" },
      analysis.diagnostics.length > 0
        ? section("diagnostics", "Notes", diagnosticList(analysis.diagnostics, context))
        : null,
      h(
        "div",
        { key: "ports", class: "arrays" },
        arrays("inputs", "Inputs", analysis.inputs),
        arrays("outputs", "Outputs", analysis.outputs),
      ),
      section("layers", "Where the Jacobian’s bytes are", composition(kinds), layerTable(rows, kinds, context)),
      h("div", { key: "buffers", class: "arrays" }, arrays("buffers", "Buffers", analysis.buffers)),
    );
  },
};

const icons: Record<Diagnostic["severity"], string> = { error: "error", warning: "warning", information: "info" };

function diagnosticList(diagnostics: Analysis["diagnostics"], { post }: ViewContext): Node_ {
  return h(
    "ul",
    { class: "notes" },
    ...diagnostics.map(({ severity, message, source }) =>
      h(
        "li",
        { class: severity },
        icon(icons[severity]),
        h(
          "span",
          {},
          h("span", { class: "for-readers" }, `${severity}: `),
          message,
          " ",
          source && placeLink(source, post),
        ),
      ),
    ),
  );
}

/** Kinds have colours of their own, as many as there are; those behind share one. */
const hues = 5;

function hueOf(kind: string, kinds: readonly KindShare[]): string {
  const at = kinds.findIndex((other) => other.kind === kind);
  return at < 0 ? "hue-none" : `hue-${Math.min(at + 1, hues + 1)}`;
}

/** The whole Jacobian as one bar, and its legend. */
function composition(kinds: readonly KindShare[]): Child {
  if (kinds.length === 0) return h("p", { class: "note" }, "No trainable parameters: the Jacobian is empty.");
  const named = kinds.slice(0, hues);
  const others = kinds.slice(hues);
  const parts = named.map(({ kind, share }) => ({ name: kind, hue: hueOf(kind, kinds), share }));
  if (others.length > 0) {
    const share = others.reduce((total, other) => total + other.share, 0);
    parts.push({ name: "other kinds", hue: hueOf(others[0].kind, kinds), share });
  }
  return [
    h(
      "div",
      { class: "strip", "aria-hidden": "true" },
      ...parts.map(({ hue, share }) => h("div", { class: hue, variables: { "--part": share.toFixed(4) } })),
    ),
    h(
      "ul",
      { class: "legend", "aria-label": "Share of the Jacobian by kind of layer" },
      ...parts.map(({ name, hue, share }) =>
        h("li", { class: hue }, h("span", { class: "swatch" }), name, " ", h("b", {}, formatShare(share))),
      ),
    ),
  ];
}

function layerTable(rows: readonly LayerRow[], kinds: readonly KindShare[], context: ViewContext): Node_ {
  const largest = Math.max(1, ...rows.map(({ bytes }) => bytes));
  return h(
    "div",
    { class: "layer-rows", on: { keydown: rowKeys } },
    table(
      "Layers and their share of the Jacobian",
      "layer-table",
      h(
        "div",
        { role: "row", class: "row head" },
        ...["Layer", "Output", "Parameters", "Jacobian", "Share"].map((title) =>
          h("div", { role: "columnheader", class: title.toLowerCase() }, title),
        ),
      ),
      ...rows.map((row, index) => layerRow(row, index, largest, hueOf(row.kind, kinds), context)),
    ),
  );
}

function layerRow(row: LayerRow, index: number, largest: number, hue: string, { post }: ViewContext): Node_ {
  const { name, kind, source, outputs, elements, bytes, share, frozen } = row;
  const none = elements === 0;
  const reveal = (): void => {
    if (source) post({ type: "reveal", place: source });
  };
  return h(
    "div",
    {
      key: `${index} ${name}`,
      role: "row",
      class: `row ${hue} ${none ? "none" : ""} ${frozen === "all" && !none ? "frozen" : ""} ${source ? "pressable" : ""}`,
      on: source ? { click: reveal } : {},
    },
    cell(
      "layer",
      source
        ? h(
            "button",
            { class: "row-name", type: "button", "data-row-button": true, title: `Go to line ${source.line}` },
            name,
          )
        : h("span", { class: "row-name" }, name),
      h("span", { class: "kind" }, kind),
      frozen === "none"
        ? null
        : h("span", { class: "tag" }, icon("lock"), frozen === "all" ? "frozen" : "partly frozen"),
    ),
    cell("output shape", outputs.map(formatShape).join(" ")),
    cell("parameters number", none ? "" : formatCount(elements)),
    cell(
      "jacobian",
      none ? null : bar(bytes / largest),
      h("span", { class: "number" }, none ? "" : formatBytes(bytes)),
    ),
    cell("share number", none ? "" : frozen === "all" ? "not counted" : formatShare(share)),
  );
}

/** More than a few are listed only when asked for. */
const few = 6;

function arrays(name: string, title: string, members: readonly ArrayInfo[]): Child {
  if (members.length === 0) return null;
  const list = h(
    "ul",
    { class: "array-list" },
    ...members.map((member) =>
      h(
        "li",
        {},
        h("span", { class: "array-name" }, member.name),
        h("span", { class: "shape" }, formatShape(member.shape)),
        h("span", { class: "dtype" }, member.dtype),
      ),
    ),
  );
  if (members.length <= few) return section(name, title, list);
  return h("details", { key: name }, h("summary", {}, `${title} (${formatCount(members.length)})`), list);
}
