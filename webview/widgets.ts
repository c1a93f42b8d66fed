import "@vscode-elements/elements/dist/vscode-badge/index.js";
import "@vscode-elements/elements/dist/vscode-button/index.js";
import "@vscode-elements/elements/dist/vscode-progress-bar/index.js";
import "@vscode-elements/elements/dist/vscode-tab-header/index.js";
import "@vscode-elements/elements/dist/vscode-tab-panel/index.js";
import "@vscode-elements/elements/dist/vscode-tabs/index.js";
import "@vscode-elements/elements/dist/vscode-textfield/index.js";
import type { Place } from "../sidecar/protocol/analysis";
import type { FromPanel } from "../sidecar/protocol/panel";
import { h, type Child, type Node_ } from "./dom";
import type { Fit } from "./fit";
import { formatPlace } from "./format";

/** Small parts that the views share. The elements imported here are all that the page uses of vscode-elements. */

/** A codicon, for the eye only. */
export function icon(name: string): Node_ {
  const spins = name === "loading" ? " codicon-modifier-spin" : "";
  return h("span", { class: `codicon codicon-${name}${spins}`, "aria-hidden": "true" });
}

export interface ButtonOptions {
  readonly icon?: string;
  readonly primary?: boolean;
  readonly disabled?: boolean;
  /** For screen readers, where the text alone does not say what it is of. */
  readonly label?: string;
  readonly onPress: () => void;
}

export function button(
  label: string,
  { icon: name, primary = false, disabled = false, label: spoken, onPress }: ButtonOptions,
): Node_ {
  return h(
    "vscode-button",
    {
      secondary: !primary,
      disabled,
      "aria-disabled": disabled ? "true" : null,
      "aria-label": spoken,
      on: { click: () => !disabled && onPress() },
    },
    name ? h("span", { slot: "content-before", class: "button-icon" }, icon(name)) : null,
    label,
  );
}

/** A place in the user's code, which the editor goes to. */
export function placeLink(place: Place, post: (message: FromPanel) => void): Node_ {
  return link(formatPlace(place), `Go to ${place.file}, line ${place.line}`, () => post({ type: "reveal", place }));
}

/** Beside another place in the same file: `:37`. */
export function lineLink(place: Place, post: (message: FromPanel) => void): Node_ {
  const title = `Go to ${place.file}, line ${place.line}`;
  return link(`:${place.line}`, title, () => post({ type: "reveal", place }), formatPlace(place));
}

export function link(text: string, title: string, onPress: () => void, label?: string): Node_ {
  return h("button", { class: "link", type: "button", title, "aria-label": label, on: { click: onPress } }, text);
}

/** How much of a device's memory a result takes. The bar ends where the memory does. */
export function fitMeter(fit: Fit, label: string): Node_ {
  return h(
    "div",
    {
      class: fit.fits ? "meter" : "meter over",
      role: "meter",
      "aria-label": label,
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      "aria-valuenow": Math.min(100, Math.round(fit.ratio * 100)),
      "aria-valuetext": fit.text,
      variables: { "--part": String(Math.min(1, fit.ratio)) },
    },
    h("div", { class: "meter-fill" }),
  );
}

/** `part` goes from 0 to 1. */
export function bar(part: number): Node_ {
  return h("div", { class: "bar", "aria-hidden": "true", variables: { "--part": part.toFixed(4) } });
}

/** A section with a heading of its own. */
export function section(name: string, title: string, ...children: readonly Child[]): Node_ {
  return h(
    "section",
    { key: name, class: `section ${name}`, "aria-labelledby": `${name}-title` },
    h("h2", { id: `${name}-title` }, title),
    ...children,
  );
}

/** A table's parts: its layout is a grid, so that it can fold in narrow panels, and its meaning is in the roles. */
export function table(label: string, className: string, ...rows: readonly Child[]): Node_ {
  return h("div", { role: "table", class: `table ${className}`, "aria-label": label }, ...rows);
}

export function cell(className: string, ...children: readonly Child[]): Node_ {
  return h("div", { role: "cell", class: className }, ...children);
}

/** Up and down go from a row's button to its neighbour's, Home and End to the first and last. */
export function rowKeys(event: Event): void {
  if (!(event instanceof KeyboardEvent) || !(event.target instanceof Element)) return;
  const rows = [...(event.currentTarget as Element).querySelectorAll<HTMLElement>("[data-row-button]")];
  const at = rows.findIndex((row) => row === event.target);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  rows[Math.max(0, Math.min(rows.length - 1, to))].focus();
}
