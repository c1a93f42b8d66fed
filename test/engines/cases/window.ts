import { range, type Shape } from "../../../sidecar/graph/types";
import type { WindowAttributes } from "../../../sidecar/primitives/attributes";
import { windowedShape } from "../../../sidecar/primitives/window";
import { floats } from "../single";
import { equationCase, Random, type PrimitiveCase } from "./case";

interface Layout {
  readonly what: string;
  readonly shape: Shape;
  readonly window: number[];
  readonly strides?: number[];
  readonly padding?: [number, number][];
  readonly dilation?: number[];
}

const layouts: Layout[] = [
  { what: "1d", shape: [7], window: [3] },
  { what: "1d without overlap", shape: [6], window: [2], strides: [2] },
  { what: "1d stride beyond the window", shape: [8], window: [2], strides: [3] },
  { what: "1d padded, dilated", shape: [8], window: [3], padding: [[1, 2]], dilation: [2] },
  { what: "NHWC 2x2", shape: [2, 4, 6, 3], window: [1, 2, 2, 1], strides: [1, 2, 2, 1] },
  { what: "NHWC 3x3 with overlap", shape: [2, 5, 6, 3], window: [1, 3, 3, 1], strides: [1, 2, 2, 1] },
  { what: "NHWC 3x3 padded on one side", shape: [2, 4, 4, 3], window: [1, 3, 3, 1], strides: [1, 2, 2, 1], padding: [[0, 0], [0, 1], [0, 1], [0, 0]] },
  { what: "NHWC unequal", shape: [2, 6, 5, 2], window: [1, 3, 2, 1], strides: [1, 1, 3, 1], padding: [[0, 0], [1, 1], [0, 1], [0, 0]] },
  { what: "NCHW 3x3 padded", shape: [2, 3, 5, 5], window: [1, 1, 3, 3], strides: [1, 1, 1, 1], padding: [[0, 0], [0, 0], [1, 1], [1, 1]] },
  { what: "NCHW dilated", shape: [1, 2, 7, 8], window: [1, 1, 2, 3], strides: [1, 1, 2, 1], dilation: [1, 1, 3, 2] },
  { what: "global", shape: [2, 4, 4, 3], window: [1, 4, 4, 1] },
  { what: "axes apart", shape: [5, 2, 4], window: [2, 1, 3], strides: [2, 1, 1] },
  { what: "stride without a window", shape: [6, 3], window: [1, 1], strides: [2, 1] },
  { what: "all axes", shape: [3, 4, 3], window: [2, 2, 2] },
  { what: "rank 6", shape: [2, 1, 2, 4, 4, 2], window: [1, 1, 1, 2, 3, 1], strides: [1, 1, 1, 2, 1, 1], padding: [[0, 0], [0, 0], [0, 0], [0, 0], [1, 1], [0, 0]] },
  { what: "3d", shape: [1, 4, 4, 5, 2], window: [1, 2, 2, 3, 1], strides: [1, 2, 1, 2, 1] },
  { what: "nothing to do", shape: [2, 3], window: [1, 1] },
]; // prettier-ignore

function complete({ shape, window, strides, padding, dilation }: Layout): WindowAttributes {
  const axes = range(shape.length);
  return {
    window,
    strides: strides ?? axes.map(() => 1),
    padding: padding ?? axes.map(() => [0, 0] as const),
    dilation: dilation ?? axes.map(() => 1),
  };
}

export function windowCases(): PrimitiveCase[] {
  const cases: PrimitiveCase[] = [];
  for (const layout of layouts) {
    const { what, shape } = layout;
    const random = new Random(what);
    const attributes = complete(layout);
    const windowed = windowedShape(shape, attributes);
    const x = random.floats(shape);
    // Few different numbers, so that most windows have several maxima
    const ties = random.whole("float32", shape, 0, 2);
    cases.push(
      equationCase("reduce_window_sum", what, [x], attributes),
      equationCase("reduce_window_max", what, [x], attributes),
      equationCase("reduce_window_max", `${what}, all negative`, [random.floats(shape, -2, -1)], attributes),
    );
    for (const [how, operand] of [["", x], [", ties", ties]] as const) {
      cases.push(
        equationCase("select_and_gather_add", what + how, [random.floats(shape), operand], attributes),
        equationCase("select_and_scatter_add", what + how, [random.floats(windowed), operand], attributes),
      );
    } // prettier-ignore

    // As vmap makes them: an axis in front that the operand does not have
    const front = {
      window: [1, ...attributes.window],
      strides: [1, ...attributes.strides],
      padding: [[0, 0] as const, ...attributes.padding],
      dilation: [1, ...attributes.dilation],
    };
    const operand = random.floats([1, ...shape]);
    cases.push(
      equationCase("select_and_gather_add", `${what}, broadcast`, [random.floats([3, ...shape]), operand], front),
      equationCase("select_and_scatter_add", `${what}, broadcast`, [random.floats([3, ...windowed]), operand], front),
    );
  }
  const pairs: WindowAttributes = { window: [2], strides: [1], padding: [[0, 0]], dilation: [1] };
  cases.push(
    equationCase("reduce_window_max", "infinities", [floats([4], [-Infinity, -Infinity, Infinity, 1])], pairs),
    equationCase("reduce_window_sum", "infinities", [floats([4], [-Infinity, 1, Infinity, 1])], pairs),
  );
  return cases;
}
