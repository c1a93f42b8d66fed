import { describe, expect, it } from "vitest";
import type { DType } from "../graph/types";
import type { Model } from "../sources/model";
import { randomInputs } from "./random-inputs";

const model = (...dtypes: DType[]): Pick<Model, "inputs"> => ({
  inputs: dtypes.map((dtype, index) => ({ name: `x${index}`, shape: [50, 4], dtype })),
});

const numbers = (dtype: DType, seed: number): number[] =>
  Array.from(randomInputs(model(dtype), 20, seed).get("x0")!.data);

describe("random inputs", () => {
  it("are standard normal numbers, the same for the same seed", () => {
    const values = numbers("float32", 1);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    expect(values).toHaveLength(20 * 50 * 4);
    expect(Math.abs(mean)).toBeLessThan(0.06);
    expect(Math.abs(variance - 1)).toBeLessThan(0.1);
    expect(numbers("float32", 1)).toEqual(values);
    expect(numbers("float32", 2)).not.toEqual(values);
  });

  it.each(["int32", "bool"] as const)("are zeros and ones where they are of type %s", (dtype) => {
    expect(new Set(numbers(dtype, 3))).toEqual(new Set([0, 1]));
  });

  it("have the batch axis, the type of the model's input, and differ between inputs", () => {
    const inputs = randomInputs(model("float32", "float32", "float64", "int32", "bool"), 3, 1);
    expect(Array.from(inputs.values(), ({ shape, dtype, data }) => [shape, dtype, data.constructor.name])).toEqual([
      [[3, 50, 4], "float32", "Float32Array"],
      [[3, 50, 4], "float32", "Float32Array"],
      [[3, 50, 4], "float64", "Float64Array"],
      [[3, 50, 4], "int32", "Int32Array"],
      [[3, 50, 4], "bool", "Uint8Array"],
    ]);
    expect(inputs.get("x0")!.data).not.toEqual(inputs.get("x1")!.data);
  });
});
