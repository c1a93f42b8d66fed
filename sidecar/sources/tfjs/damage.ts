import type { tf } from "./tensorflow";

/**
 * Whether the bytes of a saved weight can be what was saved. A damaged file of the right size shows by numbers that no
 * training leaves: random bytes are NaN in one of 256 float32, and hardly ever a truth value.
 */

type WeightEntry = tf.io.WeightsManifestEntry;

/** The first element that cannot be right, and what it is; null where all can. `bytes` are the weight's own. */
export function damageIn(
  { dtype, quantization }: WeightEntry,
  bytes: Uint8Array,
): { index: number; what: string } | null {
  const stored = quantization?.dtype ?? dtype;
  if (stored === "bool") {
    const index = bytes.findIndex((byte) => byte > 1);
    return index < 0 ? null : { index, what: `the truth value ${bytes[index]}` };
  }
  const isNaN = stored === "float32" ? float32IsNaN : stored === "float16" ? float16IsNaN : null;
  if (isNaN === null) return null;
  // The elements need not be aligned in their file
  const { buffer } = bytes.slice();
  const elements = stored === "float32" ? new Uint32Array(buffer) : new Uint16Array(buffer);
  const index = elements.findIndex(isNaN);
  // A single NaN is a constant that somebody has written so.
  return index < 0 || elements.length === 1 ? null : { index, what: "NaN" };
}

/** Of its bits: the exponent is all ones, and the fraction is not zero. */
function float32IsNaN(bits: number): boolean {
  return (bits & 0x7fffffff) > 0x7f800000;
}

function float16IsNaN(bits: number): boolean {
  return (bits & 0x7fff) > 0x7c00;
}
