import { floats } from "../single";
import { reduceNames } from "../../../sidecar/primitives/attributes";
import { equationCase, Random, type PrimitiveCase } from "./case";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** Reductions, and what goes along one axis. */
export function reductionCases(): PrimitiveCase[] {
  const cases: PrimitiveCase[] = [];
  for (const name of reduceNames) {
    const random = new Random(name);
    const x = random.floats([2, 3, 4]);
    for (const axes of [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2], []]) {
      cases.push(equationCase(name, `axes [${axes.join(",")}]`, [x], { axes }));
    }
    cases.push(
      equationCase(name, "a vector", [random.floats([5])], { axes: [0] }),
      equationCase(name, "rank 6", [random.floats([2, 3, 2, 2, 3, 2])], { axes: [0, 2, 4] }),
      equationCase(name, "an extent of 1", [random.floats([3, 1])], { axes: [1] }),
      equationCase(name, "int32", [random.whole("int32", [3, 4], -9, 10)], { axes: [1] }),
    );
  }
  cases.push(
    equationCase("reduce_max", "infinities", [floats([2, 2], [-inf, -inf, inf, 1])], { axes: [1] }),
    equationCase("reduce_min", "infinities", [floats([2, 2], [inf, inf, -inf, 1])], { axes: [1] }),
    equationCase("reduce_max", "NaN wins", [floats([2, 3], [1, nan, 2, nan, 1, 2])], { axes: [1] }),
    equationCase("reduce_min", "NaN wins", [floats([2, 3], [1, nan, 2, nan, 1, 2])], { axes: [1] }),
    equationCase("reduce_sum", "infinities", [floats([3, 2], [inf, 1, inf, -inf, nan, 1])], { axes: [1] }),
    equationCase("reduce_sum", "very long", [new Random("very long").floats([20000, 2])], { axes: [0] }),
    equationCase("reduce_sum", "very long, two axes", [new Random("two").floats([150, 2, 160])], { axes: [0, 2] }),
    equationCase("reduce_prod", "zeros", [floats([2, 3], [0, 1, 2, 3, 4, 5])], { axes: [1] }),
  );

  for (const name of ["argmax", "argmin"] as const) {
    const random = new Random(name);
    for (const axis of [0, 1, 2]) {
      cases.push(
        equationCase(name, `axis ${axis}`, [random.floats([3, 4, 5])], { axis }),
        equationCase(name, `ties along axis ${axis}`, [random.whole("float32", [3, 4, 5], 0, 2)], { axis }),
      );
    }
    cases.push(
      equationCase(name, "a vector", [random.floats([7])], { axis: 0 }),
      equationCase(name, "int32", [random.whole("int32", [3, 4], -3, 3)], { axis: 1 }),
    );
  }

  const random = new Random("along an axis");
  for (const axis of [0, 1, 2]) {
    for (const reverse of [false, true]) {
      const what = `axis ${axis}${reverse ? ", reversed" : ""}`;
      cases.push(equationCase("cumsum", what, [random.floats([3, 4, 5])], { axis, reverse }));
    }
    for (const descending of [false, true]) {
      const what = `axis ${axis}${descending ? ", descending" : ""}`;
      cases.push(
        equationCase("argsort", what, [random.floats([3, 4, 5])], { axis, descending }),
        equationCase("argsort", `${what}, ties`, [random.whole("float32", [3, 4, 5], 0, 2)], { axis, descending }),
      );
    }
  }
  cases.push(
    equationCase("cumsum", "int32", [random.whole("int32", [2, 5], -9, 9)], { axis: 1, reverse: false }),
    equationCase("cumsum", "a vector", [random.floats([6])], { axis: 0, reverse: true }),
    equationCase("argsort", "int32", [random.whole("int32", [3, 6], -3, 3)], { axis: 1, descending: true }),
    equationCase("argsort", "a vector", [random.floats([6])], { axis: 0, descending: false }),
    equationCase("argsort", "infinities", [floats([4], [inf, -inf, 0, inf])], { axis: 0, descending: true }),
  );
  return cases;
}
