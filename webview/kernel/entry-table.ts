import type { KernelArrangement, KernelPicture } from "../../sidecar/protocol/ntk";
import { formatCount } from "../../sidecar/protocol/text";
import { h, render, type Node_ } from "../dom";
import { button } from "../widgets";
import type { Gaze, Place } from "./gaze";
import { formatValue } from "./scale";
import { columnsOf, exampleText, extentOf, pictureKey, type KernelSource } from "./source";
import { TileStore, tilesOver } from "./tiles";
import type { Region } from "./viewport";

export interface EntryTableShown {
  readonly source: KernelSource;
  readonly picture: KernelPicture;
  readonly gaze: Gaze;
  /** What the table is called, where there are several. */
  readonly title: string;
}

const rowsAtOnce = 10;
const columnsAtOnce = 6;

/**
 * `<kernel-table>`: the numbers that a heatmap shows, a few at a time, in its order. It opens at the pair that was kept,
 * or else at what is in view, and asks for nothing while it is closed.
 */
class KernelTable extends HTMLElement {
  #shown: EntryTableShown | null = null;
  #open = false;
  #corner: Place | null = null;
  #arrangement: { readonly key: string; readonly known: KernelArrangement | null } | null = null;
  readonly #tiles = new TileStore({ changed: () => this.#redraw(), bytes: 8 * 2 ** 20 });

  set shown(shown: EntryTableShown) {
    this.#shown = shown;
    this.#tiles.show(shown.source, shown.picture);
    this.#redraw();
  }

  disconnectedCallback(): void {
    this.#tiles.close();
  }

  #redraw(): void {
    if (this.#shown === null) return;
    const { source, picture, title } = this.#shown;
    if (this.#open) this.#load(source, picture);
    render(
      this,
      h(
        "details",
        {
          class: "kernel-details",
          on: { toggle: (event) => this.#toggled((event.target as HTMLDetailsElement).open) },
        },
        h("summary", {}, title),
        this.#open ? this.#content(this.#shown) : null,
      ),
    );
  }

  #toggled(open: boolean): void {
    if (open === this.#open) return;
    this.#open = open;
    this.#corner = null;
    this.#redraw();
  }

  #load(source: KernelSource, picture: KernelPicture): void {
    const key = pictureKey({ ...picture, view: "trace" });
    if (this.#arrangement?.key !== key) {
      this.#arrangement = { key, known: null };
      source.arrangement({ id: picture.id, order: picture.order }).then(
        (known) => {
          if (this.#arrangement?.key !== key) return;
          this.#arrangement = { key, known };
          this.#redraw();
        },
        (error: unknown) => {
          this.#tiles.failure = error instanceof Error ? error.message : String(error);
          this.#redraw();
        },
      );
    }
    this.#tiles.want(tilesOver(this.#region(), 0), extentOf(source.info));
  }

  #region(): Region {
    const { source, gaze } = this.#shown!;
    const { rows, columns } = extentOf(source.info);
    const { pinned, place, selection } = gaze.now;
    const start = pinned ?? place ?? (selection && { row: selection.top, column: selection.left });
    const { row, column } = (this.#corner ??= start ?? { row: 0, column: 0 });
    const top = Math.max(0, Math.min(row, rows - rowsAtOnce));
    const left = Math.max(0, Math.min(column, columns - columnsAtOnce));
    return { top, left, bottom: Math.min(rows, top + rowsAtOnce), right: Math.min(columns, left + columnsAtOnce) };
  }

  #content({ source, title }: EntryTableShown): Node_ {
    const region = this.#region();
    const known = this.#arrangement?.known ?? null;
    const { rows, columns } = extentOf(source.info);
    if (this.#tiles.failure !== null) return h("p", { class: "note", role: "status" }, this.#tiles.failure);
    if (known === null) return h("p", { class: "note", role: "status" }, "Reading the entries…");
    const rowAxis = known.rows.examples;
    const columnAxis = (known.columns ?? known.rows).examples;
    const places = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, at) => from + at);
    const rowPlaces = places(region.top, region.bottom);
    const columnPlaces = places(region.left, region.right);
    return h(
      "div",
      { class: "kernel-entries" },
      h(
        "div",
        { class: "kernel-pager" },
        this.#pager("Rows", region.top, region.bottom, rows, (by) => ({
          row: region.top + by * rowsAtOnce,
          column: region.left,
        })),
        this.#pager("Columns", region.left, region.right, columns, (by) => ({
          row: region.top,
          column: region.left + by * columnsAtOnce,
        })),
      ),
      h(
        "div",
        { class: "kernel-scroll", tabindex: 0, role: "region", "aria-label": title },
        h(
          "table",
          {},
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              h("th", { scope: "col" }, "Example"),
              ...columnPlaces.map((place) =>
                h("th", { scope: "col" }, exampleText(columnsOf(source.info), columnAxis[place])),
              ),
            ),
          ),
          h(
            "tbody",
            {},
            ...rowPlaces.map((row) =>
              h(
                "tr",
                {},
                h("th", { scope: "row" }, exampleText(source.info.x1, rowAxis[row])),
                ...columnPlaces.map((column) => h("td", {}, this.#text(row, column))),
              ),
            ),
          ),
        ),
      ),
    );
  }

  #text(row: number, column: number): string {
    const found = this.#tiles.at(row, column);
    return found?.level === 0 ? formatValue(found.value) : "…";
  }

  #pager(name: string, from: number, to: number, count: number, corner: (by: number) => Place): Node_ {
    const go = (by: number) => (): void => {
      this.#corner = corner(by);
      this.#redraw();
    };
    const lower = name.toLowerCase();
    return h(
      "div",
      { class: "kernel-page" },
      h("span", {}, `${name} ${formatCount(from + 1)} to ${formatCount(to)} of ${formatCount(count)}`),
      button("Back", { label: `Back in ${lower}`, disabled: from === 0, onPress: go(-1) }),
      button("Next", { label: `Next ${lower}`, disabled: to === count, onPress: go(1) }),
    );
  }
}

customElements.define("kernel-table", KernelTable);

export function entryTable(key: string, shown: EntryTableShown): Node_ {
  return h("kernel-table", { key, own: true, ".shown": shown });
}
