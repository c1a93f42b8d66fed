import { readFile, stat } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { TextDocuments, type Connection, type TextDocumentContentChangeEvent } from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import { isBinaryModel } from "../sources/discover";
import type { Edit } from "./lines";

/** What is told of a file's text in the editor. */
export interface TextListener {
  opened(path: string, text: string): void;
  /** One edit; `text` is the text after it, and `lengthOf` the length of a line before it. */
  edited(path: string, edit: Edit, lengthOf: (line: number) => number, text: string): void;
  saved(path: string): void;
  closed(path: string): void;
}

/** The files that are open in the editor, as they are there; all others as they are on the disk. */
export class Texts {
  private readonly documents: TextDocuments<TextDocument>;
  /** The editor's own spelling of each file's URI. */
  private readonly uris = new Map<string, string>();

  constructor(connection: Connection, listener: TextListener) {
    this.documents = new TextDocuments({
      create: (uri, language, version, content) => TextDocument.create(uri, language, version, content),
      update: (document, changes, version) => {
        let current = document;
        for (const change of changes) {
          const edit = editOf(current, change);
          const lengths = lineLengths(current.getText());
          current = TextDocument.update(current, [change], version);
          if (!isFile(document)) continue;
          listener.edited(pathOf(document.uri), edit, (line) => lengths(line), current.getText());
        }
        return current;
      },
    });
    this.documents.onDidOpen(({ document }) => {
      if (!isFile(document)) return;
      const path = pathOf(document.uri);
      this.uris.set(path, document.uri);
      listener.opened(path, document.getText());
    });
    this.documents.onDidSave(({ document }) => {
      if (isFile(document)) listener.saved(pathOf(document.uri));
    });
    this.documents.onDidClose(({ document }) => {
      if (isFile(document)) listener.closed(pathOf(document.uri));
    });
    this.documents.listen(connection);
  }

  uriOf(path: string): string {
    return this.uris.get(path) ?? pathToFileURL(path).href;
  }

  open(path: string): TextDocument | undefined {
    return this.documents.get(this.uriOf(path));
  }

  openPaths(): string[] {
    return this.documents.keys().map(pathOf);
  }

  /** Length of a line of an open file; lines count from 0. */
  lineLength(path: string, line: number): number {
    return this.line(path, line).length;
  }

  /** Blanks at the beginning of a line of an open file. */
  indent(path: string, line: number): number {
    return /^\s*/.exec(this.line(path, line))![0].length;
  }

  private line(path: string, line: number): string {
    const document = this.open(path);
    if (document === undefined || line >= document.lineCount) return "";
    return document
      .getText({ start: { line, character: 0 }, end: { line: line + 1, character: 0 } })
      .replace(/[\r\n]+$/, "");
  }
}

/**
 * The text on the disk; null where it cannot be read. Of a model that is no text, and may be huge, what its bytes are known
 * by: its size and the time of its last change.
 */
export async function savedText(path: string): Promise<string | null> {
  try {
    if (isBinaryModel(path)) {
      const { size, mtimeMs } = await stat(path);
      return `${size} bytes of ${mtimeMs}`;
    }
    return await readFile(path, "utf8");
  } catch {
    return null;
  }
}

/** Whether it is a file of this machine: an editor also has texts that are none. */
export function isFile({ uri }: { readonly uri: string }): boolean {
  try {
    pathOf(uri);
    return true;
  } catch {
    return false;
  }
}

export function pathOf(uri: string): string {
  return fileURLToPath(uri);
}

function editOf(document: TextDocument, change: TextDocumentContentChangeEvent): Edit {
  if ("range" in change) return { ...change.range, text: change.text };
  return { start: { line: 0, character: 0 }, end: document.positionAt(document.getText().length), text: change.text };
}

function lineLengths(text: string): (line: number) => number {
  let lines: string[] | null = null;
  return (line) => (lines ??= text.split(/\r\n|\r|\n/))[line]?.length ?? 0;
}
