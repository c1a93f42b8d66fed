// What a text editor shows, read from the page: lines, their numbers, and where on the screen their pieces are.
import type { Locator } from "playwright-core";
import { plain } from "./wait";

/** A stretch of a line in one style. */
export interface Piece {
  text: string;
  /** Whether an extension put it there: it is no part of the file. */
  hint: boolean;
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Line {
  /** Counted from 1. */
  line: number;
  pieces: Piece[];
}

export interface LineText {
  line: number;
  text: string;
}

/** What is used of the elements of the page. */
interface PageElement {
  readonly textContent: string | null;
  readonly className: string;
  readonly style: { readonly top: string };
  querySelector(selector: string): PageElement | null;
  querySelectorAll(selector: string): ArrayLike<PageElement>;
  getBoundingClientRect(): { x: number; y: number; width: number; height: number };
}

/** The lines in view of a `.monaco-editor`, from top to bottom. */
export async function readLines(editor: Locator): Promise<Line[]> {
  const lines = await editor.evaluate((element: PageElement) => {
    // The page keeps its lines in no order, and their numbers in another place: what is at one height belongs together.
    const numbers = new Map<string, number>();
    for (const row of Array.from(element.querySelectorAll(".margin-view-overlays > div"))) {
      numbers.set(row.style.top, Number(row.querySelector(".line-numbers")?.textContent));
    }
    return Array.from(element.querySelectorAll(".view-lines > .view-line"), (line) => ({
      line: numbers.get(line.style.top) ?? 0,
      pieces: Array.from(line.querySelectorAll(":scope > span > span"), (span) => {
        const { x, y, width, height } = span.getBoundingClientRect();
        return { text: span.textContent ?? "", hint: /\bdyn-rule-/.test(span.className), x, y, width, height };
      }),
    }));
  });
  return lines
    .filter(({ line }) => line > 0)
    .sort((a, b) => a.line - b.line)
    .map(({ line, pieces }) => ({ line, pieces: pieces.map((piece) => ({ ...piece, text: plain(piece.text) })) }));
}

/** A line's text, as it shows. */
export function shownText({ pieces }: Line): string {
  return pieces.map(({ text }) => text).join("");
}

/** A line's text, as the file has it. */
export function sourceText({ pieces }: Line): string {
  return pieces.map(({ text, hint }) => (hint ? "" : text)).join("");
}

/** The hints of a line; those that stand beside each other are one. */
export function hintsOf({ line, pieces }: Line): LineText[] {
  const runs: string[] = [];
  pieces.forEach(({ text, hint }, index) => {
    if (!hint) return;
    if (index > 0 && pieces[index - 1].hint) runs[runs.length - 1] += text;
    else runs.push(text);
  });
  return runs.map((text) => ({ line, text: text.trim() })).filter(({ text }) => text !== "");
}

/** The middle of the first `wanted` in a line, whose letters are all of one width; null where it has none. */
export function placeOf(line: Line, wanted: string): { x: number; y: number } | null {
  const start = shownText(line).indexOf(wanted);
  if (start < 0) return null;
  let passed = 0;
  for (const { text, x, y, width, height } of line.pieces) {
    const within = start + wanted.length / 2 - passed;
    if (within <= text.length) return { x: x + (width * within) / text.length, y: y + height / 2 };
    passed += text.length;
  }
  return null;
}
