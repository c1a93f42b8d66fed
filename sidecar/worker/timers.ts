/**
 * What user code has put off to later (a server, a training loop, progress that is printed each second) has no place
 * beside the computation that follows: no time limit holds there, and it would take the processor away.
 */

type Schedule = (callback: unknown, ...rest: unknown[]) => object;

/** Keeps account of the timers that are set from now on; what it returns stops those that have not fired yet. */
export function accountForTimers(): () => void {
  const globals = globalThis as unknown as Record<string, Schedule>;
  const pending = new Map<object, (timer: object) => void>();
  const restore: (() => void)[] = [];

  const replace = (name: string, clear: (timer: object) => void, isRepeated: boolean): void => {
    const original = globals[name];
    // A proxy, for the properties that `promisify` looks for
    globals[name] = new Proxy(original, {
      apply(target, self, [callback, ...rest]: [unknown, ...unknown[]]): object {
        function fired(this: unknown, ...args: unknown[]): unknown {
          if (!isRepeated) pending.delete(timer);
          return Reflect.apply(callback as (...args: unknown[]) => unknown, this, args);
        }
        const timer = Reflect.apply(target, self, [typeof callback === "function" ? fired : callback, ...rest]);
        pending.set(timer, clear);
        return timer;
      },
    });
    restore.push(() => (globals[name] = original));
  };

  replace("setTimeout", clearTimeout as (timer: object) => void, false);
  replace("setInterval", clearInterval as (timer: object) => void, true);
  replace("setImmediate", clearImmediate as (timer: object) => void, false);
  return () => {
    for (const [timer, clear] of pending) clear(timer);
    restore.forEach((undo) => undo());
  };
}
