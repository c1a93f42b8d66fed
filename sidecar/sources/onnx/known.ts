import { ReferenceBackend } from "../../engines/reference/backend";
import type { Builder } from "../../graph/builder";
import { ModelError } from "../../graph/errors";
import type { Equation, Value } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { sizeOf } from "../../graph/types";

/** Values that are computed while the model is read are sizes, axes and the like: larger ones are a mistake. */
const MOST_ELEMENTS = 2 ** 24;

/**
 * The elements of those values of a graph under construction that do not depend on its inputs: computed, when they are
 * asked for, by the reference engine.
 */
export class KnownElements {
  private readonly backend = new ReferenceBackend(64, undefined);
  private readonly tensors = new Map<Value, Tensor>();
  /** Of values that depend on no input. */
  private readonly producers = new Map<Value, Equation>();
  private seenEquations = 0;
  private seenConstants = 0;

  constructor(private readonly builder: Builder) {}

  /** A value that has its elements from outside of the graph, as a parameter has. */
  give(value: Value, tensor: Tensor): void {
    this.tensors.set(value, tensor);
  }

  isKnown(value: Value): boolean {
    this.follow();
    return this.tensors.has(value) || this.producers.has(value);
  }

  /** Null where they depend on an input. */
  elementsOf(value: Value): Tensor | null {
    if (!this.isKnown(value)) return null;
    const waiting = [value];
    while (waiting.length > 0) {
      const next = waiting[waiting.length - 1];
      const equation = this.producers.get(next);
      const missing = equation?.inputs.filter((input) => !this.tensors.has(input)) ?? [];
      if (this.tensors.has(next) || equation === undefined) {
        waiting.pop();
      } else if (missing.length > 0) {
        waiting.push(...missing);
      } else {
        if (equation.outputs.some(({ shape }) => sizeOf(shape) > MOST_ELEMENTS)) {
          throw new ModelError(
            "it needs the elements of an array that is too large to be computed while the model is read",
          );
        }
        const results = this.backend.run(
          equation,
          equation.inputs.map((input) => this.tensors.get(input)!),
        );
        equation.outputs.forEach((output, index) => this.tensors.set(output, results[index]));
      }
    }
    return this.tensors.get(value)!;
  }

  private follow(): void {
    const { equations, constants } = this.builder;
    for (; this.seenConstants < constants.length; this.seenConstants++) {
      const constant = constants[this.seenConstants];
      this.tensors.set(constant.value, this.backend.uploadConstant(constant));
    }
    for (; this.seenEquations < equations.length; this.seenEquations++) {
      const equation = equations[this.seenEquations];
      // What no engine can run is not known, whatever it depends on
      if (equation.primitive === "opaque") continue;
      if (equation.inputs.every((input) => this.tensors.has(input) || this.producers.has(input))) {
        equation.outputs.forEach((output) => this.producers.set(output, equation));
      }
    }
  }
}
