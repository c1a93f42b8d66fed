import { createHash } from "node:crypto";
import type { Place } from "../protocol/analysis";
import { LineMap, type Edit } from "./lines";

interface EvaluatedFile {
  /** The text that was evaluated; null where only its digest is known and the file has changed since. */
  readonly text: string | null;
  readonly digest: string;
  map: LineMap;
  isEdited: boolean;
}

/**
 * The files of the user's own that a model was made from, as they were when it was: whether they have been edited since,
 * and where their lines are now.
 */
export class EvaluatedFiles {
  private constructor(private readonly files: ReadonlyMap<string, EvaluatedFile>) {}

  /** @param texts what was evaluated */
  static of(texts: ReadonlyMap<string, string>): EvaluatedFiles {
    return new EvaluatedFiles(
      new Map(Array.from(texts, ([path, text]) => [path, evaluatedFile(text, digestOf(text), text)])),
    );
  }

  /**
   * Of an evaluation in another process, of which only the digests of the texts are known.
   * @param saved the texts on the disk now; null for a file that cannot be read
   */
  static restored(
    digests: Readonly<Record<string, string>>,
    saved: ReadonlyMap<string, string | null>,
  ): EvaluatedFiles {
    return new EvaluatedFiles(
      new Map(
        Object.entries(digests).map(([path, digest]) => {
          const text = saved.get(path) ?? null;
          const isSame = text !== null && digestOf(text) === digest;
          return [path, isSame ? evaluatedFile(text, digest, text) : evaluatedFile(null, digest, null)];
        }),
      ),
    );
  }

  get paths(): readonly string[] {
    return [...this.files.keys()];
  }

  get digests(): Record<string, string> {
    return Object.fromEntries(Array.from(this.files, ([path, { digest }]) => [path, digest]));
  }

  /** Whether this is the text that was evaluated. */
  holds(path: string, text: string): boolean {
    return this.files.get(path)?.digest === digestOf(text);
  }

  /** Whether some file's text in the editor is not the one that was evaluated. */
  get isEdited(): boolean {
    return [...this.files.values()].some(({ isEdited }) => isEdited);
  }

  /** Where a place of the evaluated text is now; null where its line was changed. */
  place(place: Place | null): Place | null {
    if (place === null) return null;
    const file = this.files.get(place.file);
    // A file that is not the user's own, or that the model's data came from, is not edited
    if (file === undefined) return place;
    const line = file.map.current(place.line);
    return line === null ? null : { ...place, line };
  }

  opened(path: string, text: string): void {
    const file = this.files.get(path);
    if (file === undefined) return;
    file.map = file.text === null ? LineMap.unknown() : LineMap.between(file.text, text);
    file.isEdited = file.text !== text;
  }

  edited(path: string, edit: Edit, lengthOf: (line: number) => number, text: string): void {
    const file = this.files.get(path);
    if (file === undefined) return;
    file.isEdited = file.text !== text;
    // Whatever was done in between has been undone
    if (file.isEdited) file.map.edit(edit, lengthOf);
    else this.opened(path, text);
  }
}

function evaluatedFile(text: string | null, digest: string, now: string | null): EvaluatedFile {
  return {
    text,
    digest,
    map: text === null || now === null ? LineMap.unknown() : LineMap.between(text, now),
    isEdited: text === null,
  };
}

export function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}
