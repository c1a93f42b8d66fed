import { beforeAll, describe, expect, it } from "vitest";
import { createOnnxruntimeEngine } from "../../sidecar/engines/onnxruntime";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import type { Tensor } from "../../sidecar/graph/tensor";
import { difference } from "../laws";
import { python } from "../tools";
import { kernelOf, type KernelNet } from "./kernels";
import { kernelsByPython, loadReferenceNets, methods, smallNets } from "./references";

/**
 * Kernels equal those of the same nets written in JAX, from its Jacobians in 64 bit (jax_nets.py), by every method. Other
 * forms are compared with PyTorch. Differences are relative to a kernel's largest entry.
 */

/** In milliseconds: JAX compiles what it runs, which takes a while on a machine that has more to do. */
const PYTHON_TIMEOUT = 180_000;

/** Sums are in 64 bit. What differs is numbers rounded to 32 bit that are written in the model. */
const IN_64_BIT = 5e-7;
const IN_32_BIT = 1e-5;

describe.skipIf(python === undefined)("kernels equal those of JAX's Jacobians", () => {
  let nets: ReadonlyMap<string, KernelNet>;
  let jax: ReadonlyMap<string, Tensor>;

  beforeAll(async () => {
    nets = await loadReferenceNets();
    jax = await kernelsByPython("test/ntk/jax_nets.py", nets.values());
  }, PYTHON_TIMEOUT);

  it.each([...smallNets, "tutorial"])("%s", async (name) => {
    // Small nets on one thread: more would wait for one another longer than they compute
    const threads = name === "tutorial" ? undefined : 1;
    const engines = [{ engine: await createOnnxruntimeEngine({ threads }), tolerance: IN_32_BIT }];
    // It computes number by number, which takes too long for the tutorial's net
    if (name !== "tutorial") engines.push({ engine: createReferenceEngine(), tolerance: IN_64_BIT });
    const expected = jax.get(`${name}:columns:full`)!;
    for (const { engine, tolerance } of engines) {
      for (const [method, options] of Object.entries(methods)) {
        const { kernel } = await kernelOf(nets.get(name)!, engine, { form: "full", columns: true, ...options });
        expect(difference([kernel], [expected]), `${engine.name}, ${method}`).toBeLessThan(tolerance);
      }
    }
  });
});
