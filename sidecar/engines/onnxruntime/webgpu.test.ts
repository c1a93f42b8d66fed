import { afterAll, beforeAll, describe, test } from "vitest";
import { evaluateCase, expectClose, openOnWebgpu } from "../../../test/engines/agree";
import { primitiveCases } from "../../../test/engines/cases";
import { vulkanDriver } from "../../../test/tools";
import type { Engine } from "../engine";
import { createReferenceEngine } from "../reference/index";
import { createOnnxruntimeEngine } from "./index";

/** What its kernels are wrong at, slow at, or lack, and lowerings go round. */
const pitfalls = [
  "conv_general_dilated: 2d feature groups, NHWC strided, two batch axes, each broadcast once",
  "conv_general_dilated: 2d pointwise, stride leaves a rest, derivative to the input",
  "conv_general_dilated: 2d kernel as large as the input, padded behind",
  "conv_general_dilated: 3d dilated both ways, groups",
  "dot_general: very long",
  "dot_general: very long, batched vectors",
  "reduce_sum: very long",
  "reduce_sum: very long, two axes",
];

/** The first cases of every primitive: each compiles shaders, and the lowerings are the CPU's, where all of them run. */
const casesOfEach = 2;

function selected(): ReturnType<typeof primitiveCases> {
  const counts = new Map<string, number>();
  return primitiveCases().filter(({ name }) => {
    if (openOnWebgpu.test(name)) return false;
    const [primitive] = name.split(":");
    const count = (counts.get(primitive) ?? 0) + 1;
    counts.set(primitive, count);
    return count <= casesOfEach || pitfalls.includes(name);
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
