import type { Value } from "../../../graph/graph";
import { sameShape } from "../../../graph/types";
import type { Ref, Writer } from "./writer";

/**
 * The operands of the equation that is being lowered. A tensor that a broadcast made is kept thin: with extent 1 where
 * its value has more. ONNX's elementwise operators and MatMul repeat such axes themselves, so most broadcasts are never
 * written out in memory.
 */
export class Operands {
  constructor(
    private readonly writer: Writer,
    private readonly values: readonly Value[],
    private readonly refs: readonly Ref[],
  ) {}

  get count(): number {
    return this.values.length;
  }

  value(index: number): Value {
    return this.values[index];
  }

  /** The operand, possibly with extents of 1 where the value's are greater. */
  thin(index: number): Ref {
    return this.refs[index];
  }

  /** The operand in its whole shape. */
  full(index: number): Ref {
    return this.writer.expand(this.refs[index], this.values[index].shape);
  }

  /** The operand, whole along some axes and possibly thin along the others. */
  fullAlong(index: number, axes: readonly number[]): Ref {
    const ref = this.refs[index];
    const { shape } = this.values[index];
    return this.writer.expand(
      ref,
      ref.shape.map((extent, axis) => (axes.includes(axis) ? shape[axis] : extent)),
    );
  }

  /** Whether the operand is kept thin along an axis. */
  isThin(index: number, axis: number): boolean {
    return this.refs[index].shape[axis] !== this.values[index].shape[axis];
  }

  isWhole(index: number): boolean {
    return sameShape(this.refs[index].shape, this.values[index].shape);
  }
}

/** Emits the nodes of one equation; what it returns may be thin. Primitives with a lowering have one output. */
export type Lower<A> = (w: Writer, x: Operands, attributes: A, output: Value) => Ref;
