import type { ByteSource } from "../../formats/file";
import { readZip } from "../../formats/zip";
import { ModelError } from "../../graph/errors";
import type { Tensor } from "../../graph/tensor";
import { evaluateExpression } from "./expressions";
import { entries, extent, object, text, Unexpected } from "./json";
import { readProgram, readTensorMeta, type Program } from "./program";
import { elementTypeOf, readElements } from "./elements";

/**
 * A `.pt2` archive, as torch.export.save writes it: a zip of one folder, with the program as JSON, and each weight's
 * bytes in a file of its own.
 */

/** A program of more bytes is none that somebody exported: those of the largest models have some millions. */
const LARGEST_JSON = 64 << 20;
/** Elements that a weight may have beyond those in its file, where it repeats them. */
const MOST_REPEATED = 1 << 20;

const AGAIN = "export the model again with torch.export.save";

/** One weight's place in the archive, and its type. Weights of the same place are one. */
export interface StoredWeight {
  readonly name: string;
  /** What tells apart arrays that are not the same. */
  readonly place: string;
  readonly requiresGrad: boolean;
  /** Reads its elements. */
  readonly read: () => Tensor;
}

export interface Archive {
  readonly program: Program;
  readonly weights: ReadonlyMap<string, StoredWeight>;
}

/** Reads what the archive says; weights are read when they are asked for, while its file is open. */
export function readArchive(source: ByteSource): Archive {
  const members = readZip(source);
  const file = source.name;
  const [root, , model] = modelIn(members, file).split("/");
  const member = (path: string): ByteSource => {
    const found = members.get(`${root}/${path}`);
    if (found === undefined) throw new ModelError(`${file}: is damaged: it has no ${path}; ${AGAIN}`);
    // Members are stored as they are: what is larger than the archive has been packed by something else, or is a lie
    if (found.size > source.size) {
      throw new ModelError(`${file}: ${path} says that it is larger than the whole archive; ${AGAIN}`);
    }
    return found;
  };
  const order = member("byteorder");
  if (readText(order, 16).trim() !== "little") {
    throw new ModelError(`${file}: its numbers are not in little-endian order; export it on a little-endian machine`);
  }
  const json = <T>(path: string, read: (value: unknown) => T): T => {
    try {
      return read(parseJson(member(path)));
    } catch (error) {
      if (!(error instanceof Unexpected)) throw error;
      throw new ModelError(`${file}: ${path} cannot be read: ${error.message}; ${AGAIN}`);
    }
  };
  const program = json(`models/${model}`, readProgram);
  const name = model.slice(0, -".json".length);
  const weights = new Map<string, StoredWeight>();
  for (const folder of ["weights", "constants"]) {
    const path = `data/${folder}/${name}_${folder}_config.json`;
    const found = json(path, (config) => readConfig(config, { file, folder, member }));
    for (const weight of found) if (!weights.has(weight.name)) weights.set(weight.name, weight);
  }
  return { program, weights };
}

/** The path of the program, in the one folder that holds everything. Says so where the archive is another kind of file. */
function modelIn(members: ReadonlyMap<string, ByteSource>, file: string): string {
  const names = [...members.keys()];
  const models = names.filter((name) => /^[^/]+\/models\/[^/]+\.json$/.test(name));
  if (models.length === 1) return models[0];
  if (models.length > 1) {
    throw new ModelError(
      `${file}: holds ${models.length} models; save each with torch.export.save in a file of its own`,
    );
  }
  if (names.some((name) => name.includes("serialized_exported_program.json"))) {
    throw new ModelError(
      `${file}: was written by an older PyTorch, in a format that is not read; export the model again with PyTorch 2.13 or later`,
    );
  }
  if (names.some((name) => name.includes("aotinductor"))) {
    throw new ModelError(`${file}: is a compiled package without its graph; save the model with torch.export.save`);
  }
  throw new ModelError(`${file}: holds no exported program; save the model with torch.export.save`);
}

function readText(source: ByteSource, most: number): string {
  if (source.size > most) {
    throw new ModelError(`${source.name}: is larger than ${most} bytes, which it never is; ${AGAIN}`);
  }
  const bytes = Buffer.alloc(source.size);
  if (source.read(bytes, 0) < bytes.length) throw new ModelError(`${source.name}: is cut off; ${AGAIN}`);
  return bytes.toString("utf8");
}

function parseJson(source: ByteSource): unknown {
  const written = readText(source, LARGEST_JSON);
  try {
    return JSON.parse(written) as unknown;
  } catch {
    throw new Unexpected("it is no JSON");
  }
}

interface Payloads {
  readonly file: string;
  readonly folder: string;
  readonly member: (path: string) => ByteSource;
}

function readConfig(json: unknown, { file, folder, member }: Payloads): StoredWeight[] {
  return entries(object(json, "the list of weights").config, "config").flatMap(([name, value]): StoredWeight[] => {
    const payload = object(value, "a weight");
    // Objects that are no arrays
    if (payload.tensor_meta === null || payload.tensor_meta === undefined) return [];
    const path = text(payload.path_name, "path_name");
    if (!/^[\w-]+$/.test(path)) throw new Unexpected(`the weight ${name} is said to be in ${JSON.stringify(path)}`);
    const meta = readTensorMeta(payload.tensor_meta);
    const numbers = (sizes: typeof meta.sizes, what: string): number[] =>
      sizes.map((size) => extent(evaluateExpression(size, new Map()), `${what} of the weight ${name}`));
    const shape = numbers(meta.sizes, "a size");
    const strides = numbers(meta.strides, "a stride");
    const [offset] = numbers([meta.offset], "the offset");
    if (shape.length !== strides.length) throw new Unexpected(`the weight ${name} has sizes without strides`);
    const type = elementTypeOf(meta.scalarType);
    return [
      {
        name,
        place: [path, meta.scalarType, offset, shape, strides].join(" "),
        requiresGrad: meta.requiresGrad,
        read: () => {
          if (payload.use_pickle === true || type === null) {
            throw new ModelError(
              `${file}: the weight ${name} is no plain array of numbers (a quantised, sparse or complex one); ` +
                "convert it to float32 before the export",
            );
          }
          const stored = member(`data/${folder}/${path}`);
          const last = shape.reduce((end, size, axis) => end + (size - 1) * strides[axis], offset);
          const elements = shape.reduce((product, size) => product * size, 1);
          const available = stored.size / type.bytes;
          if (elements > 0 && (last >= available || elements > available + MOST_REPEATED)) {
            throw new ModelError(
              `${file}: the weight ${name} of shape [${shape.join(",")}] does not fit its file, which has ${stored.size} ` +
                `bytes; ${AGAIN}`,
            );
          }
          return readElements(stored, type, { name, shape, strides, offset });
        },
      },
    ];
  });
}
