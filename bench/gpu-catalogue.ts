import { writeSync } from "node:fs";
import { createOnnxruntimeEngine } from "../sidecar/engines/onnxruntime";
import { createReferenceEngine } from "../sidecar/engines/reference";
import { evaluateCase, expectClose } from "../test/engines/agree";
import { primitiveCases } from "../test/engines/cases";
import type { CatalogueResult } from "./lib/gpu";

/**
 * Every case of the catalogue of primitives on the GPU, by WebGPU, against the reference: a line of JSON for each, and
 * the name of a case before it is begun, should it end this process.
 *
 *     gpu-catalogue.js FROM TO    # those of the catalogue's cases
 */
async function main(): Promise<void> {
  const print = (line: CatalogueResult | { readonly begun: string }): void => {
    writeSync(1, `${JSON.stringify(line)}\n`);
  };
  const reference = createReferenceEngine();
  const engine = await createOnnxruntimeEngine({ provider: "webgpu" });
  for (const each of primitiveCases().slice(...process.argv.slice(2).map(Number))) {
    const { name } = each;
    print({ begun: name });
    const expected = await evaluateCase(reference, each);
    const start = performance.now();
    let error: string | null = null;
    try {
      const actual = await evaluateCase(engine, each);
      actual.forEach((result, index) => expectClose(result, expected[index]));
    } catch (thrown) {
      error = (thrown as Error).message;
    }
    print({ name, error, seconds: (performance.now() - start) / 1000 });
  }
}

void main();
