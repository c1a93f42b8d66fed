import type { Shape } from "../../../sidecar/graph/types";
import type { DotAttributes } from "../../../sidecar/primitives/attributes";
import { equationCase, Random, type PrimitiveCase } from "./case";

const layouts: { what: string; lhs: Shape; rhs: Shape; contract: DotAttributes["contract"]; batch?: DotAttributes["batch"] }[] =
  [
    { what: "matrix by matrix", lhs: [3, 4], rhs: [4, 5], contract: [[1], [0]] },
    { what: "left transposed", lhs: [4, 3], rhs: [4, 5], contract: [[0], [0]] },
    { what: "right transposed", lhs: [3, 4], rhs: [5, 4], contract: [[1], [1]] },
    { what: "both transposed", lhs: [4, 3], rhs: [5, 4], contract: [[0], [1]] },
    { what: "matrix by vector", lhs: [3, 4], rhs: [4], contract: [[1], [0]] },
    { what: "vector by matrix", lhs: [4], rhs: [4, 5], contract: [[0], [0]] },
    { what: "vector by vector", lhs: [4], rhs: [4], contract: [[0], [0]] },
    { what: "scalars", lhs: [], rhs: [], contract: [[], []] },
    { what: "scalar by matrix", lhs: [], rhs: [2, 3], contract: [[], []] },
    { what: "outer product", lhs: [3], rhs: [4], contract: [[], []] },
    { what: "outer product of matrices", lhs: [3, 2], rhs: [4, 2], contract: [[], []] },
    { what: "two axes contracted", lhs: [2, 3, 4], rhs: [4, 3, 5], contract: [[1, 2], [1, 0]] },
    { what: "all axes contracted", lhs: [2, 3], rhs: [3, 2], contract: [[0, 1], [1, 0]] },
    { what: "a first axis of three", lhs: [4, 2, 3], rhs: [5, 4], contract: [[0], [1]] },
    { what: "a middle axis", lhs: [2, 4, 3], rhs: [5, 4, 2], contract: [[1], [1]] },
    { what: "batched", lhs: [2, 3, 4], rhs: [2, 4, 5], contract: [[2], [1]], batch: [[0], [0]] },
    { what: "batched, right transposed", lhs: [2, 3, 4], rhs: [2, 5, 4], contract: [[2], [2]], batch: [[0], [0]] },
    { what: "batched, left transposed", lhs: [2, 4, 3], rhs: [2, 4, 5], contract: [[1], [1]], batch: [[0], [0]] },
    { what: "batch axis last", lhs: [3, 4, 2], rhs: [4, 5, 2], contract: [[1], [0]], batch: [[2], [2]] },
    { what: "batch axes in different places", lhs: [3, 2, 4], rhs: [4, 5, 2], contract: [[2], [0]], batch: [[1], [2]] },
    { what: "two batch axes, exchanged", lhs: [2, 3, 4, 5], rhs: [3, 2, 5], contract: [[3], [2]], batch: [[0, 1], [1, 0]] },
    { what: "batched, nothing contracted", lhs: [2, 3], rhs: [2, 4], contract: [[], []], batch: [[0], [0]] },
    { what: "batched vectors", lhs: [3, 4], rhs: [3, 4], contract: [[1], [1]], batch: [[0], [0]] },
    { what: "an elementwise product", lhs: [3, 4], rhs: [3, 4], contract: [[], []], batch: [[0, 1], [0, 1]] },
    { what: "batched, two axes contracted", lhs: [2, 3, 4, 5], rhs: [5, 2, 4, 3], contract: [[1, 3], [3, 0]], batch: [[0], [1]] },
    { what: "attention scores", lhs: [2, 5, 3, 4], rhs: [2, 6, 3, 4], contract: [[3], [3]], batch: [[0, 2], [0, 2]] },
    { what: "batch broadcast on the left", lhs: [1, 3, 4], rhs: [2, 4, 5], contract: [[2], [1]], batch: [[0], [0]] },
    { what: "batch broadcast on the right", lhs: [2, 3, 4], rhs: [1, 4, 5], contract: [[2], [1]], batch: [[0], [0]] },
    { what: "batches broadcast on either side", lhs: [2, 1, 3, 4], rhs: [1, 3, 4, 5], contract: [[3], [2]], batch: [[0, 1], [0, 1]] },
    { what: "batches broadcast in other places", lhs: [3, 1, 4, 2], rhs: [4, 3, 1], contract: [[2], [0]], batch: [[3, 1], [2, 1]] },
    { what: "extents of 1", lhs: [1, 4], rhs: [4, 1], contract: [[1], [0]] },
    { what: "contracting an extent of 1", lhs: [3, 1], rhs: [1, 4], contract: [[1], [0]] },
    { what: "long", lhs: [7, 300], rhs: [300, 5], contract: [[1], [0]] },
    { what: "very long", lhs: [2, 30000], rhs: [3, 30000], contract: [[1], [1]] },
    { what: "very long, batched vectors", lhs: [2, 5, 6000], rhs: [2, 5, 6000], contract: [[1, 2], [1, 2]], batch: [[0], [0]] },
  ]; // prettier-ignore

export function dotCases(): PrimitiveCase[] {
  return layouts.map(({ what, lhs, rhs, contract, batch = [[], []] }) => {
    const random = new Random(what);
    return equationCase("dot_general", what, [random.floats(lhs), random.floats(rhs)], { contract, batch });
  });
}
