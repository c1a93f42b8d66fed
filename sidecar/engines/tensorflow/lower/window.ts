import type { WindowAttributes } from "../../../primitives/attributes";
import { range, sizeOf, stridesOf, type Shape } from "../../../graph/types";
import { arrange, broadcast, pad, slice, type NamedAxis } from "./layout";
import type { Lowering, Tf, TfTensor } from "./lowering";

function windowedAxes({ window, strides, padding }: WindowAttributes): number[] {
  return range(window.length).filter(
    (axis) => window[axis] !== 1 || strides[axis] !== 1 || padding[axis][0] !== 0 || padding[axis][1] !== 0,
  );
}

/** Sums and maxima over a window are taken one axis after the other: 3 + 3 operations instead of 9. */
export function reduceWindow(
  initial: number,
  join: (tf: Tf, x: TfTensor, y: TfTensor) => TfTensor,
): Lowering<WindowAttributes> {
  return (tf, [x], { window, strides, padding, dilation }, output) => {
    const shape = [...x.shape];
    let result = x;
    for (const axis of windowedAxes({ window, strides, padding, dilation })) {
      const outer = sizeOf(shape.slice(0, axis));
      const inner = sizeOf(shape.slice(axis + 1));
      const [low, high] = padding[axis];
      const lines = pad(
        tf,
        tf.reshape(result, [outer, shape[axis], inner]),
        [0, low, 0],
        [0, high, 0],
        [0, 0, 0],
        initial,
      );
      const count = output.shape[axis];
      result = range(window[axis])
        .map((k) => {
          const first = k * dilation[axis];
          const limit = first + (count - 1) * strides[axis] + 1;
          return slice(tf, lines, [0, first, 0], [outer, limit, inner], [1, strides[axis], 1]);
        })
        .reduce((sum, element) => join(tf, sum, element));
      shape[axis] = count;
    }
    return result === x ? tf.clone(x) : tf.reshape(result, [...output.shape]);
  };
}

/** The windowed axes of an array, apart from the others. */
class Windows {
  readonly axes: readonly number[];
  readonly others: readonly number[];
  /** For each window element, in row-major order, its position along each windowed axis. */
  readonly elements: readonly (readonly number[])[];
  readonly input: Shape;
  readonly output: Shape;

  constructor(
    input: Shape,
    output: Shape,
    private readonly attributes: WindowAttributes,
  ) {
    this.axes = windowedAxes(attributes);
    this.others = range(input.length).filter((axis) => !this.axes.includes(axis));
    this.input = this.axes.map((axis) => input[axis]);
    this.output = this.axes.map((axis) => output[axis]);
    this.elements = this.axes.reduce<number[][]>(
      (known, axis) => known.flatMap((place) => range(attributes.window[axis]).map((k) => [...place, k])),
      [[]],
    );
  }

  private names(axes: readonly number[]): string[] {
    return axes.map((axis) => `axis ${axis}`);
  }

  /** [lines, ...windowed axes] */
  apart(tf: Tf, x: TfTensor): TfTensor {
    const axes = x.shape.map((extent, axis): NamedAxis => ({ name: `axis ${axis}`, extent }));
    return arrange(tf, x, axes, [this.names(this.others), ...this.names(this.axes).map((name) => [name])]);
  }

  /** The inverse of `apart`, for an array of the given shape. */
  together(tf: Tf, x: TfTensor, shape: Shape): TfTensor {
    const stands = [...this.others, ...this.axes].map((axis): NamedAxis => ({
      name: `axis ${axis}`,
      extent: shape[axis],
    }));
    return arrange(
      tf,
      x,
      stands,
      this.names(range(shape.length)).map((name) => [name]),
    );
  }

  /** Repeats lines of an array [lines, ...] of which some of the other axes had extent 1. */
  repeatLines(tf: Tf, x: TfTensor, from: Shape, to: Shape): TfTensor {
    const rest = sizeOf(x.shape.slice(1));
    const own = this.others.map((axis) => from[axis]);
    const wanted = this.others.map((axis) => to[axis]);
    const repeated = broadcast(tf, tf.reshape(x, [...own, rest]), [...wanted, rest]);
    return tf.reshape(repeated, [sizeOf(wanted), ...x.shape.slice(1)]);
  }

  padded(tf: Tf, apart: TfTensor, value: number): TfTensor {
    const { padding } = this.attributes;
    const low = this.axes.map((axis) => padding[axis][0]);
    const high = this.axes.map((axis) => padding[axis][1]);
    return pad(tf, apart, [0, ...low], [0, ...high], [0, ...low.map(() => 0)], value);
  }

  /** Of every window of a padded array [lines, ...], the element at one place. */
  elementsAt(tf: Tf, padded: TfTensor, place: readonly number[]): TfTensor {
    const { strides, dilation } = this.attributes;
    const first = this.axes.map((axis, index) => place[index] * dilation[axis]);
    const limit = this.axes.map((axis, index) => first[index] + (this.output[index] - 1) * strides[axis] + 1);
    const steps = this.axes.map((axis) => strides[axis]);
    return slice(tf, padded, [0, ...first], [padded.shape[0], ...limit], [1, ...steps]);
  }

  /** Where window element `place` of output position `at` lies in the unpadded input, or null in the padding. */
  private offset(at: readonly number[], place: readonly number[]): number | null {
    const { strides, dilation, padding } = this.attributes;
    const steps = stridesOf(this.input);
    let offset = 0;
    for (const [index, axis] of this.axes.entries()) {
      const position = at[index] * strides[axis] + place[index] * dilation[axis] - padding[axis][0];
      if (position < 0 || position >= this.input[index]) return null;
      offset += position * steps[index];
    }
    return offset;
  }

  /** For each output position, where window element `place` lies; in the padding, where the window's first real one does. */
  offsets(place: readonly number[]): Int32Array {
    const result = new Int32Array(sizeOf(this.output));
    const at = this.output.map(() => 0);
    for (let index = 0; index < result.length; index++) {
      let offset = this.offset(at, place);
      for (let next = 0; offset === null && next < this.elements.length; next++) {
        offset = this.offset(at, this.elements[next]);
      }
      result[index] = offset ?? 0;
      for (let axis = at.length - 1; axis >= 0; axis--) {
        if (++at[axis] < this.output[axis]) break;
        at[axis] = 0;
      }
    }
    return result;
  }

  /** Where the first maximum of each window lies among the windowed axes of the operand: int32 [lines, ...output]. */
  firstMaxima(tf: Tf, operand: TfTensor): TfTensor {
    const padded = this.padded(tf, this.apart(tf, operand), -Infinity);
    const shape = [padded.shape[0], ...this.output];
    const at = (place: readonly number[]): TfTensor =>
      broadcast(tf, tf.tensor(this.offsets(place), [1, ...this.output], "int32"), shape);
    let best = this.elementsAt(tf, padded, this.elements[0]);
    let found = at(this.elements[0]);
    for (const place of this.elements.slice(1)) {
      const element = this.elementsAt(tf, padded, place);
      found = tf.where(tf.greater(element, best), at(place), found);
      best = tf.maximum(best, element);
    }
    return found;
  }
}

/** `places`, of windows within lines, as places in the whole array of lines of `size` elements. */
function inWholeArray(tf: Tf, places: TfTensor, size: number): TfTensor {
  const [lines] = places.shape;
  const start = tf.range(0, lines * size, size, "int32");
  return tf.add(tf.reshape(places, [lines, -1]), tf.reshape(start, [lines, 1]));
}

export const selectAndGatherAdd: Lowering<WindowAttributes> = (tf, [tangent, operand], attributes, output) => {
  const windows = new Windows(operand.shape, output.shape, attributes);
  const maxima = windows.repeatLines(tf, windows.firstMaxima(tf, operand), operand.shape, tangent.shape);
  const elements = tf.reshape(tangent, [-1]);
  const apart = tf.reshape(windows.apart(tf, tangent), [elements.size]);
  const places = inWholeArray(tf, maxima, sizeOf(windows.input));
  const taken = tf.gather(apart, tf.reshape(places, [-1]));
  return windows.together(tf, taken, output.shape);
};

export const selectAndScatterAdd: Lowering<WindowAttributes> = (tf, [cotangent, operand], attributes, output) => {
  const windows = new Windows(operand.shape, cotangent.shape, attributes);
  const maxima = windows.repeatLines(tf, windows.firstMaxima(tf, operand), operand.shape, output.shape);
  const places = inWholeArray(tf, maxima, sizeOf(windows.input));
  const elements = tf.reshape(windows.apart(tf, cotangent), [-1]);
  const sums = tf.unsortedSegmentSum(elements, tf.reshape(places, [-1]) as never, sizeOf(output.shape));
  return windows.together(tf, sums, output.shape);
};
