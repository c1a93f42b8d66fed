/** Python's text as lines of tokens: enough of its lexical rules to tell code from strings, comments and continued lines. */

export interface Token {
  readonly kind: "name" | "number" | "string" | "operator";
  /** Of a string, its prefix, quotes and all. */
  readonly text: string;
  /** 1-based. */
  readonly line: number;
  readonly column: number;
}

/** A statement's line, or the head of a compound one: however many lines of text it is written in. */
export interface LogicalLine {
  /** Columns of white space before it; a tab goes to the next multiple of 8. */
  readonly indent: number;
  /** At least one. */
  readonly tokens: readonly Token[];
}

const STRING_START = /(?:[rR][bBfFtT]?|[bBfFtT][rR]?|[uU])?("""|'''|"|')/y;
const NAME = /[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}]*/uy;
const NUMBER = /(?:\d|\.\d)(?:[eE][+-]|[\w.])*/y;
const OPERATOR = /->|:=|\*\*=?|\/\/=?|<<=?|>>=?|[-+*/%@&|^<>=!]=|\.\.\.|[^\s]/uy;
const TAB = 8;

/** The lines of a file's code. A string or bracket that is never closed ends where the file does. */
export function logicalLines(text: string): LogicalLine[] {
  const lines: LogicalLine[] = [];
  let tokens: Token[] = [];
  let [at, line, lineStart, depth, indent] = [0, 1, 0, 0, 0];
  let isAtStart = true;

  const matched = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  const endLine = (): void => {
    if (tokens.length > 0) lines.push({ indent, tokens });
    tokens = [];
  };
  const newline = (): void => {
    at += text.startsWith("\r\n", at) ? 2 : 1;
    line++;
    lineStart = at;
  };
  const take = (kind: Token["kind"], length: number): void => {
    const taken = text.slice(at, at + length);
    tokens.push({ kind, text: taken, line, column: at - lineStart + 1 });
    for (const broken of taken.matchAll(/\r\n|\r|\n/g)) {
      line++;
      lineStart = at + broken.index + broken[0].length;
    }
    at += length;
  };

  if (text.startsWith("\ufeff")) lineStart = at = 1;
  while (at < text.length) {
    const character = text[at];
    if (isAtStart && depth === 0) {
      indent = 0;
      for (; " \t\f".includes(text[at] || "x"); at++) {
        indent = text[at] === "\t" ? (Math.floor(indent / TAB) + 1) * TAB : text[at] === "\f" ? 0 : indent + 1;
      }
      isAtStart = false;
    } else if (character === "\n" || character === "\r") {
      newline();
      if (depth === 0) {
        endLine();
        isAtStart = true;
      }
    } else if (character === "\\" && /^\\\r?\n/.test(text.slice(at, at + 3))) {
      at++;
      newline();
    } else if (character === "#") {
      while (at < text.length && text[at] !== "\n" && text[at] !== "\r") at++;
    } else if (/\s/.test(character)) {
      at++;
    } else if (character === ";" && depth === 0) {
      at++;
      endLine();
    } else {
      const string = matched(STRING_START);
      const name = string ? null : matched(NAME);
      const number = string || name ? null : matched(NUMBER);
      if (string) take("string", stringLength(text, at, string));
      else if (name) take("name", name[0].length);
      else if (number) take("number", number[0].length);
      else {
        const operator = matched(OPERATOR)![0];
        if ("([{".includes(operator)) depth++;
        if (")]}".includes(operator)) depth = Math.max(0, depth - 1);
        take("operator", operator.length);
      }
    }
  }
  endLine();
  return lines;
}

/** Of the string that begins at `start`, whose prefix and quotes were matched. */
function stringLength(text: string, start: number, [opening, quote]: RegExpExecArray): number {
  const prefix = opening.slice(0, -quote.length).toLowerCase();
  const isFormatted = prefix.includes("f") || prefix.includes("t");
  let at = start + opening.length;
  while (at < text.length) {
    if (text[at] === "\\") at += text.startsWith("\r\n", at + 1) ? 3 : 2;
    else if (text.startsWith(quote, at)) return at + quote.length - start;
    // A line's end closes what should have been closed on it
    else if (quote.length === 1 && (text[at] === "\n" || text[at] === "\r")) return at - start;
    else if (isFormatted && text.startsWith("{{", at)) at += 2;
    else if (isFormatted && text[at] === "{") at = fieldEnd(text, at, quote);
    else at++;
  }
  return text.length - start;
}

/**
 * Behind a field of a formatted string, `{value!r:>10}`, which may hold strings with the same quotes; where it has no end,
 * behind its brace.
 */
function fieldEnd(text: string, start: number, quote: string): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (quote.length === 1 && character === "\n") break;
    if ("({[".includes(character)) depth++;
    else if (")}]".includes(character) && --depth === 0) return at + 1;
    else if (character === '"' || character === "'") {
      // Before Python 3.12 these quotes end the string; a field that goes on behind them is of a later one
      const end = closing(text, at, character);
      if (end === null || (character === quote && !text.slice(end + 1, lineEnd(text, end)).includes("}"))) break;
      at = end;
    }
  }
  return start + 1;
}

/** Where the quote at `start` is closed on its line. */
function closing(text: string, start: number, quote: string): number | null {
  const end = text.indexOf(quote, start + 1);
  return end < 0 || end > lineEnd(text, start) ? null : end;
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}
