import type { DeviceInfo } from "../sidecar/protocol/analysis";
import { formatBytes, formatChunk, formatCount, formatWay, formatMany } from "../sidecar/protocol/text";
import { h, type Child, type Node_ } from "./dom";
import { barScale, formatTimes, isChosen, usableBytes, type BarScale, type StrategyRow } from "./strategy-rows";
import type { ViewContext } from "./view";
import { button, cell, icon, link, rowKeys, section, table } from "./widgets";

export interface StrategyListOptions {
  readonly rows: readonly StrategyRow[];
  readonly selected: StrategyRow | null;
  readonly device: DeviceInfo;
  /** So many rows have room: those that are to come, or have been there, move nothing. */
  readonly room: number;
  readonly isPending: boolean;
}

/** The ways to compute the Jacobian, side by side. The one that is pressed has its timeline below. */
export function strategyList(options: StrategyListOptions, context: ViewContext): Node_ {
  const { rows, selected, device, room, isPending } = options;
  const limit = usableBytes(device);
  const scale = barScale(
    rows.map(({ bytes }) => bytes),
    limit,
  );
  return section(
    "strategies",
    "Ways to compute it",
    h(
      "div",
      {
        key: "rows",
        class: isPending ? "strategy-rows pending" : "strategy-rows",
        variables: { "--room": String(room) },
        on: { keydown: rowKeys },
      },
      table(
        "Ways to compute the Jacobian, and what each takes",
        "strategy-table",
        h(
          "div",
          { key: "head", role: "row", class: "row head" },
          ...["Strategy", "Memory", "Takes", "Fits", "Work", "Choice"].map((title) =>
            h("div", { role: "columnheader", class: title.toLowerCase() }, title),
          ),
        ),
        ...rows.map((row) => strategyRow(row, row === selected, scale, context)),
        isPending && rows.length < 4 ? [placeholder(rows.length)] : null,
      ),
    ),
    legend(scale, limit, device),
    otherChoice(rows, context),
  );
}

function placeholder(known: number): Node_ {
  return h(
    "div",
    { key: "placeholder", role: "row", class: "row placeholder" },
    cell("strategy", h("span", { class: "note" }, known === 0 ? "planning…" : "planning more…")),
  );
}

function strategyRow(row: StrategyRow, isSelected: boolean, scale: BarScale, context: ViewContext): Node_ {
  const { key, strategy, bytes, work, isCurrent } = row;
  const { state, post, remember, memory } = context;
  const { strategy: name, chunk, fits, recommended, iterations, flops, peakBytes, workspaceBytes } = strategy;
  const select = (): void => remember({ trial: { ...memory.trial, strategy: name, chunk } });
  const inUse = isChosen(strategy, state.chosen);
  const use = chunk === null ? `Use ${name}` : `Use ${formatWay(strategy)}`;
  return h(
    "div",
    {
      key,
      role: "row",
      class: [
        "row pressable",
        isSelected ? "selected" : "",
        isCurrent ? "" : "old",
        fits ? "" : "over",
        chunk === null ? "" : "chunked",
      ].join(" "),
      on: { click: select },
    },
    cell(
      "strategy",
      h(
        "button",
        {
          class: "row-name",
          type: "button",
          "data-row-button": true,
          "aria-pressed": String(isSelected),
          "aria-label": formatWay(strategy),
          title: "Show its timeline",
        },
        chunk === null ? name : formatChunk(chunk),
      ),
      recommended ? h("span", { class: "tag best" }, icon("star-full"), "recommended") : null,
    ),
    cell(
      "memory",
      h(
        "div",
        {
          class: bytes > scale.end ? "track cut" : "track",
          "aria-hidden": "true",
          title:
            fits || workspaceBytes > 0
              ? `${formatBytes(peakBytes)} of arrays, ${formatBytes(workspaceBytes)} of the engine’s own`
              : `${formatBytes(peakBytes)} of arrays, and what the engine takes beside them`,
          variables: {
            "--arrays": part(peakBytes, scale),
            "--all": part(bytes, scale),
            "--limit": (scale.limit ?? 0).toFixed(4),
          },
        },
        h("div", { class: "arrays-bar" }),
        h("div", { class: "engine-bar" }),
        scale.limit === null ? null : h("div", { class: "limit-mark" }),
      ),
    ),
    cell("takes number", formatBytes(bytes)),
    cell(fits ? "fits fit" : "fits fit over", icon(fits ? "pass" : "error"), fits ? "fits" : "does not fit"),
    cell(
      "work",
      h("span", { title: `${formatCount(flops)} floating-point operations` }, formatTimes(work)),
      iterations > 1 ? h("span", { class: "note" }, ` ${formatMany(iterations, "pass", "passes")}`) : null,
    ),
    cell(
      "choice",
      inUse
        ? [
            h("span", { class: "tag in-use" }, icon("check"), "in use"),
            alone(link("leave it open", "Let Kernelscope take the best one", leaveOpen(context))),
          ]
        : alone(button("Use", { label: use, onPress: () => post({ type: "useStrategy", strategy: name, chunk }) })),
    ),
  );
}

/** What is pressed there does not select the row. */
function alone(child: Node_): Node_ {
  return h("span", { on: { click: (event) => event.stopPropagation() } }, child);
}

function leaveOpen({ post }: ViewContext): () => void {
  return () => post({ type: "useStrategy", strategy: null, chunk: null });
}

function part(bytes: number, { end }: BarScale): string {
  return Math.min(1, bytes / end).toFixed(4);
}

function legend({ limit, isCut, end }: BarScale, usable: number, { name }: DeviceInfo): Node_ {
  return h(
    "ul",
    { key: "legend", class: "legend bars-legend" },
    h("li", {}, h("span", { class: "swatch" }), "arrays"),
    h("li", {}, h("span", { class: "swatch engine" }), "the engine’s own"),
    limit === null
      ? h("li", {}, `${name} has room for ${formatBytes(usable)}, ${formatTimes(usable / end)} of this scale`)
      : h("li", {}, h("span", { class: "swatch limit" }), `${name}: room for ${formatBytes(usable)}`),
    isCut ? h("li", {}, h("span", { class: "swatch cut" }), "longer than can be drawn") : null,
  );
}

/** What is in use may be none of the rows: another chunk. */
function otherChoice(rows: readonly StrategyRow[], context: ViewContext): Child {
  const { chosen } = context.state;
  if (chosen === null || rows.some(({ strategy }) => isChosen(strategy, chosen))) return null;
  return h(
    "p",
    { key: "other", class: "note" },
    `In use: ${formatWay(chosen)}. `,
    link("leave it open", "Let Kernelscope take the best one", leaveOpen(context)),
  );
}
