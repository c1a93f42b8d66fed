import { CholeskyDecomposition, EigenvalueDecomposition, Matrix, QrDecomposition } from "ml-matrix";
import { range } from "../graph/types";

/**
 * Linear algebra of symmetric matrices in float64, by ml-matrix: plain JavaScript without native parts, so that it is
 * bundled and runs wherever Node.js does, maintained, and used by millions. Its decomposition of symmetric matrices is
 * EISPACK's tred2 and tql2. Seconds of one core of an AMD EPYC with Node.js 20:
 *
 *     rows                                500   1000   2000
 *     eigenvalues and eigenvectors        1.0    7.0     55
 *     Cholesky factor                     0.1    0.5      4.4
 *
 * What else there is does not do: builds of LAPACK (emlapack) and of Eigen (eigen) for WebAssembly are no longer looked
 * after, and the latter has no symmetric solver; @stdlib/lapack has no eigenvalues yet; numpy-ts took 2.8 seconds for 200 rows.
 */

/** Above this many rows no full decomposition is made: it would take minutes, at the third power of the rows. */
export const maximumRows = 3000;

/** `matrix = vectors diag(values) vectorsᵀ`: values from the smallest, and the orthonormal vectors as columns. */
export interface Eigendecomposition {
  readonly values: Float64Array;
  readonly vectors: Matrix;
}

export function eigendecomposition(symmetric: Matrix): Eigendecomposition {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(symmetric, { assumeSymmetric: true });
  return { values: Float64Array.from(realEigenvalues), vectors: eigenvectorMatrix };
}

/** `matrix⁻¹ right`, by a Cholesky factor; null where the symmetric matrix is not positive definite. */
export function solvePositiveDefinite(symmetric: Matrix, right: Matrix): Matrix | null {
  const factor = new CholeskyDecomposition(symmetric);
  return factor.isPositiveDefinite() ? factor.solve(right) : null;
}

/** How far an eigenvalue of `leadingEigenvalues` may be from a true one, relative to the largest. */
export const leadingTolerance = 1e-5;

/**
 * The eigenvalues of a positive semidefinite matrix that are largest, in descending order: at most `count`, and only
 * those that are within `leadingTolerance`, as their residual |A v - l v| proves. May be none where eigenvalues are crowded.
 *
 * Randomized subspace iteration (Halko, Martinsson and Tropp 2011, "Finding structure with randomness", algorithms 4.4
 * and 5.3) with a block of 10 more vectors than eigenvalues; at most 30 products of the matrix with the block.
 */
export function leadingEigenvalues(symmetric: Matrix, count: number): Float64Array {
  const block = Math.min(symmetric.rows, count + 10);
  const random = gaussian(1);
  const start = range(symmetric.rows).map(() => Float64Array.from({ length: block }, random));
  let basis = orthonormalColumns(new Matrix(start));
  let found: Float64Array = new Float64Array();
  for (let iteration = 0; iteration < 30; iteration++) {
    const image = symmetric.mmul(basis);
    found = convergedRitzValues(basis, image);
    if (found.length >= count) break;
    basis = orthonormalColumns(image);
  }
  return found.slice(0, count);
}

/** Of the Rayleigh-Ritz approximation in the span of `basis`: the largest values, up to the first that is not yet exact enough. */
function convergedRitzValues(basis: Matrix, image: Matrix): Float64Array {
  const projected = basis.transpose().mmul(image);
  const { values, vectors } = eigendecomposition(projected.add(projected.transpose()).mul(0.5));
  const residual = image.mmul(vectors).sub(basis.mmul(vectors).mmul(Matrix.diag(Array.from(values))));
  const last = values.length - 1;
  const descending = range(values.length).map((index) => last - index);
  const unsure = descending.findIndex((index) => {
    return !(residual.getColumnVector(index).norm() <= leadingTolerance * values[last]);
  });
  return Float64Array.from(unsure < 0 ? descending : descending.slice(0, unsure), (index) => values[index]);
}

function orthonormalColumns(matrix: Matrix): Matrix {
  return new QrDecomposition(matrix).orthogonalMatrix;
}

/** Normally distributed numbers (Box and Muller 1958), always the same ones: results can be repeated. */
function gaussian(seed: number): () => number {
  let state = seed;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
