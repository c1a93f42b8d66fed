import { expect, it } from "vitest";
import { createReferenceEngine } from "../../sidecar/engines/reference";
import { tensor } from "../../sidecar/graph/tensor";
import { difference } from "../laws";
import { kernelOf, type Choice, type KernelOptions } from "./kernels";
import { loadFileNet, methods } from "./references";

/** The kernel of a matrix W [5, 7] is known in closed form: output o of x is x W[:, o], so Theta[n, m] = (x1[n] x2[m]) I. */

interface Expected {
  readonly options: Pick<Choice, "form"> & Pick<KernelOptions, "trace">;
  readonly shape: readonly number[];
  readonly entries: readonly number[];
  readonly tolerance?: number;
}

it("of 5 inputs and 7 outputs without a bias is the product of examples, times an identity", async () => {
  const net = await loadFileNet({
    name: "linear",
    file: "test/ntk/linear-net.ts",
    export: "linear",
    rows: 3,
    columns: 4,
  });
  const [x1, x2] = [net.inputs[0], net.second[0]];
  expect([x1.shape, x2.shape]).toEqual([[3, 5], [4, 5]]); // prettier-ignore
  const product = (n: number, m: number): number => {
    let sum = 0;
    for (let i = 0; i < 5; i++) sum += x1.data[n * 5 + i] * x2.data[m * 5 + i];
    return sum;
  };
  // In the order of each form's elements
  const pairs = Array.from({ length: 3 * 4 }, (_, pair) => product(Math.floor(pair / 4), pair % 4));
  const outputs = Array.from({ length: 7 }, (_, output) => output);
  const expected: readonly Expected[] = [
    {
      options: { form: "full" },
      shape: [3, 4, 7, 7],
      entries: pairs.flatMap((pair) => outputs.flatMap((o) => outputs.map((p) => (o === p ? pair : 0)))),
    },
    { options: { form: "diagonal" }, shape: [3, 4, 7], entries: pairs.flatMap((pair) => outputs.map(() => pair)) },
    { options: { form: "trace", trace: "sum" }, shape: [3, 4], entries: pairs.map((pair) => 7 * pair) },
    // 1/7 is rounded to 32 bit
    { options: { form: "trace", trace: "mean" }, shape: [3, 4], entries: pairs, tolerance: 1e-7 },
  ];

  const engine = createReferenceEngine();
  for (const method of Object.values(methods)) {
    for (const { options, shape, entries, tolerance = 1e-12 } of expected) {
      const { kernel, made } = await kernelOf(net, engine, { columns: true, ...options, ...method });
      expect(made.shape).toEqual(shape);
      const wanted = tensor(shape, "float64", Float64Array.from(entries));
      expect(difference([kernel], [wanted]), `${options.form}, ${method.method}`).toBeLessThan(tolerance);
    }
  }
});
