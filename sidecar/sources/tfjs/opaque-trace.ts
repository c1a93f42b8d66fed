import type { Builder } from "../../graph/builder";
import { ModelError } from "../../graph/errors";
import type { Graph, Value } from "../../graph/graph";
import { formatShape, isFloat, newArray, sizeOf, type TypedArray, type ValueType } from "../../graph/types";
import { newBuilder } from "../../primitives";
import type { OpaqueAttributes } from "../../primitives/attributes";
import { emit } from "../../primitives/ops";
import type { RecordingBackend } from "./backend";
import { namedInputs, withScope, type KernelFunc } from "./kernel-call";
import type { KernelCall } from "./lowerings/kernel";
import { fillRandomly, generator } from "../random";
import { tf, type TensorInfo } from "./tensorflow";
import { traceRule } from "./batching-rules";
import { currentPlace, dtypeOf, Trace, tracing } from "./trace";

/** Kernels without a lowering: equations that only TensorFlow.js can run, with the derivative it has for them. */

export const FRAMEWORK = "tfjs";

type Gradient = (
  dy: tf.Tensor | tf.Tensor[],
  saved: tf.Tensor[],
  attrs: object,
) => Record<string, (() => tf.Tensor) | undefined>;

/**
 * How deep derivatives are traced: that of a model's operation, and (in reverse mode it is transposed twice) those of the
 * operations that it is made of, and of theirs.
 */
const DEEPEST = 3;

/** Derivatives, and batching rules, in which what is traced now is. */
interface Depth {
  readonly gradients: number;
  readonly rules: number;
}

let depth: Depth = { gradients: 0, rules: 0 };

function within<T>(inner: Depth, body: () => T): T {
  const outer = depth;
  depth = inner;
  try {
    return body();
  } finally {
    depth = outer;
  }
}

/** Operations that were traced already, by all that there is to them: a derivative has the same ones again and again. */
const traced = new Map<string, Pick<OpaqueAttributes, "vjp" | "batching">>();

/** Before another model: its kernels may have the names of this one's. */
export function forgetOpaque(): void {
  traced.clear();
}

export function recordOpaque(
  b: Builder,
  call: KernelCall,
  inputs: readonly [string, TensorInfo][],
  backend: RecordingBackend,
  compute: KernelFunc,
): Value | Value[] {
  const names = inputs.map(([name]) => name);
  const attributes = { inputNames: names, attrs: call.attributes as object };
  const values = names.map((name) => call.inputs[name]);
  const { outputs, isList } = outputTypes(inputs, call, backend, compute);
  const parts = { framework: FRAMEWORK, kernel: call.kernel, attributes, outputs };
  const results = emit(b, "opaque", values, { ...parts, ...derivedOf(parts, values, call, backend) });
  return isList ? results : results[0];
}

/** The operation's derivative, and the user's own batching rule for it. */
function derivedOf(
  parts: OpaqueParts,
  inputs: readonly Value[],
  call: KernelCall,
  backend: RecordingBackend,
): Pick<OpaqueAttributes, "vjp" | "batching"> {
  const elements = parts.attributes.inputNames.map((name) => call.known(name));
  const isOpen = elements.every((each) => each === null);
  const key = JSON.stringify([depth, parts, inputs.map(({ shape, dtype }) => [shape, dtype])]);
  const known = isOpen ? traced.get(key) : undefined;
  if (known !== undefined) return known;
  const { gradients, rules } = depth;
  const trace = (): Graph | null => traceGradient(parts, inputs, backend);
  const vjp = gradients < DEEPEST ? within({ gradients: gradients + 1, rules }, trace) : null;
  const derived = { vjp, ...batchingOf(parts, inputs, elements, backend) };
  if (isOpen) traced.set(key, derived);
  return derived;
}

/** @param elements of the inputs that are the same for every slice, where they are known */
function batchingOf(
  parts: OpaqueParts,
  inputs: readonly Value[],
  elements: readonly (TypedArray | null)[],
  backend: RecordingBackend,
): Pick<OpaqueAttributes, "batching"> {
  const { gradients, rules } = depth;
  const members = inputs.map(({ shape, dtype }, index) => {
    return { name: parts.attributes.inputNames[index], shape, dtype, elements: elements[index] };
  });
  const batching = traceRule(parts, members, backend, {
    level: rules,
    within: (body) => within({ gradients, rules: rules + 1 }, body),
  });
  return batching === null ? {} : { batching };
}

function ones(array: TypedArray): TypedArray {
  return array.fill(1);
}

function randomElements(array: TypedArray): TypedArray {
  return fillRandomly(array, generator(3));
}

/** What the kernel yields, found by running it on ones where the elements are not known. */
export function outputTypes(
  inputs: readonly [string, TensorInfo][],
  call: KernelCall,
  backend: RecordingBackend,
  compute: KernelFunc,
  fill: (array: TypedArray) => TypedArray = ones,
): { outputs: ValueType[]; isList: boolean } {
  return withScope(() => {
    const concrete = inputs.map(([name, info]): [string, TensorInfo] => {
      if (call.known(name)) return [name, info];
      // Some kernels want whole tensors, with a rank.
      return [name, tf.tensor(fill(newArray(dtypeOf(info), sizeOf(info.shape))), info.shape, info.dtype)];
    });
    const results = compute({ inputs: namedInputs(concrete), attrs: call.attributes as object, backend });
    const isList = Array.isArray(results);
    const types = (isList ? results : [results]).map((info) => ({ shape: [...info.shape], dtype: dtypeOf(info) }));
    return { outputs: types, isList };
  });
}

/**
 * Throws where an operation of the user's own yields another shape for other elements: no Jacobian has such an output, and
 * there is no running it for many examples, not even one after the other.
 */
export function refuseOpenShape(
  inputs: readonly [string, TensorInfo][],
  call: KernelCall,
  backend: RecordingBackend,
  compute: KernelFunc,
): void {
  const shapes = [ones, randomElements].map((fill) =>
    outputTypes(inputs, call, backend, compute, fill)
      .outputs.map(({ shape }) => formatShape(shape))
      .join(", "),
  );
  if (shapes[0] === shapes[1]) return;
  throw new ModelError(
    `the result of ${call.kernel} has a shape that depends on the elements of its input (${shapes[0]} or ${shapes[1]}), so ` +
      "that it cannot run for many examples; give it one of a fixed size, or compute it before the model is called",
    currentPlace(),
  );
}

export interface OpaqueParts {
  readonly framework: string;
  readonly kernel: string;
  readonly attributes: { readonly inputNames: readonly string[]; readonly attrs: object };
  readonly outputs: readonly ValueType[];
}

/**
 * The graph from (inputs, cotangents of the floating-point outputs) to the cotangents of the floating-point inputs, in
 * the order of the kernel's inputs. TensorFlow.js's gradient functions call kernels, so they are traced like a model.
 */
function traceGradient(parts: OpaqueParts, inputs: readonly Value[], backend: RecordingBackend): Graph | null {
  const names = parts.attributes.inputNames;
  const registered = tf.getGradient(parts.kernel);
  if (!registered || parts.outputs.some(({ dtype }) => !isFloat(dtype))) return null;

  const builder = newBuilder();
  const trace = new Trace(builder);
  const operands = inputs.map(({ shape, dtype }): Value => ({ shape, dtype }));
  const cotangents = parts.outputs.map(({ shape, dtype }): Value => ({ shape, dtype }));
  const tensorOf = (value: Value): tf.Tensor => {
    const info = backend.placeholder(value);
    trace.bind(info.dataId, value);
    return tf.engine().makeTensorFromTensorInfo(info, backend);
  };

  try {
    const results = tracing(trace, () =>
      builder.at(null, () =>
        withScope(() => {
          const tensors = operands.map(tensorOf);
          const savedInputs = registered.saveAllInputs
            ? tensors
            : (registered.inputsToSave ?? []).map((name) => tensors[names.indexOf(name)]);
          const needsOutputs = registered.outputsToSave?.some(Boolean) ?? false;
          const again = {
            ...parts,
            vjp: null,
            ...batchingOf(
              parts,
              operands,
              operands.map(() => null),
              backend,
            ),
          };
          const recomputed = needsOutputs ? emit(builder, "opaque", operands, again) : [];
          const savedOutputs = recomputed.filter((_, index) => registered.outputsToSave?.[index]).map(tensorOf);
          const dys = cotangents.map(tensorOf);
          const gradients = (registered.gradFunc as unknown as Gradient)(
            dys.length === 1 ? dys[0] : dys,
            [...savedInputs, ...savedOutputs],
            parts.attributes.attrs,
          );
          return names
            .filter((_, index) => isFloat(operands[index].dtype))
            .map((name) => {
              const gradient = gradients[name]?.();
              if (!gradient) throw new Error(`${parts.kernel} has no gradient with respect to ${name}`);
              return trace.valueOf(gradient, () => backend.readSync(gradient.dataId) as unknown as ArrayLike<number>);
            });
        }),
      ),
    );
    const graph = builder.build({
      inputs: [
        ...operands.map((value, index) => ({ name: names[index], value })),
        ...cotangents.map((value, index) => ({ name: `cotangent${index}`, value })),
      ],
      outputs: results,
    });
    // It stands for the operation's line, wherever the gradient function is
    return { ...graph, equations: graph.equations.map((equation) => ({ ...equation, source: null })) };
  } catch {
    // A gradient that reads values or has a part missing is none: the operation is then not differentiable here.
    return null;
  }
}
