import { measurePeak } from "../../sidecar/engines/peak";
import type { Failed, Measured, Produced, Repeat, Task } from "./protocol";

/** The measuring side of a contender in JavaScript. bench/measuring.py does the same in Python. */

/**
 * Calls `compute` once with its peak memory measured, then several times for its time alone.
 *
 * @param compute its result, apart from what is returned, is garbage when it has returned
 */
async function measure(compute: () => Promise<Produced>, repeat: Repeat): Promise<Measured> {
  const clock = (): number => performance.now() / 1000;
  let start = clock();
  const { result, addedBytes } = await measurePeak(compute);
  const firstSeconds = clock() - start;
  const { elements, manner } = result;
  const checksum = result.checksum?.();
  const seconds: number[] = [];
  let spent = 0;
  while (seconds.length < repeat.least || (seconds.length < repeat.most && spent < repeat.seconds)) {
    // The last result is given back outside of the measured time: started with --expose-gc
    gc?.();
    start = clock();
    await compute();
    seconds.push(clock() - start);
    spent += seconds.at(-1)!;
  }
  const { user, system } = process.cpuUsage();
  return {
    firstSeconds,
    seconds,
    peakBytes: addedBytes,
    elements,
    checksum,
    manner,
    cpuSeconds: (user + system) / 1e6,
  };
}

/** A contender's whole program: reads its task, prepares, measures, prints. */
export async function contend(prepare: (task: Task) => Promise<() => Promise<Produced>>): Promise<void> {
  let result: Measured | Failed;
  try {
    const task = JSON.parse(process.argv[2]) as Task;
    result = await measure(await prepare(task), task.repeat);
  } catch (error) {
    result = { cannot: (error as Error).message.split("\n")[0] };
  }
  process.stdout.write(`\n${JSON.stringify(result)}\n`);
}
