import type { Builder } from "../../graph/builder";
import type { Value } from "../../graph/graph";

/**
 * Arrays that share memory. Exported programs change arrays in place, also through views of them, and graphs have
 * nothing but values: what a change does to the arrays that share the changed elements is written out here.
 */

/** How a view is made of its base, and what the base becomes where the view is changed. */
export interface View {
  readonly read: (b: Builder, base: Value) => Value;
  readonly write: (b: Builder, base: Value, part: Value) => Value;
}

interface Origin {
  readonly base: Cell;
  readonly view: View;
  /** The base's version that this has been read of. */
  seen: number;
}

export class Cell {
  private version = 0;
  /** How many views this is of what. */
  readonly depth: number;

  constructor(
    private value: Value,
    private readonly origin: Origin | null = null,
  ) {
    this.depth = origin === null ? 0 : origin.base.depth + 1;
  }

  /** What the array holds now. */
  read(b: Builder): Value {
    if (this.origin !== null) {
      const { base, view, seen } = this.origin;
      const now = base.read(b);
      if (base.version !== seen) {
        this.value = view.read(b, now);
        this.version++;
        this.origin.seen = base.version;
      }
    }
    return this.value;
  }

  /** Gives the array other elements, and with it whatever it is a view of. */
  write(b: Builder, value: Value): void {
    if (this.origin !== null) {
      const { base, view } = this.origin;
      base.write(b, view.write(b, base.read(b), value));
      this.origin.seen = base.version;
    }
    this.value = value;
    this.version++;
  }

  viewed(b: Builder, view: View): Cell {
    const value = view.read(b, this.read(b));
    return new Cell(value, { base: this, view, seen: this.version });
  }
}
