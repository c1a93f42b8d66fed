import { DiagnosticSeverity, type Diagnostic } from "vscode-languageserver/node";
import type { Place } from "../../protocol/analysis";
import type { ModelKind, ModelRef } from "../../protocol/messages";
import { faultCode } from "../wording";
import { docsLink } from "./docs";
import { remarks, type Way } from "./memory";
import { pytorchRemarks } from "./pytorch";
import type { Shown } from "./shown";

/** What a quick fix needs to know of the diagnostic that it is offered for. */
export interface DiagnosticData {
  readonly model: ModelRef;
  /** Names of the parameters of a class, factory or function. */
  readonly takes: readonly string[];
  /** Names of inputs whose shapes have to be given. */
  readonly inputs: readonly string[];
  readonly kind: ModelKind;
  /** A better way to compute the Jacobian. */
  readonly use?: Way;
  /** Parameters that could be left out of it. */
  readonly parameters?: readonly string[];
}

const severities = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  information: DiagnosticSeverity.Information,
} as const;

/** The end of a line, whatever its length: editors cut a range at it. */
const END = 10_000;

/**
 * What is to be said about models, by the path of the file in which it stands.
 *
 * @param indentOf blanks at the beginning of a line, which counts from 1: what is known of its line alone stands behind them
 */
export function diagnostics(
  models: readonly Shown[],
  indentOf: (path: string, line: number) => number = () => 0,
): Map<string, Diagnostic[]> {
  const byPath = new Map<string, Diagnostic[]>();
  const add = (
    shown: Shown,
    place: Place | null,
    diagnostic: Pick<Diagnostic, "severity" | "code" | "message"> & { readonly code: string },
    more: Pick<DiagnosticData, "use" | "parameters"> = {},
  ): void => {
    const { state, path } = shown;
    const where = place ?? { file: path, line: state.line ?? 1, column: 1 };
    const character = where.column > 1 ? where.column - 1 : indentOf(where.file, where.line);
    const start = { line: where.line - 1, character };
    const data: DiagnosticData = {
      model: { uri: state.uri, export: state.export },
      takes: state.takes,
      inputs: state.inputs,
      kind: state.kind,
      ...more,
    };
    const range = { start, end: { line: start.line, character: END } };
    const href = docsLink(diagnostic.code);
    const link = href === null ? {} : { codeDescription: { href } };
    const said = { source: "Kernelscope", range, data, ...diagnostic, ...link };
    byPath.set(where.file, [...(byPath.get(where.file) ?? []), said]);
  };
  for (const shown of models) {
    const { analysis, fault } = shown.state;
    if (fault !== null) {
      const place = shown.faultPlace(fault.source);
      // A fault whose line has been edited is perhaps none any more
      if (fault.source === null || place !== null) {
        add(shown, place, { severity: DiagnosticSeverity.Error, code: faultCode(fault), message: fault.message });
      }
    }
    for (const { severity, code, message, source } of analysis?.diagnostics ?? []) {
      const place = shown.place(source);
      if (source === null || place !== null) add(shown, place, { severity: severities[severity], code, message });
    }
    for (const { severity, code, message, place: source, use, parameters } of [
      ...remarks(shown),
      ...pytorchRemarks(shown),
    ]) {
      const place = shown.place(source);
      if (source !== null && place === null) continue;
      add(shown, place, { severity: severities[severity], code, message }, { use: use ?? undefined, parameters });
    }
  }
  return byPath;
}
