import { ModelError } from "../../graph/errors";
import type { Builder } from "../../graph/builder";
import type { Source, Value } from "../../graph/graph";
import type { DType } from "../../graph/types";
import { elementTypeOf } from "./elements";

/** A call of an operator, with its arguments as values of the graph and as numbers. */

/** A number out of sizes, and whether the number of examples is among them. */
export interface SymbolicNumber {
  readonly number: number;
  readonly ofBatch: boolean;
}

export type Bound =
  | null
  | number
  | boolean
  | string
  | Value
  | { readonly symbolic: SymbolicNumber }
  | { readonly scalarType: number }
  | readonly Bound[];

const isValue = (bound: Bound): bound is Value => typeof bound === "object" && bound !== null && "shape" in bound;
const isList = (bound: Bound): bound is readonly Bound[] => Array.isArray(bound);
const isSymbolic = (bound: Bound): bound is { symbolic: SymbolicNumber } =>
  typeof bound === "object" && bound !== null && "symbolic" in bound;

export class OperatorCall {
  constructor(
    /** `add` */
    readonly operator: string,
    /** `Tensor` */
    readonly overload: string,
    private readonly bound: ReadonlyMap<string, Bound>,
    readonly source: Source | null,
    /** Told why examples are coupled, where the operator itself knows: if they are on the axes that it joins, or anyway. */
    readonly couples: (reason: string, certainty: "perhaps" | "surely") => void,
  ) {}

  has(name: string): boolean {
    return (this.bound.get(name) ?? null) !== null;
  }

  /** Something about the call that cannot be read. */
  refuse(what: string): ModelError {
    return new ModelError(`the operator aten.${this.operator} ${what}`, this.source);
  }

  value(name: string): Value {
    const bound = this.bound.get(name) ?? null;
    if (!isValue(bound)) throw this.refuse(`has no array ${name}; export the model again`);
    return bound;
  }

  optional(name: string): Value | null {
    return this.has(name) ? this.value(name) : null;
  }

  values(name: string): Value[] {
    return this.list(name).map((member) => {
      if (!isValue(member)) throw this.refuse(`has a list ${name} of other things than arrays; export the model again`);
      return member;
    });
  }

  optionalValues(name: string): (Value | null)[] {
    return this.list(name).map((member) => (isValue(member) ? member : null));
  }

  private list(name: string): readonly Bound[] {
    const bound = this.bound.get(name) ?? null;
    if (!isList(bound)) throw this.refuse(`has no list ${name}; export the model again`);
    return bound;
  }

  /** An array or a number. */
  operand(name: string): Value | number | boolean {
    const bound = this.bound.get(name) ?? null;
    if (isValue(bound) || typeof bound === "boolean") return bound;
    return this.number(name);
  }

  /** A number that is computed with. */
  number(name: string, otherwise?: number): number {
    const bound = this.bound.get(name) ?? null;
    if (isSymbolic(bound) && bound.symbolic.ofBatch)
      this.couples("a result depends on the number of examples", "surely");
    return this.size(name, otherwise);
  }

  optionalNumber(name: string): number | null {
    return this.has(name) ? this.number(name) : null;
  }

  /** An extent, an axis, a position. */
  size(name: string, otherwise?: number): number {
    const bound = this.bound.get(name) ?? otherwise ?? null;
    const number = this.plain(bound);
    if (number === null) throw this.refuse(`has no number ${name}; export the model again`);
    return number;
  }

  /** A list of extents, axes or positions; a single number is a list of one. */
  sizes(name: string, otherwise?: readonly number[]): number[] {
    if (!this.has(name) && otherwise !== undefined) return [...otherwise];
    const bound = this.bound.get(name) ?? null;
    if (typeof bound === "number") return [bound];
    return this.list(name).map((member) => {
      const number = this.plain(member);
      if (number === null) throw this.refuse(`has a list ${name} of other things than numbers; export the model again`);
      return number;
    });
  }

  /** One for each of `rank` spatial axes; a single one counts for all. */
  perAxis(name: string, rank: number, otherwise: number): number[] {
    const given = this.sizes(name, []);
    if (given.length === 0) return new Array<number>(rank).fill(otherwise);
    if (given.length === 1) return new Array<number>(rank).fill(given[0]);
    if (given.length !== rank) throw this.refuse(`has ${given.length} numbers ${name} for ${rank} axes`);
    return given;
  }

  private plain(bound: Bound): number | null {
    if (typeof bound === "number") return bound;
    if (typeof bound === "boolean") return Number(bound);
    return isSymbolic(bound) ? bound.symbolic.number : null;
  }

  flag(name: string, otherwise: boolean): boolean {
    const bound = this.bound.get(name) ?? otherwise;
    return typeof bound === "boolean" ? bound : this.plain(bound) !== 0;
  }

  text(name: string, otherwise: string): string {
    const bound = this.bound.get(name) ?? otherwise;
    return typeof bound === "string" ? bound : otherwise;
  }

  /** The element type of the graph for the one that is asked for; null where none is. */
  dtype(name = "dtype"): DType | null {
    const bound = this.bound.get(name) ?? null;
    if (typeof bound !== "object" || bound === null || !("scalarType" in bound)) return null;
    const type = elementTypeOf(bound.scalarType);
    if (type === null) {
      throw this.refuse("makes numbers of a type that is not supported (complex, quantised or 8-bit); use float32");
    }
    return type.dtype;
  }
}

/** What an operator computes: its results, one, or as many as it has; null for one that cannot be had. */
export type Operator = (b: Builder, call: OperatorCall) => Value | readonly (Value | null)[];

export type OperatorTable = Readonly<Record<string, Operator>>;
