import type { Builder } from "../graph/builder";
import type { Value } from "../graph/graph";
import { sizeOf, type DType } from "../graph/types";
import type { Structure } from "../primitives/primitive";
import {
  add,
  broadcastInDim,
  convert,
  dotGeneral,
  eq,
  mul,
  reduceSum,
  reshape,
  scalarLike,
  transpose,
} from "../primitives/ops";
import type { NtkForm } from "./ntk";

/**
 * One parameter's part of the kernel, from its Jacobians or from its structure. Parts are laid out as [N1, C, N2 C]
 * (`full`), [C, N1, N2] (`diagonal`) or [N1, N2] (`trace`, the sum), so that they come from matrix products as they are.
 */

/** The same of both sets of examples. */
export interface Side<T> {
  readonly rows: T;
  readonly columns: T;
}

/** @param jacobian [N, C, ...parameter] */
export function denseKernel(b: Builder, form: NtkForm, { rows, columns }: Side<Value>): Value {
  const flat = (value: Value): Value => reshape(b, value, [...value.shape.slice(0, 2), sizeOf(value.shape.slice(2))]);
  return cotangentProduct(b, form, flat(rows), flat(columns));
}

/**
 * With x [N, G, K, D] and cotangents t [N, C, G, F, D] (G groups, F free elements of the weight, D positions), the
 * Jacobian is J[n, o, g, k, f] = sum over d of x[n, g, k, d] t[n, o, g, f, d], and its product with itself
 *
 *     Theta[n, m, o, p] = sum over g, d, e of A[g, n, d, m, e] (sum over f of t1[n, o, g, f, d] t2[m, p, g, f, e])
 *     A[g, n, d, m, e] = sum over k of x1[n, g, k, d] x2[m, g, k, e]
 *
 * A bias that is added to what the weight yields has t as its Jacobian: its part is the same with 1 in place of A.
 *
 * @param factor x; or, of an operation that takes rows of the weight, their numbers [N, D]
 * @param biases how many biases' parts are added, where G and D are 1
 */
export function structuredKernel(
  b: Builder,
  form: NtkForm,
  factor: Side<Value>,
  cotangent: Side<Value>,
  { g }: Structure["extents"],
  biases: number,
): Value {
  const [n1, size, , free, positions] = cotangent.rows.shape;
  const [n2] = cotangent.columns.shape;
  const gram = gramOf(b, factor, cotangent.rows.dtype);
  if (g === 1 && positions === 1) {
    const flat = (value: Value): Value => reshape(b, value, [value.shape[0], size, free]);
    const product = cotangentProduct(b, form, flat(cotangent.rows), flat(cotangent.columns));
    const own = reshape(b, gram, [n1, n2]);
    const pairs = biases === 0 ? own : add(b, own, scalarLike(b, own, biases));
    if (form === "trace") return mul(b, product, pairs);
    if (form === "diagonal") return mul(b, product, reshape(b, pairs, [1, n1, n2]));
    // Repeated over the columns' outputs first, which makes rows long enough to be multiplied quickly
    const repeated = broadcastInDim(b, reshape(b, pairs, [n1, n2, 1]), [n1, n2, size], [0, 1, 2]);
    return mul(b, product, reshape(b, repeated, [n1, 1, n2 * size]));
  }
  if (form === "trace") {
    const product = dotGeneral(b, cotangent.rows, cotangent.columns, [[1, 3], [1, 3]], [[2], [2]]); // prettier-ignore
    return reduceSum(b, mul(b, gram, product), [0, 2, 4]);
  }
  // [G, N1, N2, D, C, F]: what x2 sees of x1's Jacobian
  const seen = dotGeneral(b, gram, cotangent.rows, [[2], [4]], [[0, 1], [2, 0]]); // prettier-ignore
  if (form === "diagonal") {
    const product = dotGeneral(b, seen, cotangent.columns, [[0, 3, 5], [2, 4, 3]], [[2, 4], [0, 1]]); // prettier-ignore
    return transpose(b, product, [1, 2, 0]);
  }
  const product = dotGeneral(b, seen, cotangent.columns, [[0, 3, 5], [2, 4, 3]], [[2], [0]]); // prettier-ignore
  return reshape(b, transpose(b, product, [1, 2, 0, 3]), [n1, size, n2 * size]);
}

/**
 * The squared norm of the Jacobian at each example: [N].
 *
 * @param jacobian [N, C, ...parameter]
 */
export function denseNorm(b: Builder, jacobian: Value): Value {
  const [count] = jacobian.shape;
  const flat = reshape(b, jacobian, [count, sizeOf(jacobian.shape.slice(1))]);
  return dotGeneral(b, flat, flat, [[1], [1]], [[0], [0]]);
}

/** As `denseNorm`, of the Jacobian that `structuredKernel` does without. */
export function structuredNorm(b: Builder, factor: Value, cotangent: Value, { g }: Structure["extents"]): Value {
  const [count, size, , free, positions] = cotangent.shape;
  if (g === 1 && positions === 1) {
    const square = (value: Value, length: number): Value => {
      const flat = reshape(b, value, [count, length]);
      return dotGeneral(b, flat, flat, [[1], [1]], [[0], [0]]);
    };
    const products = square(cotangent, size * free);
    // A row of a weight counts once
    return factor.dtype === "int32" ? products : mul(b, square(factor, sizeOf(factor.shape.slice(1))), products);
  }
  const pairs = dotGeneral(b, cotangent, cotangent, [[1, 3], [1, 3]], [[0, 2], [0, 2]]); // prettier-ignore
  return reduceSum(b, mul(b, ownGram(b, factor, cotangent.dtype), pairs), [1, 2, 3]);
}

/** The gram of each example with itself: [N, G, D, D] */
function ownGram(b: Builder, factor: Value, dtype: DType): Value {
  if (factor.dtype !== "int32") return dotGeneral(b, factor, factor, [[2], [2]], [[0, 1], [0, 1]]); // prettier-ignore
  const [count, positions] = factor.shape;
  const same = eq(b, reshape(b, factor, [count, 1, positions, 1]), reshape(b, factor, [count, 1, 1, positions]));
  return convert(b, same, dtype);
}

/** A: [G, N1, D, N2, D] */
function gramOf(b: Builder, { rows, columns }: Side<Value>, dtype: DType): Value {
  if (rows.dtype !== "int32") return dotGeneral(b, rows, columns, [[2], [2]], [[1], [1]]);
  const [n1, d1] = rows.shape;
  const [n2, d2] = columns.shape;
  const same = eq(b, reshape(b, rows, [1, n1, d1, 1, 1]), reshape(b, columns, [1, 1, 1, n2, d2]));
  return convert(b, same, dtype);
}

/** The product of two arrays [N, C, K] over K, in the layout of the form. */
function cotangentProduct(b: Builder, form: NtkForm, rows: Value, columns: Value): Value {
  const [n1, size, length] = rows.shape;
  const [n2] = columns.shape;
  switch (form) {
    case "full": {
      const left = reshape(b, rows, [n1 * size, length]);
      const right = reshape(b, columns, [n2 * size, length]);
      return reshape(b, dotGeneral(b, left, right, [[1], [1]]), [n1, size, n2 * size]);
    }
    case "diagonal":
      return dotGeneral(b, rows, columns, [[2], [2]], [[1], [1]]);
    case "trace": {
      const left = reshape(b, rows, [n1, size * length]);
      const right = reshape(b, columns, [n2, size * length]);
      return dotGeneral(b, left, right, [[1], [1]]);
    }
  }
}
