import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ModelError } from "../graph/errors";
import { isCodeFile } from "../sources/tfjs/bindings";
import { placeOfError, userFrames } from "../sources/tfjs/places";
import { limitAllocations } from "./allocations";
import { endProcessGroup, faultOf, reportFault } from "./faults";
import type { Limits } from "./messages";
import type { Watchdog } from "./watchdog";

/** Runs user code under every limit there is: whatever it does, the user is told what and in which line. */
export async function guarded<T>(file: string, limits: Limits, watchdog: Watchdog, run: () => Promise<T>): Promise<T> {
  const undo = [forbidEnding(file), placeStrayErrors(file)];
  // What a data file holds is its size on disk; only code can ask for anything.
  if (isCodeFile(file)) undo.push(limitAllocations(allocationLimit(file, limits.codeMemory)));
  watchdog.evaluating(file, limits.timeLimit);
  try {
    return await run();
  } finally {
    watchdog.evaluated();
    undo.forEach((each) => each());
  }
}

/** User code must not end the process that evaluates it; an error would not do, since it could be caught. */
function forbidEnding(file: string): () => void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- only put back
  const { exit, abort } = process;
  const forbidden = (name: string) => (): never => {
    endWith(new ModelError(`the model's code ends the process (${name}); take this call out`, placeIn(file)));
  };
  process.exit = forbidden("process.exit");
  process.abort = forbidden("process.abort");
  return () => Object.assign(process, { exit, abort });
}

/** Errors that nobody waits for: thrown by a timer, or a promise that was rejected behind the model's back. */
function placeStrayErrors(file: string): () => void {
  const stray = (error: unknown): never => {
    if (error instanceof ModelError) return endWith(error);
    const message = error instanceof Error ? error.message : String(error);
    return endWith(new ModelError(message, placeOfError(error) ?? { file, line: 1, column: 1 }));
  };
  process.on("uncaughtException", stray);
  return () => process.off("uncaughtException", stray);
}

function allocationLimit(file: string, bytes: number): Parameters<typeof limitAllocations>[0] {
  const gibibytes = (size: number): string => `${(size / 2 ** 30).toFixed(2)} GiB`;
  const may = `more than the ${gibibytes(bytes)} that all arrays of the model's code may take`;
  const what = (size: number): string =>
    size > bytes ? `this allocates ${gibibytes(size)}, ${may}` : `with what is allocated here, there are ${may}`;
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

function endWith(error: ModelError): never {
  reportFault(faultOf(error));
  endProcessGroup();
  // The signal takes effect before this, or else nothing must go on.
  throw error;
}
