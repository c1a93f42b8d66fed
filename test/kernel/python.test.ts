import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { withFile } from "../../sidecar/formats/file";
import { readNpy, tensorOf } from "../../sidecar/formats/npy";
import { NpzWriter, readNpz } from "../../sidecar/formats/npz";
import { tensor, type Tensor } from "../../sidecar/graph/tensor";
import type { KernelForm } from "../../sidecar/kernel/kernel";
import type { Training } from "../../sidecar/kernel/dynamics";
import { predict } from "../../sidecar/kernel/prediction";
import { kernelRidge } from "../../sidecar/kernel/ridge";
import { spectrumOf } from "../../sidecar/kernel/spectrum";
import { difference } from "../laws";
import { python } from "../tools";
import { fullKernel, linearModel, traceOf, type LinearModel } from "./kernels";

/**
 * Spectra equal those of numpy.linalg, and predicted trainings those of linear models that are trained in Python, on their
 * parameters, step by step (reference.py). Both sides compute in float64 and share nothing but the Jacobians.
 */

interface Case {
  readonly name: string;
  readonly model: LinearModel;
  readonly rate: number;
  readonly regularizer: number;
  /** By gradient descent: it has no limit then. */
  readonly diverges?: true;
}

function timesOf(training: Training, { diverges }: Case): number[] {
  if (training === "flow") return [0, 0.3, 1, 7.5, 40, Infinity];
  return diverges ? [0, 1, 2, 7, 100] : [0, 1, 2, 7, 400, Infinity];
}

const cases: Case[] = [
  { name: "one output", model: linearModel(1, 12, 5, 1, 40), rate: 0.7, regularizer: 0.1 },
  { name: "several outputs", model: linearModel(2, 9, 4, 3, 60), rate: 0.5, regularizer: 2 },
  // Rank 6 of the 20 rows of `full`: most residuals stay
  { name: "singular", model: linearModel(3, 10, 6, 2, 6), rate: 1, regularizer: 1e-3 },
  { name: "one example", model: linearModel(4, 1, 1, 2, 5), rate: 0.2, regularizer: 0.5 },
  // The largest rates are 1.03 for `full` and 1.44 for `trace`: the fastest residuals grow 1.9 and 1.08 times a step
  { name: "diverging", model: linearModel(5, 6, 3, 2, 30), rate: 1.5, regularizer: 1, diverges: true },
];

const forms: KernelForm["form"][] = ["full", "trace"];

/** Rounding: some hundred operations of 1e-16, times the condition of what is solved (up to 1e3 here). */
const rounding = 1e-11;

/** Runge-Kutta's steps of 1/50 of the fastest pace: (1/50)^4 / 120 = 1.3e-9 of each residual that decays. */
const integration = 1e-8;

const folder = mkdtempSync(join(tmpdir(), "kernelscope-kernels-"));
afterAll(() => rmSync(folder, { recursive: true }));

function writeCases(file: string): void {
  const writer = new NpzWriter(file);
  for (const one of cases) {
    const { name, model, rate, regularizer } = one;
    const vector = (values: readonly number[]): Tensor => tensor([values.length], "float64", Float64Array.from(values));
    const scalar = (value: number): Tensor => tensor([], "float64", Float64Array.of(value));
    const arrays = {
      jacobian: model.jacobian,
      test_jacobian: model.testJacobian,
      f0: model.f0,
      test_f0: model.testF0,
      y: model.y,
      test_y: model.testY,
      flow_times: vector(timesOf("flow", one)),
      descent_times: vector(timesOf("descent", one)),
      rate: scalar(rate),
      regularizer: scalar(regularizer),
    };
    for (const [array, value] of Object.entries(arrays)) writer.add(`${name}:${array}`, value);
  }
  writer.finish();
  writer.close();
}

/** Kernels, outputs and targets, in the way that `form` writes them; traces are sums, which have to be scaled. */
function setsOf(model: LinearModel, form: KernelForm["form"]) {
  const write = (full: Tensor): Tensor => (form === "full" ? full : traceOf(full, "sum"));
  const kernelForm: KernelForm = form === "full" ? { form } : { form, trace: "sum", outputs: model.outputs };
  const train = { kernel: write(fullKernel(model.jacobian, model.jacobian)), outputs: model.f0, targets: model.y };
  const kernel = write(fullKernel(model.testJacobian, model.jacobian));
  return { kernelForm, train, test: { kernel, outputs: model.testF0, targets: model.testY } };
}

describe.skipIf(python === undefined)("what follows from a kernel equals Python's", () => {
  let references = new Map<string, Tensor>();

  beforeAll(async () => {
    const [source, target] = ["cases.npz", "references.npz"].map((name) => join(folder, name));
    writeCases(source);
    await promisify(execFile)(python!, ["test/kernel/reference.py", source, target]);
    references = withFile(target, (archive) => {
      return new Map(Array.from(readNpz(archive), ([name, npy]) => [name, tensorOf(readNpy(npy), "float64")!]));
    });
  });

  const each = cases.flatMap((one) => forms.map((form) => ({ ...one, form })));

  it.each(each)("spectrum: $name, $form", ({ name, model, form }) => {
    const { kernelForm, train } = setsOf(model, form);
    const spectrum = spectrumOf(train.kernel, kernelForm, model.y);
    const { data: eigenvalues } = references.get(`${name}:${form}:eigenvalues`)!;
    expect(spectrum.eigenvalues.length).toBe(eigenvalues.length);
    spectrum.eigenvalues.forEach((value, index) => {
      expect(Math.abs(value - eigenvalues[index])).toBeLessThan(rounding * eigenvalues[0]);
    });
    const [trace, rank, condition, effectiveRank, participation] = references.get(`${name}:${form}:scalars`)!.data;
    expect(spectrum.rank).toBe(rank);
    expectClose(spectrum.trace, trace);
    expectClose(spectrum.conditionNumber, condition);
    expectClose(spectrum.effectiveRank, effectiveRank);
    expectClose(spectrum.participationRatio, participation);
    expectClose(spectrum.largestLearningRate, references.get(`${name}:${form}:largest_rate`)!.data[0]);
    const [alignment, centered] = references.get(`${name}:alignments`)!.data;
    expectClose(spectrum.alignment, alignment);
    // Nothing is left of one example when it is centered
    if (model.examples === 1) expect(spectrum.centeredAlignment).toBeNull();
    else expectClose(spectrum.centeredAlignment, centered);
  });

  for (const training of ["flow", "descent"] as const) {
    it.each(each)(`${training}: $name, $form`, ({ form, ...one }) => {
      const { name, model, rate, diverges } = one;
      const { kernelForm, train, test } = setsOf(model, form);
      const { arrays, stable } = predict(train, test, {
        form: kernelForm,
        training,
        learningRate: rate,
        times: timesOf(training, one),
      });
      expect(stable).toBe(training === "flow" || !diverges);
      expect([...arrays.keys()]).toEqual(["times", "train", "train_loss", "test", "test_loss"]);
      for (const array of ["train", "train_loss", "test", "test_loss"]) {
        const expected = references.get(`${name}:${form}:${training}:${array}`)!;
        const tolerance = training === "flow" ? integration : rounding;
        expect(difference([arrays.get(array)!], [expected]), array).toBeLessThan(tolerance);
      }
    });
  }

  it.each(each)("kernel ridge regression: $name, $form", ({ name, model, form, regularizer }) => {
    const { kernelForm, train, test } = setsOf(model, form);
    const predicted = kernelRidge(train, test, kernelForm, regularizer);
    expect(difference([predicted.train], [references.get(`${name}:${form}:ridge:train`)!])).toBeLessThan(rounding);
    expect(difference([predicted.test!], [references.get(`${name}:${form}:ridge:test`)!])).toBeLessThan(rounding);
  });
});

function expectClose(actual: number | null, expected: number): void {
  expect(Math.abs(actual! - expected)).toBeLessThan(rounding * Math.abs(expected));
}
