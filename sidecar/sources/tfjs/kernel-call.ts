import { tf, type TensorInfo } from "./tensorflow";

/** How kernels of TensorFlow.js are called. */

export type KernelFunc = (args: { inputs: object; attrs: object; backend: unknown }) => TensorInfo | TensorInfo[];

/** A kernel's inputs as it expects them: a list where the names are numbers. */
export function namedInputs<T>(entries: readonly (readonly [string, T])[]): Record<string, T> | T[] {
  const isList = entries.length > 0 && entries.every(([name], index) => name === String(index));
  return isList ? entries.map(([, value]) => value) : Object.fromEntries(entries);
}

/** `tf.tidy` for results that are no tensors. */
export function withScope<T>(body: () => T): T {
  const engine = tf.engine();
  engine.startScope();
  try {
    return body();
  } finally {
    engine.endScope();
  }
}
