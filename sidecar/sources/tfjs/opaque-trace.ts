import type { Builder } from "../../graph/builder";
import type { Graph, Value } from "../../graph/graph";
import { isFloat, newArray, sizeOf, type ValueType } from "../../graph/types";
import { newBuilder } from "../../primitives";
import { emit } from "../../primitives/ops";
import type { RecordingBackend } from "./backend";
import type { KernelCall } from "./lowerings/kernel";
import { tf, type TensorInfo } from "./tensorflow";
import { dtypeOf, Trace, tracing } from "./trace";

/** Kernels without a lowering: equations that only TensorFlow.js can run, with the derivative it has for them. */

export const FRAMEWORK = "tfjs";

/** A kernel of TensorFlow.js. */
export type KernelFunc = (args: { inputs: object; attrs: object; backend: unknown }) => TensorInfo | TensorInfo[];
type Gradient = (
  dy: tf.Tensor | tf.Tensor[],
  saved: tf.Tensor[],
  attrs: object,
) => Record<string, (() => tf.Tensor) | undefined>;

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
  const vjp = traceGradient(parts, names, values, backend);
  const results = emit(b, "opaque", values, { ...parts, vjp });
  return isList ? results : results[0];
}

/** What the kernel yields, found by running it on ones where the elements are not known. */
export function outputTypes(
  inputs: readonly [string, TensorInfo][],
  call: KernelCall,
  backend: RecordingBackend,
  compute: KernelFunc,
): { outputs: ValueType[]; isList: boolean } {
  return withScope(() => {
    const concrete = inputs.map(([name, info]): [string, TensorInfo] => {
      if (call.known(name)) return [name, info];
      const ones = newArray(dtypeOf(info), sizeOf(info.shape)).fill(1);
      // Some kernels want whole tensors, with a rank.
      return [name, tf.tensor(ones, info.shape, info.dtype)];
    });
    const results = compute({ inputs: namedInputs(concrete), attrs: call.attributes as object, backend });
    const isList = Array.isArray(results);
    const types = (isList ? results : [results]).map((info) => ({ shape: [...info.shape], dtype: dtypeOf(info) }));
    return { outputs: types, isList };
  });
}

/** `tf.tidy` for results that are no tensors. */
function withScope<T>(body: () => T): T {
  const engine = tf.engine();
  engine.startScope();
  try {
    return body();
  } finally {
    engine.endScope();
  }
}

/** A kernel's inputs as it expects them: a list where the names are numbers. */
export function namedInputs<T>(entries: readonly (readonly [string, T])[]): Record<string, T> | T[] {
  const isList = entries.length > 0 && entries.every(([name], index) => name === String(index));
  return isList ? entries.map(([, value]) => value) : Object.fromEntries(entries);
}

interface OpaqueParts {
  readonly framework: string;
  readonly kernel: string;
  readonly attributes: { readonly inputNames: readonly string[]; readonly attrs: object };
  readonly outputs: readonly ValueType[];
}

/**
 * The graph from (inputs, cotangents of the floating-point outputs) to the cotangents of the floating-point inputs, in
 * the order of the kernel's inputs. TensorFlow.js's gradient functions call kernels, so they are traced like a model.
 */
function traceGradient(
  parts: OpaqueParts,
  names: readonly string[],
  inputs: readonly Value[],
  backend: RecordingBackend,
): Graph | null {
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
          const recomputed = needsOutputs ? emit(builder, "opaque", operands, { ...parts, vjp: null }) : [];
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
    return builder.build({
      inputs: [
        ...operands.map((value, index) => ({ name: names[index], value })),
        ...cotangents.map((value, index) => ({ name: `cotangent${index}`, value })),
      ],
      outputs: results,
    });
  } catch {
    // A gradient that reads values or has a part missing is none: the operation is then not differentiable here.
    return null;
  }
}
