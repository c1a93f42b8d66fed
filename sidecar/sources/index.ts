import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { extname, resolve } from "node:path";
import { ModelError } from "../graph/errors";
import type { Model } from "./model";
import type { LoadRequest } from "./tfjs";

export type { LoadRequest } from "./tfjs";
export type { Model } from "./model";
export { parseInputOption, type InputOption } from "./inputs";

const CODE = [".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx"];

const SUPPORTED =
  `TensorFlow.js code (${CODE.join(" ")}), saved TensorFlow.js models (model.json), ONNX models (.onnx), ` +
  "PyTorch code (.py) and models that torch.export.save wrote (.pt2)";

/** Reads a model file of any kind that is supported. Throws a ModelError where the file or the model is at fault. */
export async function loadModel(request: LoadRequest): Promise<Model> {
  const file = resolve(request.file);
  if (!existsSync(file) || !statSync(file).isFile()) {
    const problem = existsSync(file) ? "is no file" : "does not exist";
    throw new ModelError(`${request.file} ${problem}; give the path of a model file: ${SUPPORTED}`);
  }
  const extension = extname(file).toLowerCase();
  if (extension === ".onnx") {
    const { loadOnnxModel } = await import("./onnx");
    return loadOnnxModel({ ...request, file });
  }
  if (CODE.includes(extension) || extension === ".json" || isJson(file)) {
    // TensorFlow.js takes a while to load: only where it is needed
    const { loadTfjsModel } = await import("./tfjs");
    return loadTfjsModel({ ...request, file });
  }
  if (extension === ".py") {
    const { loadPythonModel } = await import("./python");
    return loadPythonModel({ ...request, file });
  }
  if (extension === ".pt2") {
    const { loadTorchModel } = await import("./torch");
    return loadTorchModel({ ...request, file });
  }
  throw new ModelError(`${request.file} is no model file that can be read; supported are ${SUPPORTED}`);
}

/** A saved model under another name: what comes first is enough to tell, and a file of weights may be huge. */
function isJson(file: string): boolean {
  const start = Buffer.alloc(200);
  const descriptor = openSync(file, "r");
  try {
    return /^\s*\{/.test(start.subarray(0, readSync(descriptor, start)).toString("latin1"));
  } finally {
    closeSync(descriptor);
  }
}
