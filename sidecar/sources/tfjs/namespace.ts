import { customGrad } from "./custom-gradient";
import { FileHandler, fileRouter } from "./file-handler";
import { recordingBackend, registerKernel } from "./runtime";
import { tf } from "./tensorflow";

/**
 * What user code gets when it imports TensorFlow.js, by whatever name: our instance, which cannot be switched to
 * another backend.
 */

type Namespace = Record<string, unknown>;

let namespace: Namespace | null = null;

/** The module that `specifier` (which `tensorflowPackages` matches) stands for. */
export function tensorflowModule(specifier: string): Namespace {
  namespace ??= makeNamespace();
  return specifier.startsWith("@tensorflow/tfjs-data") ? (namespace.data as Namespace) : namespace;
}

function makeNamespace(): Namespace {
  recordingBackend();
  tf.io.registerLoadRouter(fileRouter);
  tf.io.registerSaveRouter(fileRouter);
  const own: Namespace = {};
  // Getters become plain properties: bundlers copy them, and user code may replace them.
  for (const key of Object.keys(tf)) own[key] = (tf as Namespace)[key];
  delete own.default;
  const nothing = (): void => undefined;
  return Object.assign(own, {
    Layer: tf.layers.Layer,
    setBackend: () => Promise.resolve(true),
    registerBackend: () => true,
    removeBackend: nothing,
    ready: () => Promise.resolve(),
    customGrad,
    registerKernel,
    setWasmPaths: nothing,
    setWasmPath: nothing,
    setThreadsCount: nothing,
    io: {
      ...tf.io,
      fileSystem: (path: string | string[]) => new FileHandler(Array.isArray(path) ? path[0] : path),
    },
    node: new Proxy({}, { get: (_target, name) => () => refuse(`tf.node.${String(name)}`) }),
  });
}

function refuse(name: string): never {
  throw new Error(`${name} is not available while a model is analysed; keep it out of the code that builds the model`);
}
