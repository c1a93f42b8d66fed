import { describe, expect, it } from "vitest";
import { EvaluatedFiles } from "./evaluated-files";

const A = "/a.ts";
const B = "/b.ts";
const at = (line: number, file = A): { file: string; line: number; column: number } => ({ file, line, column: 5 });

const files = (texts: Record<string, string> = { [A]: "one\ntwo\nthree", [B]: "other" }): EvaluatedFiles =>
  EvaluatedFiles.of(new Map(Object.entries(texts)));

/** Puts a text into a line, as an editor does; all lines of the test are five characters long or shorter. */
function insert(
  into: EvaluatedFiles,
  path: string,
  line: number,
  character: number,
  text: string,
  after: string,
): void {
  const position = { line, character };
  into.edited(path, { start: position, end: position, text }, () => 5, after);
}

describe("evaluated files", () => {
  it("are as they were", () => {
    const evaluated = files();
    expect(evaluated.isEdited).toBe(false);
    expect(evaluated.paths).toEqual([A, B]);
    expect(evaluated.place(at(2))).toEqual(at(2));
    expect(evaluated.holds(A, "one\ntwo\nthree")).toBe(true);
    expect(evaluated.holds(A, "one")).toBe(false);
    expect(evaluated.holds("/c.ts", "")).toBe(false);
  });

  it("move places with an edit, and forget those of a line that is edited", () => {
    const evaluated = files();
    insert(evaluated, A, 1, 1, "x", "one\ntxwo\nthree");
    expect([1, 2, 3].map((line) => evaluated.place(at(line))?.line)).toEqual([1, undefined, 3]);
    insert(evaluated, A, 0, 0, "\n", "\none\ntxwo\nthree");
    expect([1, 2, 3].map((line) => evaluated.place(at(line))?.line)).toEqual([2, undefined, 4]);
    expect(evaluated.isEdited).toBe(true);
    expect(evaluated.place(at(1, B))).toEqual(at(1, B));
  });

  it("are as they were when an edit is undone", () => {
    const evaluated = files();
    insert(evaluated, A, 1, 1, "x", "one\ntxwo\nthree");
    evaluated.edited(
      A,
      { start: { line: 1, character: 1 }, end: { line: 1, character: 2 }, text: "" },
      () => 5,
      "one\ntwo\nthree",
    );
    expect(evaluated.isEdited).toBe(false);
    expect(evaluated.place(at(2))).toEqual(at(2));
  });

  it("are edited while one of them is", () => {
    const evaluated = files();
    insert(evaluated, A, 0, 0, "x", "xone\ntwo\nthree");
    insert(evaluated, B, 0, 0, "y", "yother");
    evaluated.opened(A, "one\ntwo\nthree");
    expect(evaluated.isEdited).toBe(true);
    evaluated.opened(B, "other");
    expect(evaluated.isEdited).toBe(false);
  });

  it("are compared with the text that is opened", () => {
    const evaluated = files();
    evaluated.opened(A, "zero\none\nTWO\nthree");
    expect([1, 2, 3].map((line) => evaluated.place(at(line))?.line)).toEqual([undefined, undefined, 4]);
    expect(evaluated.isEdited).toBe(true);
  });

  it("have nothing to do with other files", () => {
    const evaluated = files();
    evaluated.opened("/c.ts", "x");
    insert(evaluated, "/c.ts", 0, 0, "y", "yx");
    expect(evaluated.isEdited).toBe(false);
    expect(evaluated.place(at(9, "/node_modules/x.js"))).toEqual(at(9, "/node_modules/x.js"));
    expect(evaluated.place(null)).toBe(null);
  });
});

describe("restored files", () => {
  const { digests } = files();

  it("are as they were where their digests are the same", () => {
    const evaluated = EvaluatedFiles.restored(digests, new Map([[A, "one\ntwo\nthree"], [B, "other"]])); // prettier-ignore
    expect(evaluated.isEdited).toBe(false);
    expect(evaluated.place(at(2))).toEqual(at(2));
    expect(evaluated.digests).toEqual(digests);
    insert(evaluated, A, 0, 0, "\n", "\none\ntwo\nthree");
    expect(evaluated.place(at(2))?.line).toBe(3);
  });

  it("are edited where a digest is another, and none of their lines is known", () => {
    const evaluated = EvaluatedFiles.restored(digests, new Map([[A, "changed\ntwo\nthree"], [B, "other"]])); // prettier-ignore
    expect(evaluated.isEdited).toBe(true);
    expect(evaluated.place(at(2))).toBe(null);
    expect(evaluated.place(at(1, B))).toEqual(at(1, B));
    expect(evaluated.digests).toEqual(digests);
    // The text that was evaluated comes back
    expect(evaluated.holds(A, "one\ntwo\nthree")).toBe(true);
  });

  it("are edited where they are gone", () => {
    const evaluated = EvaluatedFiles.restored(digests, new Map([[A, null]]));
    expect(evaluated.isEdited).toBe(true);
    expect(evaluated.place(at(1, B))).toBe(null);
  });

  it("stay edited when they are opened or edited, as their text is not known", () => {
    const evaluated = EvaluatedFiles.restored(digests, new Map([[A, "changed"], [B, "other"]])); // prettier-ignore
    evaluated.opened(A, "changed");
    insert(evaluated, A, 0, 0, "x", "xchanged");
    expect(evaluated.isEdited).toBe(true);
    expect(evaluated.place(at(1))).toBe(null);
  });
});
