import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { compileFunction, constants } from "node:vm";
import * as esbuild from "esbuild";
import type { BuildFailure, Metafile, Plugin } from "esbuild";
import { loaderOf, type Binding } from "./bindings";
import { tensorflowModule } from "./namespace";
import { tensorflowPackages } from "./packages";
import { forgetBundle, registerBundle } from "./places";
import { syntaxError } from "./syntax-error";

/** Bundles a code file of the user's and evaluates it, so that its imports of TensorFlow.js reach our instance. */

/** A file's top-level bindings and exports, after it has run. */
export interface Evaluated {
  /** Reads a top-level binding, which may have been assigned since. */
  readonly bindings: Readonly<Record<string, () => unknown>>;
  readonly exports: unknown;
  /** Files of the user's own that were bundled, the file itself first. */
  readonly files: readonly string[];
}

const TENSORFLOW = Symbol.for("kernelscope.tensorflow");
const BINDINGS = Symbol.for("kernelscope.bindings");

type Globals = Record<symbol, unknown>;

/** @param onRead told of the files that are about to be run */
export async function evaluate(
  file: string,
  code: string,
  bindings: readonly Binding[],
  onRead?: (files: readonly string[]) => void,
): Promise<Evaluated> {
  const bundle = await bundleCode(file, code, bindings);
  onRead?.(bundle.files);
  const globals = globalThis as unknown as Globals;
  let bound: Record<string, () => unknown> = {};
  globals[TENSORFLOW] = tensorflowModule;
  globals[BINDINGS] = (getters: typeof bound) => (bound = getters);
  // User errors are placed by their stack, of which V8 keeps but ten frames by default.
  Error.stackTraceLimit = Math.max(Error.stackTraceLimit, 100);
  const exports = bundle.format === "cjs" ? evaluateScript(bundle, file) : await evaluateModule(bundle);
  return { bindings: bound, exports, files: bundle.files };
}

interface Bundle {
  readonly code: string;
  readonly sourceMap: string;
  /** The name under which the code runs; source map entries are relative to its folder. */
  readonly name: string;
  readonly format: "cjs" | "esm";
  readonly files: readonly string[];
}

async function bundleCode(file: string, code: string, bindings: readonly Binding[]): Promise<Bundle> {
  try {
    return await runEsbuild(file, code, bindings, "cjs");
  } catch (error) {
    // CommonJS has no `await` at the top level; modules of their own do.
    const usesAwait = (error as Partial<BuildFailure>).errors?.some(({ text }) => /top-level await/i.test(text));
    if (!usesAwait) throw syntaxError(error, file) ?? error;
  }
  try {
    return await runEsbuild(file, code, bindings, "esm");
  } catch (error) {
    throw syntaxError(error, file) ?? error;
  }
}

async function runEsbuild(
  file: string,
  code: string,
  bindings: readonly Binding[],
  format: "cjs" | "esm",
): Promise<Bundle> {
  const name = join(dirname(file), `.${basename(file)}.kernelscope.js`);
  const require = `import { createRequire as $require } from "node:module"; const require = $require(${JSON.stringify(file)});`;
  const { outputFiles, metafile } = await esbuild.build({
    entryPoints: [file],
    outfile: name,
    write: false,
    metafile: true,
    bundle: true,
    platform: "node",
    target: "node20",
    format,
    sourcemap: "external",
    sourcesContent: false,
    logLevel: "silent",
    legalComments: "none",
    keepNames: true,
    loader: { ".node": "copy" },
    define: {
      "import.meta.url": JSON.stringify(pathToFileURL(file).href),
      "import.meta.dirname": JSON.stringify(dirname(file)),
      "import.meta.filename": JSON.stringify(file),
    },
    banner: { js: format === "esm" ? require : "" },
    plugins: [ours(), nativeModules(), withBindings(file, code, bindings)],
  });
  const text = (ending: string): string => outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? "";
  return { code: text(".js"), sourceMap: text(".js.map"), name, format, files: filesOf(file, metafile) };
}

/** Without packages, and without what plugins made up. */
function filesOf(file: string, { inputs, outputs }: Metafile): string[] {
  const entries = Object.values(outputs).map(({ entryPoint }) => entryPoint);
  const others = Object.keys(inputs).filter((path) => {
    return !entries.includes(path) && !/^(?:[a-z-]{2,}|\(disabled\)):|(?:^|\/)node_modules\//.test(path);
  });
  return [file, ...others.map((path) => resolve(path))];
}

/** Imports of TensorFlow.js, also from packages of the user's, reach our instance. */
function ours(): Plugin {
  return {
    name: "tensorflow",
    setup(build) {
      build.onResolve({ filter: tensorflowPackages }, ({ path }) => ({ path, namespace: "tensorflow" }));
      build.onLoad({ filter: /.*/, namespace: "tensorflow" }, ({ path }) => ({
        contents: `module.exports = globalThis[Symbol.for("kernelscope.tensorflow")](${JSON.stringify(path)})`,
        loader: "js",
      }));
    },
  };
}

/** Compiled add-ons stay where they are. */
function nativeModules(): Plugin {
  return {
    name: "native",
    setup(build) {
      build.onResolve({ filter: /\.node$/ }, ({ path, resolveDir }) => ({
        path: path.startsWith(".") ? join(resolveDir, path) : path,
        external: true,
      }));
    },
  };
}

/** Makes the file's top-level bindings readable from outside, with a line at its end, so that no line moves. */
function withBindings(file: string, code: string, bindings: readonly Binding[]): Plugin {
  const getters = bindings.map(({ name }) => `${JSON.stringify(name)}: () => ${name}`).join(", ");
  return {
    name: "bindings",
    setup(build) {
      // A file behind a symbolic link keeps the name that the user knows it by, and imports from where it really is.
      build.onResolve({ filter: /.*/ }, ({ kind }) => (kind === "entry-point" ? { path: file } : null));
      build.onLoad({ filter: /.*/, namespace: "file" }, ({ path }) =>
        path === file
          ? {
              contents: `${code}\n;globalThis[Symbol.for("kernelscope.bindings")]({ ${getters} });`,
              loader: loaderOf(file),
              resolveDir: dirname(realpathSync(file)),
            }
          : null,
      );
    },
  };
}

function evaluateScript(bundle: Bundle, file: string): unknown {
  registerBundle(bundle.name, bundle.sourceMap);
  const run = compileFunction(bundle.code, ["exports", "require", "module", "__filename", "__dirname"], {
    filename: bundle.name,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  }) as (...args: unknown[]) => void;
  const module = { exports: {} as unknown };
  run(module.exports, createRequire(file), module, file, dirname(file));
  return module.exports;
}

/** Node's own import, also where this program was loaded from V8's code cache, in which `import()` does not work. */
const importModule = compileFunction("return import(url)", ["url"], {
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
}) as (url: string) => Promise<unknown>;

/** A module has to be a file; it lives for as long as it takes to load it. */
async function evaluateModule(bundle: Bundle): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), "kernelscope-"));
  const path = join(folder, "model.mjs");
  try {
    writeFileSync(path, bundle.code);
    registerBundle(path, bundle.sourceMap, bundle.name);
    return await importModule(pathToFileURL(path).href);
  } catch (error) {
    if (error instanceof SyntaxError) forgetBundle(path);
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
