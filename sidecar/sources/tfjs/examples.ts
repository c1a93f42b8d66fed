import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { messageOf, ModelError } from "../../graph/errors";
import type { Source } from "../../graph/graph";
import type { Tensor } from "../../graph/tensor";
import { formatShape, range, sizeOf } from "../../graph/types";
import type { Labels } from "../../protocol/ntk";
import { readCode, topLevelBindings, type Binding } from "./bindings";
import { evaluate, type Evaluated } from "./bundle";
import { namedValue } from "./exports";
import { placeOfError } from "./places";
import { tf } from "./tensorflow";
import { dtypeOf, typedArray } from "./trace";

/** Examples from code of the user's: what a top-level binding holds, or the function that it holds returns. */

/** A code file that has been run. */
export interface CodeFile {
  readonly file: string;
  readonly evaluated: Evaluated;
  readonly bindings: readonly Binding[];
}

/** `data.ts#digits`: the file, and what names the value. */
export interface ExamplesBinding {
  readonly file: string;
  readonly export: string;
}

export interface CodeExamples {
  readonly count: number;
  /** With the batch axis first, by the names of the model's inputs; an only one has the name "". */
  readonly arrays: ReadonlyMap<string, Tensor>;
  readonly labels: Labels | null;
}

/** A dataset may be without end; one of more examples than these has to say how many are meant. */
const MOST_OF_DATASET = 10_000;

/**
 * Runs the files of these bindings, each once, and the model's own file (`own`) not again.
 */
export async function evaluateExamples(
  wanted: readonly ExamplesBinding[],
  own: CodeFile | null,
): Promise<CodeExamples[]> {
  const known = new Map<string, CodeFile>(own === null ? [] : [[own.file, own]]);
  const all: CodeExamples[] = [];
  for (const binding of wanted) {
    const file = resolve(binding.file);
    const start = { file, line: 1, column: 1 };
    try {
      const code = known.get(file) ?? (await runFile(file));
      known.set(file, code);
      const { value, source } = await namedValue(file, binding.export, code.evaluated, code.bindings);
      all.push(await examplesOf(value, { name: binding.export, source: source ?? start }));
    } catch (error) {
      throw error instanceof ModelError ? error : new ModelError(messageOf(error), placeOfError(error) ?? start);
    }
  }
  return all;
}

async function runFile(file: string): Promise<CodeFile> {
  if (!existsSync(file)) throw new ModelError(`${file} does not exist; give a code file, as in data.ts#examples`);
  const code = readCode(file);
  const bindings = await topLevelBindings(file, code);
  return { file, bindings, evaluated: await evaluate(file, code, bindings) };
}

/** What messages call the examples, and where they are bound. */
interface Named {
  readonly name: string;
  readonly source: Source;
}

async function examplesOf(value: unknown, named: Named): Promise<CodeExamples> {
  if (value instanceof tf.data.Dataset) {
    return examplesOf(together(await elementsOf(value as tf.data.Dataset<tf.TensorContainer>, named), named), named);
  }
  if (isArray(value)) return gathered(new Map([["", tensorFrom(value, "", named)]]), null, named);
  if (!isRecord(value)) {
    const kind =
      value === null || value === undefined ? "nothing" : `of the type ${value.constructor?.name ?? typeof value}`;
    throw new ModelError(
      `${named.name} is ${kind}, and holds no examples: make it a tensor, an array of tensors or numbers, an object of these by the names of the model's inputs, or a dataset`,
      named.source,
    );
  }
  const { xs, ys } = value;
  if (xs === undefined) return gathered(tensorsFrom(value, named), null, named);
  const arrays = isArray(xs) ? new Map([["", tensorFrom(xs, "xs", named)]]) : tensorsFrom(xs, named);
  return gathered(arrays, ys === undefined ? null : ys, named);
}

/** The elements of a dataset, each one example. */
async function elementsOf(dataset: tf.data.Dataset<tf.TensorContainer>, { name, source }: Named): Promise<unknown[]> {
  const tooMany = (): ModelError =>
    new ModelError(
      `${name} has more than ${MOST_OF_DATASET} examples, or no end; say how many are meant, with .take(100)`,
      source,
    );
  // Of a dataset whose size is not known beforehand this is null
  if (dataset.size > MOST_OF_DATASET) throw tooMany();
  const elements: unknown[] = [];
  const iterator = await dataset.iterator();
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
    if (elements.length === MOST_OF_DATASET) throw tooMany();
    elements.push(next.value);
  }
  return elements;
}

/** One value for all elements, of the kind that each is. */
function together(elements: readonly unknown[], named: Named): unknown {
  if (elements.length === 0) throw new ModelError(`${named.name} holds no examples`, named.source);
  const [first] = elements;
  if (!isRecord(first)) return elements;
  return Object.fromEntries(
    Object.keys(first).map((key) => [
      key,
      together(
        elements.map((each) => (isRecord(each) ? each[key] : each)),
        named,
      ),
    ]),
  );
}

function tensorsFrom(value: unknown, named: Named): Map<string, tf.Tensor> {
  if (!isRecord(value) || Object.keys(value).length === 0) {
    throw new ModelError(`${named.name} holds no examples; give a tensor for each input of the model`, named.source);
  }
  return new Map(Object.entries(value).map(([name, member]) => [name, tensorFrom(member, name, named)]));
}

/** A tensor, an array of tensors or of arrays, or nested numbers, as one tensor. */
function tensorFrom(value: unknown, member: string, { name, source }: Named): tf.Tensor {
  const what = member === "" ? name : `${member} of ${name}`;
  if (value instanceof tf.Tensor) return value as tf.Tensor;
  if (!isArray(value)) throw new ModelError(`${what} is no tensor and no array; make it one`, source);
  try {
    const elements = Array.from(value as ArrayLike<unknown>);
    if (!elements.some((each) => each instanceof tf.Tensor)) return tensorOf(value);
    return tf.stack(elements.map((each) => (each instanceof tf.Tensor ? (each as tf.Tensor) : tensorOf(each))));
  } catch (error) {
    throw new ModelError(
      `${what} cannot be made one array (${messageOf(error)}); give all examples the same shape`,
      source,
    );
  }
}

/** TensorFlow.js infers a shape from what comes first, and does not see that what follows has another. */
function tensorOf(value: unknown): tf.Tensor {
  const tensor = tf.tensor(value as tf.TensorLike);
  const { length } = tensor.dataSync();
  if (length !== tensor.size) throw new Error(`${length} numbers are not ${formatShape(tensor.shape)}`);
  return tensor;
}

function gathered(tensors: ReadonlyMap<string, tf.Tensor>, ys: unknown, named: Named): CodeExamples {
  const { name, source } = named;
  const arrays = new Map<string, Tensor>();
  let count: number | null = null;
  for (const [input, tensor] of tensors) {
    const what = input === "" ? name : `${input} of ${name}`;
    if (tensor.rank === 0) throw new ModelError(`${what} is one number; its first axis has to be the batch`, source);
    if (tensor.dtype === "string" || tensor.dtype === "complex64") {
      throw new ModelError(`${what} holds ${tensor.dtype}; make it an array of real numbers`, source);
    }
    count ??= tensor.shape[0];
    if (tensor.shape[0] !== count) {
      throw new ModelError(
        `${what} holds ${tensor.shape[0]} examples, and others of it ${count}; give each input as many`,
        source,
      );
    }
    arrays.set(input, valuesOf(tensor));
  }
  if (!count) throw new ModelError(`${name} holds no examples; its first axis is the batch`, source);
  return { count, arrays, labels: ys === null ? null : labelsOf(tensorFrom(ys, "ys", named), count, named) };
}

function valuesOf(tensor: tf.Tensor): Tensor {
  const dtype = dtypeOf(tensor);
  return { shape: [...tensor.shape], dtype, data: typedArray(tensor.dataSync(), dtype) };
}

/**
 * Classes from what a model is trained towards: whole numbers or names [N] or [N, 1], or [N, C] with a single one in each
 * row. Null where it is neither.
 */
function labelsOf(ys: tf.Tensor, count: number, { name, source }: Named): Labels | null {
  if (ys.shape[0] !== count) {
    const given = formatShape(ys.shape);
    throw new ModelError(`ys of ${name} has shape ${given} for ${count} examples; give a label for each`, source);
  }
  const width = sizeOf(ys.shape.slice(1));
  const values: (string | number)[] = Array.from<string | number>(ys.dataSync<"string" | "float32">());
  if (width === 1) {
    if (values.some((value) => typeof value === "number" && !Number.isInteger(value))) return null;
    const classes = [...new Set(values)].sort((a, b) => (a < b ? -1 : 1));
    const positions = new Map(classes.map((label, position) => [label, position]));
    return { classes: classes.map(String), of: values.map((value) => positions.get(value)!) };
  }
  if (ys.rank !== 2 || values.some((value) => value !== 0 && value !== 1)) return null;
  const rows = range(count).map((row) => values.slice(row * width, (row + 1) * width));
  if (rows.some((row) => row.filter((value) => value === 1).length !== 1)) return null;
  return { classes: range(width).map(String), of: rows.map((row) => row.indexOf(1)) };
}

function isArray(value: unknown): boolean {
  return value instanceof tf.Tensor || Array.isArray(value) || (ArrayBuffer.isView(value) && "length" in value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
