import { existsSync, statSync } from "node:fs";
import { basename, resolve } from "node:path";
import { messageOf, ModelError } from "../../graph/errors";
import type { Graph, Source, Value } from "../../graph/graph";
import {
  formatShape,
  newArray,
  range,
  sameShape,
  sizeOf,
  type Shape,
  type TypedArray,
  type ValueType,
} from "../../graph/types";
import { newBuilder } from "../../primitives";
import type { OpaqueBatching, SizedGraph } from "../../primitives/attributes";
import { dropUnused } from "../../transforms";
import { atSize, sameGraph, SizeError } from "../../transforms/sized";
import type { RuleProblem } from "../model";
import type { RecordingBackend } from "./backend";
import { isCodeFile, readCode, topLevelBindings } from "./bindings";
import { evaluate } from "./bundle";
import { namedInputs, withScope } from "./kernel-call";
import type { OpaqueParts } from "./opaque-trace";
import { placeOfError } from "./places";
import { fillRandomly, generator } from "../random";
import { tf } from "./tensorflow";
import { dtypeOf, Trace, tracing, typedArray } from "./trace";

/**
 * Batching rules of the user's own, for operations that only TensorFlow.js can run: how to run one for many slices at
 * once. They are user code, so they are run here, where the model is traced, and become graphs, which can be planned and
 * run anywhere, for any number of slices.
 */

/**
 * Given the kernel's inputs, of which those that are `batched` have one more axis, in front, of extent `size`: its outputs,
 * with that axis in front of each. `null` where there is no better way than a loop. `run` runs the kernel itself.
 */
export type UserRule = (
  inputs: Record<string, tf.Tensor> | tf.Tensor[],
  call: {
    readonly batched: Record<string, boolean> | boolean[];
    readonly size: number;
    readonly attributes: object;
    readonly run: (inputs: object, attributes?: object) => tf.Tensor | tf.Tensor[];
  },
) => tf.Tensor | tf.Tensor[] | null;

interface LoadedRule {
  readonly kernel: string;
  readonly apply: UserRule;
  /** Where it is bound. */
  readonly source: Source;
}

let rules = new Map<string, LoadedRule>();
let problems: RuleProblem[] = [];

/** What is wrong with the rules, as far as the operations met so far have shown. */
export function ruleProblems(): readonly RuleProblem[] {
  return problems;
}

/**
 * Runs files of rules, each the value of an export that has the kernel's name. What is wrong with them is no fault of
 * the model: it is told beside it.
 *
 * @param onRead told of the files that are about to be run
 * @returns files of the user's own that were read
 */
export async function loadBatchingRules(
  paths: readonly string[],
  onRead: (files: readonly string[]) => void,
): Promise<string[]> {
  rules = new Map<string, LoadedRule>();
  problems = [];
  const read: string[] = [];
  for (const path of paths) {
    const file = resolve(path);
    if (!isCodeFile(file) || !existsSync(file) || !statSync(file).isFile()) {
      const message = `${path} is no file of batching rules that can be read; give a TypeScript or JavaScript file.`;
      problems.push({ message: sentence(message), source: null });
      continue;
    }
    read.push(file);
    try {
      const code = readCode(file);
      const bindings = await topLevelBindings(file, code);
      const evaluated = await evaluate(file, code, bindings, onRead);
      read.push(...evaluated.files.slice(1));
      const found = Object.entries(evaluated.exports as object).filter((entry): entry is [string, UserRule] => {
        return typeof entry[1] === "function";
      });
      for (const [kernel, apply] of found) {
        const bound = bindings.find(({ name }) => evaluated.bindings[name]() === apply);
        rules.set(kernel, { kernel, apply, source: bound?.source ?? { file, line: 1, column: 1 } });
      }
      if (found.length === 0) {
        throw new ModelError("no batching rule is exported here; export a function with the name of the operation");
      }
    } catch (error) {
      tell(error, "The batching rules of this file are not used", { file, line: 1, column: 1 });
    }
  }
  return read;
}

/**
 * Says what is wrong, once for each line: a rule is tried for many operations and sizes.
 * @returns it and its place, in short
 */
function tell(error: unknown, what: string, fallback: Source): string {
  const source = (error instanceof ModelError ? error.source : placeOfError(error)) ?? fallback;
  const text = messageOf(error);
  const isKnown = problems.some(({ message, source: known }) => {
    return message.startsWith(what) && known?.file === source.file && known.line === source.line;
  });
  if (!isKnown) problems.push({ message: sentence(`${what}: ${text}`), source });
  return `${basename(source.file)}:${source.line}: ${text}`;
}

function sentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** An input of an operation; `elements` where they are known, and the same for every slice. */
export interface RuleInput extends ValueType {
  readonly name: string;
  readonly elements: TypedArray | null;
}

/** Where the operation is: in how many batching rules, each traced in the one before. */
export interface Nesting {
  readonly level: number;
  readonly within: <T>(body: () => T) => T;
}

/** A Jacobian is vectorised over examples and over outputs: an operation of a rule once more, but not a third time. */
const DEEPEST = 2;
/** More inputs than these are taken to be batched all together. */
const MOST_INPUTS = 4;
/** Numbers of slices at which rules are traced and, the last, checked. */
const [TWO, THREE, CHECKED] = [2, 3, 5];
const TOLERANCE = 1e-4;

/** The user's own rule for an operation, as a graph for any number of slices; null where there is none. */
export function traceRule(
  parts: OpaqueParts,
  inputs: readonly RuleInput[],
  backend: RecordingBackend,
  { level, within }: Nesting,
): OpaqueBatching | null {
  const rule = rules.get(parts.kernel);
  if (rule === undefined) return null;
  if (level >= DEEPEST) {
    return { cases: [], reason: `the batching rule of ${parts.kernel} is not used in itself more than once` };
  }
  let reason = `the batching rule of ${parts.kernel} leaves it a loop here`;
  const cases = casesOf(inputs).map((batched) => {
    const given: Call = { rule, parts, inputs, batched, backend };
    try {
      // What a rule itself calls is a rule's own, and has been checked with it
      if (level === 0) tracing(null, () => checkValues(given));
      return { batched, graph: within(() => sizedGraph(given)) };
    } catch (error) {
      const told = error instanceof SizeError ? unsized(error) : error;
      const place = tell(told, `The batching rule of ${parts.kernel} is not used`, rule.source);
      reason = `the batching rule of ${parts.kernel} is not used (${place})`;
      return { batched, graph: null };
    }
  });
  return { cases, reason };
}

function unsized({ message }: SizeError): ModelError {
  return new ModelError(
    `its ${message}; reshape, and make arrays of one number with tf.fill, tf.zeros or tf.ones, but not others of that size`,
  );
}

/** Which inputs may have a batch axis: each on its own first, all of them last. */
function casesOf(inputs: readonly RuleInput[]): boolean[][] {
  const open = range(inputs.length).filter((index) => inputs[index].elements === null);
  const sets =
    open.length > MOST_INPUTS
      ? [open]
      : range(2 ** open.length - 1).map((number) => open.filter((_, bit) => ((number + 1) >> bit) & 1));
  const counted = sets.sort((a, b) => a.length - b.length);
  return counted.map((set) => inputs.map((_, index) => set.includes(index)));
}

/** A rule, and what it is applied to. */
interface Call {
  readonly rule: LoadedRule;
  readonly parts: OpaqueParts;
  readonly inputs: readonly RuleInput[];
  readonly batched: readonly boolean[];
  readonly backend: RecordingBackend;
}

function sizedGraph(call: Call): SizedGraph | null {
  const [two, three, checked] = [TWO, THREE, CHECKED].map((size) => traceAt(call, size));
  if (two === null || three === null || checked === null) return null;
  if (!sameGraph(atSize({ two, three }, CHECKED), checked)) {
    throw new SizeError("operations are not the same for every number of slices");
  }
  return { two, three };
}

function traceAt({ rule, parts, inputs, batched, backend }: Call, size: number): Graph | null {
  const builder = newBuilder();
  // What is made of one number is a scalar at any size, and not an array at some
  const trace = new Trace(builder, 2);
  const values = inputs.map(({ shape, dtype }, index): Value => {
    return { shape: batched[index] ? [size, ...shape] : shape, dtype };
  });
  const outputs = tracing(trace, () =>
    builder.at(null, () =>
      withScope(() => {
        const tensors = inputs.map(({ elements, shape, dtype }, index) => {
          if (elements !== null) return tf.tensor(elements, [...shape], dtype as tf.DataType);
          const info = backend.placeholder(values[index]);
          trace.bind(info.dataId, values[index]);
          return tf.engine().makeTensorFromTensorInfo(info, backend);
        });
        const results = apply(rule, parts, inputs, tensors, batched, size);
        return (
          results?.map((result) =>
            trace.valueOf(result, () => backend.readSync(result.dataId) as unknown as ArrayLike<number>),
          ) ?? null
        );
      }),
    ),
  );
  if (outputs === null) return null;
  const named = values.map((value, index) => ({ name: inputs[index].name, value }));
  return dropUnused(builder.build({ inputs: named, outputs }));
}

/** The rule's results, of the types that they must have; null where it leaves the operation a loop. */
function apply(
  { kernel, apply: rule, source }: LoadedRule,
  parts: OpaqueParts,
  inputs: readonly RuleInput[],
  tensors: readonly tf.Tensor[],
  batched: readonly boolean[],
  size: number,
): tf.Tensor[] | null {
  const { attrs } = parts.attributes;
  const named = <T>(members: readonly T[]): Record<string, T> | T[] =>
    namedInputs(members.map((member, index) => [inputs[index].name, member] as const));
  const returned: unknown = rule(named(tensors), {
    batched: named(batched),
    size,
    attributes: attrs,
    run: (own, attributes = attrs) => tf.engine().runKernel(kernel, own as never, attributes as never),
  });
  if (returned === null) return null;
  const results = (Array.isArray(returned) ? returned : [returned]) as unknown[];
  const wanted = parts.outputs.map(({ shape, dtype }) => `${dtype}${formatShape([size, ...shape])}`).join(", ");
  const isTensor = (result: unknown): result is tf.Tensor => result instanceof tf.Tensor;
  const given = results.map((result) =>
    isTensor(result) ? `${result.dtype}${formatShape(result.shape)}` : `a ${typeof result} that is no tensor`,
  );
  if (!results.every(isTensor) || given.join(", ") !== wanted) {
    throw new ModelError(
      `for ${size} slices it returns ${given.join(", ") || "nothing"} instead of ${wanted}; return what the operation ` +
        "returns, with the axis of the slices in front",
      source,
    );
  }
  return results;
}

/** Throws unless the rule gives for three slices at once what the operation gives for each. */
function checkValues(call: Call): void {
  const { rule, parts, inputs, batched } = call;
  const random = generator(5);
  withScope(() => {
    const arrays = inputs.map(({ elements, shape, dtype }, index): { data: TypedArray; shape: Shape } => {
      if (elements !== null) return { data: elements, shape };
      const whole = batched[index] ? [THREE, ...shape] : shape;
      return { data: fillRandomly(newArray(dtype, sizeOf(whole)), random), shape: whole };
    });
    const tensors = arrays.map(({ data, shape }, index) =>
      tf.tensor(data, [...shape], inputs[index].dtype as tf.DataType),
    );
    const together = apply(rule, parts, inputs, tensors, batched, THREE);
    if (together === null) return;
    for (const slice of range(THREE)) {
      const alone = runAlone(call, arrays, slice);
      alone.forEach((expected, index) => {
        const all = typedArray(together[index].dataSync(), dtypeOf(together[index]));
        const size = sizeOf(expected.shape);
        if (!sameShape(expected.shape, together[index].shape.slice(1))) return;
        const difference = farthest(expected.dataSync(), all.slice(slice * size, (slice + 1) * size));
        if (difference > TOLERANCE) {
          throw new ModelError(
            `for ${THREE} slices of random numbers it returns other values than the operation does one slice after the other ` +
              `(they differ by ${difference.toPrecision(2)} of the largest); put it right`,
            rule.source,
          );
        }
      });
    }
  });
}

/** The operation on one slice. */
function runAlone(
  { parts, inputs, batched }: Call,
  arrays: readonly { data: TypedArray; shape: Shape }[],
  slice: number,
): tf.Tensor[] {
  const entries = inputs.map(({ name, shape, dtype }, index) => {
    const size = sizeOf(shape);
    const { data } = arrays[index];
    const own = batched[index] ? data.slice(slice * size, (slice + 1) * size) : data;
    return [name, tf.tensor(own, [...shape], dtype as tf.DataType)] as const;
  });
  try {
    const results = tf
      .engine()
      .runKernel<tf.Tensor | tf.Tensor[]>(parts.kernel, namedInputs(entries) as never, parts.attributes.attrs as never);
    return Array.isArray(results) ? results : [results];
  } catch (error) {
    throw new ModelError(
      `it cannot be checked, because the operation itself fails on random numbers (${messageOf(error)}); have it take any`,
      placeOfError(error),
    );
  }
}

/** How far two arrays are apart, as a part of the largest element; what is no number is only like itself. */
function farthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const scale = Array.from(a).reduce((largest, element) => Math.max(largest, Math.abs(element) || 0), 1e-30);
  let most = 0;
  for (let index = 0; index < a.length; index++) {
    if (Object.is(a[index], b[index])) continue;
    const distance = Math.abs(a[index] - b[index]) / scale;
    most = Math.max(most, Number.isNaN(distance) ? Infinity : distance);
  }
  return most;
}
