import { describe, expect, it } from "vitest";
import { checkGraph } from "../../sidecar/graph/check";
import { argumentsOf, type Graph } from "../../sidecar/graph/graph";
import { tensor, type Tensor } from "../../sidecar/graph/tensor";
import { isFloat } from "../../sidecar/graph/types";
import { inferShapes, primitiveNames, primitives } from "../../sidecar/primitives";
import { jvp, simplify, vjp, vmap } from "../../sidecar/transforms";
import { caseHost, primitiveCases } from "../engines/cases";
import { derivativeResiduals, difference, evaluate, floatArguments, vmapResidual } from "../laws";
import { generator } from "../../sidecar/sources/random";

/**
 * Every rule of every primitive, on the catalogue that the engines are compared on: tangents against central differences,
 * transposes against tangents, batching against the operation on each slice, and the same again for the derivative.
 */

/** Both sides are computed exactly, but in another order; the steepest functions magnify that. */
const exact = 1e-9;
/** Central differences with step 1e-5 near singularities of a second derivative. */
const byDifferences = 1e-5;

/** Arguments nudged apart by up to 1 %, so that nothing sits on a tie or a kink, where there is no derivative. */
function nudged(graph: Graph, values: readonly Tensor[], random: () => number): Tensor[] {
  return argumentsOf(graph).map(({ value }, index) => {
    const { shape, data } = values[index];
    if (!isFloat(value.dtype)) return values[index];
    return tensor(
      shape,
      "float64",
      Float64Array.from(data, (x) => x * (1 + 0.01 * random()) + 0.003 * random()),
    );
  });
}

const allFinite = (tensors: readonly Tensor[]): boolean =>
  tensors.every(({ data }) => data.every((x) => Number.isFinite(x)));

/** The opaque operation of the catalogue has no derivative; what must happen then is tested with the sources. */
const usesOpaque = (graph: Graph): boolean => graph.equations.some(({ primitive }) => primitive === "opaque");

const cases = primitiveCases();

describe.each(primitiveNames.map((name) => ({ name })))("$name", ({ name }) => {
  const own = cases.filter(({ graph }) => graph.equations.some(({ primitive }) => primitive === name));

  it("is batched as on each slice", async () => {
    for (const [index, one] of own.entries()) {
      if (argumentsOf(one.graph).length === 0) continue;
      const random = generator(index + 1);
      for (let round = 0; round < 2; round++) {
        const residual = await vmapResidual(one.graph, one.arguments, random, 2, caseHost);
        expect(residual, one.name).toBeLessThan(exact);
      }
    }
  });

  it("simplifies to the same function", async () => {
    for (const one of own) {
      const simple = simplify(one.graph);
      checkGraph(simple, inferShapes);
      const [actual, expected] = [
        await evaluate(simple, one.arguments, caseHost),
        await evaluate(one.graph, one.arguments, caseHost),
      ];
      expect(difference(actual, expected), one.name).toBeLessThan(exact);
    }
  });

  if (primitives[name].jvp !== undefined && name !== "opaque") {
    it("has a tangent and its transpose, which can be batched and differentiated again", async () => {
      let checked = 0;
      for (const [index, one] of own.entries()) {
        if (floatArguments(one.graph).length === 0 || usesOpaque(one.graph)) continue;
        const random = generator(index + 1);
        const values = nudged(one.graph, one.arguments, random);
        // Infinities and NaN are for the engines; they have no derivative
        if (!allFinite(values) || !allFinite(await evaluate(one.graph, values))) continue;
        checked++;
        const wrt = floatArguments(one.graph);
        for (const transformed of [jvp(one.graph, wrt), vjp(one.graph, wrt)]) checkGraph(transformed, inferShapes);

        const residuals = await derivativeResiduals(one.graph, values, random);
        expect(residuals.finiteDifference, `${one.name}: jvp`).toBeLessThan(byDifferences);
        expect(residuals.adjoint, `${one.name}: transpose`).toBeLessThan(exact);

        const pulled = vjp(one.graph, wrt);
        const cotangents = one.graph.outputs.map((output) =>
          tensor(
            output.shape,
            "float64",
            Float64Array.from({ length: output.shape.reduce((a, b) => a * b, 1) }, random),
          ),
        );
        const withCotangents = [
          ...values.slice(0, one.graph.inputs.length),
          ...cotangents,
          ...values.slice(one.graph.inputs.length),
        ];
        expect(await vmapResidual(pulled, withCotangents, random, 2), `${one.name}: vmap of vjp`).toBeLessThan(exact);
        const again = await derivativeResiduals(pulled, withCotangents, random);
        expect(again.finiteDifference, `${one.name}: jvp of vjp`).toBeLessThan(byDifferences);
        expect(again.adjoint, `${one.name}: transpose of the derivative`).toBeLessThan(exact);

        const axes = new Map(argumentsOf(one.graph).map(({ value }) => [value, 0]));
        checkGraph(vmap(one.graph, axes, 2), inferShapes);
      }
      expect(checked).toBeGreaterThan(0);
    });
  }
});
