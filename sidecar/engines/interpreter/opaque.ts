import type { MapAttributes } from "../../primitives/attributes";
import { formatSource, type Equation, type Graph } from "../../graph/graph";
import { EngineError, type OpaqueHost } from "../engine";

/** The graph's equations and those of the bodies in it. */
export function* everyEquation(graph: Graph): Generator<Equation> {
  for (const equation of graph.equations) {
    yield equation;
    if (equation.primitive === "map") yield* everyEquation((equation.attributes as MapAttributes).body);
  }
}

/** Says at compile time, rather than in the middle of a run, that nobody is there to run an opaque operation. */
export function requireOpaqueHost(graph: Graph, host: OpaqueHost | undefined): void {
  for (const { primitive, attributes, source } of everyEquation(graph)) {
    if (primitive !== "opaque") continue;
    const { framework, kernel } = attributes as { framework: string; kernel: string };
    if (host?.framework === framework) continue;
    const place = source ? ` (${formatSource(source)})` : "";
    throw new EngineError(`the operation ${kernel}${place} can only be run by ${framework}, which is not at hand`);
  }
}
