import type { Equation, Source } from "../../graph/graph";
import { newArray, sizeOf, type Shape } from "../../graph/types";
import { flopsOf, followExamples } from "../../transforms";
import { fillRandomly, generator } from "./random";
import type { Subject } from "./subject";
import { tf } from "./tensorflow";
import { typedArray } from "./trace";
import { traceSubject, type Traced } from "./tracing";

/**
 * Whether the examples of a batch see one another. A trace at a batch of one cannot tell: there, a mean over the batch is
 * the identity. So the model is traced at two, and the batch axis is followed through every operation; and small
 * models, and those in which the axis gets lost, are run.
 */

/** Floating-point operations that a check by values may take, on TensorFlow.js's plain cpu kernels (0.3 GFLOP/s). */
const CHEAP = 3e7;
const AFFORDABLE = 2e9;
/** How far an example's result may move when the other example changes. */
const TOLERANCE = 1e-5;

export interface Coupling {
  readonly reason: string;
  readonly source: Source | null;
}

/** Why examples depend on one another; null where they do not. */
export async function proveIndependence(subject: Subject, single: Traced | null): Promise<Coupling | null> {
  const traced = await traceSubject(subject, 2);
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
export async function squeezedShapes(subject: Subject): Promise<Shape[] | null> {
  const { graph } = await traceSubject(subject, 2);
  return graph.outputs.every(({ shape }) => shape[0] === 2) ? graph.outputs.map(({ shape }) => shape.slice(1)) : null;
}

async function coupling(subject: Subject, single: Traced, traced: Traced): Promise<Coupling | null> {
  const { state, equation } = followExamples(traced.graph, traced.batchedInputs, 2);
  if (state === "coupled") return { reason: mixes(equation), source: equation?.source ?? subject.source };

  // Batches of one, two and two.
  const cost = 5 * flopsOf(single.graph);
  if (state === "independent" && cost > CHEAP) return null;
  if (cost > AFFORDABLE) {
    return {
      reason: `the examples cannot be followed through ${named(equation)}, and the model is too large to try it out`,
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

function named(equation: Equation | null): string {
  if (equation === null) return "an operation";
  if (equation.primitive !== "opaque") return equation.primitive;
  return (equation.attributes as { kernel: string }).kernel;
}

function mixes(equation: Equation | null): string {
  const name = named(equation);
  if (/^(reduce|arg)/.test(name)) return `${name} runs over the batch axis`;
  if (name === "dot_general") return "a product sums over the batch axis";
  return `${name} combines the examples of a batch`;
}

/** Runs the model on one example alone, with a second one, and with another second one. */
async function independentByValues(subject: Subject, outputShapes: readonly Shape[]): Promise<boolean> {
  const random = generator(7);
  const examples = subject.inputs.map(({ shape, dtype }) =>
    [0, 1, 2].map(() => fillRandomly(newArray(dtype, sizeOf(shape)), random)),
  );
  const run = async (members: readonly number[]): Promise<ArrayLike<number>[]> => {
    const tensors = subject.inputs.map(({ shape, dtype, batched }, index) => {
      const which = batched ? members : [0];
      const data = newArray(dtype, which.length * sizeOf(shape));
      which.forEach((member, position) => data.set(examples[index][member], position * sizeOf(shape)));
      return tf.tensor(data, batched ? [which.length, ...shape] : [...shape], dtype);
    });
    const outputs = await subject.call(tensors);
    return outputs.map(({ tensor }, index) => {
      const first = typedArray(tensor.dataSync(), "float32").slice(0, sizeOf(outputShapes[index]));
      return first;
    });
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
