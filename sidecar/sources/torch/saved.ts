import type { ByteSource } from "../../formats/file";
import { readZip } from "../../formats/zip";
import { Unexpected } from "./json";
import { PickledName, readPickle, type Pickled } from "./pickle";

/**
 * Arrays by name, as torch.save writes a dict of them: a zip of one folder, with a pickle that describes the arrays, and each
 * storage's bytes in a file of its own. Of the pickle's functions only those are known that such a dict has, and none is run.
 */

/** An array out of a storage; its numbers are not checked yet. */
export interface SavedArray {
  /** PyTorch's number of its element type; null for one that is no plain array of numbers. */
  readonly scalarType: number | null;
  readonly shape: readonly unknown[];
  readonly strides: readonly unknown[];
  /** Of the first element, in elements. */
  readonly offset: unknown;
  readonly requiresGrad: boolean;
  /** What tells its storage from others. */
  readonly path: string;
  readonly stored: () => ByteSource;
}

/** A pickle of more bytes describes more arrays than a model has. */
const LARGEST_PICKLE = 16 << 20;

/** Of `torch.FloatStorage` and so on; complex numbers can be stored, and not be read. */
const scalarTypes: Readonly<Record<string, number | null>> = {
  ByteStorage: 1,
  CharStorage: 2,
  ShortStorage: 3,
  IntStorage: 4,
  LongStorage: 5,
  HalfStorage: 6,
  FloatStorage: 7,
  DoubleStorage: 8,
  ComplexFloatStorage: null,
  ComplexDoubleStorage: null,
  BoolStorage: 12,
  BFloat16Storage: 13,
};

class Storage {
  constructor(
    readonly type: string,
    readonly key: string,
  ) {}
}

class Rebuilt {
  constructor(readonly array: SavedArray) {}
}

export function readSaved(source: ByteSource): Map<string, SavedArray> {
  // Nothing is written for what the program does not have
  if (source.size === 0) return new Map();
  const members = readZip(source);
  const described = [...members.keys()].find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (described === undefined) throw new Unexpected("it holds no data.pkl");
  const root = described.slice(0, -"data.pkl".length);
  const member = (path: string): ByteSource => {
    const found = members.get(`${root}${path}`);
    if (found === undefined) throw new Unexpected(`it has no ${path}`);
    if (found.size > source.size) throw new Unexpected(`${path} says that it is larger than all of it`);
    return found;
  };
  if (members.has(`${root}byteorder`)) expectLittleEndian(member("byteorder"));

  const rebuild = ([storage, offset, shape, strides, requiresGrad, , metadata]: readonly Pickled[]): Rebuilt => {
    if (!(storage instanceof Storage) || !Array.isArray(shape) || !Array.isArray(strides)) {
      throw new Unexpected("it has an array without a storage");
    }
    // Views that negate or conjugate what is stored
    const isChanged = metadata instanceof Map && metadata.size > 0;
    return new Rebuilt({
      scalarType: isChanged ? null : scalarTypes[storage.type],
      shape: shape as unknown[],
      strides: strides as unknown[],
      offset,
      requiresGrad: requiresGrad === true,
      path: storage.key,
      stored: () => member(`data/${storage.key}`),
    });
  };
  const parameter = ([data, requiresGrad]: readonly Pickled[]): Rebuilt => {
    if (!(data instanceof Rebuilt)) throw new Unexpected("it has a parameter without an array");
    return new Rebuilt({ ...data.array, requiresGrad: requiresGrad === true });
  };
  const calls: Readonly<Record<string, (args: readonly Pickled[]) => Pickled>> = {
    "collections.OrderedDict": () => new Map(),
    "torch._utils._rebuild_tensor_v2": rebuild,
    "torch._utils._rebuild_parameter": parameter,
    "torch._utils._rebuild_parameter_with_state": parameter,
  };
  const storageOf = (name: string): string => name.replace(/^torch\./, "");

  const pickled = readPickle(readAll(member("data.pkl"), LARGEST_PICKLE), {
    call: (name) => (Object.hasOwn(calls, name) ? calls[name] : null),
    isType: (name) => name.startsWith("torch.") && Object.hasOwn(scalarTypes, storageOf(name)),
    outside: (id) => {
      const [kind, type, key] = Array.isArray(id) ? (id as Pickled[]) : [];
      if (kind !== "storage" || !(type instanceof PickledName) || typeof key !== "string" || !/^\d+$/.test(key)) {
        throw new Unexpected("it has a storage without a place");
      }
      return new Storage(storageOf(type.name), key);
    },
  });
  if (!(pickled instanceof Map)) throw new Unexpected("it is no dict of arrays");
  const arrays = new Map<string, SavedArray>();
  for (const [name, value] of pickled as ReadonlyMap<Pickled, Pickled>) {
    if (typeof name === "string" && value instanceof Rebuilt) arrays.set(name, value.array);
  }
  return arrays;
}

/** @param source that says the byte order of others */
export function expectLittleEndian(source: ByteSource): void {
  if (readAll(source, 16).toString("utf8").trim() !== "little") {
    throw new Unexpected("its numbers are not in little-endian order");
  }
}

/** All of a member that has at most so many bytes. */
export function readAll(source: ByteSource, most: number): Buffer {
  if (source.size > most) throw new Unexpected(`it is larger than ${most} bytes, which it never is`);
  const bytes = Buffer.alloc(source.size);
  if (source.read(bytes, 0) < bytes.length) throw new Unexpected("it is cut off");
  return bytes;
}
