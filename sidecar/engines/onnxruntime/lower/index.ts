import type { Equation } from "../../../graph/graph";
import type { AttributesOf, PrimitiveName } from "../../../primitives/attributes";
import { convolutions } from "./convolution";
import { dots } from "./dot";
import { elementwise } from "./elementwise";
import { indexing } from "./indexing";
import type { Lower } from "./lowering";
import { reductions } from "./reductions";
import { structural } from "./structural";
import { windows } from "./windows";

/** `map` and `opaque` are run by the program, between sessions. */
type Lowered = Exclude<PrimitiveName, "map" | "opaque">;

const lowerings: { readonly [K in Lowered]: Lower<AttributesOf[K]> } = {
  ...elementwise,
  ...structural,
  ...reductions,
  ...dots,
  ...convolutions,
  ...windows,
  ...indexing,
};

export function loweringOf(equation: Equation): Lower<object> | null {
  return (lowerings as Record<string, Lower<object> | undefined>)[equation.primitive] ?? null;
}
