import { ModelError } from "../graph/errors";
import type { Equation, Graph, Source, Value } from "../graph/graph";
import type { Tensor } from "../graph/tensor";
import { newArray, sizeOf, type DType, type Shape } from "../graph/types";
import { flopsOf, followExamples } from "../transforms";
import type { BatchInfo } from "./model";
import { fillRandomly, generator } from "./random";

/**
 * Whether the examples of a batch see one another. A trace at a batch of one cannot tell: there, a mean over the batch is
 * the identity. So the model is traced at two, and the batch axis is followed through every operation; and small
 * models, and those in which the axis gets lost, are run.
 */

/** Floating-point operations, or elements, that a check by values may take, on plain JavaScript kernels (0.3 GFLOP/s). */
const CHEAP = 3e7;
const AFFORDABLE = 2e9;
/** Of one array of theirs, which takes 12 bytes for each. */
const MOST_ELEMENTS = 2 ** 26;
/** How far an example's result may move when the other example changes. */
const TOLERANCE = 1e-5;

/** A model traced at some number of examples, or as the function of one. */
export interface BatchTraced {
  readonly graph: Graph;
  /** Those of the graph's inputs that have the batch as their first axis. */
  readonly batchedInputs: readonly Value[];
  readonly outputNames: readonly string[];
}

/** What can be traced, in terms that the question needs. */
export interface Traceable<T extends BatchTraced> {
  /** Each with the shape of one example. */
  readonly inputs: readonly { readonly shape: Shape; readonly dtype: DType; readonly batched: boolean }[];
  /** The one number of examples that the model accepts, where it is frozen. */
  readonly frozenBatch: number | null;
  /** Where the model is made, for what concerns it as a whole. */
  readonly source: Source | null;
  /**
   * With `null` as the function of one example, with outputs of the `shapes` given where there is no batch axis to take
   * away. Throws NoBatchAxis where these are needed.
   */
  trace(batch: number | null, shapes?: readonly Shape[]): Promise<T>;
  /** Whether `run` can run opaque operations. */
  readonly runsOpaque: boolean;
  /** The elements of the model's outputs, run by other means than by the traced graph where there are any. */
  run(inputs: readonly Tensor[]): Promise<ArrayLike<number>[]>;
  /** Whether an error says nothing of the number of examples, so that no other number helps. */
  isFinal?(error: ModelError): boolean;
}

/** The model runs at a batch of one, but its result is not one example's. */
export class NoBatchAxis extends ModelError {}

interface Coupling {
  readonly reason: string;
  readonly source: Source | null;
}

/** The function of one example where that is all there is to the model, else of the whole batch. */
export async function traceOneOrAll<T extends BatchTraced>(
  subject: Traceable<T>,
  batch: number,
): Promise<{ traced: T; info: BatchInfo }> {
  const whole = async (size: number, { reason, source }: Coupling): Promise<{ traced: T; info: BatchInfo }> => ({
    traced: await subject.trace(size),
    info: { coupled: true, size, reason, source },
  });
  const { frozenBatch, source } = subject;
  if (!subject.inputs.some(({ batched }) => batched)) {
    return { traced: await subject.trace(null), info: { coupled: false } };
  }
  if (frozenBatch !== null && frozenBatch > 1) {
    return whole(frozenBatch, { reason: `the model's batch size is fixed at ${frozenBatch}`, source });
  }
  let coupling: Coupling | null;
  try {
    const single = await traceOne(subject);
    coupling =
      single === null
        ? await proveIndependence(subject, null)
        : frozenBatch === 1
          ? null
          : await proveIndependence(subject, single);
    if (single !== null && coupling === null) return { traced: single, info: { coupled: false } };
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    // A model that refuses a batch of one or two may have a batch size written into it.
    if (batch <= 2 || subject.isFinal?.(error)) throw error;
    const reason = `the model does not run on a batch of 1 or 2 (${error.message})`;
    return whole(batch, { reason, source: error.source }).catch(() => {
      throw error;
    });
  }
  return whole(batch, coupling ?? { reason: "the outputs have no batch axis", source });
}

/** The function of one example; null where at a batch of one there is no batch axis to take away. */
async function traceOne<T extends BatchTraced>(subject: Traceable<T>): Promise<T | null> {
  try {
    return await subject.trace(null);
  } catch (error) {
    if (!(error instanceof NoBatchAxis)) throw error;
  }
  const shapes = await squeezedShapes(subject);
  try {
    return shapes && (await subject.trace(null, shapes));
  } catch (error) {
    if (!(error instanceof NoBatchAxis)) throw error;
    return null;
  }
}

/** Why examples depend on one another; null where they do not. */
async function proveIndependence<T extends BatchTraced>(
  subject: Traceable<T>,
  single: T | null,
): Promise<Coupling | null> {
  const traced = await subject.trace(2);
  const mismatch = traced.graph.outputs.findIndex(({ shape }) => shape[0] !== 2);
  if (mismatch >= 0 || single === null) {
    const { state, equation } = followExamples(traced.graph, traced.batchedInputs, 2);
    if (state === "coupled") return { reason: mixes(equation), source: equation?.source ?? subject.source };
    return {
      reason: `the output ${traced.outputNames[Math.max(0, mismatch)]} has no batch axis`,
      source: subject.source,
    };
  }
  return await coupling(subject, single, traced);
}

/**
 * The shapes of one example's outputs, for a model that squeezes a batch axis of extent 1 away; null where the outputs
 * have no batch axis at two examples either.
 */
async function squeezedShapes<T extends BatchTraced>(subject: Traceable<T>): Promise<Shape[] | null> {
  const { graph } = await subject.trace(2);
  return graph.outputs.every(({ shape }) => shape[0] === 2) ? graph.outputs.map(({ shape }) => shape.slice(1)) : null;
}

async function coupling<T extends BatchTraced>(subject: Traceable<T>, single: T, traced: T): Promise<Coupling | null> {
  const { state, equation } = followExamples(traced.graph, traced.batchedInputs, 2);
  if (state === "coupled") return { reason: mixes(equation), source: equation?.source ?? subject.source };

  // Batches of one, two and two.
  const cost = 5 * costOf(single.graph);
  const canRun = subject.runsOpaque || single.graph.equations.every(({ primitive }) => primitive !== "opaque");
  if (state === "independent" && (cost > CHEAP || !canRun)) return null;
  if (cost > AFFORDABLE || !canRun) {
    const obstacle = canRun ? "the model is too large to try it out" : "it cannot be run here to try it out";
    return {
      reason: `the examples cannot be followed through ${named(equation)}, and ${obstacle}`,
      source: equation?.source ?? subject.source,
    };
  }
  return (await independentByValues(
    subject,
    single.graph.outputs.map(({ shape }) => shape),
  ))
    ? null
    : {
        reason: "an example's output changes when another example of the batch changes",
        source: state === "lost" ? (equation?.source ?? subject.source) : subject.source,
      };
}

/** Operations, or elements where these are more: an array may be made large without any arithmetic, or too large at all. */
function costOf(graph: Graph): number {
  const sizes = graph.equations.flatMap(({ outputs }) => outputs.map(({ shape }) => sizeOf(shape)));
  if (sizes.some((size) => size > MOST_ELEMENTS)) return Infinity;
  const elements = sizes.reduce((sum, size) => sum + size, 0);
  return Math.max(flopsOf(graph), elements);
}

function named(equation: Equation | null): string {
  if (equation === null) return "an operation";
  if (equation.primitive !== "opaque") return equation.primitive;
  return (equation.attributes as { kernel: string }).kernel;
}

/** What an operation does that depends on several examples, in a sentence's words. */
export function mixes(equation: Equation | null): string {
  const name = named(equation);
  if (/^(reduce|arg)/.test(name)) return `${name} runs over the batch axis`;
  if (name === "dot_general") return "a product sums over the batch axis";
  return `${name} combines the examples of a batch`;
}

/** Runs the model on one example alone, with a second one, and with another second one. */
async function independentByValues<T extends BatchTraced>(
  subject: Traceable<T>,
  outputShapes: readonly Shape[],
): Promise<boolean> {
  const random = generator(7);
  const examples = subject.inputs.map(({ shape, dtype }) =>
    [0, 1, 2].map(() => fillRandomly(newArray(dtype, sizeOf(shape)), random)),
  );
  const run = async (members: readonly number[]): Promise<ArrayLike<number>[]> => {
    const tensors = subject.inputs.map(({ shape, dtype, batched }, index): Tensor => {
      const which = batched ? members : [0];
      const data = newArray(dtype, which.length * sizeOf(shape));
      which.forEach((member, position) => data.set(examples[index][member], position * sizeOf(shape)));
      return { shape: batched ? [which.length, ...shape] : shape, dtype, data };
    });
    const outputs = await subject.run(tensors);
    return outputs.map((elements, index) => Array.from(elements).slice(0, sizeOf(outputShapes[index])));
  };
  const alone = await run([0]);
  for (const other of [await run([0, 1]), await run([0, 2])]) {
    if (!alone.every((output, index) => agree(output, other[index]))) return false;
  }
  return true;
}

function agree(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  const scale = Array.from(a).reduce((largest, element) => Math.max(largest, Math.abs(element)), 0);
  for (let i = 0; i < a.length; i++) {
    if (Math.abs(a[i] - b[i]) > TOLERANCE * Math.max(scale, 1e-30)) return false;
  }
  return true;
}
