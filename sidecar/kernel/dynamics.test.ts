import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fullKernel, linearModel, traceOf, type LinearModel } from "../../test/kernel/kernels";
import { difference } from "../../test/laws";
import { ModelError } from "../graph/errors";
import { tensor, type Tensor } from "../graph/tensor";
import { trajectory, type Trajectory, type TrainingOptions } from "./dynamics";
import type { KernelForm } from "./kernel";
import { maximumRows } from "./linear-algebra";
import { kernelRidge } from "./ridge";
import type { TestSet, TrainingSet } from "./sets";

interface Sets {
  readonly train: TrainingSet;
  readonly test: TestSet;
  readonly form: KernelForm;
}

function setsOf(model: LinearModel, form: "full" | "sum" | "mean"): Sets {
  const write = (kernel: Tensor): Tensor => (form === "full" ? kernel : traceOf(kernel, form));
  return {
    form: form === "full" ? { form } : { form: "trace", trace: form, outputs: model.outputs },
    train: { kernel: write(fullKernel(model.jacobian, model.jacobian)), outputs: model.f0, targets: model.y },
    test: {
      kernel: write(fullKernel(model.testJacobian, model.jacobian)),
      outputs: model.testF0,
      targets: model.testY,
    },
  };
}

function run({ train, test, form }: Sets, options: Omit<TrainingOptions, "form">): Trajectory {
  return trajectory(train, test, { ...options, form });
}

/** Of an array [T, ...], what it has at one time. */
function at(array: Tensor, time: number): Tensor {
  const size = array.data.length / array.shape[0];
  return tensor(array.shape.slice(1), "float64", array.data.slice(time * size, (time + 1) * size));
}

const models = fc
  .record({
    seed: fc.integer({ min: 1, max: 1e6 }),
    examples: fc.integer({ min: 1, max: 8 }),
    outputs: fc.integer({ min: 1, max: 3 }),
    parameters: fc.integer({ min: 1, max: 40 }),
  })
  .map(({ seed, examples, outputs, parameters }) => linearModel(seed, examples, 3, outputs, parameters));

const anyForm = fc.constantFrom("full" as const, "sum" as const, "mean" as const);

/** Every learning rate is this part of the largest. */
const fractions = fc.double({ min: 0.01, max: 0.99, noNaN: true });

function rateOf(sets: Sets, fraction: number): number {
  const { largestLearningRate } = run(sets, { training: "flow", learningRate: 1, times: [0] });
  return fraction * largestLearningRate!;
}

describe("training of the linearised model", () => {
  it("starts at the untrained outputs, never makes the loss greater, and ends where its limit is", () => {
    fc.assert(
      fc.property(models, anyForm, fractions, fc.constantFrom("flow", "descent"), (model, form, fraction, training) => {
        const sets = setsOf(model, form);
        const times = [0, 1, 3, 10, 100, 1e12, Infinity];
        const { train, test, trainLoss, stable } = run(sets, { training, learningRate: rateOf(sets, fraction), times });
        expect(stable).toBe(true);
        expect(difference([at(train, 0)], [model.f0])).toBe(0);
        expect(difference([at(test!, 0)], [model.testF0])).toBe(0);
        for (let time = 1; time < times.length; time++) {
          expect(trainLoss.data[time]).toBeLessThanOrEqual(trainLoss.data[time - 1] * (1 + 1e-9) + 1e-25);
        }
        expect(difference([at(train, 5)], [at(train, 6)])).toBeLessThan(1e-9);
        expect(difference([at(test!, 5)], [at(test!, 6)])).toBeLessThan(1e-9);
      }),
      { numRuns: 60 },
    );
  });

  it("treats the training examples as test examples alike", () => {
    fc.assert(
      fc.property(models, anyForm, fractions, (model, form, fraction) => {
        const sets = setsOf(model, form);
        const test = { kernel: sets.train.kernel, outputs: model.f0, targets: model.y };
        const options = { learningRate: rateOf(sets, fraction), times: [0, 2, 50, Infinity] };
        for (const training of ["flow", "descent"] as const) {
          const predicted = run({ ...sets, test }, { training, ...options });
          expect(difference([predicted.test!], [predicted.train])).toBeLessThan(1e-9);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("is the same for a sum, a mean, and the mean times the identity of outputs in full", () => {
    const model = linearModel(11, 5, 3, 3, 30);
    const [ofSum, ofMean] = [setsOf(model, "sum"), setsOf(model, "mean")];
    const times = [0, 1, 20, Infinity];
    const spread = ({ shape: [n1, n2], data }: Tensor): Tensor => {
      const kernel = tensor([n1, n2, 3, 3], "float64");
      data.forEach((entry, pair) => [0, 4, 8].forEach((diagonal) => (kernel.data[9 * pair + diagonal] = entry)));
      return kernel;
    };
    const ofFull: Sets = {
      form: { form: "full" },
      train: { ...ofMean.train, kernel: spread(ofMean.train.kernel) },
      test: { ...ofMean.test, kernel: spread(ofMean.test.kernel) },
    };
    const [a, b, c] = [ofSum, ofMean, ofFull].map((sets) => run(sets, { training: "flow", learningRate: 1, times }));
    for (const other of [a, c]) {
      expect(difference([other.train, other.test!], [b.train, b.test!])).toBeLessThan(1e-12);
      expect(other.largestLearningRate).toBeCloseTo(b.largestLearningRate!, 10);
    }
  });

  it("by smaller and smaller steps approaches gradient flow, to first order", () => {
    const sets = setsOf(linearModel(12, 6, 3, 2, 30), "full");
    const rate = rateOf(sets, 0.2);
    const flow = run(sets, { training: "flow", learningRate: rate, times: [3] });
    const distances = [10, 100, 1000].map((parts) => {
      const steps = run(sets, { training: "descent", learningRate: rate / parts, times: [3 * parts] });
      return difference([steps.train, steps.test!], [flow.train, flow.test!]);
    });
    expect(distances[0] / distances[1]).toBeCloseTo(10, 0);
    expect(distances[1] / distances[2]).toBeCloseTo(10, 0);
  });

  it("takes a mode in one step that the learning rate hits", () => {
    const kernel = tensor([1, 1], "float64", Float64Array.of(2));
    const train = { kernel, outputs: vector(5), targets: vector(1) };
    const form = { form: "trace", trace: "mean", outputs: 1 } as const;
    const predicted = trajectory(train, null, {
      form,
      training: "descent",
      learningRate: 0.5,
      times: [0, 1, 2, Infinity],
    });
    expect([...predicted.train.data]).toEqual([5, 1, 1, 1]);
    expect([...predicted.trainLoss.data]).toEqual([8, 0, 0, 0]);
    expect(predicted.test).toBeNull();
    expect(predicted.testLoss).toBeNull();
  });

  it("with too large a learning rate grows, and has no limit", () => {
    const kernel = tensor([1, 1], "float64", Float64Array.of(2));
    const train = { kernel, outputs: vector(5), targets: vector(1) };
    const form = { form: "trace", trace: "mean", outputs: 1 } as const;
    const times = [0, 1, 2, 3, Infinity];
    const growing = trajectory(train, null, { form, training: "descent", learningRate: 1.5, times });
    expect(growing).toMatchObject({ stable: false, largestLearningRate: 1 });
    // The residual 4 times (1 - 3)^t
    expect([...growing.train.data]).toEqual([5, -7, 17, -31, NaN]);
    const swinging = trajectory(train, null, { form, training: "descent", learningRate: 1, times });
    expect(swinging.stable).toBe(false);
    expect([...swinging.train.data]).toEqual([5, -3, 5, -3, NaN]);
    const flowing = trajectory(train, null, { form, training: "flow", learningRate: 1.5, times });
    expect(flowing.stable).toBe(true);
    expect(flowing.train.data[4]).toBe(1);
  });

  it("does not move what a zero kernel cannot", () => {
    const train = { kernel: tensor([2, 2], "float64"), outputs: vector(1, 2), targets: vector(0, 0) };
    const form = { form: "trace", trace: "mean", outputs: 1 } as const;
    const still = trajectory(train, null, { form, training: "descent", learningRate: 1e9, times: [1, Infinity] });
    expect([...still.train.data]).toEqual([1, 2, 1, 2]);
    expect(still).toMatchObject({ stable: true, largestLearningRate: null });
  });

  it("does not blow up the rounding of singular kernels in 32 bits", () => {
    const model = linearModel(13, 10, 4, 2, 6);
    const exact = setsOf(model, "full");
    const round = ({ shape, data }: Tensor): Tensor => tensor(shape, "float32", Float32Array.from(data));
    const rounded: Sets = {
      form: exact.form,
      train: { ...exact.train, kernel: round(exact.train.kernel) },
      test: { ...exact.test, kernel: round(exact.test.kernel) },
    };
    const options = { training: "flow", learningRate: 1, times: [1, 100, 1e9, Infinity] } as const;
    const [a, b] = [run(exact, options), run(rounded, options)];
    // The kernel's rounding of 6e-8, times its condition of some hundred
    expect(difference([b.train, b.test!], [a.train, a.test!])).toBeLessThan(1e-4);
  });
});

describe("kernel ridge regression", () => {
  it("becomes training to infinity as the regularizer vanishes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), anyForm, (seed, form) => {
        const { train, test, form: kernelForm } = setsOf(linearModel(seed, 5, 3, 2, 60), form);
        const options = { form: kernelForm, training: "flow", learningRate: 1, times: [Infinity] } as const;
        const trained = trajectory(train, test, options);
        const ridge = kernelRidge(train, test, kernelForm, 1e-12);
        expect(difference([ridge.train, ridge.test!], [at(trained.train, 0), at(trained.test!, 0)])).toBeLessThan(1e-9);
      }),
      { numRuns: 30 },
    );
  });

  it("leaves the untrained outputs as the regularizer grows", () => {
    const { train, test, form } = setsOf(linearModel(3, 5, 3, 2, 60), "mean");
    const ridge = kernelRidge(train, test, form, 1e12);
    expect(difference([ridge.train, ridge.test!], [train.outputs, test.outputs])).toBeLessThan(1e-9);
  });

  it("wants a regularizer where the kernel is singular", () => {
    const { train, test, form } = setsOf(linearModel(3, 5, 3, 2, 4), "full");
    expect(() => kernelRidge(train, test, form, -1)).toThrow("The regularizer is -1");
    const zeros = { ...train, kernel: tensor([5, 5, 2, 2], "float64") };
    expect(() => kernelRidge(zeros, test, form, 0)).toThrow("is not positive definite; give a larger regularizer");
  });
});

describe("what cannot be trained", () => {
  const { train, test, form } = setsOf(linearModel(1, 4, 2, 2, 20), "mean");
  const attempt = (changes: {
    train?: Partial<TrainingSet>;
    test?: Partial<TestSet>;
    options?: Partial<TrainingOptions>;
  }): (() => Trajectory) => {
    const options = { form, training: "descent", learningRate: 1, times: [1], ...changes.options } as const;
    return () => trajectory({ ...train, ...changes.train }, { ...test, ...changes.test }, options);
  };

  const cases: [string, () => Trajectory, string][] = [
    ["learning rate", attempt({ options: { learningRate: 0 } }), "The learning rate is 0; give a positive number."],
    ["time", attempt({ options: { times: [-1] } }), "A time is -1"],
    ["no times", attempt({ options: { times: [] } }), "There are no times"],
    ["half a step", attempt({ options: { times: [0.5] } }), "A time is 0.5, and gradient descent takes whole steps"],
    [
      "outputs",
      attempt({ train: { outputs: tensor([4, 3], "float64") } }),
      "Outputs of training examples have shape [4,3]",
    ],
    ["targets", attempt({ train: { targets: tensor([4], "float64") } }), "Targets of training examples have shape [4]"],
    [
      "test outputs",
      attempt({ test: { outputs: tensor([2, 2, 1], "float64"), targets: undefined } }),
      "those of training examples [4,2]",
    ],
    [
      "test targets",
      attempt({ test: { targets: tensor([3, 2], "float64") } }),
      "Targets of test examples have shape [3,2]",
    ],
    [
      "test kernel",
      attempt({ test: { kernel: tensor([2, 3], "float64") } }),
      "has shape [2,3] beside 4 training examples",
    ],
    [
      "targets that are not finite",
      attempt({ train: { targets: filled(4, 2, NaN) } }),
      "Targets of training examples are NaN",
    ],
    [
      "outputs that are not finite",
      attempt({ test: { outputs: filled(2, 2, Infinity) } }),
      "Outputs of test examples are Infinity",
    ],
    [
      "a test kernel that is not finite",
      attempt({ test: { kernel: filled(2, 4, NaN) } }),
      "The kernel of the test examples is NaN",
    ],
    ["a negative kernel", attempt({ train: { kernel: identity(4, -1) } }), "has the eigenvalue -1"],
  ];

  it.each(cases)("%s", (_, run, message) => {
    expect(run).toThrow(ModelError);
    expect(run).toThrow(message);
  });

  it("too many rows", () => {
    const size = maximumRows + 1;
    const large = {
      kernel: tensor([size, size], "float64"),
      outputs: tensor([size], "float64"),
      targets: tensor([size], "float64"),
    };
    const options = { form: { ...form, outputs: 1 }, training: "flow", learningRate: 1, times: [1] } as TrainingOptions;
    expect(() => trajectory(large, null, options)).toThrow(
      `a matrix of ${size} rows, and training in closed form is computed for up to`,
    );
  });
});

function vector(...values: number[]): Tensor {
  return tensor([values.length], "float64", Float64Array.from(values));
}

function filled(rows: number, columns: number, value: number): Tensor {
  return tensor([rows, columns], "float64", new Float64Array(rows * columns).fill(value));
}

function identity(size: number, factor: number): Tensor {
  return tensor(
    [size, size],
    "float64",
    Float64Array.from({ length: size ** 2 }, (_, index) => (index % (size + 1) === 0 ? factor : 0)),
  );
}
