import type { DType } from "../../graph/types";

/** ONNX's element types (`TensorProto.DataType`), in the order of their numbers. */
export const elementTypeNames = [
  "undefined",
  "float",
  "uint8",
  "int8",
  "uint16",
  "int16",
  "int32",
  "int64",
  "string",
  "bool",
  "float16",
  "double",
  "uint32",
  "uint64",
  "complex64",
  "complex128",
  "bfloat16",
  "float8e4m3fn",
  "float8e4m3fnuz",
  "float8e5m2",
  "float8e5m2fnuz",
  "uint4",
  "int4",
  "float4e2m1",
  "float8e8m0",
  "uint2",
  "int2",
] as const;

export type ElementType = (typeof elementTypeNames)[number];

export function elementTypeOf(number: number | undefined): ElementType {
  return elementTypeNames[number ?? 0] ?? "undefined";
}

const floats = [
  "float",
  "float16",
  "bfloat16",
  "float8e4m3fn",
  "float8e4m3fnuz",
  "float8e5m2",
  "float8e5m2fnuz",
  "float4e2m1",
  "float8e8m0",
];
const integers = [
  "uint8",
  "int8",
  "uint16",
  "int16",
  "int32",
  "int64",
  "uint32",
  "uint64",
  "uint4",
  "int4",
  "uint2",
  "int2",
];

/**
 * What a graph computes with in an element type's place: all smaller floats as float32, all integers as int32 (numbers
 * beyond are brought to its ends when they are read); null for what a graph has no numbers for.
 */
export function dtypeOfElements(type: ElementType): DType | null {
  if (type === "double") return "float64";
  if (type === "bool") return "bool";
  if (floats.includes(type)) return "float32";
  return integers.includes(type) ? "int32" : null;
}

/** The element type that a value of a graph has where an operator says nothing else. */
export const usualElementType: Record<DType, ElementType> = {
  float32: "float",
  float64: "double",
  int32: "int64",
  bool: "bool",
};

/** The least and the greatest number of an integer type, cut to those of int32. */
export function rangeOf(type: ElementType): readonly [number, number] {
  const match = /^(u?)int(\d+)$/.exec(type);
  if (!match) return [-(2 ** 31), 2 ** 31 - 1];
  const bits = Number(match[2]);
  const [low, high] = match[1] ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
  return [Math.max(low, -(2 ** 31)), Math.min(high, 2 ** 31 - 1)];
}

/** Mantissa bits, exponent bias and greatest number of a float that is smaller than float32. */
export interface SmallFloat {
  readonly mantissa: number;
  /** The exponent of the smallest normal number. */
  readonly minimum: number;
  readonly largest: number;
  /** What larger numbers become where they are not brought to the largest: infinity, or NaN. */
  readonly beyond: number;
  /** What stands for NaN. */
  readonly nan: number;
}

export const smallFloats: Partial<Record<ElementType, SmallFloat>> = {
  float16: { mantissa: 10, minimum: -14, largest: 65504, beyond: Infinity, nan: NaN },
  bfloat16: { mantissa: 7, minimum: -126, largest: 3.3895313892515355e38, beyond: Infinity, nan: NaN },
  float8e4m3fn: { mantissa: 3, minimum: -6, largest: 448, beyond: NaN, nan: NaN },
  float8e4m3fnuz: { mantissa: 3, minimum: -7, largest: 240, beyond: NaN, nan: NaN },
  float8e5m2: { mantissa: 2, minimum: -14, largest: 57344, beyond: Infinity, nan: NaN },
  float8e5m2fnuz: { mantissa: 2, minimum: -15, largest: 57344, beyond: NaN, nan: NaN },
  float4e2m1: { mantissa: 1, minimum: 0, largest: 6, beyond: 6, nan: 0 },
};
