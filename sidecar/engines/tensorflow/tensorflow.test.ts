import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { beforeAll, describe, expect, test } from "vitest";
import { caseHost, primitiveCases } from "../../../test/engines/cases";
import { floats, integers, singleGraph } from "../../../test/engines/single";
import { tfjsNode } from "../../../test/tools";
import { argument } from "../../graph/builder";
import type { ModelError } from "../../graph/errors";
import { newBuilder } from "../../primitives/index";
import * as ops from "../../primitives/ops";
import { createTensorFlowEngine, createTfjsEngine, type MeasuredExecutable } from "./index";

const engine = createTfjsEngine(tf, "cpu", "CPU");

describe("memory", () => {
  test("no tensor is left behind, whatever the operation", async () => {
    await tf.setBackend("cpu");
    const leaks: string[] = [];
    for (const { name, graph, arguments: tensors } of primitiveCases()) {
      const before = tf.memory().numTensors;
      const executable = await engine.compile(graph, { opaque: caseHost });
      await executable.run(tensors);
      await executable.run(tensors);
      await executable.dispose();
      if (tf.memory().numTensors !== before) leaks.push(name);
    }
    expect(leaks).toEqual([]);
  });

  test("nor by a run that fails in the middle of a loop", async () => {
    const body = newBuilder();
    const row = argument("row", [3], "float32");
    const place = argument("place", [1], "int32");
    const taken = ops.gather(body, ops.sin(body, row.value), place.value, 0);
    const inner = body.build({ inputs: [row, place], outputs: [taken, taken] });
    const inputs = [floats([4, 3], new Array<number>(12).fill(1)), integers([4, 1], [0, 1, 3, 2])];
    const graph = singleGraph("map", inputs, {
      body: inner,
      length: 4,
      mapped: [true, true],
      combine: ["stack", "sum"],
      fallback: null,
    });
    const before = tf.memory().numTensors;
    const executable = await engine.compile(graph);
    await expect(executable.run(inputs)).rejects.toThrow("Index 3 is out of range: it must be between 0 and 2.");
    await executable.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test("the peak of a chain is its widest place, not its sum", async () => {
    const builder = newBuilder();
    const x = argument("x", [1000], "float32");
    let value = x.value;
    for (let step = 0; step < 20; step++) value = ops.sin(builder, value);
    const executable: MeasuredExecutable = await engine.compile(builder.build({ inputs: [x], outputs: [value] }));
    await executable.run([floats([1000], new Array<number>(1000).fill(1))]);
    expect(executable.peakBytes).toBe(3 * 4000);
  });
});

test("an index out of range is the model's fault, at its line", async () => {
  const source = { file: "model.ts", line: 3, column: 1 };
  const inputs = [floats([2], [1, 2]), integers([1], [-1])];
  const executable = await engine.compile(singleGraph("gather", inputs, { axis: 0, batchDims: 0 }, source));
  const failure = await executable.run(inputs).catch((error: unknown) => error);
  expect((failure as ModelError).describe()).toBe("model.ts:3: Index -1 is out of range: it must be between 0 and 1.");
});

test("64-bit floats are left to other engines", () => {
  const graph = singleGraph("sin", [{ shape: [2], dtype: "float64" }], {});
  expect(engine.supports(graph)).toEqual([
    { equation: graph.equations[0], reason: "TensorFlow.js has no 64-bit floating-point numbers" },
  ]);
});

describe.skipIf(tfjsNode === undefined)("on TensorFlow itself", () => {
  let native: ReturnType<typeof createTensorFlowEngine>;

  beforeAll(() => {
    native = createTensorFlowEngine({ packageDir: tfjsNode ?? "" });
  });

  test("says where it runs", () => {
    expect(native.device).toMatch(native.usesGpu ? /./ : /^CPU$/);
  });

  test("gives the process's backend back after a run, and to opaque operations", async () => {
    await tf.setBackend("cpu");
    const x = floats([2], [1, 2]);
    const builder = newBuilder();
    const input = argument("x", [2], "float32");
    const [doubled] = builder.emit("opaque", [ops.sin(builder, input.value)], {
      framework: "test",
      kernel: "Double",
      attributes: {},
      outputs: [{ shape: [2], dtype: "float32" }],
      vjp: null,
    });
    const graph = builder.build({ inputs: [input], outputs: [ops.neg(builder, doubled)] });
    const backends: string[] = [];
    const executable = await native.compile(graph, {
      opaque: {
        framework: "test",
        run(_equation, [operand]) {
          backends.push(tf.getBackend());
          return [{ ...operand, data: operand.data.map((element) => 2 * element) }];
        },
      },
    });
    const [result] = await executable.run([x]);
    expect(result.data[0]).toBeCloseTo(-2 * Math.sin(1), 5);
    expect(backends).toEqual(["cpu"]);
    expect(tf.getBackend()).toBe("cpu");
  });

  test("leaves no tensor behind", async () => {
    const before = tf.memory().numTensors;
    const inputs = [floats([64, 32], new Array<number>(2048).fill(1)), floats([32, 8], new Array<number>(256).fill(1))];
    const graph = singleGraph("dot_general", inputs, { contract: [[1], [0]], batch: [[], []] });
    const executable = await native.compile(graph, { fixed: new Map([[graph.inputs[1].value, inputs[1]]]) });
    for (let run = 0; run < 3; run++) expect((await executable.run(inputs))[0].data[0]).toBe(32);
    await executable.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
