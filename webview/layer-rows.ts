import type { Analysis, ParameterAnalysis, Place } from "../sidecar/protocol/analysis";

/** Where the Jacobian's bytes are: by layer, and by kind of layer. */

export interface LayerRow {
  readonly name: string;
  /** `Conv2D`; `variable` for a parameter that belongs to no layer. */
  readonly kind: string;
  readonly source: Place | null;
  /** With the batch axis. */
  readonly outputs: readonly (readonly number[])[];
  readonly elements: number;
  /** Of the Jacobian with respect to its trainable parameters; to its frozen ones where it has no others. */
  readonly bytes: number;
  /** Of the whole Jacobian, from 0 to 1. A layer whose parameters are all frozen has none. */
  readonly share: number;
  readonly frozen: "none" | "some" | "all";
}

export interface KindShare {
  readonly kind: string;
  readonly bytes: number;
  readonly share: number;
}

/** The layers in their order, then the parameters that are part of no layer. */
export function layerRows({ layers, parameters, jacobian }: Analysis): LayerRow[] {
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const inLayers = new Set(layers.flatMap((layer) => layer.parameters));
  const row = (
    common: Pick<LayerRow, "name" | "kind" | "source" | "outputs">,
    own: readonly ParameterAnalysis[],
  ): LayerRow => {
    const trainable = own.filter((parameter) => parameter.trainable);
    const counted = trainable.length > 0 ? trainable : own;
    const bytes = sum(counted.map((parameter) => parameter.jacobian.bytes));
    return {
      ...common,
      elements: sum(own.map(({ elements }) => elements)),
      bytes,
      share: trainable.length > 0 && jacobian.bytes > 0 ? bytes / jacobian.bytes : 0,
      frozen: trainable.length === own.length ? "none" : trainable.length > 0 ? "some" : "all",
    };
  };
  return [
    ...layers.map(({ name, kind, source, outputs, parameters: names }) =>
      row(
        { name, kind, source, outputs },
        names.flatMap((parameter) => byName.get(parameter) ?? []),
      ),
    ),
    ...parameters
      .filter(({ name }) => !inLayers.has(name))
      .map((parameter) =>
        row({ name: parameter.name, kind: "variable", source: parameter.source, outputs: [] }, [parameter]),
      ),
  ];
}

/** The kinds of layers that the Jacobian has bytes of, the largest first. */
export function kindShares(rows: readonly LayerRow[]): KindShare[] {
  const kinds = new Map<string, KindShare>();
  for (const { kind, bytes, share, frozen } of rows) {
    if (frozen === "all" || bytes === 0) continue;
    const before = kinds.get(kind);
    kinds.set(kind, { kind, bytes: bytes + (before?.bytes ?? 0), share: share + (before?.share ?? 0) });
  }
  return [...kinds.values()].sort((a, b) => b.bytes - a.bytes);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
