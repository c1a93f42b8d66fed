import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { createOnnxruntimeEngine } from "../../sidecar/engines/onnxruntime";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import { ModelError } from "../../sidecar/graph/errors";
import { difference } from "../laws";
import { BATCH, jacobianOf, loadCoupled, type Blocks, type Loaded } from "./whole-nets";

/**
 * A net whose examples see one another. That its Jacobian is right is compared with PyTorch (pytorch.test.ts) and finite
 * differences (differences.test.ts).
 */

describe("coupled examples", () => {
  let coupled: Loaded;
  let expected: Blocks;
  beforeAll(async () => {
    coupled = await loadCoupled();
    expected = await jacobianOf(coupled, createReferenceEngine());
  });

  it("are found, with the line that couples them", () => {
    const { batch, file } = coupled.model;
    const lines = readFileSync(file, "utf8").split("\n");
    expect(batch).toMatchObject({ coupled: true, size: BATCH, reason: "reduce_sum runs over the batch axis" });
    const source = batch.coupled ? batch.source : null;
    expect(source?.file).toBe(file);
    expect(source?.line).toBe(lines.findIndex((line) => line.includes("tf.mean")) + 1);
  });

  it.each(["vmap(jacrev)", "vmap(jacfwd)"] as const)("are refused by %s, with what to do instead", async (strategy) => {
    const attempt = jacobianOf(coupled, createReferenceEngine(), { strategy });
    await expect(attempt).rejects.toThrow(ModelError);
    await expect(attempt).rejects.toThrow(
      `${strategy} needs examples that are independent of one another: use the strategy jacrev or grad-loop`,
    );
  });

  it.each([
    { way: { strategy: "jacrev" }, name: "jacrev" },
    { way: { strategy: "jacrev", chunk: 2 }, name: "jacrev in chunks" },
    { way: { strategy: "grad-loop" }, name: "grad-loop" },
  ] as const)("have one Jacobian: $name", async ({ way }) => {
    const blocks = await jacobianOf(coupled, await createOnnxruntimeEngine(), way);
    for (const [parameter, block] of expected) {
      expect(block.shape.slice(0, 2)).toEqual([BATCH, 3]);
      expect(difference([blocks.get(parameter)!], [block]), parameter).toBeLessThan(1e-5);
    }
  });

  it("see one another: the rows of the first change with the last", async () => {
    const [x] = coupled.inputs;
    const data = x.data.map((element, index) => (index < x.data.length - 1 ? element : element + 1));
    const changed = await jacobianOf({ ...coupled, inputs: [{ ...x, data }] }, createReferenceEngine());
    for (const [parameter, { data: rows }] of expected) {
      // The last layer's bias is added to whatever there is
      const same = changed.get(parameter)!.data[0] === rows[0];
      expect(same, parameter).toBe(parameter === "logits/bias");
    }
  });
});
