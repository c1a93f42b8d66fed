import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { isFloat, range } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import {
  checkedCount,
  constantOf,
  dtypeOf,
  listed,
  numberedType,
  positiveAxis,
  type Operator,
  type OperatorTable,
} from "../call";

/** Fourier transforms as products with the matrices of cosines and sines. Complex numbers are a last axis of two. */

/** [rows, columns] of trig(2 pi row column / period). */
function waves(
  b: Builder,
  rows: number,
  columns: number,
  period: number,
  trig: (x: number) => number,
  like: Value,
): Value {
  const elements = listed(rows * columns).map((index) => {
    const [row, column] = [Math.floor(index / columns), index % columns];
    return trig((2 * Math.PI * ((row * column) % period)) / period);
  });
  return constantOf(b, elements, [rows, columns], like.dtype);
}

/** x [..., 1 or 2] transformed along `axis`, cut or filled to `length`. */
function transform(b: Builder, x: Value, axis: number, length: number, inverse: boolean, half: boolean): Value {
  const last = x.shape.length - 1;
  const extent = x.shape[axis];
  const none = x.shape.map(() => 0);
  const filled = ops.pad(
    b,
    x,
    none,
    x.shape.map((_, other) => (other === axis ? length - extent : 0)),
  );
  const count = half ? Math.floor(length / 2) + 1 : length;
  const part = (index: number): Value =>
    ops.reshape(b, ops.sliceAxis(b, filled, last, index, index + 1), filled.shape.slice(0, -1));
  const along = (value: Value, matrix: Value): Value =>
    ops.moveAxis(b, ops.dotGeneral(b, value, matrix, [[axis], [0]]), last - 1, axis);
  const cos = waves(b, length, count, length, Math.cos, x);
  const sin = waves(b, length, count, length, inverse ? Math.sin : (angle) => -Math.sin(angle), x);
  const real = part(0);
  let [re, im] = [along(real, cos), along(real, sin)];
  if (x.shape[last] === 2) {
    const imaginary = part(1);
    re = ops.sub(b, re, along(imaginary, sin));
    im = ops.add(b, im, along(imaginary, cos));
  }
  const scaled = (value: Value): Value => (inverse ? ops.mul(b, value, ops.scalarLike(b, value, 1 / length)) : value);
  return ops.concatenate(
    b,
    [scaled(re), scaled(im)].map((value) => ops.expandDims(b, value, last)),
    last,
  );
}

/** The real signal from the half of its transform that is not the mirror image of the other. */
function realInverse(b: Builder, x: Value, axis: number, length: number): Value {
  const last = x.shape.length - 1;
  const count = Math.floor(length / 2) + 1;
  const none = x.shape.map(() => 0);
  const cut = ops.pad(
    b,
    x,
    none,
    x.shape.map((_, other) => (other === axis ? count - x.shape[axis] : 0)),
  );
  // Elements length - k are the conjugates of elements k
  const mirrored = ops.reverse(b, ops.sliceAxis(b, cut, axis, 1, length - count + 1), [axis]);
  const signs = b.constant(
    x.dtype === "float64" ? Float64Array.of(1, -1) : Float32Array.of(1, -1),
    [...none.slice(1).map(() => 1), 2],
    x.dtype,
  );
  const whole = ops.concatenate(b, [cut, ops.mul(b, mirrored, signs)], axis);
  return ops.sliceAxis(b, transform(b, whole, axis, length, true, false), last, 0, 1);
}

const dft: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const rank = x.shape.length;
  // The axis counts with the axis of real and imaginary parts
  const usual = call.opset >= 20 ? -2 : 1;
  const axis = positiveAxis(
    call.opset >= 20 ? (call.has(2) ? call.elements(2)[0] : usual) : call.int("axis", usual),
    rank,
  );
  const inverse = call.int("inverse", 0) === 1;
  const half = call.int("onesided", 0) === 1;
  if (inverse && half) {
    const length = call.has(1) ? call.elements(1)[0] : 2 * (x.shape[axis] - 1);
    return realInverse(b, x, axis, length);
  }
  return transform(b, x, axis, call.has(1) ? call.elements(1)[0] : x.shape[axis], inverse, half);
};

/** Transforms of windows [batch, frames, bins, 2] of signals [batch, length, 1 or 2]. */
const stft: Operator = (call) => {
  const { b } = call;
  const given = call.input(0);
  const signal = given.shape.length === 2 ? ops.expandDims(b, given, 2) : given;
  const step = call.elements(1)[0];
  const window = call.optional(2);
  const length = call.has(3) ? call.elements(3)[0] : (window?.shape[0] ?? 0);
  const frames = Math.floor((signal.shape[1] - length) / step) + 1;
  const places = listed(frames).flatMap((frame) => listed(length).map((i) => frame * step + i));
  const indices = b.constant(Int32Array.from(places), [frames, length], "int32");
  const cut = ops.gather(b, signal, indices, 1);
  const weighted = window ? ops.mul(b, cut, ops.reshape(b, window, [1, 1, length, 1])) : cut;
  return transform(b, weighted, 2, length, false, call.int("onesided", 1) === 1);
};

/** Windows of cosines: sum of coefficients[k] cos(2 pi k i / N). */
const cosineWindow =
  (coefficients: readonly number[]): Operator =>
  (call) => {
    const size = call.elements(0)[0];
    const type = numberedType(call.int("output_datatype", 1));
    const period = call.int("periodic", 1) === 1 ? size : size - 1;
    const elements = listed(size).map((i) =>
      coefficients.reduce((sum, coefficient, k) => sum + coefficient * Math.cos((2 * Math.PI * k * i) / period), 0),
    );
    const whole = isFloat(dtypeOf(type)) ? elements : elements.map(Math.trunc);
    return call.constant(whole, [size], type);
  };

/** Weights that gather the bins of a spectrum into bands of the mel scale. */
const melWeights: Operator = (call) => {
  const [bins, length, rate, low, high] = range(5).map((index) => call.elements(index)[0]);
  const mel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
  const spectrum = Math.floor(length / 2) + 1;
  const step = (mel(high) - mel(low)) / (bins + 2);
  const edges = listed(bins + 2).map((i) => {
    const hertz = 700 * (10 ** ((i * step + mel(low)) / 2595) - 1);
    return Math.floor(((length + 1) * hertz) / rate);
  });
  const elements = new Array<number>(checkedCount(spectrum * bins)).fill(0);
  for (const bin of listed(bins)) {
    const [first, centre, last] = edges.slice(bin, bin + 3);
    if (centre === first) elements[centre * bins + bin] = 1;
    else for (let i = first; i <= centre; i++) elements[i * bins + bin] = (i - first) / (centre - first);
    for (let i = centre; i < last; i++) elements[i * bins + bin] = (last - i) / (last - centre);
  }
  return call.constant(elements, [spectrum, bins], numberedType(call.int("output_datatype", 1)));
};

export const signal: OperatorTable = {
  DFT: dft,
  STFT: stft,
  HannWindow: cosineWindow([0.5, -0.5]),
  HammingWindow: cosineWindow([25 / 46, -21 / 46]),
  BlackmanWindow: cosineWindow([0.42, -0.5, 0.08]),
  MelWeightMatrix: melWeights,
};
