import type { Debugger, Session } from "node:inspector";
import { parentPort, workerData } from "node:worker_threads";
import type { Source } from "../graph/graph";
import { innermostPlace, registerBundle } from "../sources/tfjs/places";
import { endAbandoned, endProcessGroup, reportFault } from "./faults";
import type { WatchdogMessage, WatchdogSettings } from "./watchdog";

/**
 * A thread beside the one that runs user code. It ends the process when the parent is gone, and when user code takes
 * longer than it may, or more heap; it then asks V8's debugger, from outside, which line is running. The debugger is
 * attached only when it is needed: until then this thread costs nothing but its start.
 */

const settings = workerData as WatchdogSettings;

/** How often it looks whether all is well. */
const PERIOD_MS = 100;
/** A thread that runs JavaScript pauses in milliseconds; one that is in a native call, or waits, may never. */
const PATIENCE_MS = 1500;
/** Part of the heap's limit from which on the debugger listens for V8's own alarm, the pause before running out. */
const ALARM = 0.5;

/** What user code is being evaluated, and the timer that will end it. */
let evaluating: { readonly file: string; readonly timer: NodeJS.Timeout } | null = null;
let session: Session | null = null;
/** Names of the scripts, which call frames give only by their ids. */
const scripts = new Map<string, string>();
let ending = false;

parentPort!.on("message", (message: WatchdogMessage) => {
  switch (message.kind) {
    case "bundle":
      registerBundle(message.file, message.sourceMap, message.name);
      break;
    case "evaluating":
      evaluating = { file: message.file, timer: setTimeout(timeIsUp, message.timeLimit * 1000, message.timeLimit) };
      break;
    case "evaluated":
      clearTimeout(evaluating?.timer);
      evaluating = null;
      session?.disconnect();
      session = null;
  }
});

setInterval(() => {
  if (process.ppid !== settings.parent) endAbandoned(settings.partial);
  // The process's memory is an upper bound of the main thread's heap, which cannot be seen from here.
  if (evaluating !== null && session === null && process.memoryUsage.rss() > ALARM * settings.heapLimit) attach();
}, PERIOD_MS);

function timeIsUp(timeLimit: number): void {
  const what = `the model was not evaluated within ${timeLimit} s`;
  const nowhere = `${what}; look for an endless loop or a promise that is never kept, or raise --time-limit`;
  onPause = (place) => {
    const here = `${what}, and this line is still running; look for an endless loop, or raise --time-limit`;
    end(place, place === null ? nowhere : here);
  };
  attach();
  session?.post("Debugger.pause");
  setTimeout(() => end(null, nowhere), PATIENCE_MS);
}

/** What to do with the place at which the main thread has paused because it was asked to. */
let onPause: ((place: Source | null) => void) | null = null;

/**
 * Connects to the main thread. From now on V8 also pauses it before its heap runs out. A Node without an inspector, or
 * one that may not be used, leaves the messages without a line.
 */
function attach(): void {
  if (session !== null) return;
  let attached: Session;
  try {
    attached = new (process.getBuiltinModule("node:inspector").Session)();
    attached.connectToMainThread();
  } catch {
    return;
  }
  session = attached;
  session.on("Debugger.scriptParsed", ({ params }) => scripts.set(params.scriptId, params.url));
  session.on("Debugger.paused", ({ params }) => {
    const place = placeOf(params.callFrames);
    if (params.reason === "OOM") {
      const limit = `${Math.round(settings.heapLimit / 2 ** 20)} MiB`;
      end(place, `the model's code needs more than the ${limit} of heap that it may use; raise --code-memory`);
    } else if (onPause !== null) {
      onPause(place);
    } else {
      // A `debugger` statement of the user's
      attached.post("Debugger.resume");
    }
  });
  session.post("Debugger.enable");
}

function placeOf(frames: readonly Debugger.CallFrame[]): Source | null {
  return innermostPlace(
    frames.map(({ location }) => ({
      file: scripts.get(location.scriptId) ?? "",
      line: location.lineNumber + 1,
      column: (location.columnNumber ?? 0) + 1,
    })),
  );
}

function end(place: Source | null, message: string): void {
  if (ending) return;
  ending = true;
  const file = evaluating?.file;
  reportFault({
    fault: "model",
    message: place === null && file !== undefined ? `${file}: ${message}` : message,
    source: place,
  });
  endProcessGroup();
}
