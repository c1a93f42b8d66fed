import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { evaluateCase, expectClose } from "../../../test/engines/agree";
import { primitiveCases } from "../../../test/engines/cases";
import type { Engine } from "../engine";
import { createReferenceEngine } from "../reference/index";
import { createOnnxruntimeEngine } from "./index";

describe("onnxruntime on the CPU", () => {
  let engine: Engine;
  const reference = createReferenceEngine();
  beforeAll(async () => {
    engine = await createOnnxruntimeEngine({ threads: 1 });
  });
  afterAll(() => engine.dispose());

  test.each(primitiveCases().map((primitiveCase) => ({ ...primitiveCase })))("$name", async (primitiveCase) => {
    expect(engine.supports(primitiveCase.graph)).toEqual([]);
    const expected = await evaluateCase(reference, primitiveCase);
    const actual = await evaluateCase(engine, primitiveCase);
    actual.forEach((result, index) => expectClose(result, expected[index]));
  });
});
