import type { Source } from "../graph/graph";
import type { Place } from "../protocol/analysis";

/** A place as it is told: without the module path. */
export function placeOf(source: Source | null): Place | null {
  return source && { file: source.file, line: source.line, column: source.column };
}
