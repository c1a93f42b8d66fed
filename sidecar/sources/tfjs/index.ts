import { resolve } from "node:path";
import { ModelError } from "../../graph/errors";
import type { Model } from "../model";
import { assembleModel, type Description } from "./assemble";
import { loadBatchingRules, ruleProblems } from "./batching-rules";
import { isCodeFile, readCode, topLevelBindings } from "./bindings";
import { evaluate } from "./bundle";
import type { CodeFile } from "./examples";
import { namedExport, onlyExport } from "./exports";
import { artifactsOf, filesOf, placeOf, readSavedModel, type SavedModel } from "./file-handler";
import { functionSubject } from "./function";
import { graphModelSubject } from "./graph-model";
import type { InputOption } from "../inputs";
import { layersModelSubject } from "./layers-model";
import { forgetOpaque } from "./opaque-trace";
import { recordingBackend } from "./runtime";
import { tf } from "./tensorflow";
import { ReadWhileTracing } from "./trace";
import { asModelError } from "./tracing";
import { forgetVariables } from "./variables";

export { parseInputOption, type InputOption } from "../inputs";
export type { CodeFile } from "./examples";
export { TfjsOpaqueHost } from "./opaque";

export interface LoadRequest {
  readonly file: string;
  readonly export: string | null;
  readonly inputs: readonly InputOption[];
  /**
   * The number of examples that is analysed: a model whose examples are coupled is traced at it. Or what finds it out once
   * the model's code has been run, which is given to it: null for a saved model.
   */
  readonly batch: number | ((own: CodeFile | null) => Promise<number>);
  /** Told of the files of the user's own whose code is about to be run, also where that fails. */
  readonly onRead?: (files: readonly string[]) => void;
  /** Code files with batching rules for operations that only TensorFlow.js can run. */
  readonly batchingRules?: readonly string[];
  /** The Python that a Python file is for; by default that of the environment. */
  readonly python?: string | null;
  /** Whether the PyTorch of a Python file is asked what it would do with `batch` examples. */
  readonly probe?: boolean;
  /** Told of the model of a Python file before its PyTorch is asked, which takes a while. */
  readonly onModel?: (model: Model) => void;
  /** Where another program's files go, which may be large; by default to the system's folder for such. */
  readonly scratch?: string;
  /** Seconds that another program may take to evaluate the model; by default as long as it takes. */
  readonly timeLimit?: number;
}

/** Reads a TensorFlow.js model, from code or as it was saved. */
export async function loadTfjsModel(request: LoadRequest): Promise<Model> {
  const file = resolve(request.file);
  recordingBackend();
  forgetOpaque();
  // What is about to be run is told more than once: the model's files, and those of each file of rules
  const read: string[] = [];
  const onRead = (files: readonly string[]): void => {
    read.push(...files);
    request.onRead?.([...read]);
  };
  let ruleFiles: string[] = [];
  const loadRules = async (): Promise<void> => {
    ruleFiles = await loadBatchingRules(request.batchingRules ?? [], onRead);
  };
  const asked = { ...request, file, onRead, loadRules };
  const model = await (isCodeFile(file) ? loadCode(asked) : loadSaved(asked));
  const problems = ruleProblems();
  return {
    ...model,
    files: [...model.files, ...ruleFiles.filter((each) => !model.files.includes(each))],
    ...(problems.length > 0 ? { ruleProblems: problems } : {}),
  };
}

/** Rules are for the tracing of a model whose code has been run: it may register the operations that they are for. */
interface RuleLoading extends LoadRequest {
  readonly loadRules: () => Promise<void>;
}

async function loadCode(request: RuleLoading): Promise<Model> {
  const { file, inputs } = request;
  const code = readCode(file);
  forgetVariables();
  const bindings = await topLevelBindings(file, code);
  try {
    const evaluated = await evaluate(file, code, bindings, request.onRead);
    const { name, value, source } =
      request.export === null
        ? await onlyExport(file, evaluated, bindings)
        : await namedExport(file, request.export, evaluated, bindings);
    const batch = await batchOf(request, { file, evaluated, bindings });
    await request.loadRules();
    const { files } = evaluated;
    const description = { file, export: name, format: "tfjs-code", source, files } as const;
    if (value instanceof tf.GraphModel) return await assembleGraphModel(value, { ...request, batch }, description);
    const subject =
      value instanceof tf.LayersModel
        ? layersModelSubject(value, inputs)
        : functionSubject(value, name, inputs, evaluated.bindings, source);
    return await assembleModel(subject, description, batch);
  } catch (error) {
    throw asModelError(error, { file, line: 1, column: 1 });
  }
}

function batchOf({ batch }: LoadRequest, own: CodeFile | null): number | Promise<number> {
  return typeof batch === "number" ? batch : batch(own);
}

async function loadSaved(request: RuleLoading): Promise<Model> {
  const saved = readSavedModel(request.file);
  if (request.export !== null) {
    throw new ModelError(`a saved model has no binding ${request.export}; leave out #${request.export}`);
  }
  const batch = await batchOf(request, null);
  await request.loadRules();
  const artifacts = artifactsOf(saved);
  const handler = tf.io.fromMemory(artifacts);
  const source = placeOf(saved, '"modelTopology"');
  const description = { file: request.file, export: null, source, files: filesOf(saved) };
  if (saved.kind === "layers") {
    let model: tf.LayersModel;
    try {
      model = await tf.loadLayersModel(handler);
    } catch (error) {
      throw unreadable(error, saved);
    }
    return assembleModel(layersModelSubject(model, request.inputs), { ...description, format: "tfjs-layers" }, batch);
  }
  let model: tf.GraphModel;
  try {
    model = await tf.loadGraphModel(handler);
  } catch (error) {
    throw unreadable(error, saved);
  }
  return assembleGraphModel(model, { ...request, batch }, { ...description, format: "tfjs-graph" });
}

/** Constants that the model reads as numbers while it runs are no parameters: it is traced again without them. */
async function assembleGraphModel(
  model: tf.GraphModel,
  request: Pick<LoadRequest, "inputs"> & { readonly batch: number },
  description: Description,
): Promise<Model> {
  const concrete = new Set<string>();
  for (;;) {
    try {
      return await assembleModel(graphModelSubject(model, request.inputs, concrete), description, request.batch);
    } catch (error) {
      if (!(error instanceof ReadWhileTracing) || error.weight === null || concrete.has(error.weight)) throw error;
      concrete.add(error.weight);
    }
  }
}

/** What TensorFlow.js says of a topology that it does not understand, at its place in the JSON. */
function unreadable(error: unknown, saved: SavedModel): ModelError {
  if (error instanceof ModelError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const unknown = /Unknown layer: (\S+?)\./.exec(message);
  if (unknown) {
    return new ModelError(
      `the saved model has a layer of the class ${unknown[1]}, which TensorFlow.js does not know; register the class ` +
        "with tf.serialization.registerClass in a code file that loads this model, and analyse that file",
      placeOf(saved, JSON.stringify(unknown[1])),
    );
  }
  return new ModelError(
    `TensorFlow.js cannot build the saved model (${message.trim()}); save it again`,
    placeOf(saved, "modelTopology"),
  );
}
