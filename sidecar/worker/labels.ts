import { withFile } from "../formats/file";
import { readNpy, tensorOf } from "../formats/npy";
import { ModelError } from "../graph/errors";
import type { Tensor } from "../graph/tensor";
import { formatShape, newArray, range, sizeOf } from "../graph/types";
import type { KernelForm } from "../kernel/kernel";
import { trajectory } from "../kernel/dynamics";
import type { Labels, LearningCurve, LearningPrediction } from "../protocol/ntk";

/** The classes of examples, and how the linearised model learns them. */

/** Steps that a curve is told at: from one on, so many for each power of ten, up to the last. */
const STEPS_PER_DECADE = 8;
const LAST_STEP = 1e6;

/** Of each class every so many-th example is held out of training, to be tested on. */
const HELD_OUT = 5;

/** Examples of a set whose predictions a curve tells, of as many classes as there are. */
const MOST_PREDICTIONS = 8;

/**
 * Reads a .npy file of whole numbers [N], one for each example. Classes are the numbers that occur, in ascending order.
 * Throws a ModelError where it is none, or is for another number of examples.
 */
export function readLabels(file: string, count: number): Labels {
  const array = withFile(file, readNpy);
  if (array.shape.length !== 1 || array.shape[0] !== count) {
    throw new ModelError(
      `${file}: has shape ${formatShape(array.shape)}, but there are ${count} examples; give a label for each, [${count}]`,
    );
  }
  const numbers = tensorOf(array, "int32");
  if (numbers === null) {
    throw new ModelError(
      `${file}: holds ${array.type}, but labels are whole numbers; convert it with .astype("int32")`,
    );
  }
  const given = Array.from(numbers.data);
  const values = [...new Set(given)].sort((a, b) => a - b);
  const position = new Map(values.map((value, at) => [value, at]));
  return { classes: values.map(String), of: given.map((label) => position.get(label)!) };
}

/** [N, classes]: 1 where an example is of a class, and 0 elsewhere. */
export function oneHot({ classes, of }: Labels): Tensor {
  return classTargets(of, classes.length);
}

function classTargets(of: readonly number[], width: number): Tensor {
  const data = newArray("float64", of.length * width);
  of.forEach((label, example) => (data[example * width + label] = 1));
  return { shape: [of.length, width], dtype: "float64", data };
}

/**
 * What outputs [C] of a classifier are trained towards: each class has its output, those that are digits their own (of the
 * classes 3 and 8 of ten), others by their order. Null where there are more classes than outputs.
 */
function outputOfClass({ classes }: Labels, outputs: number): number[] | null {
  const numbers = classes.map(Number);
  if (numbers.every((value) => Number.isInteger(value) && value >= 0 && value < outputs)) return numbers;
  return classes.length <= outputs ? classes.map((_, at) => at) : null;
}

/**
 * Gradient descent of the linearised model towards the examples' classes, one output for each, at half of the largest
 * learning rate that is sure not to diverge. Of classes that have some, examples are held out and tested on. Null where
 * there are more classes than outputs, or the kernel is zero.
 *
 * @param kernel of the examples with themselves
 * @param outputs [N, ...output], before training
 * @param largestLearningRate as the kernel's spectrum tells it
 */
export function learningCurve(
  kernel: Tensor,
  form: KernelForm,
  outputs: Tensor,
  labels: Labels,
  largestLearningRate: number | null,
): LearningCurve | null {
  const [examples] = outputs.shape;
  const width = outputs.data.length / examples;
  const outputOf = outputOfClass(labels, width);
  if (outputOf === null || largestLearningRate === null) return null;
  const times = timesTo(LAST_STEP);
  const targets = {
    ...classTargets(
      labels.of.map((label) => outputOf[label]),
      width,
    ),
    shape: outputs.shape,
  };
  const { trained, heldOut } = splitOf(labels);
  // Eigenvalues of a part are not larger than those of the whole, whose loss is a mean over more examples
  const learningRate = ((trained.length / examples) * largestLearningRate) / 2;
  const of = (rows: readonly number[]) => ({
    kernel: chosen(chosen(kernel, 0, rows), 1, trained),
    outputs: chosen(outputs, 0, rows),
    targets: chosen(targets, 0, rows),
  });
  const { train, trainLoss, test, testLoss } = trajectory(of(trained), heldOut.length > 0 ? of(heldOut) : null, {
    form,
    training: "descent",
    learningRate,
    times,
  });
  const rowOf = ({ data }: Tensor, row: number): number[] => Array.from(data.subarray(row * width, (row + 1) * width));
  const predictionsOf = (set: LearningPrediction["set"], rows: readonly number[], made: Tensor): LearningPrediction[] =>
    shownExamples(labels, rows).map((example) => ({
      set,
      example,
      target: rowOf(targets, example),
      outputs: times.map((_, time) => rowOf(made, time * rows.length + rows.indexOf(example))),
    }));
  return {
    learningRate,
    trained: trained.length,
    times: times.map((time) => (Number.isFinite(time) ? time : null)),
    trainLoss: Array.from(trainLoss.data),
    testLoss: testLoss && Array.from(testLoss.data),
    predictions: [
      ...predictionsOf("train", trained, train),
      ...(test === null ? [] : predictionsOf("test", heldOut, test)),
    ],
  };
}

function splitOf({ classes, of }: Labels): { readonly trained: number[]; readonly heldOut: number[] } {
  const seen = classes.map(() => 0);
  const isHeldOut = of.map((label) => ++seen[label] % HELD_OUT === 0);
  const examples = range(of.length);
  return {
    trained: examples.filter((example) => !isHeldOut[example]),
    heldOut: examples.filter((example) => isHeldOut[example]),
  };
}

/** A tensor with some of its extents along one axis. */
function chosen({ shape, dtype, data }: Tensor, axis: number, which: readonly number[]): Tensor {
  const extents = [...shape.slice(0, axis), which.length, ...shape.slice(axis + 1)];
  const length = sizeOf(shape.slice(axis + 1));
  const result = newArray(dtype, sizeOf(extents));
  for (let outer = 0; outer < sizeOf(shape.slice(0, axis)); outer++) {
    which.forEach((index, place) => {
      const from = (outer * shape[axis] + index) * length;
      result.set(data.subarray(from, from + length), (outer * which.length + place) * length);
    });
  }
  return { shape: extents, dtype, data: result };
}

/** 0, then whole steps that grow by the same factor, and infinity. */
function timesTo(last: number): number[] {
  const count = Math.round(STEPS_PER_DECADE * Math.log10(last));
  const steps = Array.from({ length: count + 1 }, (_, at) => Math.round(10 ** (at / STEPS_PER_DECADE)));
  return [0, ...new Set(steps), Infinity];
}

/** The first example of each class, then the second of each, and so on. */
function shownExamples({ classes, of }: Labels, among: readonly number[]): number[] {
  const seen = classes.map(() => 0);
  const ranked = among.map((example) => ({ label: of[example], example, rank: seen[of[example]]++ }));
  ranked.sort((a, b) => a.rank - b.rank || a.label - b.label);
  return ranked.slice(0, MOST_PREDICTIONS).map(({ example }) => example);
}
