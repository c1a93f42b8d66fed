import type { Builder } from "../../graph/builder";
import { ModelError } from "../../graph/errors";
import type { Source, Value } from "../../graph/graph";
import { newArray, sizeOf, type DType, type Shape, type TypedArray } from "../../graph/types";
import { full } from "../../primitives/ops";
import { Emitted } from "../operations";
import { currentLayer } from "./layers";
import { userFrames } from "./places";
import type { DataId, TensorInfo, tf } from "./tensorflow";

/** A kernel that was called. */
export interface TracedKernel {
  readonly kernel: string;
  /** Of the layer that called it: `block_1/conv`; empty outside of layers. */
  readonly layer: string;
  readonly source: Source | null;
  readonly outputs: readonly Shape[];
}

/**
 * A trace in progress: which arrays of TensorFlow.js stand for values of the graph. All other arrays are concrete, and
 * become constants where they meet a value.
 */
export class Trace {
  private values = new WeakMap<DataId, Value>();
  private readonly constants = new Map<DataId, Map<string, Value>>();
  /** Values that some operation used. */
  used: Set<Value> = new Set<Value>();
  /** Names of weights, for what is said about them. */
  readonly weightNames = new WeakMap<DataId, string>();
  /** What became of the kernels that were called. */
  emitted = new Emitted<TracedKernel>();
  /** Told of variables that are made during the trace. */
  onVariable: ((variable: tf.Variable) => void) | null = null;

  /** @param fewest elements from which on an array of one and the same number is a broadcast scalar */
  constructor(
    readonly builder: Builder,
    private readonly fewest = 17,
  ) {}

  /** A trace of the same values into a builder of its own. */
  derive(): Trace {
    const derived = new Trace(this.builder.child(), this.fewest);
    derived.values = this.values;
    derived.used = this.used;
    derived.emitted = this.emitted;
    return derived;
  }

  /** Makes an array stand for a value. */
  bind(dataId: DataId, value: Value): void {
    this.values.set(dataId, value);
  }

  isSymbolic(dataId: DataId): boolean {
    return this.values.has(dataId);
  }

  /** The value an array stands for; a concrete array becomes a constant. `elements` gives a concrete array's. */
  valueOf(info: TensorInfo, elements: () => ArrayLike<number>): Value {
    const known = this.values.get(info.dataId);
    if (known) {
      this.used.add(known);
      return known;
    }
    return this.constantOf(info, elements);
  }

  private constantOf(info: TensorInfo, elements: () => ArrayLike<number>): Value {
    const dtype = dtypeOf(info);
    const key = `${dtype}[${info.shape.join(",")}]`;
    let byShape = this.constants.get(info.dataId);
    if (!byShape) this.constants.set(info.dataId, (byShape = new Map<string, Value>()));
    let value = byShape.get(key);
    if (!value) byShape.set(key, (value = this.makeConstant(elements(), info.shape, dtype)));
    return value;
  }

  /** An array of one and the same number is a broadcast scalar, so that it takes no space in the graph. */
  private makeConstant(elements: ArrayLike<number>, shape: readonly number[], dtype: DType): Value {
    const size = sizeOf(shape);
    if (size === 1) return this.builder.scalar(elements[0], dtype, shape.length);
    if (size >= this.fewest && isUniform(elements)) return full(this.builder, shape, dtype, elements[0]);
    return this.builder.constant(typedArray(elements, dtype), shape, dtype);
  }
}

let active: Trace | null = null;

export function activeTrace(): Trace | null {
  return active;
}

/** Runs `body` with `trace` as the one that operations are recorded into. */
export function tracing<T>(trace: Trace | null, body: () => T): T {
  const outer = active;
  active = trace;
  let pending = false;
  try {
    const result = body();
    if (result instanceof Promise) {
      pending = true;
      return result.finally(() => (active = outer)) as T;
    }
    return result;
  } finally {
    if (!pending) active = outer;
  }
}

/**
 * The user's place for an operation that happens now. Inside a layer's own code that is the innermost user line; for a
 * layer that is not the user's code it is the line that constructed the layer.
 */
export function currentPlace(): Source | null {
  const frames = userFrames();
  const layer = currentLayer();
  if (layer === null) return frames.innermost;
  const place = frames.count > layer.userFrames ? frames.innermost : (layer.constructed ?? frames.innermost);
  return place && { ...place, module: layer.path };
}

/** Something wants to know the elements of an array that has none while the model is traced. */
export class ReadWhileTracing extends ModelError {
  constructor(
    source: Source | null,
    /** The weight that was read. */
    readonly weight: string | null,
  ) {
    super(
      "reads the values of a tensor while the model is traced (dataSync, arraySync or data); compute with tensor " +
        "operations instead, or read the values before the model is called",
      source,
    );
  }
}

export function readWhileTracing(dataId: DataId): ReadWhileTracing {
  return new ReadWhileTracing(currentPlace(), active?.weightNames.get(dataId) ?? null);
}

/** The element type of the graph for one of TensorFlow.js; complex numbers and strings have none. */
export function dtypeOf(info: { dtype: string }): DType {
  if (info.dtype === "float32" || info.dtype === "int32" || info.dtype === "bool") return info.dtype;
  throw new ModelError(
    `computes with a ${info.dtype} tensor that depends on the model's inputs or parameters, which has no derivative ` +
      "here; use float32, int32 or bool tensors",
    currentPlace(),
  );
}

const arrayTypes = { float32: Float32Array, float64: Float64Array, int32: Int32Array, bool: Uint8Array } as const;

export function typedArray(elements: ArrayLike<number>, dtype: DType): TypedArray {
  if (elements instanceof arrayTypes[dtype]) return elements;
  const array = newArray(dtype, elements.length);
  array.set(elements);
  return array;
}

function isUniform(elements: ArrayLike<number>): boolean {
  for (let index = 1; index < elements.length; index++) {
    if (!Object.is(elements[index], elements[0])) return false;
  }
  return true;
}
