import type { InlayHint } from "vscode-languageserver/node";
import { formatBytes, formatShortShape } from "../../protocol/text";
import { jacobianOf, sharesByLine, type Share } from "./share";
import type { Shown } from "./shown";

/**
 * Inlay hints at the end of lines that make layers or parameters: the output's shape and the Jacobian's. Several layers
 * made by one line are counted together; the hover has the details.
 */
export function inlayHints(
  path: string,
  models: readonly Shown[],
  range: { readonly from: number; readonly to: number },
  lengthOf: (line: number) => number,
): InlayHint[] {
  const hints: InlayHint[] = [];
  for (const [line, shares] of sharesByLine(path, models)) {
    if (line < range.from || line > range.to) continue;
    const label = shares.map(labelOf).filter(Boolean).join("  |  ");
    if (label === "") continue;
    hints.push({
      position: { line: line - 1, character: lengthOf(line - 1) },
      label,
      paddingLeft: true,
      tooltip: tooltipOf(shares),
    });
  }
  return hints.sort((a, b) => a.position.line - b.position.line);
}

function labelOf({ shown, analysis, layers, parameters }: Share): string {
  const output =
    layers.length === 1 && layers[0].outputs.length === 1 ? `→ ${formatShortShape(layers[0].outputs[0])}` : "";
  // Layers without parameters that one line makes many of, such as activations, have nothing in common worth telling
  if (layers.length > 1 && parameters.length === 0) return "";
  const many = layers.length > 1 ? `${layers.length} layers` : "";
  const jacobian = jacobianOf(analysis, parameters);
  const size = jacobian && `J ${formatShortShape(jacobian.shape)} ${formatBytes(jacobian.bytes)}`;
  const frozen = jacobian === null && parameters.length > 0 ? "frozen" : "";
  const parts = [output, many, size, frozen].filter(Boolean).join("  ");
  return shown.state.stale === null ? parts : `~ ${parts}`;
}

function tooltipOf(shares: readonly Share[]): string {
  const [{ shown }] = shares;
  const what = "Output shape and Jacobian (J) of this line's layers, for a whole batch";
  switch (shown.state.stale) {
    case null:
      return what;
    case "edited":
      return `${what}. Stale: the text has been edited since; save to refresh.`;
    case "failed":
      return `${what}. Stale: the last evaluation failed.`;
    case "restored":
      return `${what}. Stale: from before a restart; analyze to refresh.`;
  }
}
