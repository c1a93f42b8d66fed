import { totalmem } from "node:os";
import { bytesOf, type ValueType } from "../graph/types";

/** It would not fit in memory and was not started: exit code 3. */
export class MemoryError extends Error {
  override readonly name = "MemoryError";
}

/** Refuses results that are larger than all the memory of the machine, which no engine and no chunk can help. */
export function checkResultFits(arrays: readonly ValueType[], batch: number, memory = totalmem()): void {
  const bytes = arrays.reduce((sum, array) => sum + bytesOf(array), 0);
  if (bytes <= memory) return;
  const gibibytes = (size: number): string => `${(size / 2 ** 30).toFixed(1)} GiB`;
  const fewer = Math.floor((memory / bytes) * batch);
  throw new MemoryError(
    `the Jacobian of ${batch} examples takes ${gibibytes(bytes)}, and this machine has ${gibibytes(memory)} of memory; ` +
      (fewer > 0 ? `give fewer examples at once (at most ${fewer})` : "it cannot hold that of one example"),
  );
}
