import { describe, expect, it } from "vitest";
import { pickEngine } from "../../sidecar/engines";
import { ntkForms } from "../../sidecar/quantities/ntk";
import { jacobianOf, nets } from "../jacobian/whole-nets";
import { jacobianProduct, kernelOf, largestDifference, loadKernelNet, structuredWhereverPossible } from "./kernels";
import { methods } from "./references";

/**
 * Every method and form against the product of Jacobians, which are compared with PyTorch, TensorFlow.js and finite
 * differences elsewhere (test/jacobian). The reference engine computes in 64 bit: what is left is rounding.
 */
/** Results are stored in 32 bit, whose rounding is 6e-8 of a number: the Jacobians that are multiplied here, and the kernel. */
const TOLERANCE = 5e-7;

/** What is added or scaled with; and what is used in several slices, whose products would have to be told apart. */
const UNSTRUCTURED = /\b(bias|gamma|beta|gain|shift|positions)$|^grouped|^cell\/recurrent_kernel$/;

describe.each(nets)("the kernel of $name", (net) => {
  it("is the product of Jacobians, by every method and in every form", async () => {
    const loaded = await loadKernelNet(net);
    const { engine } = await pickEngine("reference", loaded.model.graph);
    for (const form of ntkForms) {
      for (const columns of [true, false]) {
        const expected = await jacobianProduct(loaded, engine, { form, columns });
        for (const [name, options] of Object.entries(methods)) {
          const { kernel } = await kernelOf(loaded, engine, { form, columns, ...options });
          expect(kernel.shape, `${form} ${name}`).toEqual(expected.shape);
          expect(largestDifference(kernel, expected), `${form} ${name} ${columns}`).toBeLessThan(TOLERANCE);
        }
      }
    }
  });

  it("has parts that are the squares of the parameters' Jacobians", async () => {
    const loaded = await loadKernelNet(net);
    const { engine } = await pickEngine("reference", loaded.model.graph);
    const blocks = await jacobianOf(loaded, engine);
    for (const choose of [undefined, structuredWhereverPossible]) {
      const { norms, made } = await kernelOf(loaded, engine, {
        form: "full",
        columns: true,
        method: "structured",
        choose,
      });
      const [, examples] = norms!.shape;
      made.parameters.forEach((name, index) => {
        const { data, shape } = blocks.get(name)!;
        const length = data.length / shape[0];
        for (let n = 0; n < shape[0]; n++) {
          let expected = 0;
          for (let k = n * length; k < (n + 1) * length; k++) expected += data[k] * data[k];
          const actual = norms!.data[index * examples + n];
          expect(Math.abs(actual - expected), name).toBeLessThanOrEqual(TOLERANCE * Math.max(expected, 1e-3));
        }
      });
    }
  });

  it("has a structured part for each weight that is multiplied with something", async () => {
    const loaded = await loadKernelNet(net);
    const { engine } = await pickEngine("reference", loaded.model.graph);
    const options = {
      form: "trace",
      columns: false,
      method: "structured",
      choose: structuredWhereverPossible,
    } as const;
    const { made } = await kernelOf(loaded, engine, options);
    const dense = made.parameters.filter((_, index) => made.ways[index] === "dense");
    expect(dense.filter((name) => !UNSTRUCTURED.test(name))).toEqual([]);
  });
});
