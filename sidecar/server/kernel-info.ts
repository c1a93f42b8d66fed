import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { maximumRows } from "../kernel/linear-algebra";
import type { NtkRequest, Outcome } from "../protocol/messages";
import type { KernelInfo, KernelSpectrum } from "../protocol/ntk";
import type { ExamplesOfKernel, NtkReport } from "../worker/messages";
import { whyNoClusters } from "./kernel-orders";

/** What is known of a kernel but its entries, from its beginning to its end. */

/** Of a spectrum, the eigenvalues that are told. */
const mostEigenvalues = 1000;

/** What is known when its examples are. */
export function begun(request: NtkRequest, examples: ExamplesOfKernel, version: number): KernelInfo {
  const { kernel: id, model, title, part, form, trace } = request;
  return {
    id,
    model,
    title,
    part,
    form,
    trace: form === "trace" ? trace : null,
    method: null,
    ...examples,
    status: "running",
    fraction: 0,
    version,
    layers: [],
    spectrum: null,
    curve: null,
    noClusters: whyNoClusters({ status: "running", ...examples }),
    message: null,
  };
}

/** What is known of a kernel when its computation has ended. */
export function ended(outcome: Outcome<NtkReport>, info: KernelInfo): KernelInfo {
  const known = { ...info, ...ending(outcome, info) };
  return { ...known, noClusters: whyNoClusters(known) };
}

function ending(outcome: Outcome<NtkReport>, { x2, form }: KernelInfo): Partial<KernelInfo> {
  switch (outcome.kind) {
    case "done": {
      const { method, layers, curve } = outcome.result;
      const spectrum = spectrumOf(outcome.result);
      const message = spectrum === null ? whyNoSpectrum(outcome.result, x2 === null, form) : null;
      return { status: "done", fraction: 1, method, layers, spectrum, curve, message };
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
