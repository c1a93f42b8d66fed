import type { Analysis, ParameterAnalysis } from "../sidecar/protocol/analysis";
import type { PanelMemory } from "../sidecar/protocol/panel";
import { formatShape } from "../sidecar/protocol/text";

/** The table of parameters: what is shown of it, and in which order. */

/** The column `order` is the model's own order. */
export type ParameterSort = NonNullable<PanelMemory["sort"]>;

export type ParameterColumn = ParameterSort["column"];

export interface ParameterRow {
  readonly parameter: ParameterAnalysis;
  /** Of the whole Jacobian, from 0 to 1; frozen ones have none. */
  readonly share: number;
}

/** The rows whose name, shape, element type or state (`frozen`, `trainable`) contain every word of the filter. */
export function parameterRows(analysis: Analysis, filter: string, sort: ParameterSort): ParameterRow[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = analysis.parameters
    .filter((parameter) => {
      const text = searchText(parameter);
      return words.every((word) => text.includes(word));
    })
    .map((parameter) => ({
      parameter,
      share:
        parameter.trainable && analysis.jacobian.bytes > 0 ? parameter.jacobian.bytes / analysis.jacobian.bytes : 0,
    }));
  if (sort.column !== "order") rows.sort((a, b) => compare(a.parameter, b.parameter, sort.column));
  return sort.descending ? rows.reverse() : rows;
}

/** A click on a column's head: sizes start with the largest, and a third click restores the model's order. */
export function nextSort(sort: ParameterSort, column: ParameterColumn): ParameterSort {
  const first = column === "elements" || column === "bytes";
  if (sort.column !== column) return { column, descending: first };
  return sort.descending === first ? { column, descending: !first } : { column: "order", descending: false };
}

function searchText({ name, shape, dtype, trainable }: ParameterAnalysis): string {
  return `${name} ${formatShape(shape)} ${dtype} ${trainable ? "trainable" : "frozen"}`.toLowerCase();
}

function compare(a: ParameterAnalysis, b: ParameterAnalysis, column: ParameterColumn): number {
  switch (column) {
    case "name":
      return byName.compare(a.name, b.name);
    case "elements":
      return a.elements - b.elements;
    case "bytes":
      return countedBytes(a) - countedBytes(b);
    case "order":
      return 0;
  }
}

/** Frozen parameters are no part of the total: they come after all others. */
function countedBytes({ trainable, jacobian }: ParameterAnalysis): number {
  return trainable ? jacobian.bytes : -1;
}

/** `block_2` before `block_10`. */
const byName = new Intl.Collator("en", { numeric: true });
