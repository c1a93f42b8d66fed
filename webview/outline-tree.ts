import type { OutlineRow } from "../sidecar/protocol/outline";
import { formatShape } from "../sidecar/protocol/text";

/** The rows of an outline as a tree: which of them are seen, and where keys lead. */

/** So many rows are open at first: as many levels as go into that, and the first one at least. */
const OPEN_AT_FIRST = 60;

/** What the user has chosen to see. */
export interface OutlineChoice {
  readonly filter: string;
  /** Ids of rows that are open where they would be closed, or closed where they would be open. */
  readonly toggled: readonly string[];
}

export interface SeenRow {
  readonly row: OutlineRow;
  /** Null for one that has none below it. */
  readonly isOpen: boolean | null;
  /** Whether the search finds it, or what it is in; else it is only around what is found. */
  readonly isFound: boolean;
  /** Among the rows that are in the same one, from 1. */
  readonly position: number;
  /** Number of these. */
  readonly among: number;
  /** Where the row that it is in stands among those that are seen; -1 for none. */
  readonly parent: number;
}

export class OutlineTree {
  private readonly texts: readonly string[];
  /** Position of the row that each is in; -1 for none. */
  private readonly parents: readonly number[];
  private readonly openDepth: number;
  private last: { readonly choice: OutlineChoice; readonly seen: readonly SeenRow[] } | null = null;

  constructor(readonly rows: readonly OutlineRow[]) {
    this.texts = rows.map(searchText);
    this.parents = parentsOf(rows);
    this.openDepth = openDepthOf(rows);
  }

  /**
   * The rows that are seen. Of a search those whose name, kind, shape or form contains every word, with all that they are in
   * and hold. What is around them is open, and they themselves are closed.
   */
  seen({ filter, toggled }: OutlineChoice): readonly SeenRow[] {
    if (this.last?.choice.filter === filter && this.last.choice.toggled === toggled) return this.last.seen;
    const seen = this.look(filter, new Set(toggled));
    this.last = { choice: { filter, toggled }, seen };
    return seen;
  }

  /** Number of rows that a search finds. */
  found({ filter }: OutlineChoice): number {
    const words = wordsOf(filter);
    return this.texts.filter((text) => words.every((word) => text.includes(word))).length;
  }

  private look(filter: string, toggled: ReadonlySet<string>): SeenRow[] {
    const { rows, parents, texts } = this;
    const words = wordsOf(filter);
    const isSearch = words.length > 0;
    const isMatch = texts.map((text) => words.every((word) => text.includes(word)));
    // Rows are after those that they are in
    const holdsMatch = texts.map(() => false);
    for (let at = rows.length - 1; at >= 0; at--) {
      if ((isMatch[at] || holdsMatch[at]) && parents[at] >= 0) holdsMatch[parents[at]] = true;
    }
    const isFound: boolean[] = [];
    rows.forEach((_, at) => isFound.push(isMatch[at] || (parents[at] >= 0 && isFound[parents[at]])));
    const isKept = rows.map((_, at) => isFound[at] || holdsMatch[at]);
    const among = new Map<number, number>();
    rows.forEach((_, at) => {
      if (isKept[at]) among.set(parents[at], (among.get(parents[at]) ?? 0) + 1);
    });
    const seen: SeenRow[] = [];
    const positions = new Map<number, number>();
    /** Where each row that is seen and open stands. */
    const open = new Map<number, number>([[-1, -1]]);
    rows.forEach((row, at) => {
      const parent = open.get(parents[at]);
      if (!isKept[at] || parent === undefined) return;
      const position = (positions.get(parents[at]) ?? 0) + 1;
      positions.set(parents[at], position);
      const isOpen = among.has(at)
        ? (isSearch ? holdsMatch[at] : row.depth < this.openDepth) !== toggled.has(row.id)
        : null;
      if (isOpen) open.set(at, seen.length);
      seen.push({ row, isOpen, isFound: isFound[at], position, among: among.get(parents[at])!, parent });
    });
    return seen;
  }
}

function wordsOf(filter: string): string[] {
  return filter.toLowerCase().split(/\s+/).filter(Boolean);
}

function searchText({ id, form, name, kind, shapes }: OutlineRow): string {
  const whole = form === "operation" ? name : id;
  return [form, whole, name, kind, ...shapes.map(formatShape)].join(" ").toLowerCase();
}

function parentsOf(rows: readonly OutlineRow[]): number[] {
  const path: number[] = [];
  return rows.map(({ depth }, at) => {
    path.length = depth;
    path.push(at);
    return path[depth - 1] ?? -1;
  });
}

/** Rows of less depth are open at first. */
function openDepthOf(rows: readonly OutlineRow[]): number {
  const counts: number[] = [];
  for (const { depth } of rows) counts[depth] = (counts[depth] ?? 0) + 1;
  let total = counts[0] ?? 0;
  let depth = 0;
  while (depth + 1 < counts.length && (total += counts[depth + 1]) <= OPEN_AT_FIRST) depth++;
  return depth;
}

/** What a key does in the tree: goes to a row, by its position, or opens or closes one. */
export type KeyEffect =
  { readonly kind: "go"; readonly to: number } | { readonly kind: "toggle" } | { readonly kind: "press" };

/** @param page rows that are seen at once */
export function keyEffect(key: string, seen: readonly SeenRow[], at: number, page: number): KeyEffect | null {
  const { isOpen, parent } = seen[at];
  const go = (to: number): KeyEffect => ({ kind: "go", to: Math.max(0, Math.min(seen.length - 1, to)) });
  switch (key) {
    case "ArrowDown":
      return go(at + 1);
    case "ArrowUp":
      return go(at - 1);
    case "PageDown":
      return go(at + page);
    case "PageUp":
      return go(at - page);
    case "Home":
      return go(0);
    case "End":
      return go(seen.length - 1);
    case "ArrowRight":
      return isOpen === null ? null : isOpen ? go(at + 1) : { kind: "toggle" };
    case "ArrowLeft":
      return isOpen ? { kind: "toggle" } : parent < 0 ? null : go(parent);
    case " ":
      return isOpen === null ? null : { kind: "toggle" };
    case "Enter":
      return { kind: "press" };
    default:
      return null;
  }
}

/** The next row whose name begins with what was typed; the one that it is at, as long as that goes on to fit. */
export function typedTo(typed: string, seen: readonly SeenRow[], at: number): number | null {
  const start = typed.length > 1 ? at : at + 1;
  for (let step = 0; step < seen.length; step++) {
    const to = (start + step) % seen.length;
    if (seen[to].row.name.toLowerCase().startsWith(typed.toLowerCase())) return to;
  }
  return null;
}

/**
 * Which rows are within sight, with some beyond.
 *
 * @param top where the first row is, in pixels from the top of the window
 */
export function rowsInSight(count: number, top: number, windowHeight: number, rowHeight: number): [number, number] {
  const beyond = 12;
  const first = Math.floor(-top / rowHeight) - beyond;
  const end = Math.ceil((windowHeight - top) / rowHeight) + beyond;
  return [Math.max(0, Math.min(count, first)), Math.max(0, Math.min(count, end))];
}
