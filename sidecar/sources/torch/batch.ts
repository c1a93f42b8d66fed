import { ModelError } from "../../graph/errors";
import { completeInputs, type InputOption } from "../inputs";
import type { Port } from "../model";
import { elementTypeOf } from "./elements";
import { evaluateExpression, symbolsOf, type Expression } from "./expressions";
import type { Program, TensorMeta } from "./program";

/** Which axis of an exported model's inputs counts the examples, and what its other open sizes are. */

export interface BatchedInput extends Port {
  /** What the program calls it. */
  readonly argument: string;
  readonly meta: TensorMeta;
  /** The axis that counts the examples; null where it has none. */
  readonly axis: number | null;
}

export interface Layout {
  readonly inputs: readonly BatchedInput[];
  /** The symbol for the number of examples, where that is open. */
  readonly symbol: string | null;
  /** The number of examples that the model was exported for, where that is all it takes. */
  readonly fixed: number | null;
  /** The other symbols. */
  readonly bindings: ReadonlyMap<string, number>;
}

interface Declared {
  readonly argument: string;
  readonly meta: TensorMeta;
}

export function layoutOf(program: Program, options: readonly InputOption[]): Layout {
  const declared = inputsOf(program);
  const symbol = batchSymbol(program, declared);
  const fixed = symbol === null ? fixedBatch(program, declared) : null;
  const axes = declared.map(({ meta }) => axisOf(meta, symbol, fixed));
  const bindings = new Map(program.hints);
  const given = new Set(options.map(({ name }) => name));
  const completed = completeInputs(
    declared.map(({ argument, meta }, index) => {
      const rest = meta.sizes
        .filter((_, axis) => axis !== axes[index])
        .map((size) => openExtent(size, program, given.has(argument)));
      return {
        name: argument,
        shape: axes[index] === null ? rest : [null, ...rest],
        dtype: "float32",
        batched: axes[index] !== null,
      };
    }),
    options.map((option) => ({ ...option, dtype: null })),
    null,
  );
  declared.forEach(({ argument, meta }, index) => {
    if (!given.has(argument)) return;
    const sizes = meta.sizes.filter((_, axis) => axis !== axes[index]);
    sizes.forEach((size, axis) => bindOpen(program, bindings, size, completed[index].shape[axis], argument));
  });
  const inputs = declared.map(({ argument, meta }, index): BatchedInput => {
    const dtype = elementTypeOf(meta.scalarType)?.dtype;
    if (dtype === undefined) {
      throw new ModelError(`the input ${argument} is of a type that is not supported; export the model for float32`);
    }
    const sizes = meta.sizes.filter((_, axis) => axis !== axes[index]);
    const shape = sizes.map((size) => evaluateExpression(size, bindings));
    if (!shape.every((extent): extent is number => extent !== null && Number.isSafeInteger(extent) && extent >= 0)) {
      throw new ModelError(`the size of the input ${argument} cannot be read; export the model again`);
    }
    if (symbol !== null && sizes.some((size) => symbolsOf(size).has(symbol))) {
      throw new ModelError(
        `the input ${argument} has the number of examples in more than one size; export the model with one batch axis for each input`,
      );
    }
    return { name: argument, argument, meta, axis: axes[index], shape, dtype };
  });
  return { inputs, symbol, fixed, bindings };
}

function inputsOf(program: Program): Declared[] {
  return program.inputs.flatMap((spec): Declared[] => {
    if (spec.kind !== "user") return [];
    const { argument } = spec;
    if (argument === null || typeof argument !== "object" || Array.isArray(argument)) return [];
    if ("symbolic" in argument) {
      throw new ModelError(
        `the input ${argument.symbolic} is a number that is left open; export the model with a fixed number in its place`,
      );
    }
    if (!("tensor" in argument)) return [];
    const meta = program.graph.tensors.get(argument.tensor);
    if (meta === undefined) throw new ModelError(`the input ${argument.tensor} has no shape; export the model again`);
    return [{ argument: argument.tensor, meta }];
  });
}

const isSymbol = (size: Expression, symbol: string): boolean => size.kind === "symbol" && size.name === symbol;

/** The symbol of an input's first axis that is in the outputs too; else of any axis. */
function batchSymbol(program: Program, declared: readonly Declared[]): string | null {
  const ofAxis = (chosen: (axis: number) => boolean): string[] =>
    declared.flatMap(({ meta }) =>
      meta.sizes.flatMap((size, axis) => (chosen(axis) && size.kind === "symbol" ? [size.name] : [])),
    );
  const returned = new Set(outputsOf(program).flatMap(({ sizes }) => sizes.flatMap((size) => [...symbolsOf(size)])));
  const first = ofAxis((axis) => axis === 0);
  const any = ofAxis(() => true);
  return first.find((symbol) => returned.has(symbol)) ?? any.find((symbol) => returned.has(symbol)) ?? first[0] ?? null;
}

function outputsOf(program: Program): TensorMeta[] {
  return program.outputs.flatMap((output) => {
    if (output === null || typeof output !== "object" || Array.isArray(output) || !("tensor" in output)) return [];
    return program.graph.tensors.get(output.tensor) ?? [];
  });
}

/** The first extent of inputs and outputs, where it is the same number; or 1 for all inputs. */
function fixedBatch(program: Program, declared: readonly Declared[]): number | null {
  const extents = (metas: readonly TensorMeta[]): (number | null)[] =>
    metas.map(({ sizes }) => (sizes[0]?.kind === "number" ? sizes[0].value : null));
  const inputs = extents(declared.map(({ meta }) => meta));
  const outputs = extents(outputsOf(program));
  const shared = inputs.find(
    (extent) => extent !== null && outputs.length > 0 && outputs.every((other) => other === extent),
  );
  if (shared !== undefined) return shared;
  return inputs.length > 0 && inputs.every((extent) => extent === 1) ? 1 : null;
}

function axisOf({ sizes }: TensorMeta, symbol: string | null, fixed: number | null): number | null {
  if (symbol !== null) {
    const axis = sizes.findIndex((size) => isSymbol(size, symbol));
    return axis < 0 ? null : axis;
  }
  const [first] = sizes;
  return fixed !== null && first?.kind === "number" && first.value === fixed ? 0 : null;
}

/** An extent that may be chosen is open where it is; else it is that of the example which the model was exported with. */
function openExtent(size: Expression, { hints }: Program, isGiven: boolean): number | null {
  return isGiven && size.kind === "symbol" ? null : evaluateExpression(size, hints);
}

function bindOpen(
  program: Program,
  bindings: Map<string, number>,
  size: Expression,
  extent: number,
  argument: string,
): void {
  if (size.kind !== "symbol") return;
  const { min, max } = program.ranges.get(size.name) ?? { min: 0, max: Infinity };
  if (extent < min || extent > max) {
    throw new ModelError(
      `--input ${argument} has an extent of ${extent}, and the model was exported for ${min} to ${max}; correct --input`,
    );
  }
  bindings.set(size.name, extent);
}
