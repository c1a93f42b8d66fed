import { dtypes, equationCase, Random, type PrimitiveCase } from "./case";

/** Primitives that move elements, for every element type. */
export function structuralCases(): PrimitiveCase[] {
  return [...dtypes.flatMap(movingCases), ...padValues(), ...iotaCases()];
}

function movingCases(dtype: (typeof dtypes)[number]): PrimitiveCase[] {
  const random = new Random(`structural ${dtype}`);
  const x = (...shape: number[]) => random.ofType(dtype, shape);
  return [
    equationCase("reshape", dtype, [x(2, 3, 4)], { shape: [6, 4] }),
    equationCase("reshape", `${dtype} to a scalar`, [x(1, 1)], { shape: [] }),
    equationCase("reshape", `${dtype} from a scalar`, [x()], { shape: [1, 1] }),

    equationCase("transpose", `${dtype} matrix`, [x(3, 4)], { permutation: [1, 0] }),
    equationCase("transpose", `${dtype} rank 4`, [x(2, 3, 4, 5)], { permutation: [3, 1, 0, 2] }),
    equationCase("transpose", `${dtype} rank 4, axes that stay together`, [x(2, 3, 4, 5)], {
      permutation: [2, 3, 0, 1],
    }),
    equationCase("transpose", `${dtype} extents of 1`, [x(1, 3, 1, 4)], { permutation: [2, 3, 0, 1] }),
    equationCase("transpose", `${dtype} rank 8`, [x(2, 2, 3, 1, 2, 2, 1, 3)], {
      permutation: [7, 2, 0, 5, 3, 1, 6, 4],
    }),
    equationCase("transpose", `${dtype} nothing to do`, [x(2, 3)], { permutation: [0, 1] }),

    equationCase("broadcast_in_dim", `${dtype} scalar`, [x()], { shape: [2, 3], axes: [] }),
    equationCase("broadcast_in_dim", `${dtype} leading axis`, [x(3)], { shape: [2, 3], axes: [1] }),
    equationCase("broadcast_in_dim", `${dtype} trailing axis`, [x(2)], { shape: [2, 3], axes: [0] }),
    equationCase("broadcast_in_dim", `${dtype} extent of 1`, [x(2, 1, 3)], { shape: [2, 4, 3], axes: [0, 1, 2] }),
    equationCase("broadcast_in_dim", `${dtype} both`, [x(1, 3)], { shape: [2, 4, 3, 5], axes: [1, 2] }),
    equationCase("broadcast_in_dim", `${dtype} rank 7`, [x(2, 1, 2)], {
      shape: [2, 2, 2, 3, 2, 2, 2],
      axes: [1, 3, 5],
    }),

    equationCase("pad", `${dtype} low and high`, [x(2, 3)], { low: [1, 0], high: [2, 1], interior: [0, 0], value: 0 }),
    equationCase("pad", `${dtype} interior`, [x(2, 3)], { low: [0, 1], high: [0, 0], interior: [2, 1], value: 0 }),
    equationCase("pad", `${dtype} negative`, [x(4, 5)], { low: [-1, 0], high: [-2, -1], interior: [0, 0], value: 0 }),
    equationCase("pad", `${dtype} all at once`, [x(4, 5, 2)], {
      low: [-1, 2, 0],
      high: [1, -3, 0],
      interior: [1, 2, 0],
      value: 1,
    }),
    equationCase("pad", `${dtype} nothing left but padding`, [x(2)], { low: [-2], high: [3], interior: [0], value: 1 }),
    equationCase("pad", `${dtype} scalar`, [x()], { low: [], high: [], interior: [], value: 1 }),
    equationCase("pad", `${dtype} rank 6`, [x(2, 1, 2, 2, 1, 2)], {
      low: [1, 0, 1, 0, 0, 0],
      high: [0, 1, 0, 0, 1, 0],
      interior: [0, 0, 1, 0, 0, 1],
      value: 0,
    }),

    equationCase("slice", `${dtype} a block`, [x(4, 5)], { start: [1, 2], limit: [3, 5], strides: [1, 1] }),
    equationCase("slice", `${dtype} strides`, [x(5, 6)], { start: [0, 1], limit: [5, 6], strides: [2, 3] }),
    equationCase("slice", `${dtype} limit between strides`, [x(7)], { start: [1], limit: [6], strides: [3] }),
    equationCase("slice", `${dtype} rank 6`, [x(2, 3, 2, 3, 2, 3)], {
      start: [0, 1, 0, 0, 1, 0],
      limit: [2, 3, 1, 3, 2, 3],
      strides: [1, 1, 1, 2, 1, 2],
    }),

    equationCase("concatenate", `${dtype} axis 0`, [x(2, 3), x(1, 3)], { axis: 0 }),
    equationCase("concatenate", `${dtype} axis 1 of three`, [x(2, 1, 2), x(2, 3, 2), x(2, 2, 2)], { axis: 1 }),
    equationCase("concatenate", `${dtype} one operand`, [x(2, 3)], { axis: 1 }),

    equationCase("reverse", `${dtype} one axis`, [x(3, 4)], { axes: [1] }),
    equationCase("reverse", `${dtype} all axes`, [x(3, 4, 2)], { axes: [0, 1, 2] }),
    equationCase("reverse", `${dtype} rank 6`, [x(2, 3, 1, 2, 3, 2)], { axes: [1, 5] }),
  ];
}

function padValues(): PrimitiveCase[] {
  const x = new Random("pad").floats([2, 3]);
  return [0.5, -Infinity, Infinity].map((value) =>
    equationCase("pad", `with ${value}`, [x], { low: [1, 0], high: [0, 1], interior: [0, 1], value }),
  );
}

function iotaCases(): PrimitiveCase[] {
  return (["float32", "int32"] as const).flatMap((dtype) =>
    [0, 1, 2].map((axis) => equationCase("iota", `${dtype} along axis ${axis}`, [], { shape: [2, 3, 4], dtype, axis })),
  );
}
