import { ModelError } from "../graph/errors";
import type { Source } from "../graph/graph";
import { formatShape, type DType } from "../graph/types";

/** What a user says about an input with `--input NAME=SHAPE[:DTYPE]`. */
export interface InputOption {
  readonly name: string;
  /** Without the batch axis. */
  readonly shape: readonly number[];
  /** Whether a leading `N` marked a batch axis. */
  readonly batched: boolean;
  /** Left out: that of the model, or float32. */
  readonly dtype: "float32" | "int32" | "bool" | null;
}

const FORM = "NAME=SHAPE[:DTYPE], such as x=N,32,32,3 or ids=N,20:int32 (N is the batch axis)";

/** Reads `x=N,32,32,3:int32`. Throws an Error whose message says what is wrong: the command was misused. */
export function parseInputOption(text: string): InputOption {
  const match = /^([^=]+)=\s*\[?([^\]:]*)\]?\s*(?::\s*(\w+)\s*)?$/.exec(text.trim());
  if (!match) throw new Error(`--input ${text}: write it as ${FORM}`);
  const [, name, shapeText, dtype] = match as unknown as [string, string, string, string | undefined];
  if (dtype !== undefined && dtype !== "float32" && dtype !== "int32" && dtype !== "bool") {
    throw new Error(`--input ${text}: ${dtype} is no element type; use float32, int32 or bool`);
  }
  const parts = shapeText.split(",").map((part) => part.trim());
  const axes = parts.length === 1 && parts[0] === "" ? [] : parts;
  const batched = /^(?:n|null|\?)$/i.test(axes[0] ?? "");
  const shape = (batched ? axes.slice(1) : axes).map((axis) => {
    if (!/^\d+$/.test(axis) || Number(axis) < 1) {
      throw new Error(`--input ${text}: ${axis === "" ? "an empty extent" : axis} is no extent; write it as ${FORM}`);
    }
    return Number(axis);
  });
  return { name: name.trim(), shape, batched, dtype: dtype ?? null };
}

/** An input as the model is traced with it. */
export interface TracedInput {
  readonly name: string;
  /** Of one example. */
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Whether the model takes it with a batch axis in front. */
  readonly batched: boolean;
}

/** What a model says about an input of its own; `null` where it leaves an extent open. */
export interface DeclaredInput {
  readonly name: string;
  /** With the batch axis; null where even the rank is open. */
  readonly shape: readonly (number | null)[] | null;
  readonly dtype: DType;
  readonly batched: boolean;
}

/** The inputs of a model, completed by what the user says. Throws a ModelError that says what has to be added. */
export function completeInputs(
  declared: readonly DeclaredInput[],
  options: readonly InputOption[],
  source: Source | null,
): TracedInput[] {
  refuseUnknown(
    declared.map(({ name }) => name),
    options,
    source,
  );
  return declared.map((input) => {
    const option = options.find(({ name }) => name === input.name);
    const open = input.shape === null ? null : input.shape.slice(input.batched ? 1 : 0);
    if (!option) {
      if (open?.every((extent) => extent !== null)) return { ...input, shape: open };
      throw new ModelError(
        `the shape of the input ${input.name} is open${open ? ` (${formatOpen(input)})` : ""}; ` +
          `add --input ${input.name}=${suggestion(input)}`,
        source,
      );
    }
    if (option.batched && !input.batched) {
      throw new ModelError(
        `the input ${input.name} has no batch axis; leave out the N in --input ${input.name}`,
        source,
      );
    }
    const fits =
      open === null ||
      (open.length === option.shape.length &&
        open.every((extent, axis) => extent === null || extent === option.shape[axis]));
    if (!fits) {
      throw new ModelError(
        `--input ${input.name} has the shape ${formatShape(option.shape)} for one example, but the model takes ` +
          formatOpen(input),
        source,
      );
    }
    return { ...input, shape: option.shape, dtype: option.dtype ?? input.dtype };
  });
}

export function refuseUnknown(names: readonly string[], options: readonly InputOption[], source: Source | null): void {
  const unknown = options.find(({ name }) => !names.includes(name));
  if (!unknown) return;
  const known = names.length > 0 ? `its inputs are ${names.join(", ")}` : "it has no inputs";
  throw new ModelError(`the model has no input ${unknown.name}: ${known}; correct --input`, source);
}

function formatOpen({ shape, batched }: DeclaredInput): string {
  const axes = (shape ?? []).map((extent, axis) => (batched && axis === 0 ? "N" : (extent ?? "?")));
  return `[${axes.join(",")}]`;
}

function suggestion({ shape, batched, dtype }: DeclaredInput): string {
  const axes =
    shape === null
      ? ["N", "SHAPE"]
      : shape.map((extent, axis) => (batched && axis === 0 ? "N" : (extent ?? `EXTENT${axis}`)));
  return `${axes.join(",")}${dtype === "int32" || dtype === "bool" ? `:${dtype}` : ""}`;
}
