import type { DotAttributes } from "../../../primitives/attributes";
import { contract } from "./contract";
import type { Labelled } from "./labels";
import type { Lower, Operands } from "./lowering";

const labelsOf = (x: Operands, side: 0 | 1, { contract: contracted, batch }: DotAttributes): string[] =>
  x.value(side).shape.map((_, axis) => {
    if (contracted[side].includes(axis)) return `k${contracted[side].indexOf(axis)}`;
    if (batch[side].includes(axis)) return `b${batch[side].indexOf(axis)}`;
    return `${side === 0 ? "m" : "n"}${axis}`;
  });

const dot: Lower<DotAttributes> = (w, x, attributes) => {
  const operands = ([0, 1] as const).map((side): Labelled => ({
    ref: x.thin(side),
    labels: labelsOf(x, side, attributes),
  }));
  const contracted = attributes.contract[0].map((_, index) => `k${index}`);
  // A contracted axis along which both are the same everywhere only multiplies.
  let repeats = 1;
  attributes.contract[0].forEach((left, index) => {
    if (x.isThin(0, left) && x.isThin(1, attributes.contract[1][index])) repeats *= x.value(0).shape[left];
  });
  const free = operands.map(({ labels }) => labels.filter((label) => /[mn]/.test(label)));
  const out = [...attributes.batch[0].map((_, index) => `b${index}`), ...free[0], ...free[1]];
  const product = contract(w, operands[0], operands[1], contracted, out);
  return repeats === 1 ? product : w.with("Mul", product, repeats);
};

export const dots = { dot_general: dot };
