import type { Engine } from "../../sidecar/engines/engine";
import type { Tensor } from "../../sidecar/graph/tensor";
import { sameShape } from "../../sidecar/graph/types";
import { caseHost, type PrimitiveCase } from "./cases";

/**
 * How far an element computed in float32 may be from the one computed in float64, relative to the largest element of the
 * result: a rounding step is 6e-8, the cases sum at most a few hundred products, whose errors add up like a random
 * walk, and the kernels of engines for exp, erf and the like are allowed some rounding steps more. A wrong index, a wrong
 * factor or a missing term is larger by orders of magnitude.
 */
const tolerance = 1e-5;

/**
 * Names of the cases that WebGPU leaves open: infinities, NaN, and the precision of exp, log and tanh where their result
 * is tiny (WGSL allows an absolute error there).
 */
export const openOnWebgpu = /edges of the domain|near zero|zero and negative bases|NaN|infinit/;

/** Throws unless two results are the same: integers exactly, floats nearly, infinities and NaN in the same places. */
export function expectClose(actual: Tensor, expected: Tensor): void {
  if (!sameShape(actual.shape, expected.shape) || actual.data.length !== expected.data.length) {
    throw new Error(
      `the shape is [${actual.shape.join()}] (${actual.data.length} elements) but should be [${expected.shape.join()}]`,
    );
  }
  const isExact = expected.dtype === "int32" || expected.dtype === "bool";
  if (isExact && actual.dtype !== expected.dtype) {
    throw new Error(`the type is ${actual.dtype} but should be ${expected.dtype}`);
  }
  let scale = 0;
  for (const element of expected.data) if (Number.isFinite(element)) scale = Math.max(scale, Math.abs(element));
  const allowed = isExact ? 0 : tolerance * scale;
  expected.data.forEach((wanted: number, index: number) => {
    const got = actual.data[index];
    const same = Number.isFinite(wanted) ? Math.abs(got - wanted) <= allowed : Object.is(got, wanted);
    if (!same) {
      throw new Error(
        `element ${index} is ${got} but should be ${wanted}\n` +
          `got  ${Array.from(actual.data.slice(0, 40)).join(" ")}\nwant ${Array.from(expected.data.slice(0, 40)).join(" ")}`,
      );
    }
  });
}

export async function evaluateCase(engine: Engine, { graph, arguments: tensors }: PrimitiveCase): Promise<Tensor[]> {
  const executable = await engine.compile(graph, { opaque: caseHost });
  try {
    return await executable.run(tensors);
  } finally {
    await executable.dispose();
  }
}
