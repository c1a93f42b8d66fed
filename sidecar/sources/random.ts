import type { TypedArray } from "../graph/types";

/** Repeatable random numbers between 0 and 1 (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Fills an array with numbers between -1 and 1; integers may be indices: 0 and 1 are in any range. */
export function fillRandomly(array: TypedArray, random: () => number): TypedArray {
  const isFloat = array instanceof Float32Array || array instanceof Float64Array;
  for (let index = 0; index < array.length; index++) array[index] = isFloat ? 2 * random() - 1 : Math.round(random());
  return array;
}
