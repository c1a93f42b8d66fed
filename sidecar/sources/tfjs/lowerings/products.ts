import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { sizeOf } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { matMul } from "../../products";
import { view } from "../../view";
import { activate } from "./elementwise";
import { floating, type KernelCall, type Lowering, type LoweringTable } from "./kernel";

function product(b: Builder, call: KernelCall): Value {
  const { transposeA, transposeB } = call.attributes as { transposeA?: boolean; transposeB?: boolean };
  return matMul(b, floating(b, call.inputs.a), floating(b, call.inputs.b), transposeA ?? false, transposeB ?? false);
}

/** Dense layers call this with a batch of one matrix, whose axis is put aside. */
const fusedMatMul: Lowering = (b, call) => {
  const { a, b: right } = call.inputs;
  const isOneMatrix = sizeOf(a.shape.slice(0, -2)) === 1 && sizeOf(right.shape.slice(0, -2)) === 1;
  const fits = a.shape.length === right.shape.length && (call.inputs.bias?.shape.length ?? 0) <= 2;
  if (!isOneMatrix || !fits) return finish(b, product(b, call), call);
  const matrix = (x: Value): Value => view(b, x, x.shape.slice(-2));
  const inner = { ...call, inputs: { ...call.inputs, a: matrix(a), b: matrix(right) } };
  const finished = finish(b, product(b, inner), inner);
  return finished && view(b, finished, [...a.shape.slice(0, -2), ...finished.shape]);
};

/** The bias and the activation of a fused kernel. */
export function finish(b: Builder, x: Value, call: KernelCall): Value | null {
  const { bias } = call.inputs;
  return activate(b, bias ? ops.add(b, x, ops.padRank(b, bias, x.shape.length)) : x, call);
}

/** One or two operands, each letter an axis; letters that the result lacks are summed. */
const einsum: Lowering = (b, { inputs, attributes }) => {
  const [left, right] = (attributes as { equation: string }).equation.replace(/\s/g, "").split("->");
  if (right === undefined) return null;
  const result = right.split("");
  const terms = left.split(",").map((term) => term.split(""));
  const operands = Object.values(inputs);
  if (terms.length !== operands.length || operands.length > 2) return null;
  if (terms.some((term) => new Set(term).size !== term.length)) return null;

  // Sum what only one operand has and the result has not.
  const reduced = operands.map((operand, which) => {
    const other = terms[1 - which] ?? [];
    const gone = terms[which].filter((letter) => !result.includes(letter) && !other.includes(letter));
    const value = ops.reduceSum(
      b,
      operand,
      gone.map((letter) => terms[which].indexOf(letter)),
    );
    return { value, letters: terms[which].filter((letter) => !gone.includes(letter)) };
  });

  let { value, letters } = reduced[0];
  if (reduced.length === 2) {
    const [x, y] = reduced;
    const shared = x.letters.filter((letter) => y.letters.includes(letter));
    const batch = shared.filter((letter) => result.includes(letter));
    const contract = shared.filter((letter) => !result.includes(letter));
    const axes = (side: typeof x, of: string[]): number[] => of.map((letter) => side.letters.indexOf(letter));
    value = ops.dotGeneral(
      b,
      x.value,
      y.value,
      [axes(x, contract), axes(y, contract)],
      [axes(x, batch), axes(y, batch)],
    );
    letters = [...batch, ...[...x.letters, ...y.letters].filter((letter) => !shared.includes(letter))];
  }
  return ops.transpose(
    b,
    value,
    result.map((letter) => letters.indexOf(letter)),
  );
};

export const products: LoweringTable = {
  BatchMatMul: product,
  _FusedMatMul: fusedMatMul,
  Einsum: einsum,
};
