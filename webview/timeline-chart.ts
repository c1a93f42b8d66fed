import type { BufferAnalysis, DeviceInfo, Place, StrategyAnalysis } from "../sidecar/protocol/analysis";
import { formatBytes, formatCount, formatShape, formatWay, takenBytes, formatMany } from "../sidecar/protocol/text";
import { h, type Child, type Node_ } from "./dom";
import { formatPlace, formatShare } from "./format";
import { formatTimes, usableBytes } from "./strategy-rows";
import {
  bandAt,
  bandBytes,
  draw,
  formatTick,
  height,
  steps,
  type BandName,
  type Drawing,
  type Pointed,
} from "./timeline";
import type { ViewContext } from "./view";

/** The pointer may rest while what is under it changes. */
export function follow(pointed: Pointed, strategy: StrategyAnalysis, device: DeviceInfo): void {
  if (pointed.at === null) return;
  const { end } = drawingOf(strategy, usableBytes(device)).axis;
  pointed.band = bandAt(strategy, momentAt(strategy, pointed.at.x), (1 - pointed.at.y) * end);
}

/** So many steps have no room for edges. */
const manySteps = 600;

/** Drawn once for each strategy and limit: pointing at something draws the page anew. */
const drawings = new WeakMap<StrategyAnalysis, { readonly limit: number; readonly drawing: Drawing }>();

function drawingOf(strategy: StrategyAnalysis, limit: number): Drawing {
  const known = drawings.get(strategy);
  if (known?.limit === limit) return known.drawing;
  const drawing = draw(strategy, limit);
  drawings.set(strategy, { limit, drawing });
  return drawing;
}

/** Arrays have the hues of a chart in turn, and then again, lighter. */
export function hueOf(index: number): string {
  return `hue-${(index % 5) + 1} shade-${Math.floor(index / 5) % 4}`;
}

export function bandClass(name: BandName): string {
  return typeof name === "number" ? hueOf(name) : name;
}

/** The line to go to for an array. */
export function bufferPlace({ source, callers }: BufferAnalysis): Place | null {
  return source ?? callers.at(-1) ?? null;
}

export function timelineChart(strategy: StrategyAnalysis, device: DeviceInfo, context: ViewContext): Node_ {
  const { pointed, post, update } = context;
  const limit = usableBytes(device);
  const drawing = drawingOf(strategy, limit);
  const { axis } = drawing;
  const top = takenBytes(strategy);
  const level = (bytes: number): { "--level": string } => ({ "--level": (bytes / axis.end).toFixed(4) });
  const point = (event: Event): void => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const { clientX, clientY } = event as PointerEvent;
    const x = Math.min(1 - 1e-9, Math.max(0, (clientX - box.left) / box.width));
    const y = Math.min(1, Math.max(0, (clientY - box.top) / box.height));
    pointed.at = { x, y };
    update();
  };
  const leave = (): void => {
    pointed.at = null;
    pointed.band = null;
    update();
  };
  const press = (event: Event): void => {
    point(event);
    const place = typeof pointed.band === "number" ? bufferPlace(strategy.buffers[pointed.band]) : null;
    if (place) post({ type: "reveal", place });
  };
  return h(
    "div",
    { class: "chart" },
    h(
      "div",
      { class: "y-axis", "aria-hidden": "true" },
      ...axis.ticks.map((tick) => h("span", { class: "tick", variables: level(tick) }, formatTick(tick))),
    ),
    h(
      "div",
      { class: "plot", on: { pointermove: point, pointerleave: leave, click: press } },
      ...axis.ticks.map((tick) => h("div", { class: "gridline", "aria-hidden": "true", variables: level(tick) })),
      h(
        "svg",
        {
          class: `areas ${pointed.band === null ? "" : "has-lit"} ${drawing.width > manySteps ? "fine" : ""}`,
          viewBox: `0 0 ${drawing.width} ${height}`,
          preserveAspectRatio: "none",
          role: "img",
          "aria-label": summary(strategy, limit),
        },
        ...drawing.bands.map(({ name, path }) =>
          h("path", {
            key: String(name),
            class: `band ${bandClass(name)} ${pointed.band === name ? "lit" : ""}`,
            d: path,
          }),
        ),
        drawing.over === "" ? null : h("path", { key: "over", class: "over", d: drawing.over }),
      ),
      strategy.workspaceBytes > 0
        ? h(
            "div",
            { key: "engine", class: "level engine", "aria-hidden": "true", variables: level(top) },
            h("span", {}, `${formatBytes(top)} with the engine’s own`),
          )
        : null,
      axis.hasLimit
        ? h(
            "div",
            { key: "limit", class: "level limit", "aria-hidden": "true", variables: level(limit) },
            h("span", {}, `room for ${formatBytes(limit)}`),
          )
        : null,
      pointed.at === null ? null : tooltip(strategy, pointed.at, pointed.band),
    ),
    h(
      "div",
      { class: "x-axis note" },
      h("span", {}, "operations in order of execution"),
      h("span", {}, formatMany(strategy.timeline.length, "operation")),
    ),
  );
}

/** Where the limit is, if the chart does not reach so far. */
export function limitNote(strategy: StrategyAnalysis, device: DeviceInfo): string | null {
  const limit = usableBytes(device);
  if (drawingOf(strategy, limit).axis.hasLimit) return null;
  return `${device.name} has room for ${formatBytes(limit)}, ${formatTimes(limit / takenBytes(strategy))} as much.`;
}

function momentAt({ timeline }: StrategyAnalysis, x: number): number {
  const all = steps(timeline);
  return all[Math.floor(x * all.length)].fullest;
}

function summary(strategy: StrategyAnalysis, limit: number): string {
  const { timeline, peakBytes, workspaceBytes } = strategy;
  const peak = timeline.findIndex(({ liveBytes }) => liveBytes === peakBytes);
  const during = peak < 0 ? "" : `, during ${timeline[peak].operation} (operation ${formatCount(peak + 1)})`;
  const engine = workspaceBytes > 0 ? ` The engine holds up to ${formatBytes(workspaceBytes)} more.` : "";
  const room = `The device has room for ${formatBytes(limit)}.`;
  return (
    `Memory while ${formatWay(strategy)} runs its ${formatMany(timeline.length, "operation")}: ` +
    `at most ${formatBytes(peakBytes)}${during}.${engine} ${room} The table that follows lists the largest arrays.`
  );
}

/** For the pointer only: the table has all of it. */
function tooltip(strategy: StrategyAnalysis, at: NonNullable<Pointed["at"]>, band: BandName | null): Node_ {
  const { x, y } = at;
  const moment = momentAt(strategy, x);
  const { liveBytes, operation, line } = strategy.timeline[moment];
  const where = `${formatCount(moment + 1)} of ${formatCount(strategy.timeline.length)}`;
  return h(
    "div",
    {
      key: "tooltip",
      class: `tooltip ${x > 0.5 ? "before" : "after"} ${y > 0.5 ? "above" : "below"}`,
      "aria-hidden": "true",
      variables: { "--x": x.toFixed(4), "--y": y.toFixed(4) },
    },
    h(
      "div",
      { class: "tooltip-head" },
      h("b", {}, formatBytes(liveBytes)),
      h("span", { class: "note" }, ` alive during ${operation}, ${where}${line === null ? "" : `, line ${line}`}`),
    ),
    band === null ? null : bandTip(strategy, moment, band),
  );
}

function bandTip(strategy: StrategyAnalysis, moment: number, band: BandName): Node_ {
  const tip = (...children: readonly Child[]): Node_ =>
    h("div", { class: `tooltip-band ${bandClass(band)}` }, h("span", { class: "swatch" }), h("div", {}, ...children));
  if (typeof band !== "number") {
    const title = band === "arguments" ? "inputs and parameters" : "smaller arrays";
    return tip(h("b", {}, formatBytes(bandBytes(strategy, moment, band))), ` ${title}`);
  }
  const buffer = strategy.buffers[band];
  const { bytes, shape, operation, share, layer, parameter } = buffer;
  const place = bufferPlace(buffer);
  const of = [parameter === null ? null : `Jacobian of ${parameter}`, layer, place && formatPlace(place)];
  return tip(
    h(
      "div",
      {},
      h("b", {}, formatBytes(bytes)),
      ` ${operation} `,
      h("span", { class: "note" }, `${formatShare(share)} of the peak`),
    ),
    h("div", { class: "shape" }, formatShape(shape)),
    h("div", { class: "note" }, of.filter((text) => text !== null).join(" · ")),
  );
}
