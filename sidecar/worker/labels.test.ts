import { describe, expect, it } from "vitest";
import { generator } from "../sources/random";
import type { Tensor } from "../graph/tensor";
import { range } from "../graph/types";
import { learningCurve } from "./labels";

/** In 64 bit; a thousand steps, one after the other, leave some rounding. */
const exact = 1e-9;

/** A linear model of three features with two outputs, whose kernel is that of its features: N examples in two classes. */
function problem(examples: number) {
  const random = generator(3);
  const features = range(examples).map(() => range(3).map(() => 2 * random() - 1));
  const of = range(examples).map((example) => (example % 3 === 0 ? 1 : 0));
  const gram = features.map((x) => features.map((y) => x.reduce((sum, each, at) => sum + each * y[at], 0)));
  const kernel: Tensor = {
    shape: [examples, examples, 2, 2],
    dtype: "float64",
    data: Float64Array.from(gram.flat().flatMap((entry) => [entry, 0, 0, entry])),
  };
  const outputs: Tensor = {
    shape: [examples, 2],
    dtype: "float64",
    data: Float64Array.from({ length: 2 * examples }, () => random() - 0.5),
  };
  // Of a positive semidefinite matrix its trace is at least its largest eigenvalue
  const largestLearningRate = (2 * 2 * examples) / gram.reduce((sum, row, at) => sum + row[at], 0);
  return { kernel, outputs, gram, labels: { classes: ["low", "high"], of }, largestLearningRate };
}

describe("a learning curve", () => {
  it("is that of gradient descent, one step after the other, tested on every fifth example of a class", () => {
    const { kernel, outputs, gram, labels, largestLearningRate } = problem(20);
    const curve = learningCurve(kernel, { form: "full" }, outputs, labels, largestLearningRate)!;
    const ofClass = (label: number): number[] => range(20).filter((example) => labels.of[example] === label);
    const heldOut = [0, 1].flatMap((label) => ofClass(label).filter((_, at) => at % 5 === 4)).sort((a, b) => a - b);
    const trained = range(20).filter((example) => !heldOut.includes(example));
    expect(curve.trained).toBe(trained.length);
    expect(curve.learningRate).toBeCloseTo(((trained.length / 20) * largestLearningRate) / 2, 12);

    const target = (example: number, output: number): number => (labels.of[example] === output ? 1 : 0);
    const now = range(20).map((example) => [outputs.data[2 * example], outputs.data[2 * example + 1]]);
    const lossOf = (examples: readonly number[]): number =>
      examples.reduce(
        (sum, example) =>
          sum + now[example].reduce((all, value, output) => all + (value - target(example, output)) ** 2, 0),
        0,
      ) /
      (2 * 2 * examples.length);
    for (let step = 0; step <= 1000; step++) {
      const at = curve.times.indexOf(step);
      if (at >= 0) {
        expect(Math.abs(curve.trainLoss[at] - lossOf(trained)), `train, step ${step}`).toBeLessThan(exact);
        expect(Math.abs(curve.testLoss![at] - lossOf(heldOut)), `test, step ${step}`).toBeLessThan(exact);
        for (const { example, outputs: told } of curve.predictions) {
          told[at].forEach((value, output) => expect(Math.abs(value - now[example][output])).toBeLessThan(exact));
        }
      }
      const residuals = trained.map((example) => now[example].map((value, output) => value - target(example, output)));
      for (const example of range(20)) {
        for (const output of [0, 1]) {
          const slope = trained.reduce((sum, other, place) => sum + gram[example][other] * residuals[place][output], 0);
          now[example][output] -= (curve.learningRate / (2 * trained.length)) * slope;
        }
      }
    }
    expect(curve.predictions.filter(({ set }) => set === "test").map(({ example }) => example)).toEqual(
      expect.arrayContaining(heldOut),
    );
  });

  it("has no test where no class has five examples", () => {
    const { kernel, outputs, labels, largestLearningRate } = problem(6);
    const curve = learningCurve(kernel, { form: "full" }, outputs, labels, largestLearningRate)!;
    expect(curve.trained).toBe(6);
    expect(curve.testLoss).toBeNull();
    expect(curve.predictions.every(({ set }) => set === "train")).toBe(true);
  });
});
