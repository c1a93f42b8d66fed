import type { Equation, Graph } from "../graph/graph";
import type { OperationInfo } from "./model";

/**
 * Which equations each operation of a model's file is.
 *
 * @typeParam T an operation as the source knows it
 */
export class Emitted<T> {
  private readonly emitted: { readonly operation: T; readonly equations: readonly Equation[] }[] = [];

  note(operation: T, equations: readonly Equation[]): void {
    if (equations.length > 0) this.emitted.push({ operation, equations });
  }

  /** Those that have equations in `graph`, which was made of what they emitted: others were not needed. */
  in(graph: Graph, describe: (operation: T) => Omit<OperationInfo, "equations">): OperationInfo[] {
    const indices = new Map(graph.equations.map((equation, index) => [equation, index]));
    return this.emitted.flatMap(({ operation, equations }) => {
      const kept = equations.flatMap((equation) => indices.get(equation) ?? []);
      return kept.length === 0 ? [] : [{ ...describe(operation), equations: kept }];
    });
  }
}
