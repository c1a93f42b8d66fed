import { argument, type Builder } from "../../../sidecar/graph/builder";
import type { Argument, Graph, Value } from "../../../sidecar/graph/graph";
import type { MapAttributes } from "../../../sidecar/primitives/attributes";
import { newBuilder } from "../../../sidecar/primitives/index";
import * as ops from "../../../sidecar/primitives/ops";
import { floats, singleGraph } from "../single";
import { equationCase, graphCase, type PrimitiveCase } from "./case";

function body(inputs: Argument[], emit: (builder: Builder, ...values: Value[]) => Value[]): Graph {
  const builder = newBuilder();
  return builder.build({ inputs, outputs: emit(builder, ...inputs.map(({ value }) => value)) });
}

const f32 = (name: string, ...shape: number[]): Argument => argument(name, shape, "float32");

function loop(what: string, inputs: Value[], attributes: Omit<MapAttributes, "fallback">): PrimitiveCase {
  return graphCase(`map: ${what}`, singleGraph("map", inputs, { ...attributes, fallback: null }));
}

const type = (...shape: number[]): Value => ({ shape, dtype: "float32" });

export function controlCases(): PrimitiveCase[] {
  const rowTimesMatrix = body([f32("row", 3), f32("matrix", 3, 2)], (b, row, matrix) => [
    ops.dotGeneral(b, row, matrix, [[0], [0]]),
  ]);
  const both = body([f32("row", 3), f32("scale", 3)], (b, row, scale) => {
    const product = ops.tanh(b, ops.mul(b, row, scale));
    return [product, ops.reduceSum(b, product, [0])];
  });
  const columns = (length: number, combine: "stack" | "sum"): Graph =>
    body([f32("matrix", length, 3), f32("scale", 3)], (b, matrix, scale) =>
      ops.map(b, both, [matrix, scale], [true, false], length, { combine: [combine, "stack"] }),
    );
  const passing = body([f32("row", 2), f32("whole", 2)], (b, row, whole) => [
    row,
    whole,
    b.constant(Float32Array.of(1, 2), [2], "float32"),
    row,
  ]);
  const integers = body([argument("row", [2], "int32"), argument("mask", [2], "bool")], (b, row, mask) => [
    ops.select(b, mask, row, ops.neg(b, row)),
    ops.not(b, mask),
  ]);
  const large = body([f32("row", 3), f32("unused", 2)], (b, row) => {
    let value = row;
    for (let step = 0; step < 5; step++) value = ops.sin(b, ops.add(b, value, row));
    return [value];
  });
  return [
    loop("stacked", [type(4, 3), type(3, 2)], {
      body: rowTimesMatrix,
      length: 4,
      mapped: [true, false],
      combine: ["stack"],
    }),
    loop("summed", [type(4, 3), type(3, 2)], {
      body: rowTimesMatrix,
      length: 4,
      mapped: [true, false],
      combine: ["sum"],
    }),
    loop("all inputs mapped", [type(4, 3), type(4, 3, 2)], {
      body: rowTimesMatrix,
      length: 4,
      mapped: [true, true],
      combine: ["stack"],
    }),
    loop("no input mapped", [type(3), type(3, 2)], {
      body: rowTimesMatrix,
      length: 3,
      mapped: [false, false],
      combine: ["sum"],
    }),
    loop("stacked and summed", [type(5, 3), type(3)], {
      body: both,
      length: 5,
      mapped: [true, false],
      combine: ["stack", "sum"],
    }),
    loop("summed and stacked", [type(5, 3), type(3)], {
      body: both,
      length: 5,
      mapped: [true, false],
      combine: ["sum", "stack"],
    }),
    loop("once", [type(1, 3), type(3)], { body: both, length: 1, mapped: [true, false], combine: ["stack", "sum"] }),
    loop("nested", [type(2, 4, 3), type(2, 3)], {
      body: columns(4, "stack"),
      length: 2,
      mapped: [true, true],
      combine: ["stack", "sum"],
    }),
    loop("nested, summed inside", [type(4, 3), type(2, 3)], {
      body: columns(4, "sum"),
      length: 2,
      mapped: [false, true],
      combine: ["stack", "stack"],
    }),
    loop("inputs and constants as outputs", [type(3, 2), type(2)], {
      body: passing,
      length: 3,
      mapped: [true, false],
      combine: ["stack", "stack", "stack", "sum"],
    }),
    loop(
      "int32 and bool",
      [
        { shape: [3, 2], dtype: "int32" },
        { shape: [3, 2], dtype: "bool" },
      ],
      {
        body: integers,
        length: 3,
        mapped: [true, true],
        combine: ["stack", "stack"],
      },
    ),
    loop("an unused input", [type(3, 3), type(2)], {
      body: large,
      length: 3,
      mapped: [true, false],
      combine: ["stack"],
    }),
    surroundedLoop(both),
    equationCase("opaque", "an operation of the test's own", [floats([2], [1, 2]), floats([3], [3, 4, 5])], {
      framework: "test",
      kernel: "SumAndDouble",
      attributes: {},
      outputs: [type(), type(3)],
      vjp: null,
    }),
  ];
}

/** A loop between other equations, whose results are used more than once. */
function surroundedLoop(both: Graph): PrimitiveCase {
  const builder = newBuilder();
  const x = f32("x", 4, 3);
  const scale = f32("scale", 3);
  const shifted = ops.add(builder, x.value, ops.full(builder, [4, 3], "float32", 0.5));
  const [rows, sums] = ops.map(builder, both, [shifted, scale.value], [true, false], 4);
  const [again] = ops.map(builder, both, [rows, scale.value], [true, false], 4, { combine: ["sum", "sum"] });
  const graph = builder.build({ inputs: [x], parameters: [scale], outputs: [again, sums, rows, x.value, sums] });
  return graphCase("map: between other equations", graph);
}
