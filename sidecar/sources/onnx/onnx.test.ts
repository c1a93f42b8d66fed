import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { analyze } from "../../analysis/analyze";
import { modelProto } from "../../engines/onnxruntime/onnx/schema";
import { createReferenceEngine } from "../../engines/reference";
import { ModelError } from "../../graph/errors";
import { argumentsOf } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { jvp } from "../../transforms";
import { loadModel, parseInputOption, type Model } from "..";

const folder = mkdtempSync(join(tmpdir(), "kernelscope-onnx-"));
afterAll(() => rmSync(folder, { recursive: true }));

let count = 0;

interface Parts {
  readonly node?: readonly object[];
  readonly input?: readonly object[];
  readonly output?: readonly object[];
  readonly initializer?: readonly object[];
  readonly valueInfo?: readonly object[];
  readonly opset?: number;
  readonly model?: object;
}

/** Writes an ONNX file. */
function write(parts: Parts): string {
  const { node = [], input = [], output = [], initializer = [], valueInfo = [], opset = 20, model = {} } = parts;
  const graph = { name: "graph", node, input, output, initializer, valueInfo };
  const message = { irVersion: 10, opsetImport: [{ domain: "", version: opset }], graph, ...model };
  const file = join(folder, `${count++}.onnx`);
  writeFileSync(file, modelProto().encode(message).finish());
  return file;
}

const value = (name: string, dims: readonly (number | string)[], elemType = 1): object => {
  const dim = dims.map((extent) => (typeof extent === "number" ? { dimValue: extent } : { dimParam: extent }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
};
const floats = (name: string, dims: readonly number[], floatData: readonly number[]): object => {
  return { name, dims, dataType: 1, floatData };
};
const ints = (name: string, int64Data: readonly number[], dims = [int64Data.length]): object => {
  return { name, dims, dataType: 7, int64Data };
};
const op = (
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attribute: readonly object[] = [],
): object => {
  return { opType, name: `the ${opType}`, input, output, attribute };
};
const int = (name: string, i: number): object => ({ name, type: 2, i });
const graphOf = (name: string, g: object): object => ({ name, type: 5, g });

const load = (file: string, inputs: readonly string[] = [], batch = 3): Promise<Model> =>
  loadModel({ file, export: null, inputs: inputs.map(parseInputOption), batch });

async function run(model: Model, ...inputs: readonly (readonly number[])[]): Promise<number[][]> {
  const executable = await createReferenceEngine().compile(model.graph);
  const tensors = argumentsOf(model.graph).map(({ name, value: { shape, dtype } }, index): Tensor => {
    return index < inputs.length ? { shape, dtype, data: Float64Array.from(inputs[index]) } : model.weights[name];
  });
  return (await executable.run(tensors)).map(({ data }) => Array.from(data));
}

/** A layer x W + b with one example's two numbers. */
const dense: Parts = {
  node: [op("Gemm", ["x", "w", "b"], ["y"])],
  input: [value("x", ["batch", 2])],
  output: [value("y", ["batch", 3])],
  initializer: [floats("w", [2, 3], [1, 2, 3, 4, 5, 6]), floats("b", [3], [0, 0, 1])],
};

describe("what is read of an ONNX file", () => {
  it("is the function of one example, its parameters by name, its layers", async () => {
    const model = await load(write(dense));
    expect(model).toMatchObject({
      format: "onnx",
      framework: "ONNX opset 20",
      inputs: [{ name: "x", shape: [2], dtype: "float32" }],
      outputs: [{ name: "y", shape: [3], dtype: "float32" }],
      parameters: [
        { name: "w", trainable: true, source: null },
        { name: "b", trainable: true, source: null },
      ],
      layers: [{ name: "the Gemm", kind: "Gemm", outputs: [[3]], parameters: ["w", "b"] }],
      batch: { coupled: false },
    });
    expect(await run(model, [1, 10])).toEqual([[41, 52, 64]]);
  });

  it("tells statistics, sizes and numbers that no derivative reaches from parameters", async () => {
    const model = await load(
      write({
        node: [
          op("BatchNormalization", ["x", "scale", "bias", "mean", "var"], ["n"]),
          op("Greater", ["n", "threshold"], ["mask"]),
          op("Where", ["mask", "n", "zero"], ["k"]),
          op("Mul", ["factors", "two"], ["doubled"]),
          op("Cast", ["doubled"], ["repeats"], [int("to", 7)]),
          op("Tile", ["k", "repeats"], ["y"]),
        ],
        input: [value("x", ["N", 2])],
        output: [value("y", ["N", 4])],
        initializer: [
          ...["scale", "bias", "mean", "var"].map((name, index) => floats(name, [2], [1 + index, 2])),
          floats("threshold", [2], [1, 2]),
          floats("zero", [], [0]),
          floats("factors", [2], [0.5, 1]),
          floats("two", [], [2]),
        ],
      }),
    );
    expect(model.parameters.map(({ name }) => name)).toEqual(["scale", "bias"]);
    expect(model.graph.buffers.map(({ name }) => name)).toEqual(["mean", "var"]);
    expect(model.outputs[0].shape).toEqual([4]);
    expect(Object.keys(model.weights)).toEqual(["scale", "bias", "mean", "var"]);
  });

  it("folds what is computed from shapes, so that a reshape may follow the input's", async () => {
    const model = await load(
      write({
        node: [
          op("Shape", ["x"], ["shape"]),
          op("Gather", ["shape", "zero"], ["n"]),
          op("Unsqueeze", ["n", "first"], ["n1"]),
          op("Concat", ["n1", "rest"], ["target"], [int("axis", 0)]),
          op("Reshape", ["x", "target"], ["y"]),
        ],
        input: [value("x", ["N", 2, 3])],
        output: [value("y", ["N", 6])],
        initializer: [ints("zero", [0], []), ints("first", [0]), ints("rest", [-1])],
      }),
    );
    expect(model.graph.equations.map(({ primitive }) => primitive)).toEqual(["reshape", "reshape", "reshape"]);
    expect(model.outputs[0].shape).toEqual([6]);
  });

  it("takes a batch axis wherever its name stands, and extents by --input", async () => {
    const file = write({
      node: [op("ReduceMean", ["x", "axes"], ["m"], [int("keepdims", 0)]), op("Add", ["m", "h"], ["y"])],
      input: [value("x", ["steps", "batch", 2]), value("h", ["batch", 2])],
      output: [value("y", ["batch", 2])],
      initializer: [ints("axes", [0])],
    });
    await expect(load(file)).rejects.toThrow(/the shape of the input x is open.*--input x=N,EXTENT1,2/);
    const model = await load(file, ["x=N,4,2"]);
    expect(model.inputs.map(({ shape }) => shape)).toEqual([[4, 2], [2]]);
    expect(model.batch).toEqual({ coupled: false });
    expect(await run(model, [1, 0, 2, 0, 3, 0, 6, 4], [10, 20])).toEqual([[13, 21]]);
  });

  it("says that examples depend on one another, or that their number is fixed", async () => {
    const coupled = await load(
      write({
        node: [op("Softmax", ["x"], ["y"], [int("axis", 0)])],
        input: [value("x", ["N", 2])],
        output: [value("y", ["N", 2])],
      }),
    );
    expect(coupled.batch).toMatchObject({ coupled: true, size: 3, reason: "reduce_max runs over the batch axis" });
    const fixed = await load(write({ ...dense, input: [value("x", [4, 2])], output: [value("y", [4, 3])] }));
    expect(fixed.batch).toMatchObject({ coupled: true, size: 4, reason: "the model's batch size is fixed at 4" });
  });

  it("takes branches, turns of loops and functions of the file's own as they come", async () => {
    const branch = (name: string, opType: string): object =>
      graphOf(name, { name, node: [op(opType, ["x"], [`${name} y`])], output: [value(`${name} y`, [])] });
    const body = {
      node: [op("Mul", ["state", "w"], ["next"]), op("Identity", ["go"], ["still"])],
      input: [value("turn", [], 7), value("go", [], 9), value("state", [])],
      output: [value("still", [], 9), value("next", [])],
    };
    const model = await load(
      write({
        node: [
          op("If", ["yes"], ["chosen"], [branch("then_branch", "Neg"), branch("else_branch", "Exp")]),
          op("Loop", ["three", "", "chosen"], ["looped"], [graphOf("body", body)]),
          { opType: "Twice", domain: "own", input: ["looped"], output: ["y"], name: "", attribute: [int("times", 2)] },
        ],
        input: [value("x", ["N", 2])],
        output: [value("y", ["N", 2])],
        initializer: [
          { name: "yes", dims: [], dataType: 9, int32Data: [1] },
          ints("three", [3], []),
          floats("w", [2], [2, 3]),
        ],
        model: {
          opsetImport: [
            { domain: "", version: 20 },
            { domain: "own", version: 1 },
          ],
          functions: [
            {
              name: "Twice",
              domain: "own",
              input: ["a"],
              output: ["b"],
              attribute: ["times"],
              opsetImport: [{ domain: "", version: 20 }],
              node: [
                op("Constant", [], ["factor"], [{ name: "value_int", type: 2, refAttrName: "times" }]),
                op("CastLike", ["factor", "a"], ["float"]),
                op("Mul", ["a", "float"], ["b"]),
              ],
            },
          ],
        },
      }),
    );
    expect(await run(model, [1, 2])).toEqual([[-16, -108]]);
    expect(model.parameters.map(({ name }) => name)).toEqual(["w"]);
  });

  it("has parameters of branches, under names of their own", async () => {
    const branch = (name: string, factors: readonly number[]): object =>
      graphOf(name, {
        name,
        node: [op("Mul", ["x", "w"], [`${name} y`])],
        output: [value(`${name} y`, [])],
        initializer: [floats("w", [2], factors)],
      });
    const model = await load(
      write({
        node: [
          op("Mul", ["x", "w"], ["scaled"]),
          op("If", ["yes"], ["chosen"], [branch("then_branch", [5, 7]), branch("else_branch", [0, 0])]),
          op("Add", ["scaled", "chosen"], ["y"]),
        ],
        input: [value("x", ["N", 2])],
        output: [value("y", ["N", 2])],
        initializer: [{ name: "yes", dims: [], dataType: 9, int32Data: [1] }, floats("w", [2], [1, 2])],
      }),
    );
    expect(model.parameters.map(({ name }) => name)).toEqual(["w", "w_1"]);
    expect(await run(model, [1, 10])).toEqual([[6, 90]]);
  });

  it("lets derivatives straight through a quantisation, up to where numbers are cut off", async () => {
    const model = await load(
      write({
        node: [
          op("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
          op("DequantizeLinear", ["q", "scale", "zero"], ["d"]),
          op("Mul", ["d", "w"], ["y"]),
        ],
        input: [value("x", ["N", 3])],
        output: [value("y", ["N", 3])],
        initializer: [
          floats("scale", [], [0.5]),
          { name: "zero", dims: [], dataType: 2, int32Data: [10] },
          floats("w", [3], [2, 3, 4]),
        ],
      }),
    );
    expect(model.notes).toEqual([expect.stringContaining("quantises")]);
    expect(await run(model, [0.6, -0.3, 1000])).toEqual([[1, -1.5, 490]]);
    const tangents = jvp(model.graph, [model.graph.inputs[0].value]);
    const executable = await createReferenceEngine().compile(tangents);
    const ones: Tensor = { shape: [3], dtype: "float32", data: Float32Array.of(1, 1, 1) };
    const x: Tensor = { ...ones, data: Float32Array.of(0.6, -0.3, 1000) };
    const [, slope] = await executable.run([x, ones, model.weights.w]);
    expect(Array.from(slope.data)).toEqual([2, 3, 0]);
  });

  it("has operators without a rule as the file describes them: with shapes, and without a derivative", async () => {
    const foreign = { ...op("Wobble", ["x", "scale"], ["z", "", "rest"]), domain: "com.example" };
    const file = write({
      node: [foreign, op("Gemm", ["z", "w", "b"], ["y"])],
      input: [value("x", ["batch", 5])],
      output: [value("y", ["batch", 3]), value("rest", ["batch"])],
      initializer: [...dense.initializer!, floats("scale", [4], [1, 2, 3, 4])],
      valueInfo: [value("z", ["batch", 2])],
    });
    const model = await load(file);
    const opaque = model.graph.equations.find(({ primitive }) => primitive === "opaque");
    expect(opaque?.attributes).toMatchObject({ kernel: "com.example.Wobble", vjp: null });
    // Nobody can tell whether it has to do with one example at a time
    expect(model.batch).toMatchObject({
      coupled: true,
      size: 3,
      reason: "the examples cannot be followed through com.example.Wobble, and it cannot be run here to try it out",
    });
    expect(model.outputs.map(({ shape }) => shape)).toEqual([[3], []]);
    expect(model.layers.map(({ kind, parameters }) => [kind, parameters])).toEqual([
      ["Wobble", ["scale"]],
      ["Gemm", ["w", "b"]],
    ]);
    const analysis = analyze(model, { batch: 3, device: { name: "CPU", memoryBytes: 2 ** 34, detected: false } });
    expect(analysis.jacobian.shape).toEqual([3, 4, 13]);
    expect(analysis.strategies).toEqual([]);
    expect(analysis.diagnostics.map(({ message }) => message)).toEqual(
      expect.arrayContaining([
        "The operation com.example.Wobble has no derivative.",
        "Kernelscope has no rule for com.example.Wobble: its results have the shapes that the file says, and no derivative.",
      ]),
    );
    await expect(createReferenceEngine().compile(model.graph)).rejects.toThrow(
      "the operation com.example.Wobble can only be run by the runtime of com.example, which is not at hand",
    );
  });

  it("keeps the batch axis, of one example too, where axes of extent 1 are dropped", async () => {
    const file = write({
      node: [op("Squeeze", ["x"], ["z"]), op("Gemm", ["z", "w", "b"], ["y"])],
      input: [value("x", ["batch", 1, 2, 1])],
      output: dense.output,
      initializer: dense.initializer,
      valueInfo: [value("z", ["batch", 2])],
    });
    const model = await load(file);
    expect(model.batch).toEqual({ coupled: false });
    expect(await run(model, [1, 1])).toEqual([[5, 7, 10]]);
  });

  it("follows examples where an operator without a rule has nothing to do with them", async () => {
    const file = write({
      node: [{ ...op("Table", ["w"], ["v"]), domain: "com.example" }, op("Gemm", ["x", "v", "b"], ["y"])],
      input: dense.input,
      output: dense.output,
      initializer: dense.initializer,
      valueInfo: [value("v", [2, 3])],
    });
    const model = await load(file);
    expect(model.batch).toEqual({ coupled: false });
    expect(model.outputs[0].shape).toEqual([3]);
  });

  it("keeps external data that are in the model's folder", async () => {
    writeFileSync(join(folder, "weights.bin"), new Uint8Array(Float32Array.of(9, 9, 1, 2, 3, 4, 5, 6).buffer));
    const external = [
      { key: "location", value: "weights.bin" },
      { key: "offset", value: "8" },
      { key: "length", value: "24" },
    ];
    const w = { name: "w", dims: [2, 3], dataType: 1, dataLocation: 1, externalData: external };
    const model = await load(write({ ...dense, initializer: [w, floats("b", [3], [0, 0, 1])] }));
    expect(await run(model, [1, 10])).toEqual([[41, 52, 64]]);
    expect(model.files).toEqual([model.file, join(folder, "weights.bin")]);
  });
});

describe("sizes beyond use", () => {
  it("are not made to see whether examples are independent", async () => {
    const nodes = [
      op("Unsqueeze", ["x", "last"], ["column"]),
      op("Expand", ["column", "shape"], ["wide"]),
      op("Slice", ["wide", "zero", "one", "last"], ["y"]),
    ];
    const initializer = [ints("last", [2]), ints("shape", [1, 4, 2 ** 31]), ints("zero", [0]), ints("one", [1])];
    const output = [value("y", ["N", 4, 1])];
    const model = await load(write({ node: nodes, input: [value("x", ["N", 4])], output, initializer }));
    expect(model.batch).toEqual({ coupled: false });
    expect(model.outputs).toMatchObject([{ shape: [4, 1] }]);
  });

  it("of an output without elements have no Jacobian, which is told", async () => {
    const nodes = [op("MatMul", ["x", "w"], ["z"]), op("Slice", ["z", "zero", "zero", "zero"], ["y"])];
    const initializer = [floats("w", [2, 3], [1, 2, 3, 4, 5, 6]), ints("zero", [0])];
    const output = [value("y", [0, 3])];
    const model = await load(write({ node: nodes, input: [value("x", ["N", 2])], output, initializer }));
    const device = { name: "CPU", memoryBytes: 2 ** 30, detected: false };
    const { strategies, ntk, diagnostics } = analyze(model, { batch: 3, device });
    expect([strategies, ntk]).toEqual([[], []]);
    expect(diagnostics).toContainEqual({
      severity: "error",
      code: "no-jacobian",
      message: "An output has no elements ([0,3]), and so no derivative; leave it out, or give larger inputs.",
      source: null,
    });
  });
});

describe("what is refused", () => {
  const external = (location: string, entries: Record<string, string> = {}): Parts => {
    const externalData = Object.entries({ location, ...entries }).map(([key, each]) => ({ key, value: each }));
    return { ...dense, initializer: [{ name: "w", dims: [2, 3], dataType: 1, dataLocation: 1, externalData }] };
  };
  const unary = (node: object, more: Partial<Parts> = {}): Parts => {
    return { node: [node], input: [value("x", ["N", 4])], output: [value("y", ["N", 4])], ...more };
  };
  mkdirSync(join(folder, "deep"));
  writeFileSync(join(folder, "small.bin"), "1234");
  symlinkSync("/etc/passwd", join(folder, "link.bin"));

  it.each<[string, Parts, RegExp]>([
    [
      "an operator without a rule",
      unary(op("Wibble", ["x"], ["y"]), { output: [value("y", ["N", "M"])] }),
      /^Wibble the Wibble: there is no rule for the operator Wibble, and the file does not say of which shape its output y is;/,
    ],
    [
      "another domain",
      {
        ...unary(op("Relu", ["z"], ["y"])),
        node: [{ ...op("Gelu", ["x"], ["z"]), domain: "com.microsoft" }, op("Relu", ["z"], ["y"])],
      },
      /Gelu the Gelu: there is no rule for the operator Gelu of the domain com.microsoft/,
    ],
    ["an old operator set", { ...unary(op("Relu", ["x"], ["y"])), opset: 6 }, /operator set 6; export it again with 7/],
    [
      "a graph with a cycle",
      unary(op("Add", ["x", "y"], ["y"])),
      /it takes y, which no node before it gives: the graph has a cycle/,
    ],
    ["an output that nothing gives", unary(op("Relu", ["x"], ["z"])), /no node gives the output y/],
    [
      "a function that calls itself",
      {
        ...unary({ opType: "F", domain: "own", input: ["x"], output: ["y"] }),
        model: {
          functions: [
            {
              name: "F",
              domain: "own",
              input: ["a"],
              output: ["b"],
              opsetImport: [],
              node: [{ opType: "F", domain: "own", input: ["a"], output: ["b"] }],
            },
          ],
        },
      },
      /nested without end/,
    ],
    [
      "an impossible shape",
      unary(op("Expand", ["x", "s"], ["y"]), { initializer: [ints("s", [2 ** 31 - 1, 2 ** 31 - 1, 4])] }),
      /impossible shape/,
    ],
    [
      "a shape of floating-point numbers",
      unary(op("Reshape", ["x", "s"], ["y"]), { initializer: [floats("s", [2], [0.5, 4])] }),
      /its input shape holds 0\.5, which is no whole number/,
    ],
    [
      "a shape of many extents, of which the first are named",
      unary(op("Reshape", ["x", "s"], ["y"]), { initializer: [ints("s", new Array<number>(900).fill(2))] }),
      /cannot be given the shape \[2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,\.\.\. 900 extents\]$/,
    ],
    [
      "a shape of more than there is",
      { ...dense, initializer: [floats("w", [2 ** 40, 2 ** 40], [1])] },
      /the tensor w has the impossible shape/,
    ],
    [
      "a tensor with too few numbers",
      { ...dense, initializer: [floats("w", [2, 3], [1, 2])] },
      /takes 6 numbers, but holds 2/,
    ],
    [
      "raw data of a wrong size",
      { ...dense, initializer: [{ name: "w", dims: [2, 3], dataType: 1, rawData: new Uint8Array(5) }] },
      /takes 24 bytes, but holds 5/,
    ],
    [
      "an element type that there is not",
      { ...dense, initializer: [{ name: "w", dims: [1], dataType: 99 }] },
      /of the type undefined/,
    ],
    [
      "text",
      { ...dense, initializer: [{ name: "w", dims: [1], dataType: 8, stringData: [new Uint8Array(2)] }] },
      /of the type string/,
    ],
    [
      "a window larger than what it slides over",
      unary(op("MaxPool", ["x"], ["y"], [{ name: "kernel_shape", type: 7, ints: [9] }]), {
        input: [value("x", ["N", 1, 4])],
      }),
      /window of 9 does not fit/,
    ],
    [
      "padding beyond all measure",
      unary(
        op(
          "AveragePool",
          ["x"],
          ["y"],
          [
            { name: "kernel_shape", type: 7, ints: [2] },
            { name: "pads", type: 7, ints: [2 ** 40, 2 ** 40] },
          ],
        ),
        { input: [value("x", ["N", 1, 4])] },
      ),
      /pads are .*do not fit/,
    ],
    [
      "a count beyond all measure",
      unary(op("Range", ["a", "b", "c"], ["y"]), {
        initializer: [floats("a", [], [0]), floats("b", [], [1e30]), floats("c", [], [1])],
      }),
      /which is too far/,
    ],
    [
      "a loop without an end",
      unary(
        op(
          "Loop",
          ["", "", "x"],
          ["y"],
          [
            graphOf("body", {
              node: [op("Identity", ["go"], ["still"]), op("Relu", ["state"], ["next"])],
              input: [value("turn", [], 7), value("go", [], 9), value("state", [])],
              output: [value("still", [], 9), value("next", [])],
            }),
          ],
        ),
      ),
      /more than 5000 steps/,
    ],
    [
      "a sequence without an end",
      {
        node: [op("RNN", ["x", "w", "r"], ["y"])],
        input: [value("x", [5001, "N", 1])],
        output: [value("y", [5001, 1, "N", 1])],
        initializer: [floats("w", [1, 1, 1], [1]), floats("r", [1, 1, 1], [1])],
      },
      /more than 5000 steps/,
    ],
    [
      "a loop whose end depends on the inputs",
      unary(
        op(
          "Loop",
          ["", "", "x"],
          ["y"],
          [
            graphOf("body", {
              node: [
                op("ReduceMax", ["state"], ["most"], [int("keepdims", 0)]),
                op("Less", ["most", "one"], ["still"]),
                op("Relu", ["state"], ["next"]),
              ],
              input: [value("turn", [], 7), value("go", [], 9), value("state", [])],
              output: [value("still", [], 9), value("next", [])],
            }),
          ],
        ),
        { initializer: [floats("one", [], [1])] },
      ),
      /when it ends depends on the model's inputs/,
    ],
    [
      "a size that depends on the inputs",
      unary(op("NonZero", ["x"], ["y"])),
      /the elements of its input x have to be known/,
    ],
    [
      "data outside of the folder",
      external("../weights.bin"),
      /kept in "..\/weights.bin", which is not in the model's folder/,
    ],
    ["data at an absolute path", external("/etc/passwd"), /not in the model's folder/],
    ["data behind a link that leads away", external("link.bin"), /not in the model's folder/],
    ["data that are not there", external("missing.bin"), /the file missing.bin, which is not there/],
    [
      "data that are too short",
      external("small.bin"),
      /needs 24 bytes from byte 0 of .*small.bin on, but that file has 4/,
    ],
    ["data that are a folder", external("deep"), /needs 24 bytes/],
    ["an impossible offset", external("small.bin", { offset: "-1" }), /impossible offset -1/],
    [
      "a sequence as an input",
      unary(op("Relu", ["x"], ["y"]), { input: [{ name: "x", type: { sequenceType: {} } }] }),
      /the input x is a sequence/,
    ],
  ])("%s", async (_name, parts, message) => {
    const start = performance.now();
    const error: unknown = await load(write(parts)).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ModelError);
    expect((error as ModelError).message).toMatch(message);
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it("a file cut off anywhere, or with a byte changed, with a sentence", async () => {
    const bytes = modelProto()
      .encode({
        irVersion: 10,
        opsetImport: [{ domain: "", version: 20 }],
        graph: { name: "graph", ...dense },
      })
      .finish();
    const file = join(folder, "damaged.onnx");
    for (let length = 0; length < bytes.length; length++) {
      for (const damaged of [
        bytes.slice(0, length),
        Uint8Array.from(bytes, (byte, at) => (at === length ? byte ^ 0xff : byte)),
      ]) {
        writeFileSync(file, damaged);
        // A name with another letter in it is a model all the same
        const error: unknown = await load(file).catch((thrown: unknown) => thrown);
        if (error instanceof Error) expect(error).toBeInstanceOf(ModelError);
      }
    }
  });

  it("what is no ONNX file at all", async () => {
    const file = join(folder, "text.onnx");
    writeFileSync(file, "no model, but a line of text\n");
    await expect(load(file)).rejects.toMatchObject({
      message: expect.stringMatching(/^this is no (whole )?ONNX model/) as string,
      source: { file },
    });
    writeFileSync(file, "");
    await expect(load(file)).rejects.toThrow(/^this is no ONNX model/);
    await expect(loadModel({ file: write(dense), export: "model", inputs: [], batch: 1 })).rejects.toThrow(
      /no binding model/,
    );
  });
});
