import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { evaluateCase, expectClose } from "../../../test/engines/agree";
import { floats, integers, singleGraph } from "../../../test/engines/single";
import { argument, type Builder } from "../../graph/builder";
import type { Argument, Graph, Source, Value } from "../../graph/graph";
import { tensor, type Tensor } from "../../graph/tensor";
import { newBuilder } from "../../primitives/index";
import { binaryNames, unaryNames } from "../../primitives/attributes";
import * as ops from "../../primitives/ops";
import { EngineError, type Engine } from "../engine";
import { createReferenceEngine } from "../reference/index";
import { createOnnxruntimeEngine } from "./index";
import { encodeModel } from "./onnx/encode";
import { partition } from "./partition";

let engine: Engine;
const reference = createReferenceEngine({ precision: 32 });
beforeAll(async () => {
  engine = await createOnnxruntimeEngine({ threads: 1 });
});
afterAll(() => engine.dispose());

const f32 = (name: string, ...shape: number[]): Argument => argument(name, shape, "float32");
const ramp = (...shape: number[]): Tensor => {
  const result = tensor(shape, "float32");
  return { ...result, data: result.data.map((_, index) => Math.sin(index + 1)) };
};

function graphOf(inputs: Argument[], emit: (b: Builder, ...values: Value[]) => Value[]): Graph {
  const builder = newBuilder();
  return builder.build({ inputs, outputs: emit(builder, ...inputs.map(({ value }) => value)) });
}

/** Rows of `x` in chunks of 2 through a loop, the last one apart: as chunked Jacobians are made. */
function chunked(): Graph {
  const body = graphOf([f32("rows", 2, 3), f32("w", 3, 4)], (b, rows, w) => [
    ops.tanh(b, ops.dotGeneral(b, rows, w, [[1], [0]])),
  ]);
  return graphOf([f32("x", 5, 3), f32("w", 3, 4)], (b, x, w) => {
    const chunks = ops.reshape(b, ops.sliceAxis(b, x, 0, 0, 4), [2, 2, 3]);
    const [looped] = ops.map(b, body, [chunks, w], [true, false], 2);
    const rest = ops.tanh(b, ops.dotGeneral(b, ops.sliceAxis(b, x, 0, 4, 5), w, [[1], [0]]));
    const all = ops.concatenate(b, [ops.reshape(b, looped, [4, 4]), rest], 0);
    return [ops.reshape(b, all, [5, 2, 2])];
  });
}

async function evaluate(graph: Graph, on: Engine, inputs = graph.inputs.map(({ value }) => ramp(...value.shape))) {
  const executable = await on.compile(graph);
  try {
    return await executable.run(inputs);
  } finally {
    await executable.dispose();
  }
}

describe("steps", () => {
  test("a graph without loops is one session", () => {
    const graph = graphOf([f32("x", 2, 3)], (b, x) => [ops.exp(b, ops.reshape(b, x, [6]))]);
    expect(partition(graph).map(({ kind }) => kind)).toEqual(["session"]);
  });

  test("what a loop makes in chunks is joined in place, and slices and reshapes of it are views", async () => {
    const graph = chunked();
    const kinds = partition(graph).map(({ kind }) => kind);
    expect(kinds).toEqual(["view", "view", "map", "view", "view", "session", "join", "view"]);
    const [expected] = await evaluate(graph, reference);
    const [actual] = await evaluate(graph, engine);
    expectClose(actual, expected);
  });

  test("a cheap value is computed in the session that uses it, not carried from an earlier one", () => {
    const body = graphOf([f32("row", 3)], (b, row) => [ops.sin(b, row)]);
    const graph = graphOf([f32("x", 2, 3)], (b, x) => {
      const mask = ops.eye(b, 3, "float32");
      const [rows] = ops.map(b, body, [ops.exp(b, x)], [true], 2);
      return [ops.dotGeneral(b, rows, mask, [[1], [0]])];
    });
    const sessions = partition(graph).filter((step) => step.kind === "session");
    expect(sessions.map(({ equations }) => equations.map(({ primitive }) => primitive))).toEqual([
      ["exp"],
      ["iota", "iota", "eq", "convert", "dot_general"],
    ]);
  });
});

describe("fixed arguments", () => {
  test("are built in, also into the bodies of loops", async () => {
    const graph = chunked();
    const [x, w] = graph.inputs.map(({ value }) => ramp(...value.shape));
    const [expected] = await evaluate(graph, reference);
    const executable = await engine.compile(graph, { fixed: new Map([[graph.inputs[1].value, w]]) });
    const [actual] = await executable.run([x, floats([], [0])]);
    expectClose(actual, expected);
    await executable.dispose();
  });
});

describe("results", () => {
  test("share no memory with arguments or with one another", async () => {
    const graph = graphOf([f32("x", 3)], (b, x) => {
      const y = ops.exp(b, x);
      return [x, x, y, y, ops.reshape(b, y, [1, 3])];
    });
    const x = ramp(3);
    const results = await evaluate(graph, engine, [x]);
    const expected = await evaluate(graph, reference, [x]);
    results.forEach((result, index) => expectClose(result, expected[index]));
    const buffers = new Set([x, ...results].map(({ data }) => data.buffer));
    expect(buffers.size).toBe(6);
  });
});

describe("a run", () => {
  const loop = (): Graph => {
    const body = graphOf([f32("row", 3)], (b, row) => [ops.sin(b, row)]);
    return graphOf([f32("x", 50, 3)], (b, x) => ops.map(b, body, [x], [true], 50));
  };

  test("stops between iterations, by throwing the signal's reason", async () => {
    const executable = await engine.compile(loop());
    const controller = new AbortController();
    let seen = 0;
    const run = executable.run([ramp(50, 3)], {
      signal: controller.signal,
      onProgress: (fraction) => {
        seen = fraction;
        if (fraction > 0.3) controller.abort(new Error("enough"));
      },
    });
    await expect(run).rejects.toThrow("enough");
    expect(seen).toBeLessThan(0.5);
    await executable.dispose();
  });

  test("reports progress up to 1", async () => {
    const executable = await engine.compile(loop());
    const fractions: number[] = [];
    await executable.run([ramp(50, 3)], { onProgress: (fraction) => fractions.push(fraction) });
    expect(fractions.length).toBeGreaterThan(50);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    expect(fractions.at(-1)).toBe(1);
    await executable.dispose();
  });
});

describe("errors", () => {
  const source: Source = { file: "model.ts", line: 12, column: 3 };

  test.each([[3], [-1]])("an index that is out of range (%i) is named with its line", async (index) => {
    const graph = singleGraph(
      "gather",
      [floats([3], [1, 2, 3]), integers([1], [0])],
      { axis: 0, batchDims: 0 },
      source,
    );
    const run = evaluate(graph, engine, [floats([3], [1, 2, 3]), integers([1], [index])]);
    await expect(run).rejects.toThrow(EngineError);
    await expect(run).rejects.toThrow("gather (model.ts:12)");
  });

  test("an argument of the wrong shape is named", async () => {
    const graph = graphOf([f32("image", 2, 2)], (b, x) => [ops.exp(b, x)]);
    await expect(evaluate(graph, engine, [floats([3], [1, 2, 3])])).rejects.toThrow(
      "the argument image should be float32[2,2] but is float32[3]",
    );
  });

  test("a model beyond protobuf's limit is refused", () => {
    const initializer = [{ name: "c", dims: [2 ** 31], dataType: 2, rawData: { length: 2 ** 31 } as Uint8Array }];
    const graph = { name: "g", node: [], initializer, input: [], output: [] };
    expect(() => encodeModel({ irVersion: 10, producerName: "test", opsetImport: [], graph })).toThrow("2.0 GiB");
  });
});

describe("float64", () => {
  const domain: Partial<Record<string, number[]>> = {
    asin: [-1, -0.999, -0.3, 0, 1e-9, 0.7, 1],
    acos: [-1, -0.999, -0.3, 0, 1e-9, 0.7, 1],
    atanh: [-0.999, -0.3, 0, 1e-9, 0.7, 0.99],
    acosh: [1, 1.0001, 2, 30, 1e12],
    log: [1e-300, 0.1, 1, 7],
    log1p: [-0.9, -1e-12, 0, 1e-12, 0.5, 40],
    sqrt: [0, 1e-20, 2, 1e100],
    rsqrt: [1e-20, 2, 1e100],
  };
  const usual = [-30, -5.5, -2.9, -1, -0.3, -1e-9, 0, 1e-9, 0.2, 0.9, 1, 2.5, 3.1, 6, 20];
  const exact = createReferenceEngine();

  test.each(unaryNames)("%s agrees to 1e-12", async (name) => {
    const x = { shape: [0], dtype: "float64" as const, data: Float64Array.from(domain[name] ?? usual) };
    const input = { ...x, shape: [x.data.length] };
    const primitiveCase = { name, graph: singleGraph(name, [input], {}), arguments: [input] };
    const [actual] = await evaluateCase(engine, primitiveCase);
    const [expected] = await evaluateCase(exact, primitiveCase);
    expected.data.forEach((wanted: number, index: number) => {
      expect(Math.abs(actual.data[index] - wanted)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(wanted)));
    });
  });

  test.each(binaryNames)("%s agrees to 1e-12", async (name) => {
    const positive = name === "pow";
    const side = (offset: number) => ({
      shape: [5],
      dtype: "float64" as const,
      data: Float64Array.from({ length: 5 }, (_, index) => Math.sin(index + offset) * 3 + (positive ? 4 : 0)),
    });
    const inputs = [side(0), side(7)];
    const primitiveCase = { name, graph: singleGraph(name, inputs, {}), arguments: inputs };
    const [actual] = await evaluateCase(engine, primitiveCase);
    const [expected] = await evaluateCase(exact, primitiveCase);
    expected.data.forEach((wanted: number, index: number) => {
      expect(Math.abs(actual.data[index] - wanted)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(wanted)));
    });
  });

  test("convolutions, which ONNX has for float32 only, agree to 1e-12", async () => {
    const image = {
      shape: [1, 2, 5, 5],
      dtype: "float64" as const,
      data: Float64Array.from({ length: 50 }, (_, index) => Math.cos(index)),
    };
    const kernel = {
      shape: [3, 2, 3, 3],
      dtype: "float64" as const,
      data: Float64Array.from({ length: 54 }, (_, index) => Math.sin(index)),
    };
    const attributes = {
      strides: [1, 2],
      padding: [
        [1, 1],
        [0, 1],
      ] as const,
      lhsDilation: [1, 1],
      rhsDilation: [1, 1],
      featureGroups: 1,
      batchGroups: 1,
      batchDims: 0,
      lhsSpec: [0, 1, 2, 3],
      rhsSpec: [0, 1, 2, 3],
      outSpec: [0, 1, 2, 3],
    };
    const graph = singleGraph("conv_general_dilated", [image, kernel], attributes);
    const primitiveCase = { name: "conv", graph, arguments: [image, kernel] };
    const [actual] = await evaluateCase(engine, primitiveCase);
    const [expected] = await evaluateCase(exact, primitiveCase);
    expected.data.forEach((wanted: number, index: number) => expect(actual.data[index]).toBeCloseTo(wanted, 12));
  });
});

describe("the cache", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "kernelscope-cache-"));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const graph = graphOf([f32("x", 2, 3), f32("w", 3, 4)], (b, x, w) => [
    ops.tanh(b, ops.dotGeneral(b, x, w, [[1], [0]])),
  ]);

  test("keeps the optimised model, and a run from it gives the same", async () => {
    const caching = await createOnnxruntimeEngine({ threads: 1, cacheDir: folder });
    const [first] = await evaluate(graph, caching);
    const files = await readdir(folder);
    expect(files).toHaveLength(1);
    const [second] = await evaluate(graph, caching);
    expect(second.data).toEqual(first.data);
    expect(await readdir(folder)).toEqual(files);
  });

  test("makes a damaged file anew", async () => {
    const caching = await createOnnxruntimeEngine({ threads: 1, cacheDir: folder });
    const [expected] = await evaluate(graph, caching);
    const [file] = await readdir(folder);
    const path = join(folder, file);
    const whole = await readFile(path);
    for (const damaged of [whole.subarray(0, 50), Buffer.alloc(0), Buffer.from(whole).fill(7, 60, 70)]) {
      await writeFile(path, damaged);
      const [actual] = await evaluate(graph, caching);
      expect(actual.data).toEqual(expected.data);
      expect((await readFile(path)).length).toBe(whole.length);
    }
  });

  test("stays within its limit", async () => {
    const [file] = await readdir(folder);
    const { length } = await readFile(join(folder, file));
    const caching = await createOnnxruntimeEngine({ threads: 1, cacheDir: folder, cacheLimit: 2.5 * length });
    for (const name of ["exp", "log", "sin", "cos", "tan"] as const) {
      await evaluate(
        graphOf([f32("x", 3)], (b, x) => [ops[name](b, x)]),
        caching,
      );
    }
    const sizes = await Promise.all(
      (await readdir(folder)).map(async (name) => (await readFile(join(folder, name))).length),
    );
    expect(sizes.reduce((total, size) => total + size, 0)).toBeLessThanOrEqual(2.5 * length);
  });

  test("that cannot be written to only costs time", async () => {
    const path = join(folder, "a file");
    await writeFile(path, "");
    const caching = await createOnnxruntimeEngine({ threads: 1, cacheDir: path });
    expectClose((await evaluate(graph, caching))[0], (await evaluate(graph, reference))[0]);
  });
});
