import type { OpaqueHost } from "../../sidecar/engines/engine";
import type { PrimitiveCase } from "./cases/case";
import { controlCases } from "./cases/control";
import { convolutionCases } from "./cases/convolution";
import { dotCases } from "./cases/dot";
import { elementwiseCases } from "./cases/elementwise";
import { indexingCases } from "./cases/indexing";
import { reductionCases } from "./cases/reduction";
import { structuralCases } from "./cases/structural";
import { windowCases } from "./cases/window";
import { floats } from "./single";

export type { PrimitiveCase };

/** Every primitive in all combinations of attributes that matter to an engine, each with its arguments. */
export function primitiveCases(): PrimitiveCase[] {
  return [
    ...elementwiseCases(),
    ...reductionCases(),
    ...structuralCases(),
    ...indexingCases(),
    ...dotCases(),
    ...convolutionCases(),
    ...windowCases(),
    ...controlCases(),
  ];
}

/** Runs the opaque operation of the cases. */
export const caseHost: OpaqueHost = {
  framework: "test",
  run: (_equation, [x, y]) => [
    floats([], [Array.from(x.data).reduce((sum, element) => sum + element, 0)]),
    floats(
      y.shape,
      Array.from(y.data, (element) => 2 * element),
    ),
  ],
};
