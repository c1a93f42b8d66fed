import { closeSync, openSync } from "node:fs";
import { modelProto } from "../../sidecar/engines/onnxruntime/onnx/schema";
import { readZip, ZipWriter } from "../../sidecar/formats/zip";

/** Real files made wrong: at any byte, and in what their bytes say, where plain bytes would only fail a checksum. */

export type Random = () => number;

export function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[below(random, choices.length)];
}

function below(random: Random, bound: number): number {
  return Math.floor(random() * bound);
}

/** Bytes that are changed, taken away, repeated or put in. */
export function mutateBytes(random: Random, bytes: Uint8Array): Uint8Array {
  let mutated = Buffer.from(bytes);
  for (let times = 1 + below(random, 3); times > 0; times--) mutated = mutateBytesOnce(random, mutated);
  return mutated;
}

const EXTREMES = [0, 1, -1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

function mutateBytesOnce(random: Random, bytes: Buffer): Buffer<ArrayBuffer> {
  const at = below(random, bytes.length);
  const length = Math.min(bytes.length - at, 1 + below(random, pick(random, [1, 8, 64, 1024])));
  const copy = Buffer.from(bytes);
  switch (below(random, 6)) {
    case 0:
      copy[at] ^= 1 << below(random, 8);
      return copy;
    case 1:
      return copy.fill(pick(random, [0, 0xff, below(random, 256)]), at, at + length);
    case 2:
      return copy.subarray(0, at);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 4:
      return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
    default: {
      const number = Buffer.alloc(8);
      number.writeBigInt64LE(BigInt(pick(random, EXTREMES)));
      number.copy(copy, at, 0, pick(random, [1, 2, 4, 8]));
      return copy;
    }
  }
}

const STRANGE = [
  null,
  true,
  -1,
  0,
  1,
  0.5,
  2 ** 31,
  2 ** 53,
  -(2 ** 31),
  1e300,
  "",
  "x",
  "../../../etc/passwd",
  "__proto__",
  "🦀".repeat(300),
  [],
  [[]],
  {},
  [1e9, 1e9, 1e9],
  [0],
  [-1],
];

type Place =
  { readonly in: unknown[]; readonly key: number } | { readonly in: Record<string, unknown>; readonly key: string };

/** A value of a tree that is replaced, left out, repeated, or exchanged with another one. The tree itself is changed. */
export function mutateTree(random: Random, tree: unknown): void {
  for (let times = 1 + below(random, 3); times > 0; times--) {
    const places = placesOf(tree);
    if (places.length === 0) return;
    const place = pick(random, places);
    const container = place.in as Record<string | number, unknown>;
    const value = container[place.key];
    switch (below(random, 6)) {
      case 0:
        container[place.key] = structuredClone(pick(random, STRANGE));
        break;
      case 1:
        if (Array.isArray(place.in)) place.in.splice(place.key as number, 1);
        else Reflect.deleteProperty(place.in, place.key);
        break;
      case 2:
        if (Array.isArray(place.in)) place.in.splice(place.key as number, 0, structuredClone(value));
        else container[pick(random, Object.keys(place.in))] = structuredClone(value);
        break;
      default:
        container[place.key] = mutateValue(random, value, places);
    }
  }
}

/** Of the same type, so that it is not refused at once. */
function mutateValue(random: Random, value: unknown, places: readonly Place[]): unknown {
  if (value instanceof Uint8Array) return value.length === 0 ? Buffer.of(1) : mutateBytes(random, value);
  const alike = places
    .map((place) => (place.in as Record<string | number, unknown>)[place.key])
    .filter((other) => typeof other === typeof value && Array.isArray(other) === Array.isArray(value));
  if (typeof value === "number" && random() < 0.7) {
    return pick(random, [0, 1, -1, -value, value + 1, value - 1, 2 * value, 1000 * value, 2 ** 31, 1e9]);
  }
  return structuredClone(pick(random, alike));
}

function placesOf(tree: unknown): Place[] {
  const places: Place[] = [];
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null || value instanceof Uint8Array) return;
    if (Array.isArray(value)) {
      value.forEach((each, key) => {
        places.push({ in: value, key });
        walk(each);
      });
    } else {
      for (const [key, each] of Object.entries(value)) {
        places.push({ in: value as Record<string, unknown>, key });
        walk(each);
      }
    }
  };
  walk(tree);
  return places;
}

export function mutateJson(random: Random, text: string): string {
  const tree: unknown = JSON.parse(text);
  mutateTree(random, tree);
  return JSON.stringify(tree);
}

/** An ONNX model with other messages in it, encoded as it should be. */
export function mutateOnnx(random: Random, bytes: Uint8Array): Uint8Array {
  const type = modelProto();
  const tree = type.toObject(type.decode(bytes), { longs: Number });
  mutateTree(random, tree);
  try {
    return type.encode(type.fromObject(tree)).finish();
  } catch {
    // What no message can hold
    return mutateBytes(random, bytes);
  }
}

/** Writes the archive again, with one of its members mutated, left out, given twice, or under another name. */
export function mutateArchive(random: Random, bytes: Uint8Array, target: string): void {
  const members = Array.from(
    readZip({ name: "archive", size: bytes.length, read: (into, position) => copyOf(bytes, into, position) }),
    ([name, member]) => {
      const content = Buffer.alloc(member.size);
      member.read(content, 0);
      return { name, content };
    },
  );
  const json = members.filter(({ name }) => name.endsWith(".json"));
  const chosen = random() < 0.8 && json.length > 0 ? pick(random, json) : pick(random, members);
  const what = random();
  if (what < 0.9) {
    chosen.content = chosen.name.endsWith(".json")
      ? Buffer.from(mutateJson(random, chosen.content.toString()))
      : Buffer.from(mutateBytes(random, chosen.content.length > 0 ? chosen.content : Buffer.of(0)));
  } else if (what < 0.94) {
    members.splice(members.indexOf(chosen), 1);
  } else if (what < 0.97) {
    members.push({ name: chosen.name, content: pick(random, members).content });
  } else {
    chosen.name = pick(random, [`../${chosen.name}`, `/${chosen.name}`, "", pick(random, members).name]);
  }
  const descriptor = openSync(target, "w");
  try {
    const writer = new ZipWriter(descriptor);
    for (const { name, content } of members) writer.add(name, [content]);
    writer.finish();
  } finally {
    closeSync(descriptor);
  }
}

function copyOf(bytes: Uint8Array, into: Uint8Array, position: number): number {
  const piece = bytes.subarray(position, position + into.length);
  into.set(piece);
  return piece.length;
}
