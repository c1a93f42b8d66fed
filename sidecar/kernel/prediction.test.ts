import { describe, expect, it } from "vitest";
import { tensor } from "../graph/tensor";
import { parseTimes, predict } from "./prediction";

describe("times", () => {
  it("are numbers and inf, separated by commas", () => {
    expect(parseTimes("0,10,100,inf")).toEqual([0, 10, 100, Infinity]);
    expect(parseTimes(" 0.5 , 1e3")).toEqual([0.5, 1000]);
  });

  it.each(["", "1,", "1,,2", "-1", "nan", "Infinity", "1e999", "ten", "1;2"])("are not %j", (text) => {
    expect(() => parseTimes(text)).toThrow("is not a time; give numbers from 0 on, and inf, such as 0,10,100,inf");
  });
});

describe("arrays of a prediction", () => {
  const kernel = tensor([1, 1], "float32", Float32Array.of(1));
  const one = tensor([1, 1, 1], "float32", Float32Array.of(1));
  const options = {
    form: { form: "trace", trace: "sum", outputs: 1 },
    training: "flow",
    learningRate: 1,
    times: [0, Infinity],
  } as const;
  const train = { kernel, outputs: one, targets: tensor([1, 1, 1], "int32", Int32Array.of(3)) };
  const shapesOf = (prediction: ReturnType<typeof predict>) => {
    return Object.fromEntries(
      [...prediction.arrays].map(([name, { shape, dtype }]) => [name, `${dtype}[${shape.join()}]`]),
    );
  };

  it("are named, and all in 64 bits", () => {
    const test = { kernel, outputs: one, targets: one };
    expect(shapesOf(predict(train, test, options))).toEqual({
      times: "float64[2]",
      train: "float64[2,1,1,1]",
      train_loss: "float64[2]",
      test: "float64[2,1,1,1]",
      test_loss: "float64[2]",
    });
    expect([...predict(train, test, options).arrays.get("test")!.data]).toEqual([1, 3]);
  });

  it("are fewer without test examples, or without their targets", () => {
    expect(Object.keys(shapesOf(predict(train, null, options)))).toEqual(["times", "train", "train_loss"]);
    const names = Object.keys(shapesOf(predict(train, { kernel, outputs: one }, options)));
    expect(names).toEqual(["times", "train", "train_loss", "test"]);
  });
});
