import { tensor, type Tensor } from "../graph/tensor";
import { trajectory, type Trajectory, type TrainingOptions } from "./dynamics";
import type { TestSet, TrainingSet } from "./sets";

/** Reads times such as `0,10,100,inf`. Throws where one is not a number from 0 on, or `inf`. */
export function parseTimes(text: string): number[] {
  return text.split(",").map((part) => {
    const written = part.trim();
    const time = written === "inf" ? Infinity : Number(written);
    if (written === "" || !(time >= 0) || (time === Infinity && written !== "inf")) {
      throw new Error(
        `times ${text}: "${written}" is not a time; give numbers from 0 on, and inf, such as 0,10,100,inf`,
      );
    }
    return time;
  });
}

export interface Prediction extends Trajectory {
  /**
   * The arrays of a file of predictions, by name and in its order, in float64. With T times, N training examples and M test
   * examples:
   *
   *     times       [T]
   *     train       [T, N, ...output]
   *     train_loss  [T]
   *     test        [T, M, ...output]   with a test set
   *     test_loss   [T]                 with targets of the test set
   */
  readonly arrays: ReadonlyMap<string, Tensor>;
}

/** Predicts training from the kernels, outputs before training and targets: see `trajectory`, whose errors it throws. */
export function predict(train: TrainingSet, test: TestSet | null, options: TrainingOptions): Prediction {
  const predicted = trajectory(train, test, options);
  const times = tensor([options.times.length], "float64", Float64Array.from(options.times));
  const arrays = new Map([
    ["times", times],
    ["train", predicted.train],
    ["train_loss", predicted.trainLoss],
  ]);
  if (predicted.test) arrays.set("test", predicted.test);
  if (predicted.testLoss) arrays.set("test_loss", predicted.testLoss);
  return { ...predicted, arrays };
}
