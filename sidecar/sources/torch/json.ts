/** Checked access to JSON that somebody else wrote. */

export type JsonObject = Readonly<Record<string, unknown>>;

/** The JSON is not what the format says; the message says what is missing, in a few words. */
export class Unexpected extends Error {}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export function object(value: unknown, what: string): JsonObject {
  if (!isObject(value)) throw new Unexpected(`${what} is no object`);
  return value;
}

export function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Unexpected(`${what} is no list`);
  return value as unknown[];
}

export function text(value: unknown, what: string): string {
  if (typeof value !== "string") throw new Unexpected(`${what} is no text`);
  return value;
}

export function integer(value: unknown, what: string): number {
  if (typeof value !== "number" || !Number.isInteger(value)) throw new Unexpected(`${what} is no integer`);
  return value;
}

/** A number that is not negative, and small enough to count elements of an array. */
export function extent(value: unknown, what: string): number {
  const size = integer(value, what);
  if (size < 0 || size > Number.MAX_SAFE_INTEGER) throw new Unexpected(`${what} is ${size}`);
  return size;
}

/** The entries of an object whose keys are names. */
export function entries(value: unknown, what: string): [string, unknown][] {
  return Object.entries(object(value ?? {}, what));
}

/** Of a union `{"as_tensor": ...}`: its only key, and what stands there. */
export function variant(value: unknown, what: string): [string, unknown] {
  const members = Object.entries(object(value, what)).filter(([, member]) => member !== null);
  if (members.length !== 1) throw new Unexpected(`${what} has ${members.length} kinds`);
  return members[0];
}
