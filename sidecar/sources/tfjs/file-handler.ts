import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { ModelError } from "../../graph/errors";
import type { Source } from "../../graph/graph";
import { sizeOf } from "../../graph/types";
import { damageIn } from "./damage";
import type { tf } from "./tensorflow";

/** Reads saved models from disk, and says what is wrong with them. */

type IOHandler = tf.io.IOHandler;
type ModelArtifacts = tf.io.ModelArtifacts;
type WeightEntry = tf.io.WeightsManifestEntry;

const bytesOfDtype: Record<string, number> = {
  float32: 4,
  int32: 4,
  bool: 1,
  complex64: 8,
  uint8: 1,
  uint16: 2,
  float16: 2,
};

/** The file `model.json` of a saved model, as it is parsed. */
export interface SavedModel {
  readonly file: string;
  readonly text: string;
  readonly kind: "layers" | "graph";
  readonly json: Record<string, unknown>;
}

/** Reads `model.json`; throws a ModelError where it is not a saved TensorFlow.js model. */
export function readSavedModel(file: string): SavedModel {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    throw new ModelError("the file cannot be read; check the path", start(file));
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ModelError(`the file is not JSON (${(error as Error).message}); save the model again`, {
      ...start(file),
      line: lineOfJsonError(error as Error, text),
    });
  }
  const kind = isRecord(json) ? kindOf(json) : null;
  if (!isRecord(json) || kind === null) {
    throw new ModelError(
      "the JSON is not a saved TensorFlow.js model: it has no modelTopology of a layers model or a graph model; " +
        "give the model.json that model.save() or tensorflowjs_converter wrote",
      start(file),
    );
  }
  return { file, text, kind, json };
}

function kindOf(json: Record<string, unknown>): "layers" | "graph" | null {
  const topology = json.modelTopology;
  if (!isRecord(topology)) return null;
  if (Array.isArray(topology.node)) return "graph";
  return isRecord(topology.model_config) || typeof topology.class_name === "string" ? "layers" : null;
}

/** `file://` URLs, as tfjs-node has them. */
export const fileRouter = (url: string | string[]): IOHandler => {
  const first = Array.isArray(url) ? url[0] : url;
  // TensorFlow.js's router takes null for "not mine", which its type does not say.
  return first.startsWith("file://") ? new FileHandler(first) : (null as unknown as IOHandler);
};

export class FileHandler implements IOHandler {
  private readonly path: string;

  constructor(pathOrUrl: string) {
    this.path = pathOrUrl.startsWith("file://") ? pathOf(pathOrUrl) : resolve(pathOrUrl);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is to be a rejection
  async load(): Promise<ModelArtifacts> {
    const file = existsSync(this.path) && statSync(this.path).isDirectory() ? join(this.path, "model.json") : this.path;
    return artifactsOf(readSavedModel(file));
  }

  save(artifacts: ModelArtifacts): Promise<tf.io.SaveResult> {
    mkdirSync(this.path, { recursive: true });
    const { weightData, weightSpecs, ...rest } = artifacts;
    const weights = weightData
      ? Buffer.from(Array.isArray(weightData) ? concatenate(weightData) : weightData)
      : Buffer.alloc(0);
    const manifest = [{ paths: ["weights.bin"], weights: weightSpecs ?? [] }];
    writeFileSync(join(this.path, "model.json"), JSON.stringify({ ...rest, weightsManifest: manifest }));
    writeFileSync(join(this.path, "weights.bin"), weights);
    return Promise.resolve({
      modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: "JSON" as const },
    });
  }
}

/** `file://./model` is a relative path to tfjs-node, though no URL allows that. */
function pathOf(url: string): string {
  return url.startsWith("file:///") && process.platform === "win32"
    ? fileURLToPath(url)
    : resolve(url.slice("file://".length));
}

/** The model's file and those of its weights. */
export function filesOf(model: SavedModel): string[] {
  return [model.file, ...manifestOf(model).flatMap(({ paths }) => paths.map((path) => shardOf(model, path)))];
}

interface WeightGroup {
  readonly paths: readonly string[];
  readonly weights: readonly WeightEntry[];
}

function manifestOf(model: SavedModel): WeightGroup[] {
  const manifest = model.json.weightsManifest;
  if (!Array.isArray(manifest)) {
    throw new ModelError("the saved model has no weightsManifest; save it again with its weights", start(model.file));
  }
  return manifest.map((group: unknown) => {
    const { paths, weights } = isRecord(group) ? group : {};
    if (!Array.isArray(paths) || !Array.isArray(weights) || !paths.every((path) => typeof path === "string")) {
      throw new ModelError(
        "an entry of weightsManifest lacks paths or weights; save the model again",
        placeOf(model, '"weightsManifest"'),
      );
    }
    return { paths, weights: weights.map((weight: unknown) => weightEntryOf(model, weight)) };
  });
}

function weightEntryOf(model: SavedModel, weight: unknown): WeightEntry {
  if (!isRecord(weight) || typeof weight.name !== "string" || !isQuantization(weight.quantization)) {
    throw new ModelError(
      "a weight of weightsManifest lacks a name, or has a quantization that is none; save the model again",
      placeOf(model, '"weightsManifest"'),
    );
  }
  const { name, shape, dtype, quantization } = weight;
  const stored = quantization?.dtype ?? dtype;
  const isShape = Array.isArray(shape) && shape.every((extent) => Number.isInteger(extent) && extent >= 0);
  if (!isShape || (dtype !== "string" && !Object.hasOwn(bytesOfDtype, String(stored)))) {
    throw new ModelError(
      `the weight ${name} has shape ${JSON.stringify(shape)} and dtype ${JSON.stringify(stored)}, which is not valid; ` +
        "save the model again",
      placeOf(model, JSON.stringify(name)),
    );
  }
  return weight as unknown as WeightEntry;
}

function isQuantization(value: unknown): value is WeightEntry["quantization"] {
  return value === undefined || (isRecord(value) && typeof value.dtype === "string");
}

/** Throws a ModelError where that is outside of the model's folder. */
function shardOf(model: SavedModel, path: string): string {
  const folder = dirname(model.file);
  const shard = join(folder, path);
  if (relative(folder, shard).startsWith("..") || path.includes("\0")) {
    throw new ModelError(
      `the weight file ${JSON.stringify(path)} is not in the model's folder; put it beside the model`,
      placeOf(model, JSON.stringify(path)),
    );
  }
  return shard;
}

/** The model's topology and weights in TensorFlow.js's own terms. Each shard is checked against the manifest. */
export function artifactsOf(model: SavedModel): ModelArtifacts {
  const { json } = model;
  const manifest = manifestOf(model);
  const buffers = manifest.flatMap((group) => readGroup(model, group));
  const weightSpecs = manifest.flatMap(({ weights }) => weights);
  const weightData = concatenate(buffers);
  refuseDamage(model, weightSpecs, weightData);
  return {
    modelTopology: json.modelTopology as object,
    weightSpecs,
    weightData,
    format: json.format as string,
    generatedBy: json.generatedBy as string,
    convertedBy: json.convertedBy as string,
    signature: json.signature as object,
    userDefinedMetadata: json.userDefinedMetadata as ModelArtifacts["userDefinedMetadata"],
    modelInitializer: json.modelInitializer as object,
    initializerSignature: json.initializerSignature as object,
    trainingConfig: json.trainingConfig as tf.io.TrainingConfig,
  };
}

function readGroup(model: SavedModel, { paths, weights }: WeightGroup): Uint8Array[] {
  const shards = paths.map((path) => {
    const shard = shardOf(model, path);
    try {
      return readFileSync(shard);
    } catch {
      throw new ModelError(
        `the weight file ${path} is missing beside the model; put it there or save the model again`,
        placeOf(model, JSON.stringify(path)),
      );
    }
  });
  const expected = weights.reduce((sum, weight) => sum + bytesOfWeight(weight), 0);
  const present = shards.reduce((sum, shard) => sum + shard.byteLength, 0);
  if (!Number.isNaN(expected) && expected !== present) {
    const files = paths.length === 1 ? `the weight file ${paths[0]} holds` : `${paths.join(", ")} hold`;
    throw new ModelError(
      `${files} ${present} bytes, but the model's weights take ${expected}: the ${
        present < expected ? "file is cut short" : "files do not belong together"
      }; copy it again or save the model again`,
      placeOf(model, JSON.stringify(paths[0] ?? "paths")),
    );
  }
  return shards;
}

function refuseDamage(model: SavedModel, weights: readonly WeightEntry[], data: ArrayBuffer): void {
  let offset = 0;
  for (const weight of weights) {
    const size = bytesOfWeight(weight);
    // Behind strings it is not known where a weight begins.
    if (Number.isNaN(size)) return;
    const damage = damageIn(weight, new Uint8Array(data, offset, size));
    if (damage !== null) {
      throw new ModelError(
        `the weight ${weight.name} holds ${damage.what} (element ${damage.index}): its file is damaged, or its training ` +
          "diverged; copy the weight files again or save the model again",
        placeOf(model, JSON.stringify(weight.name)),
      );
    }
    offset += size;
  }
}

/** Strings have no fixed size: NaN. */
function bytesOfWeight({ shape, dtype, quantization }: WeightEntry): number {
  return dtype === "string" ? NaN : sizeOf(shape) * bytesOfDtype[quantization?.dtype ?? dtype];
}

function concatenate(buffers: readonly (Uint8Array | ArrayBuffer)[]): ArrayBuffer {
  const arrays = buffers.map((buffer) => new Uint8Array(buffer));
  const whole = new Uint8Array(arrays.reduce((sum, array) => sum + array.byteLength, 0));
  let offset = 0;
  for (const array of arrays) {
    whole.set(array, offset);
    offset += array.byteLength;
  }
  return whole.buffer;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function start(file: string): Source {
  return { file, line: 1, column: 1 };
}

/** Where `text` stands in model.json, the beginning if it does not. */
export function placeOf({ file, text }: SavedModel, needle: string): Source {
  const position = text.indexOf(needle);
  if (position < 0) return start(file);
  const before = text.slice(0, position).split("\n");
  return { file, line: before.length, column: before[before.length - 1].length + 1 };
}

function lineOfJsonError(error: Error, text: string): number {
  const position = /position (\d+)/.exec(error.message);
  return position ? text.slice(0, Number(position[1])).split("\n").length : 1;
}
