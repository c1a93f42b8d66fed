import { describe, expect, test } from "vitest";
import { booleans, floats, integers, singleGraph } from "../../../test/engines/single";
import { argument } from "../../graph/builder";
import { ModelError } from "../../graph/errors";
import type { Tensor } from "../../graph/tensor";
import { range, sizeOf, type Shape } from "../../graph/types";
import type { AttributesOf, ConvAttributes, PrimitiveName, WindowAttributes } from "../../primitives/attributes";
import { newBuilder } from "../../primitives/index";
import * as ops from "../../primitives/ops";
import { createReferenceEngine } from "./index";

const engine = createReferenceEngine();

async function evaluate<K extends PrimitiveName>(
  primitive: K,
  inputs: readonly Tensor[],
  attributes: AttributesOf[K],
): Promise<number[]> {
  const executable = await engine.compile(singleGraph(primitive, inputs, attributes));
  const [result] = await executable.run(inputs);
  return Array.from(result.data);
}

const counting = (shape: Shape, first = 1): Tensor => floats(shape, range(sizeOf(shape)).map((index) => index + first)); // prettier-ignore

describe("elementwise", () => {
  const cases: [PrimitiveName, number[], number[]][] = [
    ["neg", [1, -2, 0], [-1, 2, -0]],
    ["abs", [1, -2, 0], [1, 2, 0]],
    ["sign", [3, -2, 0], [1, -1, 0]],
    ["floor", [1.5, -1.5, 2], [1, -2, 2]],
    ["ceil", [1.5, -1.5, 2], [2, -1, 2]],
    ["round", [0.5, 1.5, 2.5, -0.5, -1.5, 1.2], [0, 2, 2, -0, -2, 1]],
    ["exp", [0, 1], [1, Math.E]],
    ["expm1", [0, 1], [0, Math.E - 1]],
    ["log", [1, 8], [0, 3 * Math.LN2]],
    ["log1p", [0, 7], [0, 3 * Math.LN2]],
    ["sqrt", [4, 2.25], [2, 1.5]],
    ["rsqrt", [4, 0.25], [0.5, 2]],
    ["sin", [0, 1], [0, 0.8414709848078965]],
    ["cos", [0, 1], [1, 0.5403023058681398]],
    ["tan", [0, 1], [0, 1.5574077246549023]],
    ["asin", [0, 1], [0, Math.PI / 2]],
    ["acos", [1, 0], [0, Math.PI / 2]],
    ["atan", [0, 1], [0, Math.PI / 4]],
    ["sinh", [0, 1], [0, 1.1752011936438014]],
    ["cosh", [0, 1], [1, 1.543080634815244]],
    ["tanh", [0, 1], [0, 0.7615941559557649]],
    ["asinh", [0, 1], [0, 0.881373587019543]],
    ["acosh", [1, 2], [0, 1.3169578969248166]],
    ["atanh", [0, 0.5], [0, 0.5493061443340549]],
    ["erf", [0, 0.5, 1, -1, 3], [0, 0.5204998778130465, 0.8427007929497149, -0.8427007929497149, 0.9999779095030014]],
    ["logistic", [0, 1, -1], [0.5, 0.7310585786300049, 0.2689414213699951]],
    ["is_finite", [1, Infinity, -Infinity, NaN], [1, 0, 0, 0]],
    ["stop_gradient", [1, -2], [1, -2]],
  ];
  test.each(cases)("%s", async (name, x, expected) => {
    const result = await evaluate(name, [floats([x.length], x)], {});
    result.forEach((element, index) => expect(element).toBeCloseTo(expected[index], 12));
  });

  test("binary operands of extent 1 are broadcast", async () => {
    expect(await evaluate("sub", [floats([2, 1], [10, 20]), floats([1, 3], [1, 2, 3])], {})).toEqual([
      9, 8, 7, 19, 18, 17,
    ]);
  });

  test.each([
    ["add", [1, 2, 7]],
    ["sub", [9, -6, 3]],
    ["mul", [-20, -8, 10]],
    ["div", [-1.25, -0.5, 2.5]],
    ["pow", [1 / 625, 16, 25]],
    ["max", [5, 4, 5]],
    ["min", [-4, -2, 2]],
    ["rem", [1, -2, 1]],
    ["atan2", [Math.atan2(5, -4), Math.atan2(-2, 4), Math.atan2(5, 2)]],
  ] as const)("%s", async (name, expected) => {
    const x = floats([3], [5, -2, 5]);
    const y = floats([3], [-4, 4, 2]);
    (await evaluate(name, [x, y], {})).forEach((element, index) => expect(element).toBeCloseTo(expected[index], 12));
  });

  test("a division of integers truncates", async () => {
    expect(await evaluate("div", [integers([4], [7, -7, 7, -7]), integers([4], [2, 2, -2, -2])], {})).toEqual([
      3, -3, -3, 3,
    ]);
  });

  test("the remainder has the sign of the dividend", async () => {
    expect(await evaluate("rem", [integers([4], [7, -7, 7, -7]), integers([4], [3, 3, -3, -3])], {})).toEqual([
      1, -1, 1, -1,
    ]);
  });

  test.each([
    ["eq", [0, 1, 0]],
    ["ne", [1, 0, 1]],
    ["lt", [1, 0, 0]],
    ["le", [1, 1, 0]],
    ["gt", [0, 0, 1]],
    ["ge", [0, 1, 1]],
  ] as const)("%s", async (name, expected) => {
    expect(await evaluate(name, [floats([3], [1, 2, 3]), floats([3], [2, 2, 2])], {})).toEqual(expected);
  });

  test("logic", async () => {
    const x = booleans([4], [0, 0, 1, 1]);
    const y = booleans([4], [0, 1, 0, 1]);
    expect(await evaluate("and", [x, y], {})).toEqual([0, 0, 0, 1]);
    expect(await evaluate("or", [x, y], {})).toEqual([0, 1, 1, 1]);
    expect(await evaluate("not", [x], {})).toEqual([1, 1, 0, 0]);
  });

  test("select broadcasts its condition", async () => {
    const result = await evaluate("select", [booleans([2, 1], [1, 0]), counting([2, 2]), counting([1, 2], 10)], {});
    expect(result).toEqual([1, 2, 10, 11]);
  });

  test("convert truncates to integers and compares with zero for booleans", async () => {
    const x = floats([4], [1.9, -1.9, 0, 0.5]);
    expect(await evaluate("convert", [x], { dtype: "int32" })).toEqual([1, -1, 0, 0]);
    expect(await evaluate("convert", [x], { dtype: "bool" })).toEqual([1, 1, 0, 1]);
    expect(await evaluate("convert", [booleans([2], [0, 1])], { dtype: "float32" })).toEqual([0, 1]);
  });
});

describe("along axes", () => {
  const x = counting([2, 3]);

  test("reductions", async () => {
    expect(await evaluate("reduce_sum", [x], { axes: [0] })).toEqual([5, 7, 9]);
    expect(await evaluate("reduce_sum", [x], { axes: [1] })).toEqual([6, 15]);
    expect(await evaluate("reduce_sum", [x], { axes: [0, 1] })).toEqual([21]);
    expect(await evaluate("reduce_sum", [counting([2, 2, 2])], { axes: [0, 2] })).toEqual([14, 22]);
    expect(await evaluate("reduce_max", [x], { axes: [1] })).toEqual([3, 6]);
    expect(await evaluate("reduce_min", [x], { axes: [0] })).toEqual([1, 2, 3]);
    expect(await evaluate("reduce_prod", [x], { axes: [1] })).toEqual([6, 120]);
    const negative = integers([3], [-5, -3, -4]);
    expect(await evaluate("reduce_max", [negative], { axes: [0] })).toEqual([-3]);
    expect(await evaluate("reduce_min", [integers([2], [5, 3])], { axes: [0] })).toEqual([3]);
  });

  test("positions of extrema are the first", async () => {
    const ties = floats([2, 4], [1, 3, 3, 1, 2, 2, 2, 0]);
    expect(await evaluate("argmax", [ties], { axis: 1 })).toEqual([1, 0]);
    expect(await evaluate("argmin", [ties], { axis: 1 })).toEqual([0, 3]);
    expect(await evaluate("argmax", [ties], { axis: 0 })).toEqual([1, 0, 0, 0]);
  });

  test("cumsum", async () => {
    expect(await evaluate("cumsum", [x], { axis: 1, reverse: false })).toEqual([1, 3, 6, 4, 9, 15]);
    expect(await evaluate("cumsum", [x], { axis: 1, reverse: true })).toEqual([6, 5, 3, 15, 11, 6]);
    expect(await evaluate("cumsum", [x], { axis: 0, reverse: false })).toEqual([1, 2, 3, 5, 7, 9]);
  });

  test("argsort is stable in both directions", async () => {
    const ties = floats([5], [2, 1, 2, 3, 1]);
    expect(await evaluate("argsort", [ties], { axis: 0, descending: false })).toEqual([1, 4, 0, 2, 3]);
    expect(await evaluate("argsort", [ties], { axis: 0, descending: true })).toEqual([3, 0, 2, 1, 4]);
    const columns = floats([2, 2], [2, 1, 1, 2]);
    expect(await evaluate("argsort", [columns], { axis: 0, descending: false })).toEqual([1, 0, 0, 1]);
  });
});

describe("structure", () => {
  const x = counting([2, 3]);

  test("reshape, transpose, reverse", async () => {
    expect(await evaluate("reshape", [x], { shape: [3, 2] })).toEqual([1, 2, 3, 4, 5, 6]);
    expect(await evaluate("transpose", [x], { permutation: [1, 0] })).toEqual([1, 4, 2, 5, 3, 6]);
    expect(await evaluate("transpose", [counting([1, 2, 3])], { permutation: [2, 0, 1] })).toEqual([1, 4, 2, 5, 3, 6]);
    expect(await evaluate("reverse", [x], { axes: [0] })).toEqual([4, 5, 6, 1, 2, 3]);
    expect(await evaluate("reverse", [x], { axes: [0, 1] })).toEqual([6, 5, 4, 3, 2, 1]);
  });

  test("broadcast_in_dim", async () => {
    expect(await evaluate("broadcast_in_dim", [counting([2])], { shape: [2, 2], axes: [0] })).toEqual([1, 1, 2, 2]);
    expect(await evaluate("broadcast_in_dim", [counting([2])], { shape: [2, 2], axes: [1] })).toEqual([1, 2, 1, 2]);
    expect(await evaluate("broadcast_in_dim", [counting([1, 2])], { shape: [2, 2], axes: [0, 1] })).toEqual([
      1, 2, 1, 2,
    ]);
    expect(await evaluate("broadcast_in_dim", [counting([])], { shape: [3], axes: [] })).toEqual([1, 1, 1]);
  });

  test("pad", async () => {
    const y = counting([3]);
    const padded = (low: number, high: number, interior: number): Promise<number[]> =>
      evaluate("pad", [y], { low: [low], high: [high], interior: [interior], value: 9 });
    expect(await padded(1, 2, 0)).toEqual([9, 1, 2, 3, 9, 9]);
    expect(await padded(0, 0, 1)).toEqual([1, 9, 2, 9, 3]);
    expect(await padded(-1, 1, 1)).toEqual([9, 2, 9, 3, 9]);
    expect(await padded(-1, -1, 0)).toEqual([2]);
    expect(await padded(-3, 1, 0)).toEqual([9]);
  });

  test("slice", async () => {
    const whole = counting([3, 4]);
    expect(await evaluate("slice", [whole], { start: [1, 0], limit: [3, 4], strides: [1, 2] })).toEqual([5, 7, 9, 11]);
    expect(await evaluate("slice", [whole], { start: [0, 1], limit: [3, 4], strides: [2, 3] })).toEqual([2, 10]);
  });

  test("concatenate", async () => {
    expect(await evaluate("concatenate", [x, counting([2, 1], 7)], { axis: 1 })).toEqual([1, 2, 3, 7, 4, 5, 6, 8]);
    expect(await evaluate("concatenate", [x, counting([1, 3], 7)], { axis: 0 })).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("iota", async () => {
    expect(await evaluate("iota", [], { shape: [2, 3], dtype: "int32", axis: 1 })).toEqual([0, 1, 2, 0, 1, 2]);
    expect(await evaluate("iota", [], { shape: [2, 3], dtype: "float32", axis: 0 })).toEqual([0, 0, 0, 1, 1, 1]);
  });
});

describe("dot_general", () => {
  test("a matrix product", async () => {
    const attributes = { contract: [[1], [0]], batch: [[], []] } as const;
    expect(await evaluate("dot_general", [counting([2, 2]), counting([2, 2], 5)], attributes)).toEqual([
      19, 22, 43, 50,
    ]);
  });

  test("batch axes come first, then the left operand's others, then the right's", async () => {
    // out[b,i,j] = sum_k x[i,b,k] y[j,k,b]
    const x = counting([2, 3, 2]);
    const y = counting([4, 2, 3], -5);
    const result = await evaluate("dot_general", [x, y], { contract: [[2], [1]], batch: [[1], [2]] });
    const expected = range(3).flatMap((b) =>
      range(2).flatMap((i) =>
        range(4).map((j) =>
          range(2).reduce((sum, k) => sum + x.data[(i * 3 + b) * 2 + k] * y.data[(j * 2 + k) * 3 + b], 0),
        ),
      ),
    );
    expect(result).toEqual(expected);
  });

  test("an outer product", async () => {
    const attributes = { contract: [[], []], batch: [[], []] } as const;
    expect(await evaluate("dot_general", [counting([2]), counting([3])], attributes)).toEqual([1, 2, 3, 2, 4, 6]);
  });
});

describe("conv_general_dilated", () => {
  const plain: ConvAttributes = {
    strides: [1],
    padding: [[0, 0]],
    lhsDilation: [1],
    rhsDilation: [1],
    featureGroups: 1,
    batchGroups: 1,
    batchDims: 0,
    lhsSpec: [0, 1, 2],
    rhsSpec: [0, 1, 2],
    outSpec: [0, 1, 2],
  };
  const line = (elements: number[]): Tensor => floats([1, 1, elements.length], elements);
  const convolve = (lhs: Tensor, rhs: Tensor, attributes: Partial<ConvAttributes>): Promise<number[]> =>
    evaluate("conv_general_dilated", [lhs, rhs], { ...plain, ...attributes });

  test("is a cross-correlation", async () => {
    expect(await convolve(line([1, 2, 3, 4]), line([10, 1]), {})).toEqual([12, 23, 34]);
  });

  test("strides, padding, dilations", async () => {
    const x = line([1, 2, 3, 4]);
    expect(await convolve(x, line([10, 1]), { strides: [2] })).toEqual([12, 34]);
    expect(await convolve(x, line([10, 1]), { padding: [[1, 2]] })).toEqual([1, 12, 23, 34, 40, 0]);
    expect(await convolve(x, line([10, 1]), { padding: [[-1, 0]] })).toEqual([23, 34]);
    expect(await convolve(x, line([10, 1]), { rhsDilation: [2] })).toEqual([13, 24]);
    // 1 0 2 0 3 0 4
    expect(await convolve(x, line([10, 1]), { lhsDilation: [2] })).toEqual([10, 2, 20, 3, 30, 4]);
  });

  test("feature groups", async () => {
    // Two features; the kernel's two output features see one each
    const x = floats([1, 2, 2], [1, 2, 3, 4]);
    const kernel = floats([2, 1, 1], [10, 100]);
    expect(await convolve(x, kernel, { featureGroups: 2 })).toEqual([10, 20, 300, 400]);
  });

  test("batch groups", async () => {
    // Two examples; the first output feature sees the first, the second the second
    const x = floats([2, 1, 2], [1, 2, 3, 4]);
    const kernel = floats([2, 1, 1], [10, 100]);
    expect(await convolve(x, kernel, { batchGroups: 2 })).toEqual([10, 20, 300, 400]);
  });

  test("batch dimensions are broadcast", async () => {
    const x = floats([2, 1, 1, 2], [1, 2, 3, 4]);
    const kernel = floats([1, 1, 1, 1], [10]);
    expect(await convolve(x, kernel, { batchDims: 1 })).toEqual([10, 20, 30, 40]);
    const kernels = floats([2, 1, 1, 1], [10, 100]);
    expect(await convolve(x, kernels, { batchDims: 1 })).toEqual([10, 20, 300, 400]);
    expect(await convolve(floats([1, 1, 1, 2], [1, 2]), kernels, { batchDims: 1 })).toEqual([10, 20, 100, 200]);
  });

  test("axes in another order, two spatial dimensions", async () => {
    // NHWC with HWIO: out[h,w,o] = sum x[h+i,w+j,c] k[i,j,c,o]
    const x = counting([1, 3, 3, 2]);
    const kernel = counting([2, 2, 2, 2], -3);
    const result = await evaluate("conv_general_dilated", [x, kernel], {
      ...plain,
      strides: [1, 1],
      padding: [
        [0, 0],
        [0, 0],
      ],
      lhsDilation: [1, 1],
      rhsDilation: [1, 1],
      lhsSpec: [0, 3, 1, 2],
      rhsSpec: [3, 2, 0, 1],
      outSpec: [0, 3, 1, 2],
    });
    const expected: number[] = [];
    for (const h of [0, 1]) {
      for (const w of [0, 1]) {
        for (const o of [0, 1]) {
          let sum = 0;
          for (const i of [0, 1]) {
            for (const j of [0, 1]) {
              for (const c of [0, 1]) {
                sum += x.data[((h + i) * 3 + w + j) * 2 + c] * kernel.data[((i * 2 + j) * 2 + c) * 2 + o];
              }
            }
          }
          expected.push(sum);
        }
      }
    }
    expect(result).toEqual(expected);
  });
});

describe("windows", () => {
  const pairs: WindowAttributes = { window: [2], strides: [1], padding: [[0, 0]], dilation: [1] };
  const x = floats([5], [3, 1, 4, 1, 5]);

  test("sums and maxima", async () => {
    expect(await evaluate("reduce_window_sum", [x], pairs)).toEqual([4, 5, 5, 6]);
    expect(await evaluate("reduce_window_max", [x], pairs)).toEqual([3, 4, 4, 5]);
    expect(await evaluate("reduce_window_sum", [x], { ...pairs, strides: [2] })).toEqual([4, 5]);
    expect(await evaluate("reduce_window_sum", [x], { ...pairs, dilation: [3] })).toEqual([4, 6]);
    expect(await evaluate("reduce_window_sum", [x], { ...pairs, padding: [[1, 0]] })).toEqual([3, 4, 5, 5, 6]);
    const negative = floats([2], [-3, -4]);
    expect(await evaluate("reduce_window_max", [negative], { ...pairs, padding: [[1, 1]] })).toEqual([-3, -3, -4]);
  });

  test("windows over two of three axes", async () => {
    const attributes: WindowAttributes = {
      window: [1, 2, 2],
      strides: [1, 1, 1],
      padding: range(3).map(() => [0, 0] as const),
      dilation: [1, 1, 1],
    };
    expect(await evaluate("reduce_window_sum", [counting([2, 2, 3])], attributes)).toEqual([12, 16, 36, 40]);
  });

  test("selections take the first maximum", async () => {
    const operand = floats([4], [2, 2, 1, 3]);
    expect(await evaluate("select_and_gather_add", [counting([4]), operand], pairs)).toEqual([1, 2, 4]);
    expect(await evaluate("select_and_scatter_add", [counting([3], 10), operand], pairs)).toEqual([10, 11, 0, 12]);
  });

  test("overlapping windows add up, and an operand is broadcast along idle axes", async () => {
    const attributes: WindowAttributes = {
      window: [1, 2],
      strides: [1, 1],
      padding: range(2).map(() => [0, 0] as const),
      dilation: [1, 1],
    };
    const operand = floats([1, 3], [1, 3, 2]);
    expect(await evaluate("select_and_scatter_add", [counting([2, 2]), operand], attributes)).toEqual([
      0, 3, 0, 0, 7, 0,
    ]);
    expect(await evaluate("select_and_gather_add", [counting([2, 3]), operand], attributes)).toEqual([2, 2, 5, 5]);
  });
});

describe("indices", () => {
  test("gather", async () => {
    const x = counting([3, 2]);
    expect(await evaluate("gather", [x, integers([2], [2, 0])], { axis: 0, batchDims: 0 })).toEqual([5, 6, 1, 2]);
    expect(await evaluate("gather", [x, integers([1, 2], [1, 1])], { axis: 1, batchDims: 0 })).toEqual([
      2, 2, 4, 4, 6, 6,
    ]);
    expect(await evaluate("gather", [x, integers([3], [1, 0, 1])], { axis: 1, batchDims: 1 })).toEqual([2, 3, 6]);
  });

  test("scatter_add adds where indices repeat", async () => {
    const updates = counting([3, 2]);
    const attributes = { axis: 0, size: 3, batchDims: 0 };
    expect(await evaluate("scatter_add", [updates, integers([3], [2, 0, 2])], attributes)).toEqual([3, 4, 0, 0, 6, 8]);
    expect(
      await evaluate("scatter_add", [updates, integers([3, 2], [1, 1, 0, 1, 0, 0])], {
        axis: 1,
        size: 2,
        batchDims: 1,
      }),
    ).toEqual([0, 3, 3, 4, 11, 0]);
  });

  test("an index out of range is the model's fault, at its line", async () => {
    const source = { file: "model.ts", line: 7, column: 1 };
    const inputs = [counting([3]), integers([1], [3])];
    const executable = await engine.compile(singleGraph("gather", inputs, { axis: 0, batchDims: 0 }, source));
    const failure = await executable.run(inputs).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ModelError);
    expect((failure as ModelError).describe()).toBe("model.ts:7: Index 3 is out of range: it must be between 0 and 2.");
  });
});

describe("map and opaque", () => {
  test("stacks and sums what the body yields for slices and whole inputs", async () => {
    const inner = newBuilder();
    const [x, y] = [argument("x", [2], "float32"), argument("y", [2], "float32")];
    const product = ops.mul(inner, x.value, y.value);
    const body = inner.build({ inputs: [x, y], outputs: [product, ops.reduceSum(inner, product, [0])] });
    const [rows, scale] = [counting([3, 2]), floats([2], [1, 10])];
    const graph = singleGraph("map", [rows, scale], {
      body,
      length: 3,
      mapped: [true, false],
      combine: ["stack", "sum"],
      fallback: null,
    });
    const [stacked, summed] = await (await engine.compile(graph)).run([rows, scale]);
    expect(Array.from(stacked.data)).toEqual([1, 20, 3, 40, 5, 60]);
    expect(stacked.shape).toEqual([3, 2]);
    expect(Array.from(summed.data)).toEqual([129]);
  });

  test("an opaque operation runs in its own framework, on its own element types", async () => {
    const x = floats([2], [1, 2]);
    const outputs = [{ shape: [2], dtype: "float32" as const }];
    const attributes = { framework: "Test", kernel: "Double", attributes: {}, outputs, vjp: null };
    const graph = singleGraph("opaque", [x], attributes);
    await expect(engine.compile(graph)).rejects.toThrow("the operation Double can only be run by Test");
    const other = { framework: "Other", run: () => [] };
    await expect(engine.compile(graph, { opaque: other })).rejects.toThrow("can only be run by Test");
    const executable = await engine.compile(graph, {
      opaque: {
        framework: "Test",
        run(equation, [operand]) {
          expect(equation.primitive).toBe("opaque");
          expect(operand.data).toBeInstanceOf(Float32Array);
          return [{ ...operand, data: operand.data.map((element) => 2 * element) }];
        },
      },
    });
    expect(Array.from((await executable.run([x]))[0].data)).toEqual([2, 4]);
  });
});

describe("precision", () => {
  test("results are in 64 bits unless 32 are asked for", async () => {
    const x = floats([1], [2]);
    const graph = singleGraph("sqrt", [x], {});
    const [wide] = await (await createReferenceEngine().compile(graph)).run([x]);
    expect(wide).toEqual({ shape: [1], dtype: "float64", data: Float64Array.of(Math.SQRT2) });
    const [narrow] = await (await createReferenceEngine({ precision: 32 }).compile(graph)).run([x]);
    expect(narrow).toEqual({ shape: [1], dtype: "float32", data: Float32Array.of(Math.SQRT2) });
  });
});
