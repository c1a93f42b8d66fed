import { h, type Child, type Node_ } from "../dom";
import { csvFile } from "./csv";
import { svgFile, type ExportedFile } from "./export";

/** What the sections of the view have in common. */

export interface SectionOptions {
  /** Unique on the page, and the name of its files. */
  readonly name: string;
  readonly title: string;
  readonly save: (file: ExportedFile) => void;
  readonly head: readonly string[];
  readonly rows: () => readonly (readonly (string | number | null)[])[];
}

/** A section with a chart that can be saved as a picture, and its numbers as a table. */
export function chartSection({ name, title, save, head, rows }: SectionOptions, ...children: readonly Child[]): Node_ {
  const saved = (label: string, what: string, press: (section: Element) => void): Node_ =>
    h(
      "button",
      {
        class: "link",
        type: "button",
        "aria-label": `Save ${title.toLowerCase()} as ${what}`,
        on: { click: (event) => press((event.currentTarget as Element).closest("section")!) },
      },
      label,
    );
  const id = `kernel-${name}`;
  return h(
    "section",
    { key: name, class: `section kernel-section ${name}`, "aria-labelledby": id },
    h(
      "div",
      { class: "kernel-caption" },
      h("h2", { id }, title),
      saved("SVG", "a picture, SVG", (section) => {
        const svg = section.querySelector<SVGSVGElement>("svg.kernel-plot");
        if (svg !== null) save({ name: `${name}.svg`, content: svgFile(svg) });
      }),
      saved("CSV", "a table, CSV", () => save({ name: `${name}.csv`, content: csvFile(head, rows()) })),
    ),
    ...children,
  );
}

const drawn = new WeakMap<object, { readonly given: readonly unknown[]; readonly node: Child }>();

/** What was drawn of `owner` before, where all that it depends on is the same: then the page need not even compare it. */
export function remembered(owner: object, given: readonly unknown[], draw: () => Child): Child {
  const before = drawn.get(owner);
  if (before?.given.every((value, at) => value === given[at])) return before.node;
  const node = draw();
  drawn.set(owner, { given, node });
  return node;
}

const mostRows = 100;

/** The same as a chart in numbers: closed until it is asked for, and not more than can be read. */
export function chartTable(title: string, head: readonly string[], rows: readonly (readonly string[])[]): Node_ {
  const shown = rows.slice(0, mostRows);
  return h(
    "details",
    { key: `table ${title}`, class: "kernel-details" },
    h("summary", {}, title),
    h(
      "div",
      { class: "kernel-scroll", tabindex: 0, role: "region", "aria-label": title },
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, ...head.map((text) => h("th", { scope: "col" }, text)))),
        h(
          "tbody",
          {},
          ...shown.map(([first, ...others]) =>
            h("tr", {}, h("th", { scope: "row" }, first), ...others.map((text) => h("td", {}, text))),
          ),
        ),
      ),
    ),
    rows.length > mostRows
      ? h("p", { class: "note" }, `The first ${mostRows} of ${rows.length.toLocaleString("en")}; the CSV file has all.`)
      : null,
  );
}
