import { ModelError } from "../../graph/errors";
import { completeInputs, type DeclaredInput, type InputOption, type TracedInput } from "../inputs";
import { dtypeOfElements, elementTypeOf, type ElementType } from "./element-types";
import type { GraphMessage, ValueInfoMessage } from "./messages";
import { checkedShape } from "./tensors";

/** An input as the model is traced with it. */
export interface OnnxInput extends TracedInput {
  readonly type: ElementType;
  /** Where in the model's own shape the batch axis is; null where it has none. */
  readonly batchAxis: number | null;
  /** The model's own shape, at a given number of examples. */
  readonly shapeAt: (batch: number) => number[];
}

export interface OnnxInputs {
  readonly inputs: readonly OnnxInput[];
  /** The number of examples that the model's shapes are written for, where they leave none open. */
  readonly frozenBatch: number | null;
  /** The name of the batch's extent, where it has one. */
  readonly batchSymbol: string | null;
}

/** An extent: a number, a name, or nothing (""). */
type Extent = number | string;

interface Declared {
  readonly name: string;
  readonly type: ElementType;
  /** Null where even the rank is open. */
  readonly dims: readonly Extent[] | null;
}

/**
 * The inputs of a graph, completed by what the user says. The batch is the extent that is named so or else is open and
 * first; where none is open, a first extent of 1, or one that all inputs and outputs share.
 */
export function inputsOf(
  graph: GraphMessage,
  isInitializer: (name: string) => boolean,
  options: readonly InputOption[],
): OnnxInputs {
  const declared = graph.input.filter(({ name = "" }) => !isInitializer(name)).map(declaredOf);
  const symbol = batchSymbolOf(declared);
  const hasOpen = declared.some(({ dims }) => dims === null || dims.some((extent) => typeof extent === "string"));
  const frozen = symbol === null && !hasOpen ? frozenBatchOf(declared, graph) : null;
  const batchAxisOf = ({ dims }: Declared): number | null => {
    if (symbol !== null) return dims === null ? 0 : axisOf(dims, symbol);
    return frozen !== null && dims !== null && dims[0] === frozen ? 0 : null;
  };
  const known = knownExtents(declared, options, batchAxisOf);
  const complete = completeInputs(
    declared.map((input): DeclaredInput => {
      const axis = batchAxisOf(input);
      const open =
        input.dims?.map((extent) => (typeof extent === "number" ? extent : (known.get(extent) ?? null))) ?? null;
      // The batch axis stands first for the user, wherever the model has it
      const shape = open && axis !== null ? [null, ...open.filter((_, other) => other !== axis)] : open;
      return { name: input.name, shape, dtype: dtypeOfInput(input), batched: axis !== null };
    }),
    options,
    null,
  );
  const inputs = complete.map((input, index): OnnxInput => {
    const { type } = declared[index];
    const dtype = dtypeOfInput(declared[index]);
    if (input.dtype !== dtype) {
      throw new ModelError(`the input ${input.name} holds ${type}; leave out :${input.dtype} in --input ${input.name}`);
    }
    const axis = batchAxisOf(declared[index]);
    checkedShape(input.shape, `the input ${input.name}`);
    return {
      ...input,
      type,
      batchAxis: axis,
      shapeAt: (batch) =>
        axis === null ? [...input.shape] : [...input.shape.slice(0, axis), batch, ...input.shape.slice(axis)],
    };
  });
  return { inputs, frozenBatch: frozen, batchSymbol: symbol };
}

function declaredOf({ name = "", type }: ValueInfoMessage): Declared {
  if (type?.tensorType === undefined) {
    const kind = type?.sequenceType
      ? "a sequence"
      : type?.optionalType
        ? "an optional"
        : type?.mapType
          ? "a map"
          : "no tensor";
    throw new ModelError(`the input ${name} is ${kind}; only tensors can be inputs`);
  }
  const element = elementTypeOf(type.tensorType.elemType);
  const dims = type.tensorType.shape?.dim.map(({ dimValue, dimParam }): Extent => dimValue ?? dimParam ?? "") ?? null;
  return { name, type: element, dims };
}

function dtypeOfInput({ name, type }: Declared): DeclaredInput["dtype"] {
  const dtype = dtypeOfElements(type);
  if (dtype === null)
    throw new ModelError(`the input ${name} is of the type ${type}; only numbers and booleans can be inputs`);
  return dtype;
}

const BATCH_NAME = /batch|^n$|^bs$|^b$/i;

/** The name of the batch's extent ("" is one without a name); null where no extent may be it. */
function batchSymbolOf(declared: readonly Declared[]): string | null {
  const named = declared
    .flatMap(({ dims }) => dims ?? [])
    .find((extent) => typeof extent === "string" && BATCH_NAME.test(extent));
  if (typeof named === "string") return named;
  for (const { dims } of declared) {
    if (dims === null) return "";
    if (typeof dims[0] === "string") return dims[0];
  }
  return null;
}

/** An extent without a name is the batch only where it is first. */
function axisOf(dims: readonly Extent[], symbol: string): number | null {
  if (symbol === "") return dims[0] === "" ? 0 : null;
  const axis = dims.indexOf(symbol);
  return axis < 0 ? null : axis;
}

/** 1 where inputs and all outputs begin with it, or else what all of them begin with. */
function frozenBatchOf(declared: readonly Declared[], graph: GraphMessage): number | null {
  const first = declared.flatMap(({ dims }) => (dims?.length ? [dims[0] as number] : []));
  const outputs = graph.output.map(({ type }) => type?.tensorType?.shape?.dim.at(0)?.dimValue);
  const extent = first.includes(1) ? 1 : first.at(0);
  if (extent === undefined || !outputs.every((other) => other === extent)) return null;
  return extent === 1 || first.every((other) => other === extent) ? extent : null;
}

/** Extents of one name are equal: what is said of one input is known of the others. */
function knownExtents(
  declared: readonly Declared[],
  options: readonly InputOption[],
  batchAxisOf: (input: Declared) => number | null,
): Map<string, number> {
  const known = new Map<string, number>();
  for (const input of declared) {
    const option = options.find(({ name }) => name === input.name);
    const axis = batchAxisOf(input);
    const rest = input.dims?.filter((_, other) => other !== axis) ?? [];
    if (option?.shape.length !== rest.length) continue;
    rest.forEach((extent, index) => {
      if (typeof extent === "string" && extent !== "") known.set(extent, option.shape[index]);
    });
  }
  return known;
}
