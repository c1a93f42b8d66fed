import { accessSync, constants, existsSync } from "node:fs";
import { dirname } from "node:path";
import { reasonOf, withFile } from "../formats/file";
import { isFolder, listImages, readImages, type ImageFolder } from "../formats/images";
import { readNpy, tensorOf, type NpyArray } from "../formats/npy";
import { readNpz } from "../formats/npz";
import { isZip } from "../formats/zip";
import { ModelError } from "../graph/errors";
import type { Tensor } from "../graph/tensor";
import { formatShape, newArray, sameShape, type DType } from "../graph/types";
import type { JacobianInputs } from "../protocol/messages";
import type { Labels } from "../protocol/ntk";
import type { LoadRequest, Model } from "../sources";
import { isCodeFile } from "../sources/tfjs/bindings";
import { evaluateExamples, type CodeExamples, type ExamplesBinding } from "../sources/tfjs/examples";
import { randomInputs } from "./random-inputs";

/** Examples to compute at: from the user's files, from their code, or random. */

/** By the model's names of its inputs. */
export type Inputs = ReadonlyMap<string, Tensor>;

export interface GivenInputs {
  readonly batch: number;
  /** By the model's names of its inputs. */
  readonly tensorsFor: (model: Pick<Model, "file" | "inputs">) => Map<string, Tensor>;
  /** What the examples are called where they have names. */
  readonly names: readonly string[] | null;
  readonly labels: Labels | null;
}

/** Evaluates and traces the model, for so many examples, under the limits of user code; other files' code runs there too. */
export type Load = (batch: LoadRequest["batch"], others?: readonly string[]) => Promise<Model>;

/**
 * The model and the examples of each source. Files are read first; code is run with the model's, since both may be one.
 *
 * @param batchFor how many examples the model is traced for, given how many the first source has
 */
export async function loadWithInputs(
  load: Load,
  sources: readonly JacobianInputs[],
  batchFor: (count: number) => number,
): Promise<{ readonly model: Model; readonly given: readonly GivenInputs[] }> {
  const parts = sources.map((source) => bindingOf(source) ?? readInputs(source));
  const bindings = parts.filter((part): part is ExamplesBinding => "export" in part);
  let given = parts.filter((part): part is GivenInputs => "batch" in part);
  if (bindings.length === 0) return { model: await load(batchFor(given[0].batch)), given };
  const model = await load(
    async (own) => {
      const examples = await evaluateExamples(bindings, own);
      given = parts.map((part) =>
        "export" in part ? fromCode(examples[bindings.indexOf(part)], `${part.file}#${part.export}`) : part,
      );
      return batchFor(given[0].batch);
    },
    bindings.map(({ file }) => file),
  );
  return { model, given };
}

/** `data.ts#digits`; null for what is a file or folder, whatever is in its name. */
function bindingOf(source: JacobianInputs): ExamplesBinding | null {
  if (source.kind !== "file" || existsSync(source.file)) return null;
  const hash = source.file.indexOf("#");
  const file = source.file.slice(0, hash);
  return hash > 0 && isCodeFile(file) ? { file, export: source.file.slice(hash + 1) } : null;
}

function fromCode({ count, arrays, labels }: CodeExamples, name: string): GivenInputs {
  const given = new Map(
    Array.from(arrays, ([input, tensor]): [string, GivenArray] => {
      const hint = "make the array with that type";
      return [
        input,
        { ...tensor, name, type: tensor.dtype, hint: () => hint, as: (dtype) => converted(tensor, dtype) },
      ];
    }),
  );
  const missing = (input: string): string => `make ${name} an object with a tensor for each input, { ${input}: ... }`;
  return {
    batch: count,
    tensorsFor: (model) => matchInputs(model, given, count, { name, missing }),
    names: null,
    labels,
  };
}

/** Only where no number changes. */
function converted({ shape, dtype, data }: Tensor, wanted: DType): Tensor | null {
  if (dtype === wanted) return { shape, dtype, data };
  const numbers = newArray(wanted, data.length);
  numbers.set(data);
  const isSame = numbers.every((number, index) => number === data[index] && (wanted !== "bool" || number <= 1));
  return isSame ? { shape, dtype: wanted, data: numbers } : null;
}

/** The number of examples, and the inputs of a model once it is known: of files, and of random numbers. */
export function readInputs(inputs: JacobianInputs): GivenInputs {
  if (inputs.kind === "random") {
    const { batch, seed } = inputs;
    return { batch, tensorsFor: (model) => randomInputs(model, batch, seed), names: null, labels: null };
  }
  const { file } = inputs;
  if (isFolder(file)) {
    const images = listImages(file);
    const { names, labels } = images;
    return { batch: names.length, tensorsFor: (model) => imagesFor(model, images), names, labels };
  }
  if (isCodeFile(file)) throw new ModelError(`${file}: name what holds the examples, as in ${file}#examples`);
  const arrays = readArrays(file);
  const batch = arrays.values().next().value?.shape[0] ?? 1;
  if (batch === 0) throw new ModelError(`${file}: holds no examples; its first axis is the batch`);
  const missing = (input: string): string => `save one array for each input with numpy.savez(file, ${input}=...)`;
  const tensorsFor: GivenInputs["tensorsFor"] = (model) => matchInputs(model, arrays, batch, { name: file, missing });
  return { batch, tensorsFor, names: null, labels: null };
}

/** The images [N, H, W, C], from 0 to 1, for a model of images. */
function imagesFor({ inputs }: Pick<Model, "inputs">, images: ImageFolder): Map<string, Tensor> {
  const [{ name, shape, dtype }] = inputs;
  const [height, width, channels] = shape;
  if (inputs.length !== 1 || shape.length !== 3 || ![1, 3].includes(channels) || dtype !== "float32") {
    const takes = inputs.map((input) => `${input.dtype}[N${input.shape.map((extent) => `,${extent}`).join("")}]`);
    throw new ModelError(
      `${images.folder}: is a folder of images, which are for one input float32[N,height,width,1 or 3], but the model takes ${takes.join(", ")}; ` +
        "make an array of them",
    );
  }
  const data = readImages(images, [height, width, channels]);
  return new Map([[name, { shape: [images.names.length, ...shape], dtype, data }]]);
}

interface GivenArray {
  /** What messages call it. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: string;
  /** How to make it one of another type. */
  readonly hint: (dtype: DType) => string;
  /** Null where numbers would change. */
  readonly as: (dtype: DType) => Tensor | null;
}

/** The arrays of a .npy file (named "") or an .npz file. */
function readArrays(file: string): Map<string, GivenArray> {
  const given = (array: NpyArray): GivenArray => ({
    ...array,
    hint: (dtype) => `convert it with .astype("${dtype}")`,
    as: (dtype) => tensorOf(array, dtype),
  });
  return withFile(file, (source) => {
    if (!isZip(source)) return new Map([["", given(readNpy(source))]]);
    return new Map(Array.from(readNpz(source), ([name, member]) => [name, given(readNpy(member))]));
  });
}

/** The model's inputs as tensors with the batch axis first, checked against what it takes. */
function matchInputs(
  { inputs }: Pick<Model, "inputs">,
  arrays: ReadonlyMap<string, GivenArray>,
  batch: number,
  from: { readonly name: string; readonly missing: (input: string) => string },
): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const { name, shape, dtype } of inputs) {
    const array = arrays.get(name) ?? (inputs.length === 1 ? arrays.values().next().value : undefined);
    if (array === undefined) throw new ModelError(`${from.name}: has no array ${name}; ${from.missing(name)}`);
    const expected = [batch, ...shape];
    if (!sameShape(array.shape, expected)) {
      const wanted = `[N${shape.map((extent) => `,${extent}`).join("")}]`;
      throw new ModelError(
        `${array.name}: has shape ${formatShape(array.shape)}, but the input ${name} takes ${wanted}`,
      );
    }
    const tensor = array.as(dtype);
    if (tensor === null) {
      throw new ModelError(
        `${array.name}: holds ${array.type}, but the input ${name} takes ${dtype}; ${array.hint(dtype)}`,
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
