import { describe, expect, test } from "vitest";
import { floats } from "../../../test/engines/single";
import { argument } from "../../graph/builder";
import type { Graph, Value } from "../../graph/graph";
import { newBuilder } from "../../primitives/index";
import * as ops from "../../primitives/ops";
import { ReferenceBackend } from "../reference/backend";
import type { Tensor } from "../../graph/tensor";
import type { Collector } from "./backend";
import { Interpreter } from "./interpreter";
import { valuesToFree } from "./liveness";

/** sin(cos(x)) + y, where the cosine is also an output. */
function small(): { graph: Graph; values: Value[] } {
  const builder = newBuilder();
  const x = argument("x", [4], "float32");
  const y = argument("y", [4], "float32");
  const inner = ops.cos(builder, x.value);
  const outer = ops.sin(builder, inner);
  const sum = ops.add(builder, outer, y.value);
  const graph = builder.build({ inputs: [x], parameters: [y], outputs: [sum, inner] });
  return { graph, values: [inner, outer, sum] };
}

/** Many small steps inside two loops. */
function long(): Graph {
  const body = newBuilder();
  const row = argument("row", [2], "float32");
  const inner = body.build({ inputs: [row], outputs: [ops.sin(body, row.value)] });
  const middle = newBuilder();
  const matrix = argument("matrix", [1000, 2], "float32");
  const middleGraph = middle.build({
    inputs: [matrix],
    outputs: ops.map(middle, inner, [matrix.value], [true], 1000, { combine: ["sum"] }),
  });
  const outer = newBuilder();
  const whole = argument("whole", [1000, 2], "float32");
  return outer.build({ inputs: [whole], outputs: ops.map(outer, middleGraph, [whole.value], [false], 2000) });
}

class CountingBackend extends ReferenceBackend {
  readonly live = new Map<Tensor, number>();
  uploads = 0;

  private held<T extends Tensor>(value: T): T {
    this.live.set(value, (this.live.get(value) ?? 0) + 1);
    return value;
  }
  override upload(...parameters: Parameters<ReferenceBackend["upload"]>): Tensor {
    this.uploads++;
    return this.held(super.upload(...parameters));
  }
  override run(...parameters: Parameters<ReferenceBackend["run"]>): Tensor[] {
    return super.run(...parameters).map((value) => this.held(value));
  }
  override share(value: Tensor): Tensor {
    return this.held(super.share(value));
  }
  override sliceAt(...parameters: Parameters<ReferenceBackend["sliceAt"]>): Tensor {
    return this.held(super.sliceAt(...parameters));
  }
  override stack(...parameters: Parameters<ReferenceBackend["stack"]>): Collector<Tensor> {
    return this.counted(super.stack(...parameters));
  }
  override sum(...parameters: Parameters<ReferenceBackend["sum"]>): Collector<Tensor> {
    return this.counted(super.sum(...parameters));
  }
  private counted(collector: Collector<Tensor>): Collector<Tensor> {
    return {
      add: (value) => {
        collector.add(value);
        this.free(value);
      },
      finish: () => this.held(collector.finish()),
      abandon: () => {
        collector.abandon();
      },
    };
  }
  override free(value?: Tensor): void {
    const count = value === undefined ? 0 : (this.live.get(value) ?? 0);
    expect(count).toBeGreaterThan(0);
    if (value === undefined) return;
    if (count === 1) this.live.delete(value);
    else this.live.set(value, count - 1);
  }
}

const backend = (): CountingBackend => new CountingBackend(64, undefined);
const [x, y] = [floats([4], [1, 2, 3, 4]), floats([4], [5, 6, 7, 8])];

test("values are freed by the equation that uses them last", () => {
  const { graph, values } = small();
  const [, outer] = values;
  expect(valuesToFree(graph)).toEqual([[], [], [outer]]);
});

test("a value that nobody uses is freed at once", () => {
  const builder = newBuilder();
  const input = argument("x", [4], "float32");
  const unused = ops.sin(builder, input.value);
  const used = ops.cos(builder, input.value);
  const graph = builder.build({ inputs: [input], outputs: [used] });
  expect(valuesToFree(graph)).toEqual([[unused], []]);
});

test("nothing is held after a run", async () => {
  const own = backend();
  const executable = new Interpreter(small().graph, own);
  const [sum] = await executable.run([x, y]);
  expect(sum.data[0]).toBeCloseTo(Math.sin(Math.cos(1)) + 5, 12);
  expect(own.live.size).toBe(0);
});

test("nothing is held after a run that fails", async () => {
  class Failing extends CountingBackend {
    override run(...parameters: Parameters<ReferenceBackend["run"]>): Tensor[] {
      if (parameters[0].primitive === "add") throw new Error("out of order");
      return super.run(...parameters);
    }
  }
  const own = new Failing(64, undefined);
  await expect(new Interpreter(small().graph, own).run([x, y])).rejects.toThrow("out of order");
  expect(own.live.size).toBe(0);
});

test("arguments that are fixed are uploaded once, and not read again", async () => {
  const own = backend();
  const { graph } = small();
  const executable = new Interpreter(graph, own, new Map([[graph.parameters[0].value, y]]));
  await executable.run([x, floats([0], [])]);
  const [sum] = await executable.run([x, floats([0], [])]);
  expect(sum.data[3]).toBeCloseTo(Math.sin(Math.cos(4)) + 8, 12);
  expect(own.uploads).toBe(3);
  await executable.dispose();
  expect(own.live.size).toBe(0);
});

test("the peak counts what lives at once", async () => {
  const executable = new Interpreter(small().graph, backend());
  await executable.run([x, y]);
  // x, y, the cosine, the sine and the sum, of 16 bytes each
  expect(executable.peakBytes).toBe(80);
});

test.each([
  [[x], "the graph has 2 arguments but was given 1"],
  [[x, floats([2], [1, 2])], "argument y has shape [4] but was given [2]"],
])("wrong arguments are refused", async (inputs, message) => {
  await expect(new Interpreter(small().graph, backend()).run(inputs)).rejects.toThrow(message);
});

describe("a long run", () => {
  const rows = floats([1000, 2], new Array<number>(2000).fill(1));

  test("stops soon after it is asked to", async () => {
    const controller = new AbortController();
    const own = backend();
    const run = new Interpreter(long(), own).run([rows], { signal: controller.signal });
    setTimeout(() => {
      controller.abort(new Error("enough"));
    }, 100);
    const start = performance.now();
    await expect(run).rejects.toThrow("enough");
    expect(performance.now() - start).toBeLessThan(1000);
    expect(own.live.size).toBe(0);
  });

  test("does not start if it has been stopped before", async () => {
    const signal = AbortSignal.abort(new Error("never mind"));
    await expect(new Interpreter(long(), backend()).run([rows], { signal })).rejects.toThrow("never mind");
  });

  test("tells how far it is", async () => {
    const controller = new AbortController();
    const fractions: number[] = [];
    const run = new Interpreter(long(), backend()).run([rows], {
      signal: controller.signal,
      onProgress(fraction) {
        fractions.push(fraction);
        if (fractions.length === 3) controller.abort(new Error("seen enough"));
      },
    });
    await expect(run).rejects.toThrow("seen enough");
    expect(fractions[0]).toBeGreaterThan(0);
    expect(fractions[2]).toBeGreaterThan(fractions[0]);
    expect(fractions[2]).toBeLessThan(1);
  });
});
