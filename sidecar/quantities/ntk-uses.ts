import type { Equation, Value } from "../graph/graph";
import { primitiveOf } from "../primitives";
import type { Structure } from "../primitives/primitive";
import type { linearizeInto } from "../transforms";

/** Where parameters are used in a linearised graph, and with which structure. */

export interface Use {
  /** The tangent equation that the parameter, or its elements in another order, goes into. */
  readonly equation: Equation;
  readonly structure: Structure;
}

export interface Leaf {
  /** The parameter's own shape and type. */
  readonly value: Value;
  /**
   * All of its uses, if all have the same structure: their parts can be put side by side. Empty where that is not so:
   * then only its Jacobian tells the kernel's part.
   */
  readonly uses: readonly Use[];
}

/** What only puts elements in other places, or leaves some out: what is computed with all of them stays the same. */
const moves = new Set(["reshape", "transpose", "reverse", "slice"]);

/** The parameters that a graph was linearised in, in order. */
export function leavesOf({ equations, tangents }: ReturnType<typeof linearizeInto>): Leaf[] {
  const linear = new Set<Value>(tangents);
  /** A parameter's tangent, or its elements in another order: of which parameter, and how they were moved. */
  const views = new Map<Value, { leaf: number; moved: string }>();
  tangents.forEach((tangent, leaf) => views.set(tangent, { leaf, moved: "" }));
  const found = tangents.map(() => ({ uses: [] as Use[], layouts: new Set<string>() }));
  const unstructured = "none";

  for (const equation of equations) {
    const { inputs, attributes, primitive, outputs } = equation;
    inputs.forEach((input, index) => {
      const view = views.get(input);
      if (view === undefined) return;
      if (moves.has(primitive)) {
        views.set(outputs[0], { leaf: view.leaf, moved: `${view.moved} ${primitive} ${JSON.stringify(attributes)}` });
        return;
      }
      const { uses, layouts } = found[view.leaf];
      const isOnly = inputs.every((other, place) => place === index || !linear.has(other));
      const structure = isOnly ? primitiveOf(primitive).structure?.(inputs, index, attributes) : undefined;
      layouts.add(structure === undefined ? unstructured : `${view.moved} ${structure.layout}`);
      if (structure !== undefined) uses.push({ equation, structure });
    });
    outputs.forEach((output) => linear.add(output));
  }
  return tangents.map((value, leaf) => {
    const { uses, layouts } = found[leaf];
    return { value, uses: layouts.size === 1 && !layouts.has(unstructured) ? uses : [] };
  });
}
