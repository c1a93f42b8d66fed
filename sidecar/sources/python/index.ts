import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { ModelError } from "../../graph/errors";
import type { Source } from "../../graph/graph";
import type { Model } from "../model";
import type { LoadRequest } from "../tfjs";
import { loadTorchModel } from "../torch";
import { discoverInPython, wholesOf, type PythonModel } from "./discover";
import { runProgram, userPython, type ProgramRequest, type ProgramResult } from "./program";

export { discoverInPython, mayHoldPythonModels, type PythonModel } from "./discover";

/**
 * Reads a model of a Python file, with the user's own Python and PyTorch: that exports it, and the export is read as any
 * archive is. Names and lines are those of the user's code.
 */
export async function loadPythonModel(request: LoadRequest): Promise<Model> {
  const file = resolve(request.file);
  const models = discoverInPython(readFileSync(file, "utf8"));
  const name = request.export ?? onlyModel(file, models);
  const source = placeOfModel(file, name, models);
  const python = userPython(request.python ?? null);
  const folder = mkdtempSync(join(request.scratch ?? tmpdir(), "kernelscope-python-"));
  try {
    request.onRead?.([file]);
    const modelOf = async ({ files: imported, note }: ProgramResult): Promise<Model> => {
      const files = [file, ...imported.filter((each) => each !== file)];
      request.onRead?.(files);
      const model = await read(join(folder, "model.pt2"), request, file, source);
      const notes = note === null ? {} : { notes: [note] };
      return { ...model, file, export: name, format: "torch-code", source, files, ...notes };
    };
    let early: Promise<Model> | null = null;
    const onExported = (exported: ProgramResult): void => {
      early = modelOf(exported);
      // An error is met again when the program has ended
      early.then(request.onModel, () => undefined);
    };
    const asked: ProgramRequest = {
      file,
      export: name,
      inputs: request.inputs,
      seconds: request.timeLimit ?? null,
      probe: request.probe === true && typeof request.batch === "number" ? request.batch : null,
    };
    const result = await runProgram(python, folder, asked, onExported);
    if (result.error !== null) {
      request.onRead?.([file, ...result.files]);
      throw new ModelError(result.error.message, result.error.source);
    }
    const model = await (early ?? modelOf(result));
    return result.pytorch === null ? model : { ...model, pytorch: result.pytorch };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What is wrong with the archive, which the user has not asked for, is told of the model. */
async function read(archive: string, { batch }: LoadRequest, file: string, source: Source): Promise<Model> {
  try {
    return await loadTorchModel({ file: archive, export: null, inputs: [], batch });
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    const message = error.message.replace(`${archive}: `, "").replace(archive, file);
    throw new ModelError(message, error.source ?? source);
  }
}

/** The model that is meant where none is named: the only one that is no part of another; made ones come first. */
function onlyModel(file: string, models: readonly PythonModel[]): string {
  const wholes = wholesOf(models);
  if (wholes.length === 1) return wholes[0].name;
  const start = { file, line: 1, column: 1 };
  if (models.length === 0) {
    throw new ModelError(
      `no torch.nn.Module is defined or made here; name what makes one, as in ${basename(file)}#make_model(16)`,
      start,
    );
  }
  const list = models.map(({ name, kind, takes, line }) => {
    return `${name}${kind === "instance" ? "" : `(${takes.join(", ")})`} (line ${line})`;
  });
  throw new ModelError(
    `there are several models here; name one, as in ${basename(file)}#${models[0].name}: ${list.join(", ")}`,
    start,
  );
}

/** Where what EXPORT begins with is bound. */
function placeOfModel(file: string, name: string, models: readonly PythonModel[]): Source {
  const [root] = /^[^\s.(]*/.exec(name.trim())!;
  const model = models.find((each) => each.name === root);
  return { file, line: model?.line ?? 1, column: model?.column ?? 1 };
}
