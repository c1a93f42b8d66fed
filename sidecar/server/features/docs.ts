import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** Where the documentation speaks of a diagnostic: `docs/diagnostics.md` has a heading for each code. */

const FILE = join(__dirname, "..", "docs", "diagnostics.md");

let headings: ReadonlyMap<string, number> | null = null;

/** A link to the heading, which editors open at its line; null for a code that has none. */
export function docsLink(code: string): string | null {
  headings ??= readHeadings();
  const line = headings.get(code);
  return line === undefined ? null : `${pathToFileURL(FILE).toString()}#L${line}`;
}

function readHeadings(): Map<string, number> {
  let text: string;
  try {
    text = readFileSync(FILE, "utf8");
  } catch {
    // Not beside the program: the codes are told without links
    return new Map();
  }
  const found = new Map<string, number>();
  text.split("\n").forEach((line, index) => {
    const heading = /^## `([\w-]+)`$/.exec(line);
    if (heading) found.set(heading[1], index + 1);
  });
  return found;
}
