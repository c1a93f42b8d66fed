import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TextDocument } from "vscode-languageserver-textdocument";
import { LineMap, type Edit } from "./lines";

/** The map and the text after edits, each given as offsets in the text before it. */
function edited(
  text: string,
  edits: readonly [from: number, to: number, text: string][],
): { map: LineMap; text: string } {
  const map = LineMap.between(text, text);
  let now = text;
  for (const [from, to, replacement] of edits) {
    const document = TextDocument.create("file:///a.ts", "typescript", 1, now);
    const edit: Edit = { start: document.positionAt(from), end: document.positionAt(to), text: replacement };
    const lines = now.split("\n");
    map.edit(edit, (line) => lines[line].length);
    now = now.slice(0, from) + replacement + now.slice(to);
  }
  return { map, text: now };
}

const whole = (count: number, map: LineMap): (number | null)[] =>
  Array.from({ length: count }, (_, line) => map.current(line + 1));

describe("lines after edits", () => {
  it("keeps what is above and shifts what is below; the changed line is nowhere", () => {
    expect(whole(3, edited("a\nb\nc", [[2, 3, "x\ny"]]).map)).toEqual([1, null, 4]);
  });

  it("keeps a line before or behind which lines are inserted or deleted", () => {
    expect(whole(3, edited("a\nb\nc", [[2, 2, "x\n"]]).map)).toEqual([1, 3, 4]);
    expect(whole(3, edited("a\nb\nc", [[3, 3, "\nx"]]).map)).toEqual([1, 2, 4]);
    expect(whole(3, edited("a\nb\nc", [[2, 4, ""]]).map)).toEqual([1, null, 2]);
    expect(whole(3, edited("a\nb\nc", [[1, 3, ""]]).map)).toEqual([1, null, 2]);
  });

  it("never leads to a line with another text", () => {
    const line = fc.constantFrom("", "a", "b", "ab");
    const text = fc.array(line, { minLength: 1, maxLength: 6 }).map((lines) => lines.join("\n"));
    const edit = fc.tuple(
      fc.nat(30),
      fc.nat(6),
      text.map((inserted) => inserted.slice(0, 6)),
    );
    fc.assert(
      fc.property(text, fc.array(edit, { maxLength: 5 }), (original, edits) => {
        // Marks make every line's text unique, so that the right line can be told from one that looks the same
        const marked = original
          .split("\n")
          .map((content, index) => `${content}${String.fromCharCode(0x4e00 + index)}`)
          .join("\n");
        let length = marked.length;
        const clamped = edits.map(([from, count, inserted]): [number, number, string] => {
          const start = Math.min(from, length);
          const end = Math.min(start + count, length);
          length += inserted.length - (end - start);
          return [start, end, inserted];
        });
        const { map, text: now } = edited(marked, clamped);
        const lines = now.split("\n");
        marked.split("\n").forEach((content, index) => {
          const current = map.current(index + 1);
          if (current !== null) expect(lines[current - 1]).toBe(content);
          // What is still there and could be told is not lost where nothing was edited
          if (edits.length === 0) expect(current).toBe(index + 1);
        });
      }),
    );
  });
});

describe("lines between two texts", () => {
  it("knows those before the first difference and after the last", () => {
    expect(whole(4, LineMap.between("a\nb\nc\nd", "a\nx\ny\nd"))).toEqual([1, null, null, 4]);
    expect(whole(2, LineMap.between("a\nb", "a\nnew\nb"))).toEqual([1, 3]);
    expect(whole(2, LineMap.between("a\na", "a"))).toEqual([1, null]);
  });

  it("are the same whatever ends a line", () => {
    expect(whole(2, LineMap.between("a\r\nb", "a\nb"))).toEqual([1, 2]);
  });

  it("are nowhere where nothing is known", () => {
    expect(whole(1, LineMap.unknown())).toEqual([null]);
  });
});
