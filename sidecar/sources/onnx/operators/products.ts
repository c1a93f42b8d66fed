import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { matMul } from "../../products";
import { aligned, type Call, type Operator, type OperatorTable } from "../call";

const at = ops.scalarLike;

/** NumPy's matmul: a vector is a row on the left and a column on the right, whose axis disappears. */
export function matmul(call: Pick<Call, "b">, x: Value, y: Value): Value {
  const { b } = call;
  const left = x.shape.length === 1 ? ops.reshape(b, x, [1, ...x.shape]) : x;
  const right = y.shape.length === 1 ? ops.reshape(b, y, [...y.shape, 1]) : y;
  const product = matMul(b, left, right, false, false);
  const shape = [...product.shape];
  if (y.shape.length === 1) shape.pop();
  if (x.shape.length === 1) shape.splice(y.shape.length === 1 ? -1 : -2, 1);
  return ops.reshape(b, product, shape);
}

/** alpha A B + beta C */
const gemm: Operator = (call) => {
  const { b } = call;
  const [x, y] = [call.input(0), call.input(1)];
  const [alpha, beta] = [call.float("alpha", 1), call.float("beta", 1)];
  const contract = [[call.int("transA", 0) === 1 ? 0 : 1], [call.int("transB", 0) === 1 ? 1 : 0]] as const;
  const product = ops.dotGeneral(b, x, y, contract);
  const scaled = alpha === 1 ? product : ops.mul(b, product, at(b, product, alpha));
  const added = call.optional(2);
  if (added === null || beta === 0) return scaled;
  const [left, right] = aligned(b, [scaled, added]);
  return ops.add(b, left, beta === 1 ? right : ops.mul(b, right, at(b, right, beta)));
};

/** An operand, with a letter for each axis. */
interface Term {
  readonly value: Value;
  readonly axes: readonly string[];
}

/** Letters that stand in several terms are multiplied over, and those that the result lacks are summed. */
const einsum: Operator = (call) => {
  const { b } = call;
  const equation = call.string("equation", "").replace(/\s/g, "");
  const operands = call.all();
  const [left, right] = equation.split("->") as [string, string | undefined];
  const texts = left.split(",");
  if (texts.length !== operands.length)
    throw new Error(`the equation ${equation} is not for ${operands.length} operands`);

  // An ellipsis stands for axes that are counted from the end
  const spare = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".split("").filter((letter) => !equation.includes(letter));
  const unnamed = texts.map((text, index) =>
    text.includes("...") ? operands[index].shape.length - text.length + 3 : 0,
  );
  const dots = spare.slice(0, Math.max(...unnamed));
  const lettersOf = (text: string, count: number): string[] => {
    const [before, after] = text.split("...") as [string, string | undefined];
    const middle = after === undefined ? [] : dots.slice(dots.length - count);
    return [...before.split(""), ...middle, ...(after ?? "").split("")];
  };
  const terms = texts.map((text, index) => lettersOf(text, unnamed[index]));
  const all = terms.flat();
  const once = [...new Set(all)].filter(
    (letter) => !dots.includes(letter) && all.indexOf(letter) === all.lastIndexOf(letter),
  );
  const wanted = right === undefined ? [...dots, ...once.sort()] : lettersOf(right, dots.length);

  const joined = terms
    .map((axes, index): Term => {
      const term = diagonals(b, { value: operands[index], axes });
      // What only this operand has is summed first
      const others = [...wanted, ...terms.flatMap((other, which) => (which === index ? [] : other))];
      return summed(b, term, (letter) => !others.includes(letter));
    })
    .reduce((product, term, index) => multiply(b, product, term, [...terms.slice(index + 1).flat(), ...wanted]));
  const result = summed(b, joined, (letter) => !wanted.includes(letter));
  return ops.transpose(
    b,
    result.value,
    wanted.map((letter) => result.axes.indexOf(letter)),
  );
};

function summed(b: Builder, { value, axes }: Term, isGone: (letter: string) => boolean): Term {
  const gone = range(axes.length).filter((axis) => isGone(axes[axis]));
  return { value: ops.reduceSum(b, value, gone), axes: axes.filter((letter) => !isGone(letter)) };
}

/** A letter that stands twice takes the diagonal. */
function diagonals(b: Builder, { value, axes }: Term): Term {
  if (axes.length !== value.shape.length) throw new Error(`${axes.join("")} does not name the axes of an operand`);
  const other = axes.findIndex((letter, axis) => axes.indexOf(letter) !== axis);
  if (other < 0) return { value, axes };
  const axis = axes.indexOf(axes[other]);
  const size = value.shape[axis];
  const place = value.shape.map((_, index) => (index === axis || index === other ? size : 1));
  const mask = ops.reshape(b, ops.eye(b, size, value.dtype), place);
  const diagonal = ops.reduceSum(b, ops.mul(b, value, mask), [other]);
  return diagonals(b, { value: diagonal, axes: axes.filter((_, index) => index !== other) });
}

/** @param later letters that are needed after this product */
function multiply(b: Builder, x: Term, y: Term, later: readonly string[]): Term {
  const shared = x.axes.filter((letter) => y.axes.includes(letter));
  const batch = shared.filter((letter) => later.includes(letter));
  const contract = shared.filter((letter) => !later.includes(letter));
  const axesOf = (side: Term, of: readonly string[]): number[] => of.map((letter) => side.axes.indexOf(letter));
  const value = ops.dotGeneral(
    b,
    x.value,
    y.value,
    [axesOf(x, contract), axesOf(y, contract)],
    [axesOf(x, batch), axesOf(y, batch)],
  );
  const rest = (side: Term): string[] => side.axes.filter((letter) => !shared.includes(letter));
  return { value, axes: [...batch, ...rest(x), ...rest(y)] };
}

/** The determinant of small matrices, by the first row. */
const det: Operator = (call) => {
  const { b } = call;
  const x = call.input(0);
  const rank = x.shape.length;
  const size = x.shape[rank - 1];
  if (size > 4) throw call.unsupported("determinants of matrices larger than 4 by 4 are not read");
  const element = (row: number, column: number): Value => {
    const starts = [...x.shape.slice(0, -2).map(() => 0), row, column];
    const limits = [...x.shape.slice(0, -2), row + 1, column + 1];
    return ops.reshape(b, ops.slice(b, x, starts, limits), x.shape.slice(0, -2));
  };
  const minor = (row: number, columns: readonly number[]): Value => {
    if (columns.length === 1) return element(row, columns[0]);
    return columns
      .map((column, index) => {
        const rest = minor(
          row + 1,
          columns.filter((other) => other !== column),
        );
        const product = ops.mul(b, element(row, column), rest);
        return index % 2 === 0 ? product : ops.neg(b, product);
      })
      .reduce((sum, product) => ops.add(b, sum, product));
  };
  return minor(0, range(size));
};

export const products: OperatorTable = {
  MatMul: (call) => matmul(call, call.input(0), call.input(1)),
  Gemm: gemm,
  Einsum: einsum,
  Det: det,
};
