import { afterAll, beforeAll, describe, test } from "vitest";
import { evaluateCase, expectClose } from "../../../test/engines/agree";
import { primitiveCases } from "../../../test/engines/cases";
import { vulkanDriver } from "../../../test/tools";
import type { Engine } from "../engine";
import { createReferenceEngine } from "../reference/index";
import { createOnnxruntimeEngine } from "./index";

/** The first cases of every primitive: each compiles shaders, and the lowerings are the CPU's, where all of them run. */
const casesOfEach = 2;

/**
 * What WebGPU leaves open: infinities, NaN, and the precision of exp, log and tanh where their result is tiny (WGSL
 * allows an absolute error there).
 */
const open = /edges of the domain|near zero|zero and negative bases|NaN|infinit/;

function selected(): ReturnType<typeof primitiveCases> {
  const counts = new Map<string, number>();
  return primitiveCases().filter(({ name }) => {
    if (open.test(name)) return false;
    const [primitive] = name.split(":");
    const count = (counts.get(primitive) ?? 0) + 1;
    counts.set(primitive, count);
    return count <= casesOfEach || name.endsWith("feature groups, NHWC strided, two batch axes, each broadcast once");
  });
}

describe.skipIf(vulkanDriver === undefined)("onnxruntime on WebGPU (a software GPU)", () => {
  let engine: Engine;
  const reference = createReferenceEngine();
  beforeAll(async () => {
    engine = await createOnnxruntimeEngine({ provider: "webgpu" });
  });
  afterAll(() => engine.dispose());

  test.each(selected())("$name", async (primitiveCase) => {
    const expected = await evaluateCase(reference, primitiveCase);
    const actual = await evaluateCase(engine, primitiveCase);
    actual.forEach((result, index) => expectClose(result, expected[index]));
  });
});
