import { sizeOf } from "../graph/types";
import type { NtkForm } from "./ntk";
import type { Leaf } from "./ntk-uses";

/** How the part of one parameter is computed: from its Jacobian, or from the structure of its use. */
export type Way = "dense" | "structured";

export interface Problem {
  readonly form: NtkForm;
  /** N1. */
  readonly rows: number;
  /** N2. */
  readonly columns: number;
  /** C. */
  readonly outputs: number;
}

interface Cost {
  /** Floating-point operations, a multiply-add counted as two. */
  readonly flops: number;
  /** Elements that are written and read. */
  readonly moved: number;
}

/**
 * Operations that are worth as much time as moving one element: a processor core, or a card, computes some ten times
 * faster than it reads from its memory.
 */
const FLOPS_PER_ELEMENT = 20;

/** For each parameter the way that is quicker by estimate. */
export function chooseWays(leaves: readonly Leaf[], problem: Problem): Way[] {
  return leaves.map((leaf) => {
    if (leaf.uses.length === 0) return "dense";
    return secondsOf(structuredCost(leaf, problem)) < secondsOf(denseCost(leaf, problem)) ? "structured" : "dense";
  });
}

/** In some unit. */
function secondsOf({ flops, moved }: Cost): number {
  return flops + FLOPS_PER_ELEMENT * moved;
}

function extentsOf({ uses }: Leaf): { g: number; k: number; f: number; d: number } {
  const [{ structure }] = uses;
  const positions = uses.reduce((total, use) => total + use.structure.extents.d, 0);
  return { g: structure.extents.g, k: structure.extents.k, f: structure.extents.c, d: positions };
}

/** The Jacobian, then its product with itself. */
function denseCost(leaf: Leaf, { form, rows, columns, outputs }: Problem): Cost {
  const { g, k, f, d } = extentsOf(leaf);
  const size = sizeOf(leaf.value.shape);
  const examples = rows + columns;
  const pairs = rows * columns * outputs * (form === "full" ? outputs : 1);
  const takesRows =
    leaf.uses[0].structure.extents.k === leaf.value.shape[0] && leaf.uses[0].equation.primitive === "gather";
  return {
    flops: examples * outputs * 2 * g * (takesRows ? 1 : k) * f * d + 2 * pairs * size,
    moved: 2 * examples * outputs * size + pairs,
  };
}

/** The formulas of `structuredKernel`. */
function structuredCost(leaf: Leaf, { form, rows, columns, outputs }: Problem): Cost {
  const { g, k, f, d } = extentsOf(leaf);
  const pairs = rows * columns;
  const examples = rows + columns;
  const gram = { flops: 2 * pairs * g * d * d * k, moved: pairs * g * d * d };
  const parts = examples * g * d * (k + outputs * f);
  if (g === 1 && d === 1) {
    const entries = pairs * (form === "trace" ? 1 : form === "diagonal" ? outputs : outputs * outputs);
    const products = form === "trace" ? pairs * outputs : entries;
    return { flops: gram.flops + 2 * products * f + entries, moved: gram.moved + parts + 3 * entries };
  }
  if (form === "trace") {
    const products = pairs * g * d * d;
    return { flops: gram.flops + 2 * products * outputs * f, moved: gram.moved + parts + 3 * products };
  }
  const seen = pairs * outputs * g * f * d;
  const entries = pairs * outputs * (form === "full" ? outputs : 1);
  return {
    flops: gram.flops + 2 * seen * d + 2 * entries * g * f * d,
    moved: gram.moved + parts + 2 * seen + entries,
  };
}
