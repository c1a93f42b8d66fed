import { Builder } from "../graph/builder";
import type { Attributes, Value } from "../graph/graph";
import type { ValueType } from "../graph/types";
import type { AttributesOf, PrimitiveName } from "./attributes";
import { controlPrimitives } from "./control";
import { convolutionPrimitives } from "./convolution";
import { dotPrimitives } from "./dot";
import { binaryPrimitives, comparePrimitives, otherElementwisePrimitives, unaryPrimitives } from "./elementwise";
import { indexingPrimitives } from "./indexing";
import type { Primitive } from "./primitive";
import { alongAxisPrimitives, reducePrimitives } from "./reduction";
import { structuralPrimitives } from "./structural";
import { windowPrimitives } from "./window";

/** Every primitive's rules. The type says if one is missing. */
export const primitives: { readonly [K in PrimitiveName]: Primitive<AttributesOf[K]> } = {
  ...unaryPrimitives,
  ...binaryPrimitives,
  ...comparePrimitives,
  ...otherElementwisePrimitives,
  ...reducePrimitives,
  ...alongAxisPrimitives,
  ...structuralPrimitives,
  ...dotPrimitives,
  ...convolutionPrimitives,
  ...windowPrimitives,
  ...indexingPrimitives,
  ...controlPrimitives,
};

export const primitiveNames = Object.keys(primitives) as PrimitiveName[];

/** The rules of a primitive by name, for code that treats all primitives alike. */
export function primitiveOf(name: string): Primitive<Attributes> {
  const primitive = primitives[name as PrimitiveName] as Primitive<Attributes> | undefined;
  if (primitive === undefined) throw new Error(`there is no primitive ${name}`);
  return primitive;
}

export function inferShapes(name: string, inputs: readonly Value[], attributes: Attributes): ValueType[] {
  try {
    return primitiveOf(name).shape(inputs, attributes);
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
  }
}

export function newBuilder(): Builder {
  return new Builder(inferShapes);
}
