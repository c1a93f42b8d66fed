import type { VscodeTextfield } from "@vscode-elements/elements/dist/vscode-textfield/index.js";
import type { OutlineRow } from "../../sidecar/protocol/outline";
import { formatBytes, formatCount, formatShape, formatMany } from "../../sidecar/protocol/text";
import { h, type Child, type Node_ } from "../dom";
import { formatPlace, formatShare } from "../format";
import { keyEffect, rowsInSight, typedTo, type OutlineTree, type SeenRow } from "../outline-tree";
import type { View, ViewContext } from "../view";
import { bar, button, icon } from "../widgets";

/** The model's graph as an outline by modules. Only rows within sight are in the document: there may be many thousands. */
export const graph: View = {
  id: "graph",
  title: "Graph",
  needsAnalysis: true,
  render: (_, context) => {
    const { tree, message } = context.outlines;
    return h("div", { class: "graph" }, tree === null ? absent(message, context) : outline(tree, context));
  },
};

type GraphMemory = NonNullable<ViewContext["memory"]["graph"]>;

/** Pixels. */
const ROW = 26;
/** Of the head, which stays in sight. */
const HEAD = 30;

const noToggles: readonly string[] = [];

function graphMemory({ memory }: ViewContext): GraphMemory {
  return memory.graph ?? { filter: "", toggled: noToggles, toggledInSearch: noToggles, active: null };
}

function absent(message: string | null, { state, post }: ViewContext): Child {
  if (message === null && state.model.stale !== "restored") return h("p", { class: "note" }, "Reading the graph…");
  return [
    h("p", { class: "note" }, message ?? "The graph is not kept from an earlier session."),
    button("Analyze", {
      icon: "play",
      disabled: !state.running || state.model.activity !== "idle",
      onPress: () => post({ type: "command", command: "analyze" }),
    }),
  ];
}

function outline(tree: OutlineTree, context: ViewContext): Child {
  const memory = graphMemory(context);
  const { filter } = memory;
  const seen = tree.seen({ filter, toggled: filter.trim() === "" ? memory.toggled : memory.toggledInSearch });
  return [
    searchField(tree, memory, seen, context),
    seen.length === 0
      ? h("p", { key: "none", class: "note nothing" }, filter ? "Nothing matches." : "This model has no operations.")
      : treegrid(seen, memory, context),
  ];
}

function searchField(tree: OutlineTree, memory: GraphMemory, seen: readonly SeenRow[], context: ViewContext): Node_ {
  const { filter } = memory;
  const set = (text: string): void =>
    context.remember({ graph: { ...memory, filter: text, toggledInSearch: noToggles } });
  const total = formatMany(tree.rows.length, "row");
  const found = filter.trim() === "" ? total : `${formatCount(tree.found({ filter, toggled: [] }))} of ${total}`;
  return h(
    "div",
    { key: "search", class: "search" },
    h(
      "vscode-textfield",
      {
        type: "search",
        ".label": "Search the graph",
        placeholder: "Search by name, kind, shape…",
        value: filter,
        on: {
          input: (event) => set((event.target as VscodeTextfield).value),
          keydown: (event) => {
            const { key } = event as KeyboardEvent;
            if (key === "Escape" && filter !== "") set("");
            else if (key === "ArrowDown" && seen.length > 0) focusRow(activeIn(seen, memory));
            else return;
            event.preventDefault();
          },
        },
      },
      h("span", { slot: "content-before", class: "button-icon" }, icon("search")),
    ),
    h("span", { class: "note", role: "status" }, found),
  );
}

const columns = ["Name", "Output", "Parameters", "Jacobian", "Bytes", "FLOPs", "Line"] as const;

function treegrid(seen: readonly SeenRow[], memory: GraphMemory, context: ViewContext): Node_ {
  const active = activeIn(seen, memory);
  const hasLines = seen.some(({ row }) => row.source !== null);
  // Before there are any, the first ones
  const top = document.querySelector(".outline-rows")?.getBoundingClientRect().top ?? 0;
  const [first, end] = rowsInSight(seen.length, top, window.innerHeight, ROW);
  const shown = seen.map((_, at) => at).slice(first, end);
  // What has the focus stays, wherever one scrolls to
  if (active < first) shown.unshift(active);
  if (active >= end) shown.push(active);
  return h(
    "div",
    {
      key: "outline",
      role: "treegrid",
      // An ONNX file has lines of code only where its exporter has left them
      class: `table outline ${hasLines ? "" : "no-lines"}`,
      "aria-label": "Graph by modules",
      "aria-rowcount": seen.length + 1,
      variables: { "--row-height": `${ROW}px`, "--head-height": `${HEAD}px` },
      on: { keydown: (event) => pressed(event as KeyboardEvent, seen, active, memory, context) },
    },
    h(
      "div",
      { key: "head", role: "rowgroup", class: "outline-head" },
      h(
        "div",
        { role: "row", class: "row head outline-row", "aria-rowindex": 1 },
        ...columns.map((title) => h("div", { role: "columnheader", class: `outline-${title.toLowerCase()}` }, title)),
      ),
    ),
    h(
      "div",
      { key: "rows", role: "rowgroup", class: "outline-rows", variables: { "--rows": String(seen.length) } },
      ...shown.map((at) => outlineRow(seen[at], at, at === active, memory, context)),
    ),
  );
}

const icons: Record<OutlineRow["form"], string> = {
  module: "symbol-class",
  operation: "symbol-operator",
  parameter: "symbol-array",
};

function outlineRow(seen: SeenRow, at: number, isActive: boolean, memory: GraphMemory, context: ViewContext): Node_ {
  const { row, isOpen, isFound, position, among } = seen;
  const { id, form, depth, name, kind, shapes, elements, jacobian, share, source } = row;
  const shape = shapes.map(formatShape).join(" ");
  const text = (className: string, ...children: readonly Child[]): Node_ =>
    h("div", { role: "gridcell", class: className }, ...children);
  return h(
    "div",
    {
      key: id,
      id: rowId(at),
      role: "row",
      class: `row outline-row ${form} ${isFound ? "" : "around"} ${source ? "pressable" : ""}`,
      tabindex: isActive ? 0 : -1,
      "aria-level": depth + 1,
      "aria-expanded": isOpen === null ? null : String(isOpen),
      "aria-posinset": position,
      "aria-setsize": among,
      "aria-rowindex": at + 2,
      variables: { "--at": String(at), "--depth": String(depth) },
      on: {
        click: (event) => {
          const isTwistie = (event.target as Element).closest(".twistie") !== null;
          if (isTwistie) toggle(row, memory, context);
          else press(row, isOpen, memory, context);
        },
        focus: () => activate(row, memory, context),
      },
    },
    text(
      "outline-name",
      h("span", {
        class: `twistie ${isOpen === null ? "" : `codicon codicon-chevron-${isOpen ? "down" : "right"}`}`,
        "aria-hidden": "true",
      }),
      icon(icons[form]),
      h("span", { class: "row-name", title: name }, name),
      h("span", { class: "kind" }, kind),
      form === "parameter" && jacobian === null ? h("span", { class: "tag" }, icon("lock"), "frozen") : null,
    ),
    text("outline-output shape", h("span", { title: shape }, shape)),
    text("outline-parameters number", elements === 0 ? "" : formatCount(elements)),
    text(
      "outline-jacobian shape",
      jacobian && h("span", { title: formatShape(jacobian.shape) }, formatShape(jacobian.shape)),
    ),
    text("outline-bytes number", jacobian && formatBytes(jacobian.bytes)),
    text("outline-flops", share > 0 ? [bar(share), h("span", { class: "number" }, formatShare(share))] : null),
    text("outline-line", source && h("span", { title: `${source.file}:${source.line}` }, formatPlace(source))),
  );
}

function rowId(at: number): string {
  return `outline-row-${at}`;
}

function activeIn(seen: readonly SeenRow[], { active }: GraphMemory): number {
  return Math.max(
    0,
    seen.findIndex(({ row }) => row.id === active),
  );
}

function activate({ id }: OutlineRow, memory: GraphMemory, { remember }: ViewContext): void {
  if (memory.active !== id) remember({ graph: { ...memory, active: id } });
}

function toggle({ id }: OutlineRow, memory: GraphMemory, { remember }: ViewContext): void {
  const key = memory.filter.trim() === "" ? "toggled" : "toggledInSearch";
  const before = memory[key];
  const after = before.includes(id) ? before.filter((other) => other !== id) : [...before, id];
  remember({ graph: { ...memory, [key]: after, active: id } });
}

/** Goes to the row's line; one that has none is opened or closed. */
function press(row: OutlineRow, isOpen: boolean | null, memory: GraphMemory, context: ViewContext): void {
  if (row.source) context.post({ type: "reveal", place: row.source });
  else if (isOpen !== null) toggle(row, memory, context);
}

/** What was typed lately, to go to a row by the beginning of its name. */
const typed = { text: "", at: 0 };
const TYPING_MS = 700;

function pressed(
  event: KeyboardEvent,
  seen: readonly SeenRow[],
  at: number,
  memory: GraphMemory,
  context: ViewContext,
): void {
  const { key, ctrlKey, metaKey, altKey, timeStamp } = event;
  if ((ctrlKey || metaKey) && key === "f") {
    document.querySelector<HTMLElement>(".graph vscode-textfield")?.focus();
    event.preventDefault();
    return;
  }
  if (ctrlKey || metaKey || altKey) return;
  const page = Math.max(1, Math.floor((window.innerHeight - HEAD) / ROW) - 1);
  const isTyping = timeStamp - typed.at < TYPING_MS && typed.text !== "";
  const effect = key === " " && isTyping ? null : keyEffect(key, seen, at, page);
  const { row, isOpen } = seen[at];
  if (effect?.kind === "go") go(effect.to);
  else if (effect?.kind === "toggle") toggle(row, memory, context);
  else if (effect?.kind === "press") press(row, isOpen, memory, context);
  else if (key.length === 1) {
    typed.text = isTyping ? typed.text + key : key;
    typed.at = timeStamp;
    const to = typedTo(typed.text, seen, at);
    if (to !== null) go(to);
  } else return;
  event.preventDefault();

  function go(to: number): void {
    context.remember({ graph: { ...memory, active: seen[to].row.id } });
    focusRow(to);
  }
}

function focusRow(at: number): void {
  const row = document.getElementById(rowId(at));
  row?.focus({ preventScroll: true });
  row?.scrollIntoView({ block: "nearest" });
}
