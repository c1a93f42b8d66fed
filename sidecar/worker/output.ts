import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** What V8 prints before it dies; the rest of that is pages of addresses. */
const death = /^(<--- (Last few GCs|JS stacktrace) --->|# Fatal (error|[Jj]ava[Ss]cript)|FATAL ERROR: )/;
/** Such a message begins with these lines. */
const opening = /^#?\s*$/;
const outOfHeap = /out of memory|Reached heap limit|invalid (size|table size|array length)|OOM/i;

export interface PassedOn {
  /** V8 has died because its heap was full, as far as its message has come by now. */
  readonly ranOutOfHeap: () => boolean;
}

/**
 * Passes what the worker prints on to our stderr, since none of it is a result. Left out are the pages that V8 prints
 * when it dies: the user gets a sentence instead.
 */
export function passOn(output: Readable, write: (text: string) => void): PassedOn {
  let dying = false;
  let outOfMemory = false;
  /** Lines with which such a message may be about to begin. */
  let held = "";
  const lines = createInterface({ input: output, crlfDelay: Infinity });
  lines.on("line", (line) => {
    dying ||= death.test(line);
    if (dying) {
      outOfMemory ||= outOfHeap.test(line);
    } else if (opening.test(line)) {
      held += `${line}\n`;
    } else {
      write(`${held}${line}\n`);
      held = "";
    }
  });
  lines.on("close", () => {
    if (!dying && held !== "") write(held);
  });
  return { ranOutOfHeap: () => outOfMemory };
}
