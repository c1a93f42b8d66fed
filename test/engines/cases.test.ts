import { expect, test } from "vitest";
import { argumentsOf } from "../../sidecar/graph/graph";
import { checkGraph } from "../../sidecar/graph/check";
import { createReferenceEngine } from "../../sidecar/engines/reference/index";
import { inferShapes, primitiveNames } from "../../sidecar/primitives/index";
import { evaluateCase } from "./agree";
import { primitiveCases } from "./cases";

const cases = primitiveCases();

test("every primitive has cases", () => {
  const covered = new Set(cases.map(({ name }) => name.split(":")[0]));
  expect(primitiveNames.filter((name) => !covered.has(name))).toEqual([]);
});

test("no two cases have the same name", () => {
  const names = cases.map(({ name }) => name);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

test("every case is a well formed graph with fitting arguments, on which the reference engine runs", async () => {
  const reference = createReferenceEngine();
  for (const primitiveCase of cases) {
    const { name, graph, arguments: tensors } = primitiveCase;
    try {
      checkGraph(graph, inferShapes);
      expect(tensors.map(({ shape, dtype }) => ({ shape, dtype }))).toEqual(
        argumentsOf(graph).map(({ value: { shape, dtype } }) => ({ shape, dtype })),
      );
      const results = await evaluateCase(reference, primitiveCase);
      expect(results.map(({ shape }) => shape)).toEqual(graph.outputs.map(({ shape }) => shape));
    } catch (error) {
      throw new Error(name, { cause: error });
    }
  }
});
