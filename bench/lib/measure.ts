import { measurePeak } from "../../sidecar/engines/peak";
import type { Failed, Measured, Task } from "./protocol";

/** The measuring side of a contender in JavaScript. bench/torch_jacobian.py does the same in Python. */

/** How many timed calls there are for a first call of that length. */
function repeats(firstSeconds: number): number {
  return Math.max(firstSeconds > 15 ? 2 : 3, Math.min(9, Math.floor(20 / firstSeconds)));
}

/**
 * Calls `compute` once with its peak memory measured, then several times for its time alone.
 *
 * @param compute returns the number of elements of the Jacobian, which is garbage when it has returned
 */
async function measure(compute: () => Promise<number>): Promise<Measured> {
  const clock = (): number => performance.now() / 1000;
  let start = clock();
  const { result: elements, addedBytes } = await measurePeak(compute);
  const firstSeconds = clock() - start;
  const seconds: number[] = [];
  for (let left = repeats(firstSeconds); left > 0; left--) {
    // The last result is given back outside of the measured time: started with --expose-gc
    gc?.();
    start = clock();
    await compute();
    seconds.push(clock() - start);
  }
  const { user, system } = process.cpuUsage();
  return { firstSeconds, seconds, peakBytes: addedBytes, elements, cpuSeconds: (user + system) / 1e6 };
}

/** A contender's whole program: reads its task, prepares, measures, prints. */
export async function contend(prepare: (task: Task) => Promise<() => Promise<number>>): Promise<void> {
  let result: Measured | Failed;
  try {
    result = await measure(await prepare(JSON.parse(process.argv[2]) as Task));
  } catch (error) {
    result = { cannot: (error as Error).message.split("\n")[0] };
  }
  process.stdout.write(`\n${JSON.stringify(result)}\n`);
}
