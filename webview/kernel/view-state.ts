import type { KernelArrangement, KernelOrder, KernelPicture } from "../../sidecar/protocol/ntk";
import type { KernelChoice } from "../../sidecar/protocol/panel";
import { hasBlocks } from "./block";
import { Entries } from "./entries";
import { Gaze, type Place } from "./gaze";
import { differenceOf, pictureKey, type KernelSource } from "./source";
import { summarise, type Summary } from "./summary";

export const firstChoice: KernelChoice = {
  order: "given",
  logarithmic: false,
  view: "trace",
  time: 0,
};

/** The outputs of a pair of examples; a sentence where they cannot be had, null where they are not known yet. */
export interface PairBlock {
  readonly pair: Place;
  readonly block: Float32Array | string | null;
}

/** How long a selection stays as it is before it is summed up, in milliseconds. */
const rest = 150;

/** What the view of kernels holds between one drawing and the next. */
export class KernelViewState {
  readonly gaze = new Gaze();
  readonly entries: Entries;
  readonly #update: () => void;
  #frame: number | null = null;
  #block: (PairBlock & { readonly id: string }) | null = null;
  #difference: { readonly of: readonly [KernelSource, KernelSource]; readonly source: KernelSource } | null = null;
  #order: { readonly key: string; readonly order: KernelOrder; arrangement: KernelArrangement | null } | null = null;
  /** The pair that was kept, by its examples: it stays the same pair in another order. */
  #pinned: Place | null = null;
  #summary: { readonly key: string; readonly abort: AbortController; summary: Summary | string | null } | null = null;

  constructor(update: () => void) {
    this.#update = update;
    this.entries = new Entries(update);
    this.gaze.watch((change) => {
      if ("pinned" in change) this.#remember();
      if ("pinned" in change || "selection" in change) update();
      else if ("place" in change) this.#soon();
    });
  }

  /** The first kernel minus the second. */
  difference(first: KernelSource, second: KernelSource): KernelSource {
    const known = this.#difference;
    if (known?.of[0] === first && known.of[1] === second) return known.source;
    const source = differenceOf(first, second);
    this.#difference = { of: [first, second], source };
    return source;
  }

  /** Which example stands where; null before it is known. A new order keeps the pair that was kept, and selects nothing. */
  arrangement(source: KernelSource, order: KernelOrder): KernelArrangement | null {
    const key = JSON.stringify([source.info.id, order]);
    if (this.#order?.key === key) return this.#order.arrangement;
    const asked = { key, order, arrangement: null as KernelArrangement | null };
    const isFirst = this.#order === null;
    this.#order = asked;
    const pinned = this.#pinned;
    if (!isFirst) this.gaze.change({ place: null, pinned: null, selection: null });
    this.#pinned = pinned;
    void this.#arrange(source, asked, pinned);
    return null;
  }

  /** The examples of the pair that is pointed at, or else kept. */
  pair(): Place | null {
    const { place, pinned } = this.gaze.now;
    const at = place ?? pinned;
    return at && this.#examplesAt(at);
  }

  /**
   * The outputs of that pair, or why they cannot be had. The ones before are shown until they have come, and also when
   * nothing is pointed at any more, so that the page stands still; `pair` says whose they are. Null before there are any.
   */
  block(source: KernelSource, { id }: KernelPicture): PairBlock | null {
    if (!hasBlocks(source.info)) return null;
    if (this.#block?.id !== id) this.#block = null;
    const pair = this.pair();
    // A block has all outputs, whichever of them the picture shows
    const answer = pair && this.entries.look(source, { id, view: "trace", ...pair });
    if (pair !== null && answer !== null) {
      this.#block = { id, pair, block: typeof answer === "string" ? answer : answer.block };
    }
    return this.#block;
  }

  /** Of what is selected, a while after it was; a sentence where it could not be had; null before. */
  summary(source: KernelSource, picture: KernelPicture): Summary | string | null {
    const { selection } = this.gaze.now;
    const key = JSON.stringify([pictureKey(picture), source.info.version, selection]);
    if (this.#summary?.key === key) return this.#summary.summary;
    this.#summary?.abort.abort();
    this.#summary = null;
    if (selection === null) return null;
    const asked = { key, abort: new AbortController(), summary: null as Summary | string | null };
    this.#summary = asked;
    const settle = (summary: Summary | string): void => {
      if (this.#summary !== asked) return;
      asked.summary = summary;
      this.#update();
    };
    setTimeout(() => {
      if (this.#summary !== asked) return;
      summarise(source, picture, selection, asked.abort.signal).then(settle, (error: unknown) =>
        settle(error instanceof Error ? error.message : String(error)),
      );
    }, rest);
    return null;
  }

  /** The heatmap asks the same, and says so where there is none. */
  async #arrange(
    source: KernelSource,
    asked: { readonly order: KernelOrder; arrangement: KernelArrangement | null },
    pinned: Place | null,
  ): Promise<void> {
    const arrangement = await source.arrangement({ id: source.info.id, order: asked.order }).catch(() => null);
    if (this.#order !== asked || arrangement === null) return;
    asked.arrangement = arrangement;
    const { rows, columns } = arrangement;
    if (pinned !== null) {
      const row = rows.examples.indexOf(pinned.row);
      this.gaze.change({ pinned: { row, column: (columns ?? rows).examples.indexOf(pinned.column) } });
    }
    this.#update();
  }

  /** Once a frame is enough for what follows the pointer. */
  #soon(): void {
    if (this.#frame !== null) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = null;
      this.#update();
    });
  }

  #remember(): void {
    const { pinned } = this.gaze.now;
    this.#pinned = pinned && this.#examplesAt(pinned);
  }

  #examplesAt({ row, column }: Place): Place | null {
    const arrangement = this.#order?.arrangement ?? null;
    if (arrangement === null) return null;
    const { rows, columns } = arrangement;
    return { row: rows.examples[row], column: (columns ?? rows).examples[column] };
  }
}
