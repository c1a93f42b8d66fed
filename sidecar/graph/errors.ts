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
