import type { Engine } from "../engine";
import { Interpreter } from "../interpreter/interpreter";
import { requireOpaqueHost } from "../interpreter/opaque";
import { ReferenceBackend } from "./backend";

export interface ReferenceOptions {
  /**
   * Every float is computed in 64 bits. With 64 (the default) results come as they are: Float64Array, dtype `float64`,
   * whatever the graph's dtype is. With 32 they are rounded to the graph's own dtype at the end.
   */
  readonly precision?: 32 | 64;
}

/** Small and obvious rather than fast: what the other engines are tested against. Runs every primitive. */
export function createReferenceEngine({ precision = 64 }: ReferenceOptions = {}): Engine {
  return {
    name: "reference",
    device: "CPU (plain TypeScript, 64 bit)",
    supports: () => [],
    // eslint-disable-next-line @typescript-eslint/require-await
    async compile(graph, { opaque, fixed } = {}) {
      requireOpaqueHost(graph, opaque);
      return new Interpreter(graph, new ReferenceBackend(precision, opaque), fixed);
    },
    dispose: () => Promise.resolve(),
  };
}
