import type { VscodeTextfield } from "@vscode-elements/elements/dist/vscode-textfield/index.js";
import { formatBytes, formatCount, formatShape, formatMany } from "../../sidecar/protocol/text";
import { h, type Child, type Node_ } from "../dom";
import { formatShare } from "../format";
import {
  nextSort,
  parameterRows,
  type ParameterColumn,
  type ParameterRow,
  type ParameterSort,
} from "../parameter-rows";
import type { View, ViewContext } from "../view";
import { bar, cell, icon, placeLink, table } from "../widgets";

/** Every parameter, with what the Jacobian with respect to it looks like. Can be sorted and searched. */
export const parameters: View = {
  id: "parameters",
  title: "Parameters",
  needsAnalysis: true,
  badge: ({ state: { model } }) => model.analysis?.parameters.length ?? 0,
  render: (analysis, context) => {
    const { memory } = context;
    const filter = memory.filter ?? "";
    const sort = memory.sort ?? { column: "order", descending: false };
    const rows = parameterRows(analysis, filter, sort);
    const largest = Math.max(1e-9, ...rows.map(({ share }) => share));
    return h(
      "div",
      { class: "parameters" },
      searchField(filter, rows, analysis.parameters.length, context),
      rows.length === 0
        ? h(
            "p",
            { key: "none", class: "note nothing" },
            filter ? "No parameter matches." : "This model has no parameters.",
          )
        : h(
            "div",
            { key: "table" },
            table(
              "Parameters",
              "parameter-table",
              headRow(sort, context),
              rows.map((row) => parameterRow(row, largest, context)),
            ),
          ),
    );
  },
};

function searchField(filter: string, rows: readonly ParameterRow[], total: number, { remember }: ViewContext): Node_ {
  const elements = rows.reduce((sum, { parameter }) => sum + parameter.elements, 0);
  const count =
    rows.length === total
      ? formatMany(total, "tensor")
      : `${formatCount(rows.length)} of ${formatMany(total, "tensor")}`;
  return h(
    "div",
    { key: "search", class: "search" },
    h(
      "vscode-textfield",
      {
        type: "search",
        ".label": "Search parameters",
        placeholder: "Search by name, shape, frozen…",
        value: filter,
        on: { input: (event) => remember({ filter: (event.target as VscodeTextfield).value }) },
      },
      h("span", { slot: "content-before", class: "button-icon" }, icon("search")),
    ),
    h("span", { class: "note", role: "status" }, `${count}, ${formatMany(elements, "element")}`),
  );
}

const columns: readonly { readonly name: string; readonly title: string; readonly sort: ParameterColumn | null }[] = [
  { name: "name", title: "Name", sort: "name" },
  { name: "shape", title: "Shape", sort: null },
  { name: "elements", title: "Elements", sort: "elements" },
  { name: "trainable", title: "Trainable", sort: null },
  { name: "jacobian", title: "Jacobian", sort: null },
  { name: "bytes", title: "Bytes", sort: "bytes" },
  { name: "share", title: "Share", sort: null },
  { name: "source", title: "Source", sort: null },
];

function headRow(sort: ParameterSort, { remember }: ViewContext): Node_ {
  return h("div", { key: "head", role: "row", class: "row head" }, ...columns.map(headCell));

  function headCell(column: (typeof columns)[number]): Child {
    const by = column.sort;
    if (by === null) return h("div", { role: "columnheader", class: column.name }, column.title);
    const sorted = sort.column === by;
    return h(
      "div",
      {
        role: "columnheader",
        class: column.name,
        "aria-sort": sorted ? (sort.descending ? "descending" : "ascending") : "none",
      },
      h(
        "button",
        { type: "button", class: "sort", on: { click: () => remember({ sort: nextSort(sort, by) }) } },
        column.title,
        sorted ? icon(sort.descending ? "triangle-down" : "triangle-up") : null,
      ),
    );
  }
}

function parameterRow({ parameter, share }: ParameterRow, largest: number, { post }: ViewContext): Node_ {
  const { name, shape, dtype, elements, trainable, jacobian, source } = parameter;
  return h(
    "div",
    { key: name, role: "row", class: trainable ? "row" : "row frozen" },
    cell("name", h("span", { class: "row-name", title: name }, name)),
    cell("shape", formatShape(shape), dtype === "float32" ? null : h("span", { class: "dtype" }, dtype)),
    cell("elements number", formatCount(elements)),
    cell("trainable", trainable ? "yes" : h("span", { class: "tag" }, icon("lock"), "frozen")),
    cell("jacobian shape", formatShape(jacobian.shape)),
    cell("bytes number", formatBytes(jacobian.bytes)),
    cell(
      "share",
      trainable ? bar(share / largest) : null,
      h("span", { class: "number" }, trainable ? formatShare(share) : "not counted"),
    ),
    cell("source", source && placeLink(source, post)),
  );
}
