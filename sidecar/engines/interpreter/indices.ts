import { ModelError } from "../../graph/errors";
import type { Source } from "../../graph/graph";

/** Throws a ModelError at the user's line where an index is not one of 0..extent-1. */
export function checkIndices(indices: Iterable<number>, extent: number, source: Source | null): void {
  for (const index of indices) {
    if (index < 0 || index >= extent) {
      throw new ModelError(`Index ${index} is out of range: it must be between 0 and ${extent - 1}.`, source);
    }
  }
}
