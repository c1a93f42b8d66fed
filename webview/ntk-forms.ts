import type { Analysis } from "../sidecar/protocol/analysis";

/** The neural tangent kernel between the N examples of a batch and themselves: its forms, shapes and sizes. */

export interface NtkForm {
  readonly name: "full" | "diagonal" | "trace";
  /** The axes by name: `[N, N, C, C]`. */
  readonly axes: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

export interface NtkSizes {
  /** Number of examples. */
  readonly examples: number;
  /** Numbers that the differentiable outputs hold for one example, all of them flattened together. */
  readonly outputs: number;
  readonly dtype: "float32" | "float64";
  readonly forms: readonly NtkForm[];
  /** The Jacobian [N, C, P] that the contraction multiplies with itself. */
  readonly jacobian: { readonly shape: readonly number[]; readonly bytes: number };
}

export function ntkSizes(analysis: Analysis): NtkSizes {
  const { batch, jacobian } = analysis;
  const floats = analysis.outputs.filter(({ dtype }) => dtype === "float32" || dtype === "float64");
  const outputs = floats.reduce((total, { shape }) => total + product(shape.slice(1)), 0);
  const dtype = floats.some((output) => output.dtype === "float64") ? "float64" : "float32";
  const form = (name: NtkForm["name"], axes: string, shape: readonly number[]): NtkForm => ({
    name,
    axes,
    shape,
    bytes: product(shape) * (dtype === "float64" ? 8 : 4),
  });
  return {
    examples: batch,
    outputs,
    dtype,
    forms: [
      form("full", "[N, N, C, C]", [batch, batch, outputs, outputs]),
      form("diagonal", "[N, N, C]", [batch, batch, outputs]),
      form("trace", "[N, N]", [batch, batch]),
    ],
    jacobian: { shape: [batch, outputs, jacobian.shape.at(-1)!], bytes: jacobian.bytes },
  };
}

function product(extents: readonly number[]): number {
  return extents.reduce((total, extent) => total * extent, 1);
}
