import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { matMul } from "../../products";
import type { Operator, OperatorCall, OperatorTable } from "../call";
import { aligned, axisOf, commonType } from "./common";

/** Matrix products. */

/** As torch.matmul: vectors are rows on the left and columns on the right, and their axes disappear. */
export function product(b: Builder, call: OperatorCall, left: Value, right: Value): Value {
  if (left.shape.length === 0 || right.shape.length === 0) throw call.refuse("multiplies an array without axes");
  const dtype = commonType([left, right]);
  const [x, y] = [ops.convert(b, left, dtype), ops.convert(b, right, dtype)];
  if (x.shape.length === 1 || y.shape.length === 1) {
    // A vector's product has no batch axes to match
    return ops.dotGeneral(b, x, y, [[x.shape.length - 1], [Math.max(0, y.shape.length - 2)]]);
  }
  return matMul(b, x, y, false, false);
}

/** input weight^T + bias */
export function linear(b: Builder, x: Value, weight: Value, bias: Value | null): Value {
  const dtype = commonType([x, weight]);
  const last = x.shape.length - 1;
  const result = ops.dotGeneral(b, ops.convert(b, x, dtype), ops.convert(b, weight, dtype), [
    [last],
    [weight.shape.length - 1],
  ]);
  return bias === null ? result : plus(b, result, bias);
}

function plus(b: Builder, x: Value, y: Value): Value {
  const [p, q] = aligned(b, [x, y]);
  return ops.add(b, p, q);
}

function times(b: Builder, x: Value, factor: number): Value {
  return factor === 1 ? x : ops.mul(b, x, ops.scalarLike(b, x, factor));
}

/** beta self + alpha (left right) */
const added =
  (left: string, right: string): Operator =>
  (b, call) => {
    const result = times(b, product(b, call, call.value(left), call.value(right)), call.number("alpha", 1));
    const beta = call.number("beta", 1);
    return beta === 0 ? result : plus(b, times(b, call.value("self"), beta), result);
  };

const plain =
  (left: string, right: string): Operator =>
  (b, call) =>
    product(b, call, call.value(left), call.value(right));

interface Term {
  readonly value: Value;
  readonly letters: readonly string[];
}

/** The axes that an ellipsis stands for have names of their own, counted from the last. */
function termsOf(
  call: OperatorCall,
  equation: string,
  operands: readonly Value[],
): { terms: Term[]; result: string[] } {
  const [left, right] = equation.replace(/\s/g, "").split("->") as [string, string | undefined];
  const written = left.split(",");
  if (written.length !== operands.length) {
    throw call.refuse(`is for the equation ${equation}, which has another number of operands; export the model again`);
  }
  const hidden = Math.max(
    0,
    ...written.map((term, which) =>
      term.includes("...") ? operands[which].shape.length - term.replace("...", "").length : 0,
    ),
  );
  const names = range(hidden).map((axis) => `.${axis}`);
  const expand = (term: string, count: number): string[] => {
    const at = term.indexOf("...");
    if (at < 0) return term.split("");
    return [...term.slice(0, at).split(""), ...names.slice(names.length - count), ...term.slice(at + 3).split("")];
  };
  const terms = written.map((term, which): Term => {
    const value = operands[which];
    return { value, letters: expand(term, value.shape.length - term.replace("...", "").length) };
  });
  const all = terms.flatMap(({ letters }) => letters);
  const once = [...new Set(all)].filter((letter) => all.indexOf(letter) === all.lastIndexOf(letter)).sort();
  const result =
    right === undefined ? [...names, ...once.filter((letter) => !names.includes(letter))] : expand(right, hidden);
  return { terms, result };
}

/** Two axes of one letter are its diagonal. */
function withoutRepeats(b: Builder, { value, letters }: Term): Term {
  const repeated = letters.findIndex((letter, axis) => letters.indexOf(letter) < axis);
  if (repeated < 0) return { value, letters };
  const first = letters.indexOf(letters[repeated]);
  const size = value.shape[first];
  const shape = value.shape.map((extent, axis) => (axis === first || axis === repeated ? extent : 1));
  const identity = ops.reshape(b, ops.eye(b, size, value.dtype), shape);
  const diagonal = ops.reduceSum(b, ops.mul(b, value, identity), [repeated]);
  return withoutRepeats(b, { value: diagonal, letters: letters.filter((_, axis) => axis !== repeated) });
}

/** Any number of operands, multiplied from left to right; letters that nothing else needs are summed as soon as may be. */
const einsum: Operator = (b, call) => {
  const { terms, result } = termsOf(call, call.text("equation", ""), call.values("tensors"));
  const dtype = commonType(terms.map(({ value }) => value));
  const pending = terms.map(({ value, letters }) =>
    withoutRepeats(b, { value: ops.convert(b, value, dtype), letters }),
  );
  const summed = ({ value, letters }: Term, others: readonly Term[]): Term => {
    const needed = (letter: string): boolean =>
      result.includes(letter) || others.some((other) => other.letters.includes(letter));
    const gone = range(letters.length).filter((axis) => !needed(letters[axis]));
    return { value: ops.reduceSum(b, value, gone), letters: letters.filter(needed) };
  };
  let product = summed(pending[0], pending.slice(1));
  pending.slice(1).forEach((term, index) => {
    const rest = pending.slice(index + 2);
    const other = summed(term, [product, ...rest]);
    const shared = product.letters.filter((letter) => other.letters.includes(letter));
    const isLater = (letter: string): boolean =>
      result.includes(letter) || rest.some(({ letters }) => letters.includes(letter));
    const [batch, contract] = [shared.filter(isLater), shared.filter((letter) => !isLater(letter))];
    const axes = ({ letters }: Term, of: string[]): number[] => of.map((letter) => letters.indexOf(letter));
    const value = ops.dotGeneral(
      b,
      product.value,
      other.value,
      [axes(product, contract), axes(other, contract)],
      [axes(product, batch), axes(other, batch)],
    );
    const beside = [...product.letters, ...other.letters].filter((letter) => !shared.includes(letter));
    product = { value, letters: [...batch, ...beside] };
  });
  const { value, letters } = product;
  if (letters.length !== result.length || result.some((letter) => !letters.includes(letter))) {
    throw call.refuse(`is for the equation ${call.text("equation", "")}, which cannot be read; export the model again`);
  }
  return ops.transpose(
    b,
    value,
    result.map((letter) => letters.indexOf(letter)),
  );
};

/** x1 [..., I], weight [O, I, J], x2 [..., J] -> [..., O] */
const bilinear: Operator = (b, call) => {
  const [x, y, weight] = [call.value("input1"), call.value("input2"), call.value("weight")];
  const last = x.shape.length - 1;
  const left = ops.dotGeneral(b, x, weight, [[last], [1]]);
  const batch = range(last);
  const result = ops.dotGeneral(b, left, y, [[last + 1], [last]], [batch, batch]);
  const bias = call.optional("bias");
  return bias === null ? result : plus(b, result, bias);
};

/** The product of three arrays, each with new axes where `expand` says, summed over `sumdim`. */
const trilinear: Operator = (b, call) => {
  const expanded = range(3).map((which) =>
    call.sizes(`expand${which + 1}`).reduce((x, axis) => ops.expandDims(b, x, axis), call.value(`i${which + 1}`)),
  );
  const [x, y, z] = aligned(b, expanded);
  return ops.reduceSum(b, ops.mul(b, ops.mul(b, x, y), z), call.sizes("sumdim"));
};

const tensordot: Operator = (b, call) => {
  const [x, y] = [call.value("self"), call.value("other")];
  const axes = (name: string, { shape }: Value): number[] =>
    call.sizes(name).map((axis) => axisOf(call, axis, shape.length));
  return ops.dotGeneral(b, x, y, [axes("dims_self", x), axes("dims_other", y)]);
};

export const products: OperatorTable = {
  linear: (b, call) => linear(b, call.value("input"), call.value("weight"), call.optional("bias")),
  matmul: plain("self", "other"),
  mm: plain("self", "mat2"),
  bmm: plain("self", "mat2"),
  mv: plain("self", "vec"),
  dot: plain("self", "tensor"),
  vdot: plain("self", "other"),
  inner: (b, call) => {
    const [x, y] = [call.value("self"), call.value("other")];
    return ops.dotGeneral(b, x, y, [[x.shape.length - 1], [y.shape.length - 1]]);
  },
  outer: (b, call) => ops.dotGeneral(b, call.value("self"), call.value("vec2"), [[], []]),
  ger: (b, call) => ops.dotGeneral(b, call.value("self"), call.value("vec2"), [[], []]),
  addmm: added("mat1", "mat2"),
  addmv: added("mat", "vec"),
  baddbmm: added("batch1", "batch2"),
  einsum,
  bilinear,
  _trilinear: trilinear,
  tensordot,
};
