import type { KernelInfo, KernelView } from "../../sidecar/protocol/ntk";
import { h, type Child, type Node_ } from "../dom";
import { hasBlocks } from "./block";
import type { KernelViewShown } from "./view-shown";

/** What is chosen of a kernel's pictures. */
export function controls({ source: { info }, other, whole, choice, change, showPart }: KernelViewShown): Node_ {
  const hasClasses = info.x1.labels !== null;
  const { noClusters } = whole;
  const orders = [
    { value: "given", text: "as given" },
    { value: "class", text: hasClasses ? "by class" : "by class (no labels)", disabled: !hasClasses },
    {
      value: "clusters",
      text: noClusters === null ? "by cluster" : `by cluster (${noClusters})`,
      disabled: noClusters !== null,
    },
  ] as const;
  const parameters = [
    { value: "", text: "whole kernel" },
    ...whole.layers.map(({ parameter }) => ({ value: parameter, text: parameter })),
  ];
  return h(
    "div",
    { key: "controls", class: "kernel-controls", role: "group", "aria-label": "What is shown" },
    select("Order", orders, choice.order === "clusters" && noClusters !== null ? "given" : choice.order, (order) =>
      change({ order: order as typeof choice.order }),
    ),
    select(
      "Colours",
      [
        { value: "linear", text: "linear" },
        { value: "log", text: "logarithmic" },
      ],
      choice.logarithmic ? "log" : "linear",
      (scale) => change({ logarithmic: scale === "log" }),
    ),
    whole.layers.length === 0 || other !== null
      ? null
      : select("Part", parameters, info.part?.parameter ?? "", (parameter) => showPart(parameter || null)),
    hasBlocks(info) ? outputControls(info, choice.view, (view) => change({ view })) : null,
  );
}

function outputControls({ form, outputs }: KernelInfo, view: KernelView, choose: (view: KernelView) => void): Child {
  const field = (label: string, value: number, take: (output: number) => KernelView): Node_ =>
    h(
      "label",
      { class: "kernel-control" },
      h("span", {}, label),
      h("input", {
        type: "number",
        min: 0,
        max: outputs - 1,
        ".value": String(value),
        on: {
          change: (event) => {
            const typed = Math.round(Number((event.currentTarget as HTMLInputElement).value));
            choose(take(Math.min(outputs - 1, Math.max(0, typed || 0))));
          },
        },
      }),
    );
  return [
    select(
      "Outputs",
      [
        { value: "trace", text: "mean of the trace" },
        { value: "one", text: form === "full" ? "one pair of outputs" : "one output" },
      ],
      view === "trace" ? "trace" : "one",
      (value) => choose(value === "trace" ? "trace" : { row: 0, column: 0 }),
    ),
    view === "trace"
      ? null
      : form === "full"
        ? [
            field("Row’s output", view.row, (row) => ({ ...view, row })),
            field("Column’s output", view.column, (column) => ({ ...view, column })),
          ]
        : field("Output", view.row, (row) => ({ row, column: row })),
  ];
}

/** A choice among a few. */
export function select(
  label: string,
  options: readonly { readonly value: string; readonly text: string; readonly disabled?: boolean }[],
  chosen: string,
  choose: (value: string) => void,
): Node_ {
  return h(
    "label",
    { key: label, class: "kernel-control" },
    h("span", {}, label),
    h(
      "select",
      { on: { change: (event) => choose((event.currentTarget as HTMLSelectElement).value) } },
      ...options.map(({ value, text, disabled = false }) =>
        h("option", { value, selected: value === chosen, ".selected": value === chosen, disabled }, text),
      ),
    ),
  );
}
