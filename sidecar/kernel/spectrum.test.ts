import fc from "fast-check";
import { Matrix } from "ml-matrix";
import { describe, expect, it } from "vitest";
import { fullKernel, linearModel, traceOf } from "../../test/kernel/kernels";
import { ModelError } from "../graph/errors";
import { tensor, type Tensor } from "../graph/tensor";
import { range, type DType } from "../graph/types";
import { kernelMatrix, type KernelForm } from "./kernel";
import { eigendecomposition, leadingEigenvalues, leadingTolerance, maximumRows } from "./linear-algebra";
import { spectrumOf } from "./spectrum";

const mean = (outputs = 1): KernelForm => ({ form: "trace", trace: "mean", outputs });
const sum = (outputs: number): KernelForm => ({ form: "trace", trace: "sum", outputs });
const full: KernelForm = { form: "full" };

function square(rows: readonly (readonly number[])[], dtype: DType = "float64"): Tensor {
  return tensor([rows.length, rows.length], dtype, Float64Array.from(rows.flat()));
}

function scaled(kernel: Tensor, factor: number): Tensor {
  return tensor(
    kernel.shape,
    kernel.dtype,
    Float64Array.from(kernel.data, (entry) => factor * entry),
  );
}

/** Symmetric with the given eigenvalues: H diag(values) H with the reflection H = I - 2uuᵀ. */
function reflected(values: readonly number[]): Tensor {
  const size = values.length;
  const u = range(size).map((index) => Math.sin(index + 1));
  const norm = Math.hypot(...u);
  const unit = u.map((x) => x / norm);
  const inner = values.reduce((total, value, index) => total + value * unit[index] ** 2, 0);
  const kernel = tensor([size, size], "float64");
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      const entry = unit[i] * unit[j] * (4 * inner - 2 * values[i] - 2 * values[j]);
      kernel.data[i * size + j] = entry + (i === j ? values[i] : 0);
    }
  }
  return kernel;
}

/** Rounding of sums of some hundred terms. */
const rounding = 1e-11;

const models = fc
  .record({
    seed: fc.integer({ min: 1, max: 1e6 }),
    examples: fc.integer({ min: 2, max: 12 }),
    outputs: fc.integer({ min: 1, max: 3 }),
    parameters: fc.integer({ min: 1, max: 40 }),
  })
  .map(({ seed, examples, outputs, parameters }) => linearModel(seed, examples, 1, outputs, parameters));

describe("the spectrum of a kernel", () => {
  it("obeys the laws of positive semidefinite matrices", () => {
    fc.assert(
      fc.property(models, (model) => {
        const kernel = fullKernel(model.jacobian, model.jacobian);
        const spectrum = spectrumOf(kernel, full);
        const { eigenvalues, trace, rank, effectiveRank, participationRatio, conditionNumber } = spectrum;
        const [largest] = eigenvalues;
        expect(eigenvalues.length).toBe(model.examples * model.outputs);
        expect([...eigenvalues]).toEqual([...eigenvalues].sort((a, b) => b - a));
        expect(eigenvalues[eigenvalues.length - 1]).toBeGreaterThan(-rounding * largest);
        expect(eigenvalues.reduce((total, value) => total + value, 0) / trace).toBeCloseTo(1, 11);
        const squares = Array.from(kernel.data).reduce((total, entry) => total + entry ** 2, 0);
        expect(eigenvalues.reduce((total, value) => total + value ** 2, 0) / squares).toBeCloseTo(1, 11);
        expect(rank).toBe(Math.min(eigenvalues.length, model.jacobian.shape[2]));
        // Entropies of Rényi decrease with their order, here 0, 1 and 2
        expect(effectiveRank).toBeLessThanOrEqual(rank! + 1e-9);
        expect(participationRatio).toBeLessThanOrEqual(effectiveRank! + 1e-9);
        expect(participationRatio).toBeGreaterThanOrEqual(1 - 1e-9);
        expect(conditionNumber).toBeGreaterThanOrEqual(1);
      }),
      { numRuns: 50 },
    );
  });

  it("does not depend on the kernel's scale but where it should", () => {
    fc.assert(
      fc.property(models, fc.double({ min: 1e-6, max: 1e6, noNaN: true }), (model, factor) => {
        const kernel = traceOf(fullKernel(model.jacobian, model.jacobian), "mean");
        const [one, other] = [kernel, scaled(kernel, factor)].map((each) =>
          spectrumOf(each, mean(model.outputs), model.y),
        );
        expect(other.rank).toBe(one.rank);
        // Relative to the largest eigenvalue, the smallest is known to 1e-16
        expect(other.conditionNumber! / one.conditionNumber!).toBeCloseTo(1, 2);
        expect(other.effectiveRank).toBeCloseTo(one.effectiveRank!, 8);
        expect(other.participationRatio).toBeCloseTo(one.participationRatio!, 8);
        expect(other.alignment).toBeCloseTo(one.alignment!, 8);
        expect(other.centeredAlignment).toBeCloseTo(one.centeredAlignment!, 8);
        expect((other.largestLearningRate! * factor) / one.largestLearningRate!).toBeCloseTo(1, 8);
      }),
      { numRuns: 50 },
    );
  });

  it("is told for the kernel as it is given, and the learning rate in one convention", () => {
    const model = linearModel(7, 6, 1, 3, 20);
    const kernel = fullKernel(model.jacobian, model.jacobian);
    const ofMean = spectrumOf(traceOf(kernel, "mean"), mean(3), model.y);
    const ofSum = spectrumOf(traceOf(kernel, "sum"), sum(3), model.y);
    const ofFull = spectrumOf(kernel, full, model.y);
    expect(ofSum.eigenvalues[0]).toBeCloseTo(3 * ofMean.eigenvalues[0], 10);
    expect(ofSum.largestLearningRate).toBeCloseTo(ofMean.largestLearningRate!, 10);
    expect(ofMean.largestLearningRate).toBeCloseTo((2 * 18) / ofMean.eigenvalues[0], 10);
    expect(ofFull.largestLearningRate).toBeLessThan(ofMean.largestLearningRate!);
    for (const { alignment, centeredAlignment } of [ofSum, ofFull]) {
      expect(alignment).toBeCloseTo(ofMean.alignment!, 12);
      expect(centeredAlignment).toBeCloseTo(ofMean.centeredAlignment!, 12);
    }
  });

  it("of the identity and of a rank-one kernel", () => {
    const identity = spectrumOf(square(range(4).map((i) => range(4).map((j) => Number(i === j)))), mean());
    expect(identity).toMatchObject({ rank: 4, conditionNumber: 1, trace: 4, largestLearningRate: 8 });
    expect(identity.effectiveRank).toBeCloseTo(4, 12);
    expect(identity.participationRatio).toBeCloseTo(4, 12);
    const labels = tensor([3], "float64", Float64Array.of(1, -2, 4));
    const product = square([1, -2, 4].map((a) => [1, -2, 4].map((b) => a * b)));
    const aligned = spectrumOf(product, mean(), labels);
    expect(aligned).toMatchObject({ rank: 1, conditionNumber: 1 });
    expect(aligned.effectiveRank).toBeCloseTo(1, 12);
    expect(aligned.alignment).toBeCloseTo(1, 12);
    expect(aligned.centeredAlignment).toBeCloseTo(1, 12);
  });

  it("centered alignment does not see constants in kernel or labels, alignment does", () => {
    const model = linearModel(3, 8, 1, 1, 5);
    const kernel = traceOf(fullKernel(model.jacobian, model.jacobian), "mean");
    const shift = (values: Tensor): Tensor => {
      return tensor(
        values.shape,
        "float64",
        Float64Array.from(values.data, (value) => value + 10),
      );
    };
    const one = spectrumOf(kernel, mean(), model.y);
    const other = spectrumOf(shift(kernel), mean(), shift(model.y));
    expect(other.centeredAlignment).toBeCloseTo(one.centeredAlignment!, 10);
    expect(other.alignment).toBeGreaterThan(one.alignment! + 0.1);
  });

  it("says nothing of what does not exist", () => {
    const zeros = tensor([3, 3], "float64");
    expect(spectrumOf(zeros, mean(), tensor([3], "float64", Float64Array.of(1, 2, 3)))).toEqual({
      rows: 3,
      eigenvalues: new Float64Array(3),
      complete: true,
      trace: 0,
      rank: 0,
      conditionNumber: null,
      effectiveRank: null,
      participationRatio: null,
      alignment: null,
      centeredAlignment: null,
      largestLearningRate: null,
    });
  });

  it("counts eigenvalues within the rounding of 32 bits as zero", () => {
    const model = linearModel(5, 10, 1, 1, 4);
    const kernel = traceOf(fullKernel(model.jacobian, model.jacobian), "mean");
    const rounded = tensor(kernel.shape, "float32", Float32Array.from(kernel.data));
    const [one, other] = [spectrumOf(kernel, mean()), spectrumOf(rounded, mean())];
    expect([one.rank, other.rank]).toEqual([4, 4]);
    expect(other.conditionNumber! / one.conditionNumber!).toBeCloseTo(1, 4);
  });
});

describe("a kernel of many rows", () => {
  it("has its largest eigenvalues only", () => {
    const size = maximumRows + 1;
    const values = range(size).map((index) => 4 ** -index);
    const spectrum = spectrumOf(reflected(values), mean());
    expect(spectrum).toMatchObject({
      rows: size,
      complete: false,
      rank: null,
      conditionNumber: null,
      effectiveRank: null,
    });
    expect(spectrum.eigenvalues.length).toBe(10);
    spectrum.eigenvalues.forEach((value, index) => {
      expect(Math.abs(value - values[index])).toBeLessThan(leadingTolerance * values[0]);
    });
    const [total, squares] = [1, 2].map((power) => values.reduce((result, value) => result + value ** power, 0));
    expect(spectrum.participationRatio).toBeCloseTo(total ** 2 / squares, 9);
    expect(spectrum.largestLearningRate! / (2 * size)).toBeCloseTo(1, 9);
  });

  it("has them within the tolerance, where they decay slowly", () => {
    const values = range(400).map((index) => (index + 1) ** -1.5);
    const found = leadingEigenvalues(kernelMatrix(reflected(values), mean()), 10);
    expect(found.length).toBe(10);
    found.forEach((value, index) => expect(Math.abs(value - values[index])).toBeLessThan(leadingTolerance));
    // Errors of Ritz values are the squares of those of their vectors
    expect(found[0]).toBeCloseTo(1, 9);
  });

  it("tells no eigenvalue that is not exact enough", () => {
    const crowded = kernelMatrix(reflected(range(300).map((index) => 1 - index / 300)), mean());
    const exact = eigendecomposition(crowded).values.reverse();
    leadingEigenvalues(crowded, 10).forEach((value, index) => {
      expect(Math.abs(value - exact[index])).toBeLessThan(leadingTolerance);
    });
  });

  it("that are fewer than are asked for, has them all", () => {
    const values = leadingEigenvalues(
      new Matrix([
        [2, 1],
        [1, 2],
      ]),
      10,
    );
    expect(values[0]).toBeCloseTo(3, 12);
    expect(values[1]).toBeCloseTo(1, 12);
  });
});

describe("a kernel that is none", () => {
  const cases: [string, Tensor, KernelForm, string][] = [
    [
      "not finite",
      square([
        [1, 2],
        [NaN, 1],
      ]),
      mean(),
      "The kernel is NaN at row 1, column 0; look for",
    ],
    [
      "not finite between outputs",
      tensor([1, 2, 2, 2], "float32", Float32Array.of(1, 0, 0, 1, 0, 0, Infinity, 0)),
      full,
      "The kernel is Infinity at row 1, column 2 (examples 0 and 1, outputs 1 and 0)",
    ],
    [
      "not symmetric",
      square([
        [2, 1],
        [1.5, 2],
      ]),
      mean(),
      "is not symmetric: 1.5 at row 1, column 0, 1 the other way round",
    ],
    [
      "of different examples",
      tensor([2, 3], "float64"),
      mean(),
      "has shape [2,3], which is between different examples",
    ],
    ["of another form", tensor([2, 2], "float64"), full, "has shape [2,2]; a kernel of the form full is [N1,N2,C,C]"],
    ["of different outputs", tensor([2, 2, 3, 1], "float64"), full, "a kernel of the form full is [N1,N2,C,C]"],
    ["empty", tensor([0, 0], "float64"), mean(), "give at least one example"],
    ["of integers", tensor([2, 2], "int32"), mean(), "is of int32"],
  ];

  it.each(cases)("%s", (_, kernel, form, message) => {
    expect(() => spectrumOf(kernel, form)).toThrow(ModelError);
    expect(() => spectrumOf(kernel, form)).toThrow(message);
  });

  it("but for rounding is one", () => {
    const rounded = tensor([2, 2], "float32", Float32Array.of(2, 1, 1 + 1e-6, 2));
    expect(spectrumOf(rounded, mean()).eigenvalues[0]).toBeCloseTo(3, 5);
  });

  it("has labels that do not fit", () => {
    const kernel = square([
      [2, 1],
      [1, 2],
    ]);
    expect(() => spectrumOf(kernel, mean(), tensor([3], "float64"))).toThrow("labels of shape [3] for 2 examples");
    const labels = tensor([2, 2], "float64", Float64Array.of(0, 1, NaN, 0));
    expect(() => spectrumOf(kernel, mean(), labels)).toThrow("The label of example 1 is NaN");
  });
});
