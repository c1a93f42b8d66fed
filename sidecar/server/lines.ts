/** A place in a text: both count from 0, as in the language server protocol. */
export interface Position {
  readonly line: number;
  readonly character: number;
}

/** A replacement in a text. */
export interface Edit {
  readonly start: Position;
  readonly end: Position;
  readonly text: string;
}

/**
 * Where the lines of an evaluated text are in the text as it has been edited since. A line that was changed itself is
 * nowhere: what was known of it may not hold any more.
 */
export class LineMap {
  /** For each line of the evaluated text, its line now, or -1. */
  private constructor(private lines: number[]) {}

  /** All that is known of two texts are the texts: what is before their first difference and after their last one. */
  static between(evaluated: string, now: string): LineMap {
    const before = linesOf(evaluated);
    const after = linesOf(now);
    const common = Math.min(before.length, after.length);
    let head = 0;
    while (head < common && before[head] === after[head]) head++;
    let tail = 0;
    while (tail < common - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
    return new LineMap(
      before.map((_, line) => {
        if (line < head) return line;
        return line >= before.length - tail ? line + after.length - before.length : -1;
      }),
    );
  }

  /** A text of which no line is known to be where it was. */
  static unknown(): LineMap {
    return new LineMap([]);
  }

  /** The line now, or null; both count from 1, as places do. */
  current(line: number): number | null {
    const now = this.lines[line - 1] ?? -1;
    return now < 0 ? null : now + 1;
  }

  /** Follows an edit of the text. `lengthOf` tells how long a line was before it. */
  edit({ start, end, text }: Edit, lengthOf: (line: number) => number): void {
    // The line on which an edit begins is whole where the edit is behind it, and that on which it ends where it is before it.
    const keepsStart =
      start.character === lengthOf(start.line) &&
      (/^\r?\n/.test(text) || (text === "" && end.character === lengthOf(end.line)));
    const keepsEnd = end.character === 0 && (text.endsWith("\n") || (text === "" && start.character === 0));
    const shift = linesOf(text).length - 1 - (end.line - start.line);
    this.lines = this.lines.map((line) => {
      if (line < start.line) return line;
      if (line > end.line || (line === end.line && keepsEnd)) return line + shift;
      return line === start.line && keepsStart ? line : -1;
    });
  }
}

function linesOf(text: string): string[] {
  return text.split(/\r\n|\r|\n/);
}
