import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withFile } from "../formats/file";
import { readNpy, readNpyHeader, tensorOf } from "../formats/npy";
import { readNpz } from "../formats/npz";
import { isZip } from "../formats/zip";
import { ModelError } from "../graph/errors";
import { formatShape, isFloat, sizeOf } from "../graph/types";
import { maximumRows } from "../kernel/linear-algebra";
import type { Analysis } from "../protocol/analysis";
import type { JacobianInputs, NtkRequest, Outcome } from "../protocol/messages";
import type { ExamplesInfo, KernelInfo, KernelSpectrum } from "../protocol/ntk";
import type { NtkReport } from "../worker/messages";

/** What is known of a kernel but its entries, from its beginning to its end. */

/** Of a spectrum, the eigenvalues that are told. */
const mostEigenvalues = 1000;

/** Throws a ModelError where the model is not analysed, the inputs cannot be read, or the labels are not theirs. */
export function begun(request: NtkRequest, analysis: Analysis | null, version: number): KernelInfo {
  if (analysis === null) throw new ModelError("This model has not been analyzed; analyze it first.");
  const { kernel: id, model, title, form, trace, x1, x2, labels } = request;
  return {
    id,
    model,
    title,
    form,
    trace: form === "trace" ? trace : null,
    method: null,
    x1: examplesOf(x1, labels),
    x2: x2 && examplesOf(x2, null),
    outputs: outputsOf(analysis),
    status: "running",
    fraction: 0,
    version,
    layers: [],
    spectrum: null,
    message: null,
  };
}

/** C: the numbers that the floating-point outputs hold for one example. */
function outputsOf({ outputs }: Analysis): number {
  const floats = outputs.filter(({ dtype }) => isFloat(dtype));
  return floats.reduce((total, { shape }) => total + sizeOf(shape.slice(1)), 0);
}

function examplesOf(inputs: JacobianInputs, labels: string | null): ExamplesInfo {
  const count = inputs.kind === "random" ? inputs.batch : countIn(inputs.file);
  if (!Number.isInteger(count) || count < 1) throw new ModelError(`Give at least one example, not ${count}.`);
  if (labels === null) return { count, names: null, labels: null, classes: [] };
  const given = labelsIn(labels, count);
  const values = [...new Set(given)].sort((a, b) => a - b);
  const position = new Map(values.map((value, at) => [value, at]));
  return {
    count,
    names: null,
    labels: given.map((label) => position.get(label)!),
    classes: values.map((value) => `class ${value}`),
  };
}

function countIn(file: string): number {
  return withFile(file, (source) => {
    const first = isZip(source) ? readNpz(source).values().next().value! : source;
    return readNpyHeader(first).shape[0] ?? 1;
  });
}

function labelsIn(file: string, count: number): number[] {
  const array = withFile(file, readNpy);
  if (array.shape.length !== 1 || array.shape[0] !== count) {
    throw new ModelError(
      `${file}: has shape ${formatShape(array.shape)}, but there are ${count} examples; give a label for each, [${count}].`,
    );
  }
  const tensor = tensorOf(array, "int32");
  if (tensor === null) {
    throw new ModelError(
      `${file}: holds ${array.type}, but labels are whole numbers; convert it with .astype("int32").`,
    );
  }
  return Array.from(tensor.data);
}

/** What its end makes known of a kernel. */
export function ending(outcome: Outcome<NtkReport>, { x2, form }: KernelInfo): Partial<KernelInfo> {
  switch (outcome.kind) {
    case "done": {
      const { method, layers } = outcome.result;
      const spectrum = spectrumOf(outcome.result);
      const message = spectrum === null ? whyNoSpectrum(outcome.result, x2 === null, form) : null;
      return { status: "done", fraction: 1, method, layers, spectrum, message };
    }
    case "cancelled":
      return { status: "cancelled" };
    case "failed":
      return { status: "failed", message: outcome.fault.message };
  }
}

function spectrumOf({ eigenvalues, spectrum }: NtkReport): KernelSpectrum | null {
  if (spectrum === null) return null;
  const { rows, conditionNumber, effectiveRank, centeredAlignment, largestLearningRate } = spectrum;
  return {
    eigenvalues: eigenvalues.slice(0, mostEigenvalues),
    count: rows,
    conditionNumber,
    effectiveRank,
    alignment: centeredAlignment,
    largestLearningRate,
  };
}

function whyNoSpectrum({ shape }: NtkReport, isSymmetric: boolean, form: KernelInfo["form"]): string {
  if (!isSymmetric) return "A kernel between different examples has no eigenvalues.";
  if (form === "diagonal") return "The form diagonal has no eigenvalues; the forms full and trace do.";
  const rows = form === "full" ? shape[0] * shape[2] : shape[0];
  if (rows <= maximumRows) return "There was too little memory to find the eigenvalues.";
  return `Eigenvalues are found of up to ${maximumRows} rows, and this kernel has ${rows}; take fewer examples.`;
}

// On the disk

export function fileIn(folder: string): string {
  return join(folder, "kernel.npy");
}

/** Where the worker keeps them. */
export function tilesIn(folder: string): string {
  return `${fileIn(folder)}.tiles`;
}

export function readInfo(folder: string): KernelInfo | null {
  const path = join(folder, "kernel.json");
  if (!existsSync(path)) return null;
  try {
    return JSON.parse(readFileSync(path, "utf8")) as KernelInfo;
  } catch {
    // Of another version, or damaged: it can be computed again
    return null;
  }
}

export function writeInfo(folder: string, info: KernelInfo): void {
  const path = join(folder, "kernel.json");
  writeFileSync(`${path}.partial`, JSON.stringify(info));
  renameSync(`${path}.partial`, path);
}
