import { expect, test } from "vitest";
import { ntkSizes } from "../../webview/ntk-forms";
import { analysisOf, digits, parameter } from "./states";

test("the three forms between 100 examples of ten outputs", () => {
  expect(ntkSizes(digits)).toEqual({
    examples: 100,
    outputs: 10,
    dtype: "float32",
    forms: [
      { name: "full", axes: "[N, N, C, C]", shape: [100, 100, 10, 10], bytes: 4_000_000 },
      { name: "diagonal", axes: "[N, N, C]", shape: [100, 100, 10], bytes: 400_000 },
      { name: "trace", axes: "[N, N]", shape: [100, 100], bytes: 40_000 },
    ],
    jacobian: { shape: [100, 10, 34_635], bytes: 4 * 100 * 10 * 34_635 },
  });
});

test("differentiable outputs are flattened and counted together, in the widest type", () => {
  const analysis = analysisOf([parameter("w", [3])], [], {
    batch: 2,
    outputs: [
      { name: "map", shape: [2, 4, 4], dtype: "float32" },
      { name: "scalar", shape: [2], dtype: "float64" },
      { name: "class", shape: [2, 9], dtype: "int32" },
    ],
    jacobian: { shape: [2, 17, 3], bytes: 8 * 2 * 17 * 3 },
  });
  const { outputs, dtype, forms, jacobian } = ntkSizes(analysis);
  expect({ outputs, dtype }).toEqual({ outputs: 17, dtype: "float64" });
  expect(forms.map(({ bytes }) => bytes)).toEqual([8 * 4 * 17 * 17, 8 * 4 * 17, 8 * 4]);
  expect(jacobian.shape).toEqual([2, 17, 3]);
});
