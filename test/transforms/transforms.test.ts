import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkGraph } from "../../sidecar/graph/check";
import { inferShapes } from "../../sidecar/primitives";
import { jvp, simplify, vjp, vmap } from "../../sidecar/transforms";
import {
  cancelled,
  derivativeResiduals,
  difference,
  evaluate,
  floatArguments,
  randomLike,
  vmapResidual,
  withAdded,
} from "../laws";
import { generator } from "../../sidecar/sources/random";
import { randomGraph } from "./random-graph";
import { argumentsOf, type Graph, type Value } from "../../sidecar/graph/graph";

/**
 * Laws of the transforms on random graphs, in 64 bits. Tolerances: 1e-6 for central differences with step 1e-5 (their
 * truncation error is about 1e-10 times a third derivative, their rounding error about 1e-11); 1e-11 where both sides
 * are computed exactly but in another order.
 */
const exact = 1e-11;
const byDifferences = 1e-6;

function settings(graph: Graph, random: () => number) {
  return argumentsOf(graph).map(({ value }) => randomLike(value, random));
}

/** Runs a property over random graphs. */
function property(name: string, check: (graph: Graph, random: () => number) => Promise<void>): void {
  it(name, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        fc.integer({ min: 1, max: 8 }),
        async (seed, length) => {
          const random = generator(seed);
          const graph = randomGraph(random, length);
          checkGraph(graph, inferShapes);
          await check(graph, random);
        },
      ),
      { numRuns: 40 },
    );
  });
}

const front = (graph: Graph): Map<Value, number> => new Map(argumentsOf(graph).map(({ value }) => [value, 0]));

describe("random graphs", () => {
  property("have tangents that agree with finite differences, and <u, J v> = <J^T u, v>", async (graph, random) => {
    const residuals = await derivativeResiduals(graph, settings(graph, random), random);
    expect(residuals.finiteDifference).toBeLessThan(byDifferences);
    expect(residuals.adjoint).toBeLessThan(exact);
  });

  property("mean the same once simplified", async (graph, random) => {
    const values = settings(graph, random);
    const simple = simplify(graph);
    checkGraph(simple, inferShapes);
    expect(difference(await evaluate(simple, values), await evaluate(graph, values), cancelled)).toBeLessThan(exact);
  });

  property("vmapped equal the graph on each slice", async (graph, random) => {
    expect(await vmapResidual(graph, settings(graph, random), random)).toBeLessThan(exact);
  });

  property("vmap of vmap", async (graph, random) => {
    const inner = vmap(graph, new Map([[argumentsOf(graph)[0].value, 1]]), 2);
    checkGraph(inner, inferShapes);
    expect(await vmapResidual(inner, settings(inner, random), random)).toBeLessThan(exact);
  });

  property("vmap of vjp", async (graph, random) => {
    const pulled = vjp(graph, floatArguments(graph));
    checkGraph(pulled, inferShapes);
    expect(await vmapResidual(pulled, settings(pulled, random), random)).toBeLessThan(exact);
  });

  property("vjp of vmap", async (graph, random) => {
    const mapped = vmap(graph, front(graph), 2);
    const residuals = await derivativeResiduals(mapped, settings(mapped, random), random);
    expect(residuals.finiteDifference).toBeLessThan(byDifferences);
    expect(residuals.adjoint).toBeLessThan(exact);
  });

  property("vjp of vmap equals vmap of vjp", async (graph, random) => {
    const wrt = argumentsOf(graph)[0].value;
    const mapped = vmap(graph, front(graph), 3);
    const one = vjp(mapped, [argumentsOf(mapped)[0].value]);
    const pulled = vjp(graph, [wrt]);
    const other = vmap(pulled, front(pulled), 3);
    const values = settings(one, random);
    expect(difference(await evaluate(one, values), await evaluate(other, values), cancelled)).toBeLessThan(exact);
  });

  property("jvp of vjp agrees with finite differences, and Hessians are symmetric", async (graph, random) => {
    const pulled = vjp(graph, floatArguments(graph));
    const residuals = await derivativeResiduals(pulled, settings(pulled, random), random);
    expect(residuals.finiteDifference).toBeLessThan(byDifferences);
    expect(residuals.adjoint).toBeLessThan(exact);
  });

  property("jvp of vmap equals vmap of jvp", async (graph, random) => {
    const mapped = vmap(graph, front(graph), 2);
    const one = jvp(
      mapped,
      argumentsOf(mapped).map(({ value }) => value),
    );
    const pushed = jvp(
      graph,
      argumentsOf(graph).map(({ value }) => value),
    );
    const other = vmap(pushed, front(pushed), 2);
    const values = settings(one, random);
    expect(difference(await evaluate(one, values), await evaluate(other, values), cancelled)).toBeLessThan(exact);
  });
});

describe("roles", () => {
  it("keeps parameters as parameters and adds tangents as inputs", async () => {
    const random = generator(7);
    const graph = randomGraph(random, 3);
    const [parameter] = graph.parameters;
    const pushed = jvp(graph, [parameter.value]);
    expect(pushed.parameters.map(({ name }) => name)).toEqual(["w"]);
    expect(pushed.inputs.map(({ name }) => name)).toEqual(["x", "y", "w'"]);
    const values = settings(graph, random);
    const zeros = randomLike(parameter.value, () => 0.5);
    const outputs = await evaluate(pushed, withAdded(graph, values, [zeros]));
    const plain = await evaluate(graph, values);
    expect(difference(outputs.slice(0, plain.length), plain)).toBe(0);
    expect(outputs.slice(plain.length).every(({ data }) => data.every((x) => x === 0))).toBe(true);
  });
});
