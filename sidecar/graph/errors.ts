import { formatSource, type Source } from "./graph";

/**
 * The model or the data is at fault, and the user can do something about it. The message is one sentence (or two) that
 * says what is wrong and what to do; the place stands apart so that it can become `file:line` or a diagnostic.
 */
export class ModelError extends Error {
  override readonly name = "ModelError";

  constructor(
    message: string,
    readonly source: Source | null = null,
  ) {
    super(message);
  }

  /** `file:line: message`, or the message alone where the place is not known. */
  describe(): string {
    return this.source ? `${formatSource(this.source)}: ${this.message}` : this.message;
  }
}

/** What any value that was thrown has to say: user code may throw whatever it likes. */
export function messageOf(error: unknown): string {
  try {
    const text = error instanceof Error ? error.message : textOf(error);
    return (typeof text === "string" && text.trim()) || "an error without a message";
  } catch {
    return "an error that has no text";
  }
}

function textOf(thrown: unknown): string {
  const isPlain = typeof thrown === "object" && thrown !== null && Object.getPrototypeOf(thrown) === Object.prototype;
  return isPlain ? JSON.stringify(thrown) : String(thrown);
}
