import type { Analysis, LayerAnalysis, ParameterAnalysis, Place } from "../../protocol/analysis";
import type { Shown } from "./shown";

/**
 * What stands on one line of a file: the layers that it makes, itself or by functions that it calls, with their parameters;
 * and parameters that belong to no layer.
 */
export interface Share {
  readonly shown: Shown;
  readonly analysis: Analysis;
  readonly layers: Analysis["layers"];
  /** Those of the layers, and those with a line of their own. */
  readonly parameters: readonly ParameterAnalysis[];
}

/** The lines of a file on which something stands, by their number (1-based). */
export function sharesByLine(path: string, models: readonly Shown[]): Map<number, Share[]> {
  const shares = new Map<number, Share[]>();
  for (const shown of models) {
    const { analysis } = shown.state;
    if (analysis === null) continue;
    const lineOf = (place: Place | null): number | null => {
      const now = shown.place(place);
      return now?.file === path ? now.line : null;
    };
    const byName = new Map(analysis.parameters.map((parameter) => [parameter.name, parameter]));
    const inLayers = new Set(analysis.layers.flatMap(({ parameters }) => parameters));
    // Layers may have a parameter in common, which counts once
    const onLines = new Map<number, { layers: LayerAnalysis[]; parameters: Set<ParameterAnalysis> }>();
    const at = (line: number): { layers: LayerAnalysis[]; parameters: Set<ParameterAnalysis> } => {
      const known = onLines.get(line) ?? { layers: [], parameters: new Set() };
      onLines.set(line, known);
      return known;
    };
    for (const layer of analysis.layers) {
      // A line that calls a function which makes layers has its share of them, as in a profile
      const lines = new Set([layer.source, ...layer.callers].map(lineOf));
      for (const line of lines) {
        if (line === null) continue;
        at(line).layers.push(layer);
        for (const parameter of layer.parameters.flatMap((name) => byName.get(name) ?? [])) {
          at(line).parameters.add(parameter);
        }
      }
    }
    for (const parameter of analysis.parameters) {
      const line = inLayers.has(parameter.name) ? null : lineOf(parameter.source);
      if (line !== null) at(line).parameters.add(parameter);
    }
    for (const [line, { layers, parameters }] of onLines) {
      shares.set(line, [...(shares.get(line) ?? []), { shown, analysis, layers, parameters: [...parameters] }]);
    }
  }
  return shares;
}

/** The Jacobian with respect to all of these parameters together: [N, ...output, P], or that of the one. */
export function jacobianOf(
  analysis: Analysis,
  parameters: readonly ParameterAnalysis[],
): { readonly shape: readonly number[]; readonly bytes: number } | null {
  const trainable = parameters.filter((parameter) => parameter.trainable);
  if (trainable.length === 0) return null;
  if (trainable.length === 1) return trainable[0].jacobian;
  const elements = trainable.reduce((sum, parameter) => sum + parameter.elements, 0);
  const bytes = trainable.reduce((sum, parameter) => sum + parameter.jacobian.bytes, 0);
  return { shape: [...analysis.jacobian.shape.slice(0, -1), elements], bytes };
}
