/**
 * Bounds the arrays that user code makes. They lie outside V8's heap, whose limit therefore does not count them: code
 * that asks for too many gigabytes would take the machine down, or be ended by it without a word about the line. While
 * the bound is in force the constructors of arrays are replaced by proxies, so that the error is thrown at that line.
 */

type Constructor = new (...args: unknown[]) => object;
type Globals = Record<string, Constructor>;

const typedArrays = [
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
];
const buffers = ["ArrayBuffer", "SharedArrayBuffer"];
const nodeBuffers = ["alloc", "allocUnsafe", "allocUnsafeSlow"] as const;

export interface AllocationLimit {
  /** Bytes that all arrays together may take. */
  readonly bytes: number;
  /** The error to be thrown where an array of `bytes` would exceed the limit. */
  exceeded(bytes: number): Error;
  /** Collects garbage, so that only arrays in use are counted. */
  collectGarbage(): void;
}

/** Puts the limit in force; what it returns lifts it again. */
export function limitAllocations(limit: AllocationLimit): () => void {
  const globals = globalThis as unknown as Globals;
  const restore: (() => void)[] = [];
  let inForce = true;
  /** Asked for since the arrays were last counted: an upper bound of what they have grown by. */
  let uncounted = 0;
  let counted = process.memoryUsage().arrayBuffers;
  const atFirst = counted;

  const check = (bytes: number): void => {
    if (!inForce || !(bytes > 0)) return;
    uncounted += bytes;
    if (counted - atFirst + uncounted <= limit.bytes) return;
    if (bytes <= limit.bytes) {
      // Arrays found dead are freed on another thread, which the next collection waits for
      limit.collectGarbage();
      limit.collectGarbage();
      counted = process.memoryUsage().arrayBuffers;
      uncounted = bytes;
      if (counted - atFirst + bytes <= limit.bytes) return;
    }
    uncounted = 0;
    throw limit.exceeded(bytes);
  };

  const replace = (name: string, bytesOf: (argument: unknown) => number): void => {
    const original = globals[name];
    const prototype = original.prototype as { constructor: unknown };
    const proxy = new Proxy(original, {
      construct(target, args, newTarget): object {
        check(bytesOf(args[0]));
        return Reflect.construct(target, args, newTarget) as object;
      },
    });
    globals[name] = proxy;
    // Code that compares `array.constructor` with the global finds them equal, as always
    prototype.constructor = proxy;
    restore.push(() => {
      globals[name] = original;
      prototype.constructor = original;
    });
  };

  for (const name of buffers) replace(name, Number);
  for (const name of typedArrays) {
    const width = (globals[name] as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT;
    replace(name, (argument) => width * lengthOf(argument));
  }
  for (const name of nodeBuffers) {
    const original = Buffer[name].bind(Buffer) as (size: number, ...rest: unknown[]) => Buffer;
    Object.assign(Buffer, {
      [name]: (size: number, ...rest: unknown[]) => {
        check(size);
        return original(size, ...rest);
      },
    });
    restore.push(() => Object.assign(Buffer, { [name]: original }));
  }
  return () => {
    // Code may have kept a proxy; it lets everything pass from now on.
    inForce = false;
    restore.forEach((undo) => undo());
  };
}

/** Elements of the new array that a typed array's constructor makes of its first argument; a view makes none. */
function lengthOf(argument: unknown): number {
  if (typeof argument === "number") return argument;
  if (typeof argument !== "object" || argument === null) return 0;
  if (argument instanceof ArrayBuffer || argument instanceof SharedArrayBuffer) return 0;
  return (argument as { length?: number }).length ?? 0;
}
