import { beforeAll, describe, expect, it } from "vitest";
import { createOnnxruntimeEngine } from "../../sidecar/engines/onnxruntime";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import type { Engine } from "../../sidecar/engines/engine";
import type { Tensor } from "../../sidecar/graph/tensor";
import { difference } from "../laws";
import { python } from "../tools";
import { kernelOf, type Choice, type KernelNet, type KernelOptions } from "./kernels";
import { kernelsByPython, loadReferenceNets, methods, smallNets } from "./references";

/**
 * Kernels equal those of torch.func's Jacobians with the same weights (torch_kernels.py), in every form, by every method.
 * Differences are relative to a kernel's largest entry.
 */

/** In milliseconds: on a machine that has more to do, what a Python process imports takes a while to be read. */
const PYTHON_TIMEOUT = 180_000;

/** Sums are in 64 bit. What differs is numbers rounded to 32 bit: those written in the model, and the mean's 1/C. */
const IN_64_BIT = 5e-7;
const IN_32_BIT = 1e-5;

/** Forms by the names that the references have for them. */
const forms: Readonly<Record<string, Pick<Choice, "form"> & Pick<KernelOptions, "trace">>> = {
  full: { form: "full" },
  diagonal: { form: "diagonal" },
  sum: { form: "trace", trace: "sum" },
  mean: { form: "trace", trace: "mean" },
};

describe.skipIf(python === undefined)("kernels equal those of torch.func's Jacobians", () => {
  let nets: ReadonlyMap<string, KernelNet>;
  let torch: ReadonlyMap<string, Tensor>;

  beforeAll(async () => {
    nets = await loadReferenceNets();
    torch = await kernelsByPython("test/ntk/torch_kernels.py", nets.values());
  }, PYTHON_TIMEOUT);

  /** @param asked forms, with whether there is a second set of examples */
  async function expectEqual(
    name: string,
    engine: Engine,
    asked: readonly { readonly form: string; readonly columns: boolean }[],
    tolerance: number,
  ): Promise<void> {
    for (const { form, columns } of asked) {
      const expected = torch.get(`${name}:${columns ? "columns" : "rows"}:${form}`)!;
      for (const [method, options] of Object.entries(methods)) {
        const { kernel } = await kernelOf(nets.get(name)!, engine, { columns, ...forms[form], ...options });
        const what = `${engine.name}, ${form}, ${method}, ${columns ? "two sets" : "one set"}`;
        expect(difference([kernel], [expected]), what).toBeLessThan(tolerance);
      }
    }
  }

  const ofTwoSets = Object.keys(forms).map((form) => ({ form, columns: true }));
  const ofOneSet = Object.keys(forms).map((form) => ({ form, columns: false }));

  describe.each(smallNets)("%s", (name) => {
    it("on the reference engine", async () => {
      await expectEqual(name, createReferenceEngine(), [...ofTwoSets, ...ofOneSet], IN_64_BIT);
    });

    it("on onnxruntime", async () => {
      // One thread: more would wait for one another longer than they compute
      const engine = await createOnnxruntimeEngine({ threads: 1 });
      await expectEqual(name, engine, [...ofTwoSets, { form: "full", columns: false }], IN_32_BIT);
    });
  });

  it("the CNN of PyTorch's tutorial, on onnxruntime", async () => {
    const asked = [
      { form: "full", columns: true },
      { form: "diagonal", columns: true },
      { form: "mean", columns: false },
    ];
    await expectEqual("tutorial", await createOnnxruntimeEngine(), asked, IN_32_BIT);
  });
});
