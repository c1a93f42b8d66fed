import type {
  ArgsortAttributes,
  AxisAttributes,
  CumsumAttributes,
  ReduceAttributes,
} from "../../../primitives/attributes";
import type { Lower, Operands } from "./lowering";
import type { Ref, Writer } from "./writer";

/** Reductions, running sums and orders. */

/** Axes among `axes` along which the operand is thin. */
const thinAxes = (x: Operands, axes: readonly number[]): number[] => axes.filter((axis) => x.isThin(0, axis));

/** A sum over an axis along which all elements are equal is their number times one of them. */
const sum: Lower<ReduceAttributes> = (w, x, { axes }) => {
  const repeats = thinAxes(x, axes).reduce((count, axis) => count * x.value(0).shape[axis], 1);
  const total = w.reduce("ReduceSum", x.thin(0), axes);
  return repeats === 1 ? total : w.with("Mul", total, repeats);
};

/** onnxruntime passes over NaN. The sum of absolute values is NaN only if an element is. */
const extreme =
  (opType: string): Lower<ReduceAttributes> =>
  (w, x, { axes }) => {
    const operand = x.thin(0);
    const result = w.reduce(opType, operand, axes);
    if (operand.type === "int32" || operand.type === "bool") return result;
    const isNaN = w.node("IsNaN", [w.reduce("ReduceL1", operand, axes)], result.shape, "bool");
    return w.where(isNaN, w.scalar(NaN, operand.type), result);
  };

const product: Lower<ReduceAttributes> = (w, x, { axes }) => w.reduce("ReduceProd", x.fullAlong(0, axes), axes);

/** ONNX has no order on booleans. */
const ordered = (w: Writer, x: Ref): Ref => (x.type === "bool" ? w.cast(x, "int32") : x);

const argument =
  (opType: string): Lower<AxisAttributes> =>
  (w, x, { axis }) => {
    const operand = ordered(w, x.thin(0));
    const shape = operand.shape.filter((_, other) => other !== axis);
    return w.cast(w.node(opType, [operand], shape, "int64", { axis, keepdims: 0, select_last_index: 0 }), "int32");
  };

const cumsum: Lower<CumsumAttributes> = (w, x, { axis, reverse }) => {
  const operand = x.fullAlong(0, [axis]);
  return w.node("CumSum", [operand, w.scalar(axis, "int64")], operand.shape, operand.type, {
    reverse: reverse ? 1 : 0,
  });
};

/** TopK of all elements. Among equal ones it puts the lower index first, in both directions: it is stable. */
const argsort: Lower<ArgsortAttributes> = (w, x, { axis, descending }) => {
  const operand = ordered(w, x.fullAlong(0, [axis]));
  const indices = w.nodeWithOutputs(
    "TopK",
    [operand, w.ints([operand.shape[axis]])],
    [operand, { shape: operand.shape, type: "int64" }],
    { axis, largest: descending ? 1 : 0, sorted: 1 },
  )[1];
  return w.cast(indices, "int32");
};

export const reductions = {
  reduce_sum: sum,
  reduce_max: extreme("ReduceMax"),
  reduce_min: extreme("ReduceMin"),
  reduce_prod: product,
  argmax: argument("ArgMax"),
  argmin: argument("ArgMin"),
  cumsum,
  argsort,
};
