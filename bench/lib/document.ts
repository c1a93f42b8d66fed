import { readFileSync, writeFileSync } from "node:fs";
import { run } from "./run";

const DOCUMENT = "docs/benchmarks.md";

/** What a benchmark finds: printed at once, and kept for the document. */
export class Report {
  private readonly parts: string[] = [];

  /** @param text of Markdown */
  print(text: string): void {
    this.parts.push(text);
    process.stdout.write(`${text}\n\n`);
  }

  /** Puts all that was printed into a section of the document. */
  write(section: string): Promise<void> {
    return writeSection(section, this.parts.join("\n\n"));
  }
}

/** Puts tables between the two marks of a section, `<!-- NAME -->` and `<!-- end of NAME -->`; the rest is written by hand. */
async function writeSection(name: string, tables: string): Promise<void> {
  const text = readFileSync(DOCUMENT, "utf8");
  const marks = new RegExp(`(<!-- ${name} -->).*(<!-- end of ${name} -->)`, "s");
  const written = text.replace(marks, (_, begin: string, end: string) => [begin, tables, end].join("\n\n"));
  if (!written.includes(tables)) throw new Error(`${DOCUMENT} has no place for ${name}`);
  writeFileSync(DOCUMENT, written);
  await run(process.execPath, ["node_modules/prettier/bin/prettier.cjs", "--write", DOCUMENT], {});
}
