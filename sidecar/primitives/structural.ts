import { formatShape, range, sameShape, sizeOf, type Shape } from "../graph/types";
import type {
  AxisAttributes,
  BroadcastAttributes,
  IotaAttributes,
  PadAttributes,
  ReduceAttributes,
  ReshapeAttributes,
  SliceAttributes,
  TransposeAttributes,
} from "./attributes";
import {
  batchedAt,
  commonExamples,
  examplesBeside,
  expectAxis,
  expectCount,
  expectSameDType,
  like,
  linearJvp,
  materializeBatch,
  noFlops,
  shifted,
} from "./makers";
import * as ops from "./ops";
import type { ExampleAxis, Examples, Primitive } from "./primitive";

/** Primitives that move elements and compute nothing. */

/** `amounts` with `amount` inserted for a new axis. */
function inserted(amounts: readonly number[], axis: number, amount: number): number[] {
  return [...amounts.slice(0, axis), amount, ...amounts.slice(axis)];
}

/**
 * Where the examples are after a reshape: the element (o * batch + b) * inner + i of the flattened array keeps its place,
 * so an axis of the new shape must hold the whole factor `batch`.
 */
function reshapedExamples(place: ExampleAxis, from: Shape, to: Shape, batch: number): Examples {
  const inner = place.inner * sizeOf(from.slice(place.axis + 1));
  for (let axis = to.length - 1; axis >= 0; axis--) {
    const behind = sizeOf(to.slice(axis + 1));
    if (to[axis] % batch !== 0 || inner % behind !== 0) continue;
    const newInner = inner / behind;
    if (to[axis] % (newInner * batch) === 0) return { axis, inner: newInner };
  }
  return "lost";
}

const reshape: Primitive<ReshapeAttributes> = {
  shape(inputs, { shape }) {
    expectCount(inputs, 1);
    if (sizeOf(shape) !== sizeOf(inputs[0].shape)) {
      throw new Error(`cannot view ${formatShape(inputs[0].shape)} as ${formatShape(shape)}`);
    }
    return [{ shape, dtype: inputs[0].dtype }];
  },
  jvp: linearJvp((b, [x], { shape }) => ops.reshape(b, x, shape)),
  transpose: (b, [t], [x]) => [t && ops.reshape(b, t, x.shape)],
  batch(b, [x], [axis], size, { shape }) {
    return batchedAt(ops.reshape(b, ops.moveAxis(b, x, axis!, 0), [size, ...shape]), 0);
  },
  flops: noFlops,
  simplify(b, [x], { shape }, definitions) {
    if (sameShape(x.shape, shape)) return x;
    const element = definitions.splat(x);
    if (element !== undefined) return b.scalar(element, x.dtype, shape.length);
    const before = definitions.producer(x);
    return before?.primitive === "reshape" ? ops.reshape(b, before.inputs[0], shape) : undefined;
  },
  examples: ([x], [place], [output], _attributes, batch) =>
    place && reshapedExamples(place, x.shape, output.shape, batch),
};

const transpose: Primitive<TransposeAttributes> = {
  shape(inputs, { permutation }) {
    expectCount(inputs, 1);
    const { shape, dtype } = inputs[0];
    const sorted = [...permutation].sort((p, q) => p - q);
    if (permutation.length !== shape.length || sorted.some((axis, index) => axis !== index)) {
      throw new Error(`[${permutation.join(",")}] does not permute the axes of ${formatShape(shape)}`);
    }
    return [{ shape: permutation.map((from) => shape[from]), dtype }];
  },
  jvp: linearJvp((b, [x], { permutation }) => ops.transpose(b, x, permutation)),
  transpose: (b, [t], _inputs, _linear, { permutation }) => [t && ops.transpose(b, t, invert(permutation))],
  batch(b, [x], [axis], _size, { permutation }) {
    const from = axis!;
    return batchedAt(ops.transpose(b, x, [from, ...permutation.map((other) => shifted(other, from))]), 0);
  },
  flops: noFlops,
  simplify(b, [x], { permutation }, definitions) {
    // Only axes of extent 1 change places: the elements stay in order
    const moving = permutation.filter((from) => x.shape[from] !== 1);
    if (moving.every((from, index) => index === 0 || moving[index - 1] < from)) {
      return ops.reshape(
        b,
        x,
        permutation.map((from) => x.shape[from]),
      );
    }
    const before = definitions.producer(x);
    if (before?.primitive !== "transpose") return undefined;
    const earlier = (before.attributes as TransposeAttributes).permutation;
    return ops.transpose(
      b,
      before.inputs[0],
      permutation.map((from) => earlier[from]),
    );
  },
  examples: (_inputs, [place], _outputs, { permutation }) =>
    place && { axis: permutation.indexOf(place.axis), inner: place.inner },
};

export function invert(permutation: readonly number[]): number[] {
  const inverse = new Array<number>(permutation.length);
  permutation.forEach((from, to) => (inverse[from] = to));
  return inverse;
}

const broadcastInDim: Primitive<BroadcastAttributes> = {
  shape(inputs, { shape, axes }) {
    expectCount(inputs, 1);
    const input = inputs[0];
    if (axes.length !== input.shape.length) throw new Error("a broadcast needs one output axis for each input axis");
    axes.forEach((axis, index) => {
      expectAxis(axis, shape);
      if (index > 0 && axis <= axes[index - 1]) throw new Error("the axes of a broadcast must increase");
      if (input.shape[index] !== 1 && input.shape[index] !== shape[axis]) {
        throw new Error(`cannot broadcast ${formatShape(input.shape)} to ${formatShape(shape)}`);
      }
    });
    return [{ shape, dtype: input.dtype }];
  },
  jvp: linearJvp((b, [x], { shape, axes }) => ops.broadcastInDim(b, x, shape, axes)),
  transpose(b, [t], [x], _linear, { shape, axes }) {
    if (!t) return [null];
    const repeated = range(shape.length).filter((axis) => {
      const from = axes.indexOf(axis);
      return from < 0 || (x.shape[from] === 1 && shape[axis] !== 1);
    });
    return [ops.reshape(b, ops.reduceSum(b, t, repeated), x.shape)];
  },
  batch(b, [x], [axis], size, { shape, axes }) {
    const front = ops.moveAxis(b, x, axis!, 0);
    return batchedAt(ops.broadcastInDim(b, front, [size, ...shape], [0, ...axes.map((to) => to + 1)]), 0);
  },
  flops: noFlops,
  simplify(b, [x], { shape, axes }, definitions) {
    if (sizeOf(shape) === sizeOf(x.shape)) return ops.reshape(b, x, shape);
    const before = definitions.producer(x);
    if (before?.primitive !== "broadcast_in_dim") return undefined;
    const earlier = (before.attributes as BroadcastAttributes).axes;
    return ops.broadcastInDim(
      b,
      before.inputs[0],
      shape,
      earlier.map((axis) => axes[axis]),
    );
  },
  examples: (_inputs, [place], _outputs, { axes }) => place && { axis: axes[place.axis], inner: place.inner },
};

const pad: Primitive<PadAttributes> = {
  shape(inputs, { low, high, interior, value }) {
    expectCount(inputs, 1);
    const { shape, dtype } = inputs[0];
    if ([low, high, interior].some((amounts) => amounts.length !== shape.length)) {
      throw new Error("a pad needs amounts for every axis");
    }
    if (interior.some((amount) => amount < 0)) throw new Error("interior padding cannot be negative");
    if (typeof value !== "number") throw new Error("a pad needs a value");
    const padded = shape.map(
      (extent, axis) => extent + low[axis] + high[axis] + Math.max(extent - 1, 0) * interior[axis],
    );
    if (padded.some((extent) => extent < 0)) throw new Error(`padding ${formatShape(shape)} leaves a negative extent`);
    return [{ shape: padded, dtype }];
  },
  jvp: linearJvp((b, [x], { low, high, interior }) => ops.pad(b, x, low, high, interior)),
  transpose(b, [t], [x], _linear, { low, high, interior }) {
    if (!t) return [null];
    const cropped = ops.pad(
      b,
      t,
      low.map((amount) => -amount),
      high.map((amount) => -amount),
    );
    return [
      ops.slice(
        b,
        cropped,
        x.shape.map(() => 0),
        cropped.shape,
        interior.map((amount) => amount + 1),
      ),
    ];
  },
  batch(b, [x], [axis], _size, { low, high, interior, value }) {
    const at = axis!;
    return batchedAt(ops.pad(b, x, inserted(low, at, 0), inserted(high, at, 0), inserted(interior, at, 0), value), at);
  },
  flops: noFlops,
  simplify(_b, [x], { low, high, interior }) {
    const idle = x.shape.every(
      (extent, axis) => low[axis] === 0 && high[axis] === 0 && (interior[axis] === 0 || extent <= 1),
    );
    return idle ? x : undefined;
  },
  examples(_inputs, [place], _outputs, { low, high, interior }) {
    if (!place) return null;
    const touched = [low, high, interior].some((amounts) => amounts[place.axis] !== 0);
    return touched ? "lost" : place;
  },
};

const slice: Primitive<SliceAttributes> = {
  shape(inputs, { start, limit, strides }) {
    expectCount(inputs, 1);
    const { shape, dtype } = inputs[0];
    if ([start, limit, strides].some((amounts) => amounts.length !== shape.length)) {
      throw new Error("a slice needs bounds for every axis");
    }
    shape.forEach((extent, axis) => {
      if (start[axis] < 0 || limit[axis] > extent || start[axis] > limit[axis] || strides[axis] < 1) {
        throw new Error(`the slice ${start[axis]}:${limit[axis]}:${strides[axis]} does not fit ${formatShape(shape)}`);
      }
    });
    return [{ shape: shape.map((_, axis) => Math.ceil((limit[axis] - start[axis]) / strides[axis])), dtype }];
  },
  jvp: linearJvp((b, [x], { start, limit, strides }) => ops.slice(b, x, start, limit, strides)),
  transpose(b, [t], [x], _linear, { start, strides }) {
    if (!t) return [null];
    const covered = t.shape.map((extent, axis) => (extent === 0 ? 0 : 1 + (extent - 1) * strides[axis]));
    return [
      ops.pad(
        b,
        t,
        start,
        x.shape.map((extent, axis) => extent - start[axis] - covered[axis]),
        strides.map((stride) => stride - 1),
      ),
    ];
  },
  batch(b, [x], [axis], size, { start, limit, strides }) {
    const at = axis!;
    return batchedAt(ops.slice(b, x, inserted(start, at, 0), inserted(limit, at, size), inserted(strides, at, 1)), at);
  },
  flops: noFlops,
  simplify(_b, [x], { start, limit, strides }) {
    const whole = x.shape.every(
      (extent, axis) => start[axis] === 0 && limit[axis] === extent && (strides[axis] === 1 || extent <= 1),
    );
    return whole ? x : undefined;
  },
  examples([x], [place], [output]) {
    if (!place) return null;
    if (x.shape[place.axis] === output.shape[place.axis]) return place;
    // Taking some of the examples: what comes out depends on which one it is
    return place.inner === 1 && x.shape[place.axis] !== 1 ? "coupled" : "lost";
  },
};

const concatenate: Primitive<AxisAttributes> = {
  shape(inputs, { axis }) {
    if (inputs.length === 0) throw new Error("nothing to concatenate");
    expectSameDType(inputs);
    const [first] = inputs;
    expectAxis(axis, first.shape);
    let extent = 0;
    for (const { shape } of inputs) {
      const fits =
        shape.length === first.shape.length &&
        shape.every((other, index) => index === axis || other === first.shape[index]);
      if (!fits) throw new Error(`cannot concatenate ${inputs.map((x) => formatShape(x.shape)).join(" and ")}`);
      extent += shape[axis];
    }
    return [{ shape: first.shape.map((other, index) => (index === axis ? extent : other)), dtype: first.dtype }];
  },
  jvp(b, primals, tangents, _outputs, { axis }) {
    if (tangents.every((t) => t === null)) return [null];
    return [
      ops.concatenate(
        b,
        tangents.map((t, index) => t ?? ops.zerosLike(b, primals[index])),
        axis,
      ),
    ];
  },
  transpose(b, [t], inputs, linear, { axis }) {
    let start = 0;
    return inputs.map((x, index) => {
      const from = start;
      start += x.shape[axis];
      return t && linear[index] ? ops.sliceAxis(b, t, axis, from, start) : null;
    });
  },
  batch(b, inputs, axes, size, { axis }) {
    const repeated = inputs.map((x, index) => materializeBatch(b, x, axes[index], size));
    return batchedAt(ops.concatenate(b, repeated, axis + 1), 0);
  },
  flops: noFlops,
  simplify: (_b, inputs) => (inputs.length === 1 ? inputs[0] : undefined),
  examples(_inputs, places, _outputs, { axis }) {
    const common = commonExamples(places);
    if (common === null || typeof common === "string") return common;
    return common.axis === axis ? "lost" : common;
  },
};

const reverse: Primitive<ReduceAttributes> = {
  shape(inputs, { axes }) {
    expectCount(inputs, 1);
    axes.forEach((axis) => expectAxis(axis, inputs[0].shape));
    return like(inputs[0]);
  },
  jvp: linearJvp((b, [x], { axes }) => ops.reverse(b, x, axes)),
  transpose: (b, [t], _inputs, _linear, { axes }) => [t && ops.reverse(b, t, axes)],
  batch(b, [x], [axis], _size, { axes }) {
    const at = axis!;
    return batchedAt(
      ops.reverse(
        b,
        x,
        axes.map((other) => shifted(other, at)),
      ),
      at,
    );
  },
  flops: noFlops,
  simplify(b, [x], { axes }) {
    const effective = axes.filter((axis) => x.shape[axis] !== 1);
    return effective.length < axes.length ? ops.reverse(b, x, effective) : undefined;
  },
  examples: (_inputs, [place], _outputs, { axes }) => examplesBeside(place, axes, false),
};

const iota: Primitive<IotaAttributes> = {
  shape(inputs, { shape, dtype, axis }) {
    expectCount(inputs, 0);
    expectAxis(axis, shape);
    return [{ shape, dtype }];
  },
  flops: noFlops,
};

export const structuralPrimitives = {
  reshape,
  transpose,
  broadcast_in_dim: broadcastInDim,
  pad,
  slice,
  concatenate,
  reverse,
  iota,
};
