import type { Builder } from "../graph/builder";
import type { Equation, Value } from "../graph/graph";
import { add } from "../primitives/ops";
import { primitiveOf } from "../primitives";
import { graphTransforms } from "./graph-transforms";

/** The equations that depend on some of the given values, and those that do not, each in order. */
export function splitByDependence(
  equations: readonly Equation[],
  roots: Iterable<Value>,
): { dependent: Equation[]; independent: Equation[]; values: Set<Value> } {
  const values = new Set<Value>(roots);
  const dependent: Equation[] = [];
  const independent: Equation[] = [];
  for (const equation of equations) {
    if (equation.inputs.some((input) => values.has(input))) {
      dependent.push(equation);
      equation.outputs.forEach((output) => values.add(output));
    } else {
      independent.push(equation);
    }
  }
  return { dependent, independent, values };
}

/**
 * Transposes linear equations: walks them backwards, and gives each value the sum of the cotangents of its uses.
 *
 * @param equations those that depend on `linear`, in order; all other values that they read are known to the builder
 * @param linear the values in which the equations are linear
 * @param outputs with their cotangents (`null` for zero)
 * @returns the cotangents of `linear` (`null` for zero)
 */
export function transposeInto(
  builder: Builder,
  equations: readonly Equation[],
  linear: readonly Value[],
  outputs: readonly { value: Value; cotangent: Value | null }[],
): (Value | null)[] {
  const linearValues = new Set<Value>(linear);
  for (const equation of equations) equation.outputs.forEach((output) => linearValues.add(output));

  const cotangentOf = new Map<Value, Value>();
  const accumulate = (value: Value, cotangent: Value | null): void => {
    if (cotangent === null || !linearValues.has(value)) return;
    const known = cotangentOf.get(value);
    cotangentOf.set(value, known === undefined ? cotangent : add(builder, known, cotangent));
  };
  for (const { value, cotangent } of outputs) accumulate(value, cotangent);

  for (const equation of [...equations].reverse()) {
    const cotangents = equation.outputs.map((output) => cotangentOf.get(output) ?? null);
    // What is past its equation will not be needed again
    equation.outputs.forEach((output) => cotangentOf.delete(output));
    if (cotangents.every((cotangent) => cotangent === null)) continue;
    builder.at(equation.source, () => {
      const { transpose } = primitiveOf(equation.primitive);
      if (transpose === undefined) throw new Error(`${equation.primitive} is not linear and cannot be transposed`);
      const isLinear = equation.inputs.map((input) => linearValues.has(input));
      const results = transpose(builder, cotangents, equation.inputs, isLinear, equation.attributes, graphTransforms);
      equation.inputs.forEach((input, index) => accumulate(input, results[index] ?? null));
    });
  }
  return linear.map((value) => cotangentOf.get(value) ?? null);
}
