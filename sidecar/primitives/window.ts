import type { Builder } from "../graph/builder";
import type { Value } from "../graph/graph";
import { formatShape, range, sizeOf } from "../graph/types";
import type { WindowAttributes } from "./attributes";
import { dilated } from "./convolution";
import {
  batchedAt,
  batchToFront,
  commonExamples,
  expectCount,
  expectFloat,
  expectSameDType,
  linearJvp,
  materializeBatch,
} from "./makers";
import * as ops from "./ops";
import type { ExampleAxis, Examples, Primitive } from "./primitive";

/** Reductions of sliding windows (pooling), and what their derivatives need. */

/** Whether the window leaves an axis alone. */
function idle({ window, strides, padding }: WindowAttributes, axis: number): boolean {
  return window[axis] === 1 && strides[axis] === 1 && padding[axis][0] === 0 && padding[axis][1] === 0;
}

/** Shape of the windows' results. */
export function windowedShape(shape: readonly number[], a: WindowAttributes): number[] {
  if ([a.window, a.strides, a.padding, a.dilation].some((amounts) => amounts.length !== shape.length)) {
    throw new Error(`a window over ${formatShape(shape)} needs amounts for every axis`);
  }
  return shape.map((extent, axis) => {
    // Also where nothing is
    if (idle(a, axis)) return extent;
    const reach = dilated(a.window[axis], a.dilation[axis]);
    const padded = extent + a.padding[axis][0] + a.padding[axis][1];
    if (reach > padded) throw new Error(`the window is larger than the padded input ${formatShape(shape)}`);
    return Math.floor((padded - reach) / a.strides[axis]) + 1;
  });
}

/** The same window over arrays with one more axis in front. */
function withFrontAxis(a: WindowAttributes): WindowAttributes {
  return {
    window: [1, ...a.window],
    strides: [1, ...a.strides],
    padding: [[0, 0], ...a.padding],
    dilation: [1, ...a.dilation],
  };
}

function windowExamples(place: ExampleAxis | null, a: WindowAttributes): Examples {
  if (place === null) return null;
  return idle(a, place.axis) ? place : "coupled";
}

function windowReduction(apply: (b: Builder, x: Value, a: WindowAttributes) => Value): Primitive<WindowAttributes> {
  return {
    shape(inputs, a) {
      expectCount(inputs, 1);
      expectFloat(inputs[0]);
      return [{ shape: windowedShape(inputs[0].shape, a), dtype: inputs[0].dtype }];
    },
    batch(b, [x], [axis], _size, a) {
      return batchedAt(apply(b, ops.moveAxis(b, x, axis!, 0), withFrontAxis(a)), 0);
    },
    flops: (_inputs, [output], a) => sizeOf(output.shape) * sizeOf(a.window),
    examples: (_inputs, [place], _outputs, a) => windowExamples(place, a),
  };
}

/** Along axes that the window leaves alone the operand may have extent 1 where the moved array has more. */
function expectBroadcast(moved: readonly number[], operand: readonly number[], a: WindowAttributes): void {
  const fits =
    moved.length === operand.length &&
    moved.every((extent, axis) => extent === operand[axis] || (operand[axis] === 1 && idle(a, axis)));
  if (!fits) throw new Error(`${formatShape(moved)} does not fit an operand of windows over ${formatShape(operand)}`);
}

/** Rules shared by the two selections: linear in the first input, which has a place for each window or each element. */
function selection(apply: typeof ops.selectAndGatherAdd): Omit<Primitive<WindowAttributes>, "shape" | "transpose"> {
  return {
    jvp: linearJvp((b, [moved, operand], a) => apply(b, moved, operand, a)),
    batch(b, [moved, operand], [movedAxis, operandAxis], size, a) {
      // An operand without the batch is broadcast; the moved array cannot be
      const output = apply(
        b,
        materializeBatch(b, moved, movedAxis, size),
        batchToFront(b, operand, operandAxis),
        withFrontAxis(a),
      );
      return batchedAt(output, 0);
    },
    flops: (inputs, [output], a) => Math.max(sizeOf(output.shape), sizeOf(inputs[0].shape)) * sizeOf(a.window),
    examples(_inputs, places, _outputs, a) {
      const common = commonExamples(places);
      return typeof common === "string" ? common : windowExamples(common, a);
    },
  };
}

export const windowPrimitives = {
  reduce_window_sum: {
    ...windowReduction(ops.reduceWindowSum),
    jvp: linearJvp<WindowAttributes>((b, [x], a) => ops.reduceWindowSum(b, x, a)),
    // Each element receives the cotangents of the windows that hold it: the cotangents spread by the strides, and the
    // window slid over them in single steps
    transpose(b, [t], [x], _linear, a) {
      if (!t) return [null];
      const axes = range(x.shape.length);
      const reach = axes.map((axis) => dilated(a.window[axis], a.dilation[axis]) - 1);
      const before = axes.map((axis) => reach[axis] - a.padding[axis][0]);
      const after = axes.map(
        (axis) => x.shape[axis] + reach[axis] - dilated(t.shape[axis], a.strides[axis]) - before[axis],
      );
      const spread = ops.pad(
        b,
        t,
        before,
        after,
        a.strides.map((stride) => stride - 1),
      );
      return [
        ops.reduceWindowSum(b, spread, {
          window: a.window,
          strides: axes.map(() => 1),
          padding: axes.map(() => [0, 0] as const),
          dilation: a.dilation,
        }),
      ];
    },
  } satisfies Primitive<WindowAttributes> as Primitive<WindowAttributes>,

  reduce_window_max: {
    ...windowReduction(ops.reduceWindowMax),
    jvp: (b, [x], [t], _outputs, a) => [t && ops.selectAndGatherAdd(b, t, x, a)],
  } satisfies Primitive<WindowAttributes> as Primitive<WindowAttributes>,

  select_and_gather_add: {
    ...selection(ops.selectAndGatherAdd),
    shape(inputs, a) {
      expectCount(inputs, 2);
      expectSameDType(inputs);
      const [tangent, operand] = inputs;
      expectBroadcast(tangent.shape, operand.shape, a);
      return [{ shape: windowedShape(tangent.shape, a), dtype: tangent.dtype }];
    },
    transpose: (b, [t], [, operand], _linear, a) => [t && ops.selectAndScatterAdd(b, t, operand, a), null],
  } satisfies Primitive<WindowAttributes> as Primitive<WindowAttributes>,

  select_and_scatter_add: {
    ...selection(ops.selectAndScatterAdd),
    shape(inputs, a) {
      expectCount(inputs, 2);
      expectSameDType(inputs);
      const [cotangent, operand] = inputs;
      expectBroadcast(cotangent.shape, windowedShape(operand.shape, a), a);
      return [
        {
          shape: operand.shape.map((extent, axis) => (idle(a, axis) ? cotangent.shape[axis] : extent)),
          dtype: cotangent.dtype,
        },
      ];
    },
    transpose: (b, [t], [, operand], _linear, a) => [t && ops.selectAndGatherAdd(b, t, operand, a), null],
  } satisfies Primitive<WindowAttributes> as Primitive<WindowAttributes>,
};
