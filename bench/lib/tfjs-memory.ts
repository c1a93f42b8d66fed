import { engine, getKernel, registerKernel, unregisterKernel } from "@tensorflow/tfjs-core";

interface TensorInfo {
  readonly bytes: number;
}

export interface Tracked {
  /** The most bytes that were held at once. */
  peak(this: void): number;
  /** Forgets what was before, and tells what is held now. */
  restart(this: void): number;
}

/**
 * Follows TensorFlow.js's own list of the arrays that it holds, which all its copies in a process share. `tf.memory()`
 * would count the elements of an array again for each reshape of it; libtensorflow shares them, and so does this count.
 * Call it when the engine is there.
 */
export function trackPeak(): Tracked {
  /** What a reshape looks at, by what it yields. */
  const viewed = new WeakMap<object, object>();
  const elementsOf = (data: object): object => viewed.get(data) ?? data;
  const held = new Map<object, { readonly bytes: number; holds: number }>();
  let now = 0;
  let peak = 0;

  const { tensorInfo } = (engine() as unknown as { state: { tensorInfo: WeakMap<object, TensorInfo> } }).state;
  const listed = Object.getPrototypeOf(tensorInfo) as typeof tensorInfo;
  let isReshaping = false;
  tensorInfo.set = (data, info) => {
    held.set(data, { bytes: info.bytes, holds: 1 });
    now += info.bytes;
    if (!isReshaping) peak = Math.max(peak, now);
    return listed.set.call(tensorInfo, data, info);
  };
  tensorInfo.delete = (data) => {
    const elements = elementsOf(data);
    const known = held.get(elements);
    if (known && --known.holds === 0) {
      held.delete(elements);
      now -= known.bytes;
    }
    return listed.delete.call(tensorInfo, data);
  };

  const reshape = getKernel("Reshape", "tensorflow");
  unregisterKernel("Reshape", "tensorflow");
  registerKernel({
    ...reshape,
    kernelFunc(given) {
      isReshaping = true;
      const result = reshape.kernelFunc(given);
      isReshaping = false;
      // It has been listed as an array of its own
      const { dataId } = result as { dataId: object };
      const elements = elementsOf(given.inputs.x!.dataId);
      const shared = held.get(elements);
      if (shared) {
        shared.holds++;
        now -= held.get(dataId)?.bytes ?? 0;
        held.delete(dataId);
        viewed.set(dataId, elements);
      }
      return result;
    },
  });
  return {
    peak: () => peak,
    restart: () => (peak = now),
  };
}
