import type { ByteSource } from "../../formats/file";
import { readZip } from "../../formats/zip";
import { ModelError } from "../../graph/errors";
import type { Tensor } from "../../graph/tensor";
import { evaluateExpression } from "./expressions";
import { entries, extent, object, text, Unexpected } from "./json";
import { readProgram, readTensorMeta, type Program } from "./program";
import { elementTypeOf, readElements } from "./elements";
import { expectLittleEndian, readAll, readSaved, type SavedArray } from "./saved";

/**
 * A `.pt2` archive, as torch.export.save writes it: a zip with the program as JSON, and the weights. From PyTorch 2.9 on each
 * weight's bytes are in a file of their own; before that all are in one file of torch.save.
 */

/** A program of more bytes is none that somebody exported: those of the largest models have some millions. */
const LARGEST_JSON = 64 << 20;
/** Elements that a weight may have beyond those in its file, where it repeats them. */
const MOST_REPEATED = 1 << 20;

/** Up to PyTorch 2.7. */
const BEFORE_FOLDERS: Paths = {
  root: "",
  program: "serialized_exported_program.json",
  weights: ["serialized_state_dict.pt", "serialized_constants.pt"],
};

const AGAIN = "export the model again with torch.export.save of PyTorch 2.6 or later";

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

/** Where an archive has what. */
interface Paths {
  /** What all paths begin with: a folder, or nothing. */
  readonly root: string;
  readonly program: string;
  /** Of parameters and buffers, and of constants. */
  readonly weights: readonly string[];
}

/** Reads what the archive says; weights are read when they are asked for, while its file is open. */
export function readArchive(source: ByteSource): Archive {
  const members = readZip(source);
  const file = source.name;
  const paths = pathsIn(members, file);
  const member = (path: string): ByteSource => {
    const found = members.get(`${paths.root}${path}`);
    if (found === undefined) throw new ModelError(`${file}: is damaged: it has no ${path}; ${AGAIN}`);
    // Members are stored as they are: what is larger than the archive has been packed by something else, or is a lie
    if (found.size > source.size) {
      throw new ModelError(`${file}: ${path} says that it is larger than the whole archive; ${AGAIN}`);
    }
    return found;
  };
  const reading = <T>(path: string, read: (stored: ByteSource) => T): T => {
    const stored = member(path);
    try {
      return read(stored);
    } catch (error) {
      if (!(error instanceof Unexpected)) throw error;
      throw new ModelError(`${file}: ${path} cannot be read: ${error.message}; ${AGAIN}`);
    }
  };
  if (paths !== BEFORE_FOLDERS) reading("byteorder", expectLittleEndian);
  const program = reading(paths.program, (stored) => readProgram(parseJson(stored)));
  const weights = new Map<string, StoredWeight>();
  for (const path of paths.weights) {
    const found = reading(path, (stored) => {
      if (path.endsWith(".json")) {
        return readConfig(parseJson(stored), { file, folder: path.slice(0, path.lastIndexOf("/")), member });
      }
      return Array.from(readSaved(stored), ([name, array]) => {
        return weightOf(file, name, {
          ...array,
          path: `${path} ${array.path}`,
          stored: () => reading(path, array.stored),
        });
      });
    });
    for (const weight of found) if (!weights.has(weight.name)) weights.set(weight.name, weight);
  }
  return { program, weights };
}

/** Says so where the archive is another kind of file. */
function pathsIn(members: ReadonlyMap<string, ByteSource>, file: string): Paths {
  const names = [...members.keys()];
  const models = names.filter((name) => /^[^/]+\/models\/[^/]+\.json$/.test(name));
  if (models.length > 1) {
    throw new ModelError(
      `${file}: holds ${models.length} models; save each with torch.export.save in a file of its own`,
    );
  }
  if (models.length === 1) {
    const [root, , model] = models[0].split("/");
    const name = model.slice(0, -".json".length);
    const weights = ["weights", "constants"].map((kind) => {
      // PyTorch 2.8 has the folders already, and in each of them one file
      const saved = `data/${kind}/${name}.pt`;
      return members.has(`${root}/${saved}`) ? saved : `data/${kind}/${name}_${kind}_config.json`;
    });
    return { root: `${root}/`, program: `models/${model}`, weights };
  }
  if (members.has(BEFORE_FOLDERS.program)) return BEFORE_FOLDERS;
  if (names.some((name) => name.includes("aotinductor"))) {
    throw new ModelError(`${file}: is a compiled package without its graph; save the model with torch.export.save`);
  }
  throw new ModelError(`${file}: holds no exported program; save the model with torch.export.save`);
}

function parseJson(source: ByteSource): unknown {
  const written = readAll(source, LARGEST_JSON).toString("utf8");
  try {
    return JSON.parse(written) as unknown;
  } catch {
    // Numbers that JSON has not are texts; PyTorch 2.6 writes them bare
    const texts = written.replace(/"[^"\\]*(?:\\[^][^"\\]*)*(?:"|$)|-?Infinity|NaN/g, (found) => {
      return found.startsWith('"') ? found : `"${found}"`;
    });
    try {
      return JSON.parse(texts) as unknown;
    } catch {
      throw new Unexpected("it is no JSON");
    }
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
    const numbers = (sizes: typeof meta.sizes): unknown[] => sizes.map((size) => evaluateExpression(size, new Map()));
    return [
      weightOf(file, name, {
        scalarType: payload.use_pickle === true ? null : meta.scalarType,
        shape: numbers(meta.sizes),
        strides: numbers(meta.strides),
        offset: numbers([meta.offset])[0],
        requiresGrad: meta.requiresGrad,
        path,
        stored: () => member(`${folder}/${path}`),
      }),
    ];
  });
}

/** A weight of the model, checked before anything of its size is made. */
function weightOf(file: string, name: string, array: SavedArray): StoredWeight {
  const { scalarType, path, requiresGrad } = array;
  const extents = (values: readonly unknown[], what: string): number[] =>
    values.map((value) => extent(value, `${what} of the weight ${name}`));
  const shape = extents(array.shape, "a size");
  const strides = extents(array.strides, "a stride");
  const [offset] = extents([array.offset], "the offset");
  if (shape.length !== strides.length) throw new Unexpected(`the weight ${name} has sizes without strides`);
  const type = scalarType === null ? null : elementTypeOf(scalarType);
  return {
    name,
    place: [path, scalarType, offset, shape, strides].join(" "),
    requiresGrad,
    read: () => {
      if (type === null) {
        throw new ModelError(
          `${file}: the weight ${name} is no plain array of numbers (a quantised, sparse or complex one); ` +
            "convert it to float32 before the export",
        );
      }
      const stored = array.stored();
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
  };
}
