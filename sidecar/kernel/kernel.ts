import { Matrix } from "ml-matrix";
import { ModelError } from "../graph/errors";
import type { Tensor } from "../graph/tensor";
import { formatShape, sizeOf, type DType } from "../graph/types";

/**
 * How a kernel of N1 by N2 examples with C outputs each is written down:
 *
 * - `full`: [N1, N2, C, C], an entry K[n, m, c, p] for each pair of examples and of their outputs. As a matrix it is
 *   [N1 C, N2 C], its rows in the order (n, c): all outputs of the first example come first.
 * - `trace`: [N1, N2], the sum or the mean of K[n, m, c, c] over outputs. Where training is concerned it stands for
 *   the mean times the identity of outputs, as in neural-tangents: K[n, m, c, p] = mean[n, m] (c == p).
 */
export type KernelForm =
  | { readonly form: "full" }
  | {
      readonly form: "trace";
      readonly trace: "sum" | "mean";
      /** C */
      readonly outputs: number;
    };

/** What a sum over outputs is multiplied with to become the mean. */
export function toMean(form: KernelForm): number {
  return form.form === "trace" && form.trace === "sum" ? 1 / form.outputs : 1;
}

/** C */
export function outputsOf(kernel: Tensor, form: KernelForm): number {
  return form.form === "full" ? kernel.shape[2] : form.outputs;
}

/** The spacing of the numbers of a type around 1: what its rounding is measured in. */
export function epsilonOf(dtype: DType): number {
  return dtype === "float64" ? Number.EPSILON : 2 ** -23;
}

/**
 * How far a kernel may be from what it is in theory, symmetric and positive semidefinite, relative to its largest entry
 * or eigenvalue: half of the digits of its type. More is an error of the kernel, not rounding.
 */
export function toleranceOf(dtype: DType): number {
  return Math.sqrt(epsilonOf(dtype));
}

/**
 * A kernel between any examples as a matrix, [N1, N2] or [N1 C, N2 C]. Throws a ModelError where its shape is not that of
 * its form, or an entry is not finite; `name` is what the message calls it.
 */
export function kernelMatrix(kernel: Tensor, form: KernelForm, name = "The kernel"): Matrix {
  checkShape(kernel, form, name);
  const [n1, n2, c = 1] = kernel.shape;
  const rows = Array.from({ length: n1 * c }, () => new Float64Array(n2 * c));
  let index = 0;
  for (let n = 0; n < n1; n++) {
    for (let m = 0; m < n2; m++) {
      for (let p = 0; p < c; p++) {
        const row = rows[n * c + p];
        for (let q = 0; q < c; q++) row[m * c + q] = kernel.data[index++];
      }
    }
  }
  rows.forEach((row, r) => {
    const column = row.findIndex((entry) => !Number.isFinite(entry));
    if (column < 0) return;
    throw new ModelError(
      `${name} is ${row[column]} at ${place(r, column, c)}; look for examples or weights that are not finite, or too large.`,
    );
  });
  return new Matrix(rows);
}

/**
 * A kernel of examples with themselves, with rounding errors of its symmetry averaged out. Throws a ModelError as
 * `kernelMatrix` does, and where it is asymmetric by more than `toleranceOf` its largest entry.
 */
export function symmetricKernelMatrix(kernel: Tensor, form: KernelForm, name = "The kernel"): Matrix {
  const matrix = kernelMatrix(kernel, form, name);
  const [n1, n2, c = 1] = kernel.shape;
  if (n1 !== n2) {
    throw new ModelError(
      `${name} has shape ${formatShape(kernel.shape)}, which is between different examples; give the one of the ` +
        "training examples with themselves.",
    );
  }
  let largest = 0;
  for (const entry of kernel.data) largest = Math.max(largest, Math.abs(entry));
  const allowed = toleranceOf(kernel.dtype) * largest;
  for (let r = 0; r < matrix.rows; r++) {
    for (let s = 0; s < r; s++) {
      const [below, above] = [matrix.get(r, s), matrix.get(s, r)];
      if (Math.abs(below - above) > allowed) {
        throw new ModelError(
          `${name} is not symmetric: ${below} at ${place(r, s, c)}, ${above} the other way round; give a kernel of the ` +
            "same examples in the same order, computed without randomness.",
        );
      }
      const mean = below + (above - below) / 2;
      matrix.set(r, s, mean).set(s, r, mean);
    }
  }
  return matrix;
}

/** Throws a ModelError where a full decomposition would take too long. */
export function checkRows(matrix: Matrix, maximum: number, what: string): void {
  if (matrix.rows <= maximum) return;
  throw new ModelError(
    `The kernel is a matrix of ${matrix.rows} rows, and ${what} is computed for up to ${maximum}; ` +
      "give fewer examples, or the form trace.",
  );
}

/** Throws a ModelError unless a kernel has a shape of its form. */
export function checkShape({ shape, dtype }: Tensor, form: KernelForm, name: string): void {
  if (dtype !== "float32" && dtype !== "float64") {
    throw new ModelError(`${name} is of ${dtype}; give one of float32 or float64.`);
  }
  const fits = form.form === "trace" ? shape.length === 2 : shape.length === 4 && shape[2] === shape[3];
  if (!fits) {
    const wanted = form.form === "trace" ? "[N1,N2]" : "[N1,N2,C,C]";
    throw new ModelError(`${name} has shape ${formatShape(shape)}; a kernel of the form ${form.form} is ${wanted}.`);
  }
  if (sizeOf(shape) === 0) throw new ModelError(`${name} has shape ${formatShape(shape)}; give at least one example.`);
}

/** Where an entry of the matrix is, counted from 0 as NumPy does; `outputs` is 1 where examples and rows are the same. */
function place(row: number, column: number, outputs: number): string {
  const text = `row ${row}, column ${column}`;
  if (outputs === 1) return text;
  const [n, m] = [row, column].map((index) => Math.floor(index / outputs));
  return `${text} (examples ${n} and ${m}, outputs ${row % outputs} and ${column % outputs})`;
}
