import { withFile } from "../../formats/file";
import { ModelError } from "../../graph/errors";
import type { Model } from "../model";
import type { LoadRequest } from "../tfjs";
import { readArchive } from "./archive";
import { assembleModel, weightsOf } from "./assemble";

/** Reads a model that torch.export.save has written. Its code is not needed, and nothing of the archive is run. */
export async function loadTorchModel({ file, export: name, inputs, batch }: LoadRequest): Promise<Model> {
  if (name !== null) throw new ModelError(`${file}: an archive has one model; leave out #${name}`);
  try {
    const { program, weights } = withFile(file, (source) => {
      const archive = readArchive(source);
      return { program: archive.program, weights: weightsOf(archive.program, archive.weights) };
    });
    return await assembleModel({
      file,
      program,
      weights,
      options: inputs,
      batch: typeof batch === "number" ? batch : () => batch(null),
    });
  } catch (error) {
    // Sizes or a depth that no array and no program has
    if (error instanceof RangeError) {
      throw new ModelError(
        `${file}: is damaged, or beyond what can be read (${error.message}); export the model again`,
      );
    }
    throw error;
  }
}
