import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { isFloat, range, sizeOf, type DType, type Shape, type TypedArray } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import type { OperatorCall } from "../call";

/** What operators of several families need. */

export type Operand = Value | number | boolean;

const isArray = (operand: Operand): operand is Value => typeof operand === "object";

const ranks: Readonly<Record<DType, number>> = { bool: 0, int32: 1, float32: 2, float64: 3 };
const category = (dtype: DType): number => Math.min(ranks[dtype], 2);

function widest(dtypes: readonly DType[]): DType | null {
  return dtypes.reduce<DType | null>((most, dtype) => (most && ranks[most] >= ranks[dtype] ? most : dtype), null);
}

function dtypeOfNumber(number: number | boolean): DType {
  if (typeof number === "boolean") return "bool";
  return Number.isInteger(number) ? "int32" : "float32";
}

/**
 * The type that PyTorch computes with: of arrays with axes; those without, and numbers, count only where they are of a
 * higher category (bool, integer, float).
 */
export function commonType(operands: readonly Operand[]): DType {
  const arrays = operands.filter(isArray);
  const groups = [
    widest(arrays.filter(({ shape }) => shape.length > 0).map(({ dtype }) => dtype)),
    widest(arrays.filter(({ shape }) => shape.length === 0).map(({ dtype }) => dtype)),
    widest(operands.filter((operand) => !isArray(operand)).map((operand) => dtypeOfNumber(operand as number))),
  ];
  return groups.reduce<DType | null>((type, other) => {
    if (type === null || other === null) return type ?? other;
    return category(other) > category(type) ? other : type;
  }, null)!;
}

/** Operands as arrays of one type and one rank. */
export function aligned(b: Builder, operands: readonly Operand[], dtype: DType = commonType(operands)): Value[] {
  const rank = Math.max(0, ...operands.map((operand) => (isArray(operand) ? operand.shape.length : 0)));
  return operands.map((operand) =>
    isArray(operand) ? ops.padRank(b, ops.convert(b, operand, dtype), rank) : b.scalar(Number(operand), dtype, rank),
  );
}

/** Integers and booleans as float32. */
export function floating(b: Builder, x: Value): Value {
  return isFloat(x.dtype) ? x : ops.convert(b, x, "float32");
}

/** Booleans as integers. */
export function numeric(b: Builder, x: Value): Value {
  return x.dtype === "bool" ? ops.convert(b, x, "int32") : x;
}

/** An axis, counted from the end where it is negative. */
export function axisOf(call: OperatorCall, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (rank === 0 && (axis === 0 || axis === -1)) return 0;
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank) {
    throw call.refuse(`is for the axis ${axis} of an array with ${rank} axes; export the model again`);
  }
  return positive;
}

/** The axes named `name`, sorted; all where there are none. */
export function axesOf(call: OperatorCall, name: string, rank: number): number[] {
  const given = call.sizes(name, []);
  if (given.length === 0 || rank === 0) return range(rank);
  return [...new Set(given.map((axis) => axisOf(call, axis, rank)))].sort((p, q) => p - q);
}

/** One shape for all, by NumPy's rules. */
export function broadcastShape(call: OperatorCall, shapes: readonly Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  return range(rank).map((axis) => {
    const extents = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1).filter((extent) => extent !== 1);
    if (extents.some((extent) => extent !== extents[0])) {
      throw call.refuse(
        `is for shapes that do not broadcast: ${shapes.map((shape) => `[${shape.join(",")}]`).join(", ")}`,
      );
    }
    return extents[0] ?? 1;
  });
}

/** Numbers that an operator's own constants may have: more are no model's. */
const MOST_CONSTANTS = 1 << 26;
/** Results, steps or parts that one call may have. */
const MOST_PARTS = 100_000;

/** Refuses sizes for which making a constant, or as many equations, would take all memory. */
export function checkConstant(call: OperatorCall, elements: number): void {
  if (elements <= MOST_CONSTANTS) return;
  throw call.refuse(`needs ${elements} constants of its own, which is too much; make the arrays smaller`);
}

export function checkParts(call: OperatorCall, count: number): void {
  if (count <= MOST_PARTS) return;
  throw call.refuse(`has ${count} steps or parts, which is too much; make the arrays smaller`);
}

export function constant(b: Builder, data: TypedArray, shape: Shape): Value {
  const dtype = data instanceof Int32Array ? "int32" : data instanceof Float64Array ? "float64" : "float32";
  return b.constant(data, shape, dtype);
}

/** A shape in which one extent may be -1: as many as are left. */
export function completeShape(call: OperatorCall, shape: Shape, size: number): number[] {
  const open = shape.filter((extent) => extent === -1).length;
  const known = shape.reduce((product, extent) => (extent === -1 ? product : product * extent), 1);
  if (shape.some((extent) => extent < -1) || open > 1 || (open === 1 ? size % known !== 0 : known !== size)) {
    throw call.refuse(`cannot give ${size} elements the shape [${shape.join(",")}]; export the model again`);
  }
  return shape.map((extent) => (extent === -1 ? size / known : extent));
}

export function reshaped(b: Builder, call: OperatorCall, x: Value, shape: Shape): Value {
  return ops.reshape(b, x, completeShape(call, shape, sizeOf(x.shape)));
}
