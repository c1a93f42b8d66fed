import type { Analysis, DeviceInfo, FallbackAnalysis } from "../../sidecar/protocol/analysis";
import { formatRuns, formatWay, formatMany } from "../../sidecar/protocol/text";
import { arrayTable } from "../array-table";
import { h, type Child, type Node_ } from "../dom";
import { headlineOf } from "../headline";
import { memoryControls } from "../memory-controls";
import { pytorchSection } from "../pytorch-section";
import { strategyList } from "../strategy-list";
import { formatTimes, selectedRow, strategyRows, type StrategyRow } from "../strategy-rows";
import { follow, limitNote, timelineChart } from "../timeline-chart";
import { remainingTrial, triedOf } from "../trial";
import type { View, ViewContext } from "../view";
import { cell, icon, link, placeLink, section, table } from "../widgets";

/** Whether it fits, and what to do where it does not: for any number of examples, on any device. */
export const memory: View = {
  id: "memory",
  title: "Memory",
  needsAnalysis: true,
  render: (analysis, context) => {
    if (analysis.jacobian.shape.at(-1) === 0) {
      return h(
        "div",
        { class: "empty" },
        icon("circle-slash"),
        h("h2", {}, "No trainable parameters"),
        h("p", {}, "There is nothing to differentiate with respect to, and so no Jacobian to plan."),
      );
    }
    const { device } = triedOf(context.state, analysis, context.memory);
    const known = knownStrategies(analysis, context);
    const rows = strategyRows(known);
    const selected = selectedRow(rows, context.memory.trial);
    const isPending = context.plans.isPending;
    const nothing = rows.length === 0 && !isPending;
    return h(
      "div",
      { class: "memory-view" },
      memoryControls(analysis, context),
      headline(analysis, context),
      nothing ? null : strategyList({ rows, selected, device, room: context.plans.room, isPending }, context),
      nothing ? null : timeline(selected, device, context),
      fallbacks(fallbacksOf(analysis, context), context),
      pytorchSection(analysis, context),
    );
  },
};

/** Before there is a plan, what the analysis knows of the strategies: all but their timelines. */
function knownStrategies(analysis: Analysis, { state, memory: { trial }, plans }: ViewContext): typeof plans.known {
  if (plans.known.length > 0 || plans.plan !== null) return plans.known;
  const isTried = trial?.batch !== undefined || trial?.device !== undefined || state.batch !== analysis.batch;
  return analysis.strategies.map((strategy) => ({ strategy, isCurrent: !isTried }));
}

function fallbacksOf(analysis: Analysis, { plans }: ViewContext): readonly FallbackAnalysis[] {
  return plans.plan?.fallbacks ?? analysis.fallbacks;
}

function headline(analysis: Analysis, context: ViewContext): Node_ {
  const { state, plans, memory: kept, remember } = context;
  const { batch, device } = triedOf(state, analysis, kept);
  const { plan, message, isPending } = plans;
  const told = plan && headlineOf(plan, !analysis.model.examplesCoupled && plan.batch > 1);
  const tone = told === null ? "none" : told.tone;
  const fewer = told?.fewer ?? null;
  return h(
    "div",
    { key: "headline", class: `headline ${tone} ${plans.isOutdated || !canAnswer(context) ? "outdated" : ""}` },
    icon(isPending ? "loading" : tone === "good" ? "pass" : tone === "bad" ? "error" : "circle-large-outline"),
    h(
      "div",
      {},
      h(
        "div",
        { key: "sentence", class: "sentence", role: "status" },
        told?.text ??
          (isPending ? `Planning for ${formatMany(batch, "example")} on ${device.name}…` : "Not planned yet."),
      ),
      h(
        "div",
        { key: "detail", class: "note detail" },
        told?.detail ?? "What each way to compute the Jacobian takes is found out without running it.",
        fewer === null || isPending
          ? null
          : [
              " ",
              link(`Try ${formatMany(fewer, "example")}`, "Plan for as many as should fit", () =>
                remember({ trial: remainingTrial({ ...kept.trial, batch: fewer }, state) }),
              ),
            ],
      ),
      obstacle(message, context),
    ),
  );
}

function canAnswer({ state: { running, trusted, model } }: ViewContext): boolean {
  return running && (trusted || model.kind === "saved");
}

/** What is in the way of a plan. */
function obstacle(message: string | null, context: ViewContext): Child {
  const { state, plans } = context;
  const { plan } = plans;
  const last =
    plan === null ? "" : ` This is the last plan, for ${formatMany(plan.batch, "example")} on ${plan.device.name}.`;
  const tell = (name: string, ...text: readonly Child[]): Node_ =>
    h("div", { key: "obstacle", class: "obstacle" }, icon(name), h("span", {}, ...text));
  if (!state.running) return tell("debug-disconnect", `The sidecar is not running.${last}`);
  if (!canAnswer(context)) return tell("shield", `Nothing is planned anew in Restricted Mode.${last}`);
  if (message === null) return null;
  const retry = (): void => {
    plans.retry();
    context.update();
  };
  return tell("info", `${message}${last} `, link("Try again", "Ask for the plan once more", retry));
}

function timeline(row: StrategyRow | null, device: DeviceInfo, context: ViewContext): Node_ {
  const title = row === null ? "Memory over time" : `Memory over time: ${row.title}`;
  if (row === null || row.strategy.timeline.length === 0) {
    return section("timeline", title, h("div", { key: "chart", class: "chart-room note" }, "planning…"));
  }
  const { strategy, isCurrent } = row;
  const note = limitNote(strategy, device);
  follow(context.pointed, strategy, device);
  return section(
    "timeline",
    title,
    h(
      "div",
      { key: "chart", class: isCurrent ? "chart-room" : "chart-room old" },
      timelineChart(strategy, device, context),
    ),
    h(
      "ul",
      { key: "legend", class: "legend chart-legend" },
      h("li", {}, h("span", { class: "swatch arguments" }), "inputs and parameters"),
      h("li", {}, h("span", { class: "swatch many" }), "the largest arrays, listed below"),
      h("li", {}, h("span", { class: "swatch smaller" }), "smaller arrays"),
      note === null ? null : h("li", { class: "note" }, note),
    ),
    h("div", { key: "table" }, arrayTable(strategy, context)),
  );
}

function fallbacks(all: readonly FallbackAnalysis[], { post }: ViewContext): Child {
  if (all.length === 0) return null;
  return section(
    "fallbacks",
    "Operations that run as loops",
    table(
      "Operations that run as loops",
      "fallback-table",
      h(
        "div",
        { role: "row", class: "row head" },
        ...["Operation", "Strategy", "Runs", "Slowdown", "Line", "Why, and what to do"].map((title) =>
          h("div", { role: "columnheader", class: title.split(",")[0].toLowerCase() }, title),
        ),
      ),
      ...all.map((loop) => {
        const { operation, strategy, slowdown, source, reason, fix } = loop;
        return h(
          "div",
          { role: "row", class: "row" },
          cell("operation", operation),
          cell("strategy", formatWay({ strategy, chunk: null })),
          cell("runs", formatRuns(loop)),
          cell("slowdown number", `${formatTimes(slowdown)} as long`),
          cell("line", source && placeLink(source, post)),
          cell("why", `${sentence(reason)}${fix === null ? "" : ` ${sentence(fix)}`}`),
        );
      }),
    ),
  );
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
