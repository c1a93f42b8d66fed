import { accessSync, constants } from "node:fs";
import { dirname } from "node:path";
import { reasonOf, withFile } from "../formats/file";
import { readNpy, tensorOf, type NpyArray } from "../formats/npy";
import { readNpz } from "../formats/npz";
import { isZip } from "../formats/zip";
import { ModelError } from "../graph/errors";
import type { Tensor } from "../graph/tensor";
import { formatShape, sameShape } from "../graph/types";
import type { JacobianInputs } from "../protocol/messages";
import type { Model } from "../sources";
import { randomInputs } from "./random-inputs";

/** Examples to compute at, from the user's files. */

export interface GivenInputs {
  readonly batch: number;
  /** By the model's names of its inputs. */
  readonly tensorsFor: (model: Model) => Map<string, Tensor>;
}

/** The number of examples, and the inputs of a model once it is known. */
export function readInputs(inputs: JacobianInputs): GivenInputs {
  if (inputs.kind === "random") {
    const { batch, seed } = inputs;
    return { batch, tensorsFor: (model) => randomInputs(model, batch, seed) };
  }
  const { file } = inputs;
  const arrays = readArrays(file);
  const batch = arrays.values().next().value?.shape[0] ?? 1;
  if (batch === 0) throw new ModelError(`${file}: holds no examples; its first axis is the batch`);
  return { batch, tensorsFor: (model) => matchInputs(model, arrays, batch, file) };
}

/** The arrays of a .npy file (named "") or an .npz file. */
function readArrays(file: string): Map<string, NpyArray> {
  return withFile(file, (source) => {
    if (!isZip(source)) return new Map([["", readNpy(source)]]);
    return new Map(Array.from(readNpz(source), ([name, member]) => [name, readNpy(member)]));
  });
}

/** The model's inputs as tensors with the batch axis first, checked against what it takes. */
function matchInputs(model: Model, arrays: Map<string, NpyArray>, batch: number, file: string): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const { name, shape, dtype } of model.inputs) {
    const array = arrays.get(name) ?? (model.inputs.length === 1 ? arrays.values().next().value : undefined);
    if (array === undefined) {
      throw new ModelError(
        `${file}: has no array ${name}; save one array for each input with numpy.savez(file, ${name}=...)`,
      );
    }
    const expected = [batch, ...shape];
    if (!sameShape(array.shape, expected)) {
      const wanted = `[N${shape.map((extent) => `,${extent}`).join("")}]`;
      throw new ModelError(
        `${array.name}: has shape ${formatShape(array.shape)}, but the input ${name} takes ${wanted}`,
      );
    }
    const tensor = tensorOf(array, dtype);
    if (tensor === null) {
      throw new ModelError(
        `${array.name}: holds ${array.type}, but the input ${name} takes ${dtype}; convert it with .astype("${dtype}")`,
      );
    }
    tensors.set(name, tensor);
  }
  return tensors;
}

/** Better before the work than after it. */
export function checkFolder(path: string): void {
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch (error) {
    throw new ModelError(`${path}: cannot be written (${reasonOf(error)}).`);
  }
}
