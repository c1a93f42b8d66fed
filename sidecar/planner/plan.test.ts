import { describe, expect, it } from "vitest";
import { argument } from "../graph/builder";
import { newBuilder } from "../primitives";
import { add, exp, map, mul, neg, reshape, sin, transpose } from "../primitives/ops";
import { plan } from "./plan";

/** 1024 floats: 4096 bytes, a multiple of what allocators round to. */
const KIB4 = 4096;

describe("a plan", () => {
  it("frees each array after its last use", () => {
    const x = argument("x", [1024], "float32");
    const b = newBuilder();
    // a: equations 0 to 3; b and c are there together, with a, while c is made
    const first = exp(b, x.value);
    const second = sin(b, first);
    const third = neg(b, second);
    const result = add(b, first, third);
    const { timeline, peakBytes, argumentBytes, resultBytes } = plan(b.build({ inputs: [x], outputs: [result] }));
    expect(timeline.map(({ liveBytes }) => liveBytes / KIB4)).toEqual([2, 3, 4, 4]);
    expect([peakBytes, argumentBytes, resultBytes]).toEqual([4 * KIB4, KIB4, KIB4]);
  });

  it("rounds every array up to 512 bytes, and counts a constant once", () => {
    const x = argument("x", [3], "float32");
    const b = newBuilder();
    const two = b.constant(new Float32Array([2]), [1], "float32");
    const { peakBytes, constantBytes } = plan(b.build({ inputs: [x], outputs: [mul(b, mul(b, x.value, two), two)] }));
    expect(constantBytes).toBe(512);
    expect(peakBytes).toBe(4 * 512);
  });

  it("keeps an array for as long as a reshape of it is needed, and takes none for the reshape", () => {
    const x = argument("x", [32, 32], "float32");
    const b = newBuilder();
    const turned = transpose(b, x.value, [1, 0]);
    const flat = reshape(b, turned, [1024]);
    const other = exp(b, reshape(b, x.value, [1024]));
    const { timeline, largest } = plan(b.build({ inputs: [x], outputs: [add(b, other, flat)] }));
    expect(timeline.map(({ liveBytes }) => liveBytes / KIB4)).toEqual([2, 2, 2, 3, 4]);
    expect(largest.map(({ operation }) => operation).sort()).toEqual(["add", "exp", "transpose"]);
  });

  it("counts a loop's body once and its results whole, at the body's own line", () => {
    const source = { file: "model.ts", line: 7, column: 3 };
    const x = argument("x", [10, 1024], "float32");
    const slice = argument("slice", [1024], "float32");
    const inner = newBuilder();
    const made = inner.at(source, () => neg(inner, exp(inner, slice.value)));
    const body = inner.build({ inputs: [slice], outputs: [made] });
    const b = newBuilder();
    const outputs = map(b, body, [x.value], [true], 10);
    const { timeline, peakBytes, largest, flops } = plan(b.build({ inputs: [x], outputs }));
    expect(timeline.map(({ liveBytes, depth }) => [liveBytes / KIB4, depth])).toEqual([
      [21, 1],
      [22, 1],
      [20, 0],
    ]);
    expect(peakBytes).toBe(22 * KIB4);
    expect(largest[0]).toMatchObject({ bytes: 10 * KIB4, shape: [10, 1024], operation: "map", source, output: 0 });
    expect(flops).toBe(2 * 10 * 1024);
  });
});
