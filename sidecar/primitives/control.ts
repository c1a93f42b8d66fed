import type { Value } from "../graph/graph";
import { inline } from "../graph/inline";
import { formatShape, isFloat, sameShape } from "../graph/types";
import type { MapAttributes, OpaqueAttributes } from "./attributes";
import * as ops from "./ops";
import type { Primitive } from "./primitive";

/** Primitives that hold a graph, and operations that only a framework can run. */

function sliceShape(input: Value, mapped: boolean): readonly number[] {
  return mapped ? input.shape.slice(1) : input.shape;
}

const map: Primitive<MapAttributes> = {
  shape(inputs, { body, length, mapped, combine }) {
    if (body.inputs.length !== inputs.length || mapped.length !== inputs.length) {
      throw new Error(`the body of a map takes ${body.inputs.length} inputs, but ${inputs.length} are given`);
    }
    inputs.forEach((input, index) => {
      const expected = body.inputs[index].value;
      if (mapped[index] && input.shape[0] !== length) {
        throw new Error(`a map of length ${length} cannot go over ${formatShape(input.shape)}`);
      }
      if (expected.dtype !== input.dtype || !sameShape(expected.shape, sliceShape(input, mapped[index]))) {
        throw new Error(
          `input ${index} of a map is ${formatShape(input.shape)}, its body takes ${formatShape(expected.shape)}`,
        );
      }
    });
    return body.outputs.map(({ shape, dtype }, index) => ({
      shape: combine[index] === "stack" ? [length, ...shape] : shape,
      dtype,
    }));
  },

  // The tangents are one more map, whose body computes again what it needs of the first one's
  jvp(b, primals, tangents, outputs, a, transforms) {
    const varies = tangents.map((tangent) => tangent !== null);
    const body = transforms.tangents(a.body, varies);
    const moving = outputs.map((_, index) => index).filter((index) => body.varies[index]);
    const results = ops.map(
      b,
      body.graph,
      [...primals, ...tangents.filter((tangent) => tangent !== null)],
      [...a.mapped, ...a.mapped.filter((_, index) => varies[index])],
      a.length,
      { combine: moving.map((index) => a.combine[index]), fallback: a.fallback },
    );
    return outputs.map((_, index) => {
      const position = moving.indexOf(index);
      return position < 0 ? null : results[position];
    });
  },

  transpose(b, cotangents, inputs, linear, a, transforms) {
    const present = cotangents.map((cotangent) => cotangent !== null);
    const body = transforms.transpose(a.body, linear, present);
    const results = ops.map(
      b,
      body,
      [...inputs.filter((_, index) => !linear[index]), ...cotangents.filter((cotangent) => cotangent !== null)],
      [
        ...a.mapped.filter((_, index) => !linear[index]),
        ...a.combine.filter((_, index) => present[index]).map((combine) => combine === "stack"),
      ],
      a.length,
      {
        // A slice's cotangent is a slice of the cotangent; what every iteration reads gets the sum
        combine: a.mapped.filter((_, index) => linear[index]).map((isMapped) => (isMapped ? "stack" : "sum")),
        fallback: a.fallback,
      },
    );
    let next = 0;
    return inputs.map((_, index) => (linear[index] ? results[next++] : null));
  },

  batch(b, inputs, axes, size, a, transforms) {
    const moved = inputs.map((input, index) => {
      const axis = axes[index];
      return axis === null ? input : ops.moveAxis(b, input, axis, a.mapped[index] ? 1 : 0);
    });
    const body = transforms.vmap(
      a.body,
      axes.map((axis) => (axis === null ? null : 0)),
      size,
    );
    const outputs = ops.map(b, body, moved, a.mapped, a.length, { combine: a.combine, fallback: a.fallback });
    return { outputs, axes: a.combine.map((combine) => (combine === "stack" ? 1 : 0)) };
  },

  flops: (_inputs, _outputs, { body, length }, transforms) => length * transforms.flops(body),
};

const opaque: Primitive<OpaqueAttributes> = {
  shape: (_inputs, { outputs }) => outputs.map(({ shape, dtype }) => ({ shape, dtype })),

  // The framework gives the vector-Jacobian product, which is linear in the cotangents: its transpose is the jvp
  jvp(b, primals, tangents, outputs, { vjp, kernel }, transforms) {
    if (tangents.every((tangent) => tangent === null)) return outputs.map(() => null);
    if (vjp === null) throw new Error(`the operation ${kernel} has no derivative`);
    const differentiable = outputs.filter((output) => isFloat(output.dtype));
    const linear = [...primals.map(() => false), ...differentiable.map(() => true)];
    const floats = primals.map((primal, index) => (isFloat(primal.dtype) ? index : -1)).filter((index) => index >= 0);
    const pushforward = transforms.transpose(
      vjp,
      linear,
      floats.map((index) => tangents[index] !== null),
    );
    const results = inline(b, pushforward, [...primals, ...tangents.filter((tangent) => tangent !== null)]);
    return outputs.map((output) => {
      const position = differentiable.indexOf(output);
      return position < 0 ? null : results[position];
    });
  },

  // Where it is linear it is its own derivative, at any point: what transposes that transposes it. The derivatives that
  // frameworks give are made of such operations.
  transpose(b, cotangents, inputs, linear, { vjp, outputs, kernel }) {
    if (vjp === null) throw new Error(`the operation ${kernel} has no derivative`);
    const points = inputs.map((input, index) => (linear[index] ? ops.zerosLike(b, input) : input));
    const present = outputs.flatMap((type, index) =>
      isFloat(type.dtype) ? [cotangents[index] ?? ops.full(b, type.shape, type.dtype, 0)] : [],
    );
    const results = inline(b, vjp, [...points, ...present]);
    let next = 0;
    return inputs.map((input, index) => {
      const result = isFloat(input.dtype) ? results[next++] : null;
      return linear[index] ? result : null;
    });
  },

  flops: () => 0,
};

export const controlPrimitives = { map, opaque };
