import type { ModelKind } from "./messages";

/** What is asked of the user for one model, and what may be wrong with the answer. */

/** Whether a model is what something returns when it is called, with arguments. */
export function isCalled(kind: ModelKind): boolean {
  return kind === "factory" || kind === "class";
}

/** Whether a fault is that of the interpreter: another one helps. */
export function blamesInterpreter(message: string): boolean {
  return /choose (the|another) Python interpreter/i.test(message);
}

/** Whether any of these has to be given: a `?` follows the name of one that may be left out. */
export function areRequired(names: readonly string[]): boolean {
  return names.some((name) => !name.endsWith("?"));
}

const EXTENTS = /^\s*N?(\s*,?\s*[1-9]\d*)*\s*(:\s*(float32|int32|bool)\s*)?$/;

/** Of the shape of an input: `N,32,32,3` or `N,20:int32`. Null where nothing is wrong. */
export function faultOfShape(text: string): string | null {
  return EXTENTS.test(text) ? null : "Write extents such as N,32,32,3";
}

/** Of the arguments of a factory or class, separated by commas. Null where nothing is wrong. */
export function faultOfArguments(text: string, language: "json" | "python"): string | null {
  if (language === "python") return new PythonArguments(text).fault();
  try {
    JSON.parse(`[${text}]`);
    return null;
  } catch {
    return "Not JSON: quote strings with double quotes";
  }
}

const TOKEN =
  /\s*(?:((?:[bBuUrR]|[bB][rR]|[rR][bB])?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))|((?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)(?!\w))|([\p{L}_][\p{L}\p{N}_]*)|([^\s]))/uy;

/** Reads Python's literals as `ast.literal_eval` takes them. */
class PythonArguments {
  private readonly tokens: { readonly kind: "string" | "number" | "name" | "sign"; readonly text: string }[] = [];
  private at = 0;

  constructor(text: string) {
    TOKEN.lastIndex = 0;
    for (let match; (match = TOKEN.exec(text)) !== null;) {
      const [, string, number, name, sign] = match as (string | undefined)[];
      if (string !== undefined) this.tokens.push({ kind: "string", text: string });
      else if (number !== undefined) this.tokens.push({ kind: "number", text: number });
      else if (name !== undefined) this.tokens.push({ kind: "name", text: name });
      else this.tokens.push({ kind: "sign", text: sign! });
    }
  }

  fault(): string | null {
    let named: string | null = null;
    while (this.at < this.tokens.length) {
      const { kind, text } = this.tokens[this.at];
      if (kind === "name" && this.tokens.at(this.at + 1)?.text === "=") {
        this.at += 2;
        named = text;
      } else if (named !== null) {
        return `What follows ${named}=… needs a name too, such as depth=2`;
      }
      const fault = this.value();
      if (fault !== null) return fault;
      if (this.at < this.tokens.length && !this.takes(",")) {
        return `There is ${this.tokens[this.at].text} where a comma should be`;
      }
    }
    return null;
  }

  /** Goes past one literal. */
  private value(): string | null {
    if (this.at >= this.tokens.length) return "A value is missing at the end";
    const { kind, text } = this.tokens[this.at++];
    switch (kind) {
      case "number":
        return null;
      case "string":
        // Strings that follow one another are one
        while (this.tokens.at(this.at)?.kind === "string") this.at++;
        return null;
      case "name":
        if (["True", "False", "None"].includes(text)) return null;
        return `${text} is no literal: write numbers, strings in quotes, True, False, None, tuples, lists or dicts`;
      case "sign":
        if (text === "-" || text === "+") {
          if (this.tokens.at(this.at)?.kind !== "number") return `There is no number behind ${text}`;
          this.at++;
          return null;
        }
        if (text === "(") return this.values(")");
        if (text === "[") return this.values("]");
        if (text === "{") return this.values("}", true);
        return text === '"' || text === "'" ? "A string is not closed" : `There is ${text} where a value should be`;
    }
  }

  /** Goes past values to the bracket that closes them; in braces they may be pairs. */
  private values(close: string, mayBePairs = false): string | null {
    while (!this.takes(close)) {
      const fault = this.value() ?? (mayBePairs && this.takes(":") ? this.value() : null);
      if (fault !== null) return fault;
      if (!this.takes(",") && this.tokens.at(this.at)?.text !== close) return `A ${close} is missing`;
    }
    return null;
  }

  private takes(text: string): boolean {
    const token = this.tokens.at(this.at);
    if (token?.kind !== "sign" || token.text !== text) return false;
    this.at++;
    return true;
  }
}
