import type { TensorInfo } from "@tensorflow/tfjs-core";
import { ModelError } from "../../graph/errors";
import type { Value } from "../../graph/graph";
import { RecordingBackend } from "./backend";
import { currentLayer, observeLayers } from "./layers";
import { lowerings } from "./lowerings";
import type { KernelCall } from "./lowerings/kernel";
import type { KernelFunc } from "./kernel-call";
import { outputTypes, recordOpaque, refuseOpenShape } from "./opaque-trace";
import { tf } from "./tensorflow";
import { activeTrace, currentPlace, typedArray, dtypeOf, type Trace } from "./trace";
import { observeVariables } from "./variables";

/**
 * Our instance of TensorFlow.js: its active backend computes where all operands are known, and records an equation
 * where one of them stands for a value of the graph being traced.
 */

const BACKEND = "kernelscope";

/** Kernels whose results have a shape that depends on the elements, or are not arrays of numbers. */
const unshaped = new Set([
  "Unique", "NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5", "SparseFillEmptyRows", "SparseReshape",
  "RaggedGather", "RaggedRange", "RaggedTensorToTensor", "StringNGrams", "StringSplit", "StringToHashBucketFast",
  "StaticRegexReplace", "Multinomial", "Draw", "Bincount", "DenseBincount",
]); // prettier-ignore

let backend: RecordingBackend | null = null;

/** Names of kernels that user code has registered. */
const customKernels = new Set<string>();

/** The recording backend, registered and active. The first call sets up this process's TensorFlow.js. */
export function recordingBackend(): RecordingBackend {
  if (backend) return backend;
  const created = new RecordingBackend();
  // The advice to install a faster backend is not for our users: nothing large is computed here.
  (created as unknown as { firstUse: boolean }).firstUse = false;
  tf.registerBackend(BACKEND, () => created, 1000);
  for (const { kernelName, kernelFunc } of tf.getKernelsForBackend("cpu")) {
    tf.registerKernel({
      kernelName,
      backendName: BACKEND,
      kernelFunc: recording(kernelName, kernelFunc as unknown as KernelFunc) as never,
    });
  }
  void tf.setBackend(BACKEND);
  // Registering comes first: the hooks make tensors.
  backend = created;
  observeLayers();
  observeVariables(created);
  return created;
}

/**
 * `tf.registerKernel` for user code: an operation of the user's own, for TensorFlow.js's cpu backend, runs on ours as well.
 * One of TensorFlow.js's own keeps the meaning that it has here.
 */
export function registerKernel(config: tf.KernelConfig): void {
  const { kernelName, backendName, kernelFunc } = config;
  const isCustom = customKernels.has(kernelName);
  const isKnown = tf.getKernel(kernelName, BACKEND) !== undefined;
  if (backendName !== "cpu" || (isKnown && !isCustom)) {
    tf.registerKernel(config);
    return;
  }
  // A file that is read once more registers it once more
  if (isCustom) for (const name of [backendName, BACKEND]) tf.unregisterKernel(kernelName, name);
  customKernels.add(kernelName);
  tf.registerKernel(config);
  const compute = kernelFunc as unknown as KernelFunc;
  tf.registerKernel({ ...config, backendName: BACKEND, kernelFunc: recording(kernelName, compute) as never });
}

function recording(kernel: string, compute: KernelFunc): KernelFunc {
  return (args) => {
    const trace = activeTrace();
    const inputs = Object.entries(args.inputs).filter((entry): entry is [string, TensorInfo] => isTensor(entry[1]));
    const backend = args.backend as RecordingBackend;
    if (trace && inputs.some(([, info]) => trace.isSymbolic(info.dataId))) {
      return record(trace, kernel, inputs, args.attrs, backend, compute);
    }
    return compute(args);
  };
}

function isTensor(input: unknown): boolean {
  return typeof input === "object" && input !== null && "dataId" in input;
}

function record(
  trace: Trace,
  kernel: string,
  inputs: readonly [string, TensorInfo][],
  attributes: object,
  backend: RecordingBackend,
  compute: KernelFunc,
): TensorInfo | TensorInfo[] {
  const place = currentPlace();
  if (unshaped.has(kernel)) {
    throw new ModelError(
      `uses ${kernel}, whose result has a shape or values that cannot be traced; compute it before the model is called`,
      place,
    );
  }
  const call: KernelCall = {
    kernel,
    inputs: Object.fromEntries(inputs.map(([name, info]) => [name, valueOf(trace, backend, info)])),
    attributes,
    known: (input) => {
      const info = inputs.find(([name]) => name === input)?.[1];
      if (!info || trace.isSymbolic(info.dataId)) return null;
      return typedArray(backend.readSync(info.dataId) as Float32Array, dtypeOf(info));
    },
  };
  const { builder } = trace;
  const before = builder.equations.length;
  const outputs = builder.at(place, () => {
    try {
      const lowered = Object.hasOwn(lowerings, kernel) ? lowerings[kernel](builder, call) : null;
      if (lowered !== null) return lowered;
      if (customKernels.has(kernel)) refuseOpenShape(inputs, call, backend, compute);
      return recordOpaque(builder, call, inputs, backend, compute);
    } catch (error) {
      if (error instanceof ModelError) throw error;
      throw new ModelError(complaint(error, call, inputs, backend, compute), place);
    }
  });
  const shapes = (isList(outputs) ? outputs : [outputs]).map(({ shape }) => shape);
  const traced = { kernel, layer: currentLayer()?.path ?? "", source: place, outputs: shapes };
  trace.emitted.note(traced, builder.equations.slice(before));
  return isList(outputs)
    ? outputs.map((output) => symbolic(trace, backend, output))
    : symbolic(trace, backend, outputs);
}

/** What TensorFlow.js says of operands that do not fit, in its own words; else what we say. */
function complaint(
  error: unknown,
  call: KernelCall,
  inputs: readonly [string, TensorInfo][],
  backend: RecordingBackend,
  compute: KernelFunc,
): string {
  try {
    outputTypes(inputs, call, backend, compute);
  } catch (own) {
    return (own as Error).message;
  }
  return `the operation ${call.kernel} cannot be traced: ${(error as Error).message}`;
}

function isList(outputs: Value | readonly Value[]): outputs is readonly Value[] {
  return Array.isArray(outputs);
}

function valueOf(trace: Trace, backend: RecordingBackend, info: TensorInfo): Value {
  return trace.valueOf(info, () => backend.readSync(info.dataId) as unknown as ArrayLike<number>);
}

/** A new array of the backend that stands for `value`. */
export function symbolic(trace: Trace, backend: RecordingBackend, value: Value): TensorInfo {
  const info = backend.placeholder(value);
  trace.bind(info.dataId, value);
  return info;
}

/** A tensor of TensorFlow.js that stands for `value`. */
export function symbolicTensor(trace: Trace, value: Value): tf.Tensor {
  const backend = recordingBackend();
  return tf.keep(tf.engine().makeTensorFromTensorInfo(symbolic(trace, backend, value), backend));
}

/** The value that a tensor stands for, a constant where it is concrete. */
export function valueOfTensor(trace: Trace, tensor: tf.Tensor): Value {
  return valueOf(trace, recordingBackend(), tensor);
}
