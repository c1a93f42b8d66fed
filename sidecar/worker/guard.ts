import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { messageOf, ModelError } from "../graph/errors";
import { formatBytes } from "../protocol/text";
import { isCodeFile } from "../sources/tfjs/bindings";
import { placeOfError, userFrames } from "../sources/tfjs/places";
import { generator } from "../sources/random";
import { limitAllocations } from "./allocations";
import { forbidEnding } from "./ending";
import { endProcessGroup, faultOf, reportFault } from "./faults";
import type { Limits, ModelRequest } from "./messages";
import { accountForTimers } from "./timers";
import type { Watchdog } from "./watchdog";

/**
 * Runs user code under every limit there is: whatever it does, the user is told what and in which line. There is one call
 * for each process: some of its code may still run when this is done, and is not to end the process then either.
 *
 * @param model the model's file, and other files whose code is run with it
 */
export async function guarded<T>(
  { file, others }: Pick<ModelRequest, "file"> & { readonly others: readonly string[] },
  limits: Limits,
  watchdog: Watchdog,
  run: () => Promise<T>,
): Promise<T> {
  forbidEnding((call) =>
    endWith(new ModelError(`the model's code ends the process (${call}); take this call out`, placeIn(file))),
  );
  let evaluating = true;
  process.on("uncaughtException", (error: unknown) => endWith(stray(error, evaluating ? file : null)));
  const undo = [accountForTimers(), repeatRandomNumbers()];
  // What a data file holds is its size on disk; only code can ask for anything.
  if (isCodeFile(file) || others.length > 0) undo.push(limitAllocations(allocationLimit(file, limits.codeMemory)));
  watchdog.evaluating(file, limits.timeLimit);
  try {
    return await run();
  } finally {
    evaluating = false;
    watchdog.evaluated();
    undo.forEach((each) => each());
  }
}

/**
 * Weights that the model's code draws at random are the same in every evaluation: the parts of a kernel are then those of
 * one model, and what was interrupted goes on. Gives the function that undoes it.
 */
function repeatRandomNumbers(): () => void {
  const { random } = Math;
  Math.random = generator(1);
  return () => {
    Math.random = random;
  };
}

/**
 * An error that nobody waits for: thrown by a timer, or a promise that was rejected behind the model's back. While `file`
 * is evaluated it is the file's in any case, and afterwards where it has a place in user code.
 */
function stray(error: unknown, file: string | null): unknown {
  if (error instanceof ModelError) return error;
  const place = placeOfError(error) ?? (file === null ? null : { file, line: 1, column: 1 });
  return place === null ? error : new ModelError(messageOf(error), place);
}

function allocationLimit(file: string, bytes: number): Parameters<typeof limitAllocations>[0] {
  const may = `more than the ${formatBytes(bytes)} that all arrays of the model's code may take`;
  const what = (size: number): string =>
    size > bytes ? `this allocates ${formatBytes(size)}, ${may}` : `with what is allocated here, there are ${may}`;
  return {
    bytes,
    exceeded: (size) => new ModelError(`${what(size)}; make arrays smaller, or raise --code-memory`, placeIn(file)),
    collectGarbage() {
      setFlagsFromString("--expose-gc");
      (runInNewContext("gc") as () => void)();
    },
  };
}

function placeIn(file: string): { file: string; line: number; column: number } {
  return userFrames().innermost ?? { file, line: 1, column: 1 };
}

function endWith(error: unknown): never {
  reportFault(faultOf(error));
  endProcessGroup();
  // The signal takes effect before this, or else nothing must go on.
  throw error;
}
