import type { Shape } from "../../../sidecar/graph/types";
import { dtypes, equationCase, Random, type PrimitiveCase } from "./case";

/** Operand [B.., P.., A, Q..], its taken axis, and indices [B.., I..]. */
const layouts: { what: string; operand: Shape; axis: number; indices: Shape; batchDims: number }[] = [
  { what: "rows", operand: [5, 3], axis: 0, indices: [4], batchDims: 0 },
  { what: "columns", operand: [3, 5], axis: 1, indices: [4], batchDims: 0 },
  { what: "middle axis, matrix of indices", operand: [2, 5, 3], axis: 1, indices: [2, 3], batchDims: 0 },
  { what: "one index", operand: [5, 3], axis: 0, indices: [], batchDims: 0 },
  { what: "a vector by one index", operand: [5], axis: 0, indices: [], batchDims: 0 },
  { what: "more indices than elements", operand: [2], axis: 0, indices: [7], batchDims: 0 },
  { what: "one batch axis", operand: [3, 5, 2], axis: 1, indices: [3, 4], batchDims: 1 },
  { what: "one batch axis, later axis", operand: [3, 2, 5, 2], axis: 2, indices: [3, 4], batchDims: 1 },
  { what: "one batch axis, one index each", operand: [3, 5], axis: 1, indices: [3], batchDims: 1 },
  { what: "two batch axes", operand: [2, 3, 2, 5], axis: 3, indices: [2, 3, 2, 2], batchDims: 2 },
];

export function indexingCases(): PrimitiveCase[] {
  const cases: PrimitiveCase[] = [];
  for (const { what, operand, axis, indices, batchDims } of layouts) {
    const random = new Random(what);
    const places = random.whole("int32", indices, 0, operand[axis]);
    for (const dtype of dtypes) {
      cases.push(
        equationCase("gather", `${dtype}, ${what}`, [random.ofType(dtype, operand), places], { axis, batchDims }),
      );
    }
    const updates = [...operand.slice(0, axis), ...indices.slice(batchDims), ...operand.slice(axis + 1)];
    const attributes = { axis, batchDims, size: operand[axis] };
    for (const dtype of ["float32", "int32"] as const) {
      cases.push(equationCase("scatter_add", `${dtype}, ${what}`, [random.ofType(dtype, updates), places], attributes));
    }
  }
  return cases;
}
